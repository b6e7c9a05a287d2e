import Logging

extension ServiceConfiguration {
    /// Reads every setting from the environment and from the working directory's `.env` file.
    ///
    /// - Parameters:
    ///   - environment: names and values; they override the file's. An empty value is an unset one.
    ///   - workingDirectory: where `.env` is looked for.
    /// - Throws: The first value that does not parse, is out of bounds or contradicts another.
    package static func load(
        environment: [String: String], workingDirectory: String
    ) throws(ConfigurationError) -> ServiceConfiguration {
        let file = try DotEnvFile.load(workingDirectory: workingDirectory)
        let reader = SettingReader(environment: environment, file: file)
        var result = ServiceConfiguration(etcd: try etcdConfiguration(reader))
        try result.readHealthChecks(reader)
        try result.readAddresses(reader)
        try result.readLimits(reader)
        try result.readKeys(reader)
        try result.readLogging(reader)
        result.warnings += UnknownSettings.warnings(environment: environment, file: file)
        return result
    }

    private mutating func readHealthChecks(_ reader: SettingReader) throws(ConfigurationError) {
        etcdHealthCheckInterval = try reader.seconds(
            .etcdHealthCheckInterval, default: 30, 1...3600)
        etcdPingTimeout = try reader.seconds(.etcdPingTimeout, default: 5, 1...60)
    }

    private mutating func readAddresses(_ reader: SettingReader) throws(ConfigurationError) {
        port = try reader.integer(.port, default: port, 0...65_535)
        internalPort = try reader.integer(.internalPort, default: internalPort, 0...65_535)
        adminPort = try reader.integer(.adminPort, default: adminPort, 0...65_535)
        try checkPortsDiffer()
        bindAddress = try Self.host(.bindAddress, reader) ?? bindAddress
        if let host = try Self.host(.advertiseAddress, reader) {
            advertiseAddress = host
        } else if let podIP = try Self.host(.podIP, reader) {
            advertiseAddress = podIP
        }
        try readInternalToken(reader)
    }

    private func checkPortsDiffer() throws(ConfigurationError) {
        let named: [(SettingName, Int)] = [
            (.port, port), (.internalPort, internalPort), (.adminPort, adminPort),
        ]
        for (index, (name, value)) in named.enumerated() where value != 0 {
            if let earlier = named[..<index].first(where: { $0.1 == value }) {
                throw ConfigurationError(
                    name.rawValue, value: "\(value)",
                    accepted: "a port other than that of \(earlier.0.rawValue), or 0")
            }
        }
    }

    private static func host(
        _ name: SettingName, _ reader: SettingReader
    ) throws(ConfigurationError) -> String? {
        guard let text = reader.text(name) else { return nil }
        guard let host = HostName.parse(text) else {
            throw ConfigurationError(name.rawValue, value: text, accepted: HostName.accepted)
        }
        return host
    }

    private mutating func readInternalToken(_ reader: SettingReader) throws(ConfigurationError) {
        internalToken = reader.text(.internalToken)
        guard let token = internalToken else { return }
        guard token.utf8.count <= 1024, token.utf8.allSatisfy({ (33...126).contains($0) }) else {
            throw ConfigurationError(
                secret: SettingName.internalToken.rawValue,
                accepted: "1...1024 printable ASCII characters without spaces")
        }
        if token.utf8.count < 16 {
            warnings.append(
                "\(SettingName.internalToken.rawValue) has fewer than 16 characters: easy to guess")
        }
    }

    private mutating func readLimits(_ reader: SettingReader) throws(ConfigurationError) {
        prefix = try Self.prefix(reader) ?? prefix
        commitDeadline = try reader.milliseconds(.commitDeadline, default: 50, 1...60_000)
        try readResolveDeadline(reader)
        maxPayloadBytes = try reader.integer(
            .maxPayloadBytes, default: maxPayloadBytes, 1...65_000, unit: "bytes")
        maxClockSkew = try reader.milliseconds(.maxClockSkew, default: 5000, 1...3_600_000)
        if maxClockSkew < .milliseconds(1000) {
            warnings.append(
                "\(SettingName.maxClockSkew.rawValue) is below a second, but etcd tells its time "
                    + "in whole seconds")
        }
        maxBatchEvents = try reader.integer(
            .maxBatchEvents, default: maxBatchEvents, 1...1024, unit: "events")
        maxQueuedEvents = try reader.integer(
            .maxQueuedEvents, default: max(maxQueuedEvents, maxBatchEvents), 1...1_048_576,
            unit: "events")
        guard maxQueuedEvents >= maxBatchEvents else {
            throw ConfigurationError(
                SettingName.maxQueuedEvents.rawValue, value: "\(maxQueuedEvents)",
                accepted: "at least \(SettingName.maxBatchEvents.rawValue) (\(maxBatchEvents))")
        }
        try readBounds(reader)
    }

    private mutating func readBounds(_ reader: SettingReader) throws(ConfigurationError) {
        maxQueuedBytes = try reader.integer(
            .maxQueuedBytes, default: maxQueuedBytes, 65_536...1 << 30, unit: "bytes")
        maxStreamEvents = try reader.integer(
            .maxStreamEvents, default: maxStreamEvents, 1...65_536, unit: "events")
        maxConcurrentCalls = try reader.integer(
            .maxConcurrentCalls, default: maxConcurrentCalls, 1...65_536, unit: "calls")
        cacheBytes = try reader.integer(
            .cacheBytes, default: cacheBytes, 0...1 << 30, unit: "bytes")
    }

    /// Where only the commit deadline is set, above the default of the resolve deadline, twice the
    /// contract is meant.
    private mutating func readResolveDeadline(
        _ reader: SettingReader
    ) throws(ConfigurationError) {
        let commit = commitDeadline / .milliseconds(1)
        let fallback = commit > 100 ? min(Int(commit) * 2, 60_000) : 100
        resolveDeadline = try reader.milliseconds(
            .resolveDeadline, default: fallback, 1...60_000)
        guard resolveDeadline >= commitDeadline else {
            throw ConfigurationError(
                SettingName.resolveDeadline.rawValue, value: reader.text(.resolveDeadline) ?? "",
                accepted: "at least \(SettingName.commitDeadline.rawValue) (\(Int(commit)))")
        }
    }

    private static func prefix(_ reader: SettingReader) throws(ConfigurationError) -> String? {
        guard let text = reader.text(.prefix) else { return nil }
        guard text.utf8.count <= 256, text.utf8.allSatisfy({ (33...126).contains($0) }) else {
            throw ConfigurationError(
                SettingName.prefix.rawValue, value: text,
                accepted: "1...256 printable ASCII characters without spaces")
        }
        return text
    }

    private mutating func readLogging(_ reader: SettingReader) throws(ConfigurationError) {
        if let text = reader.text(.logLevel) {
            guard let level = Logger.Level(rawValue: text.lowercased()) else {
                throw ConfigurationError(
                    SettingName.logLevel.rawValue, value: text,
                    accepted: Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))
            }
            logLevel = level
        }
        if let text = reader.text(.logFormat) {
            guard let format = LogFormat(rawValue: text.lowercased()) else {
                throw ConfigurationError(
                    SettingName.logFormat.rawValue, value: text,
                    accepted: LogFormat.allCases.map(\.rawValue).joined(separator: ", "))
            }
            logFormat = format
        }
    }
}
