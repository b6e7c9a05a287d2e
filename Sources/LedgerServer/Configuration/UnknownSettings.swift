/// Finds names that look like settings and are none: most likely typing mistakes.
enum UnknownSettings {
    /// One line for each unknown name, without its value.
    ///
    /// Every `LEDGER_` name is expected to be a setting. etcd's own tools use `ETCD_` names, so of
    /// those, and of all others, only what is nearly a setting's name is told. In the `.env` file
    /// everything unknown is.
    static func warnings(environment: [String: String], file: [String: String]) -> [String] {
        let known = Set(
            SettingName.allCases.map(\.rawValue) + SettingName.allCases.compactMap(\.fileVariant))
        let fromFile = file.keys.filter { !known.contains($0) }
        let fromEnvironment = environment.compactMap { name, value -> String? in
            guard !known.contains(name), !isServiceLink(name, value) else { return nil }
            let isTold =
                name.hasPrefix("LEDGER_") || (isCandidate(name) && nearest(to: name) != nil)
            return isTold ? name : nil
        }
        return Set(fromFile).union(fromEnvironment).sorted().prefix(20).map { name in
            let hint = nearest(to: name).map { "; is \($0) meant?" } ?? ""
            return "\(name.prefix(100)) is not a setting of this service\(hint)"
        }
    }

    private static func isCandidate(_ name: String) -> Bool {
        name.hasPrefix("ETCD") || name.hasPrefix("LOG_") || name.hasPrefix("LEDGER")
    }

    /// What Kubernetes sets for every Service, for example `LEDGER_SERVICE_HOST`.
    private static func isServiceLink(_ name: String, _ value: String) -> Bool {
        name.contains("_SERVICE_HOST") || name.contains("_SERVICE_PORT")
            || name.contains("_TCP") || name.contains("_UDP") || value.hasPrefix("tcp://")
    }

    private static func nearest(to name: String) -> String? {
        guard name.utf8.count <= 40 else { return nil }
        let candidates = SettingName.allCases.map { known in
            (name: known.rawValue, distance: distance(name, known.rawValue))
        }
        let best = candidates.min { $0.distance < $1.distance }
        return best.flatMap { $0.distance <= 3 ? $0.name : nil }
    }

    /// How many letters must be put in, taken out or replaced (Levenshtein).
    private static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right.utf8)
        var row = Array(0...right.count)
        for (index, byte) in left.utf8.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in right.indices {
                let replaced = diagonal + (byte == right[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, row[column] + 1, row[column + 1] + 1)
            }
        }
        return row[right.count]
    }
}
