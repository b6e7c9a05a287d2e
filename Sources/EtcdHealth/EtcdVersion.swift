/// A release of etcd, as its status tells it.
package struct EtcdVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The three numbers.
    package let major, minor, patch: Int

    /// Reads `3.5.21`, also with a suffix such as `-rc.1`; nil for anything else.
    package init?(_ text: String) {
        let release = text.prefix { $0 != "-" && $0 != "+" }
        let parts = release.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 3, let major = parts[0], let minor = parts[1], let patch = parts[2],
            major >= 0, minor >= 0, patch >= 0
        else { return nil }
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// Whether this release can lose committed transactions after a crash: 3.5.0 to 3.5.2.
    package var canLoseData: Bool {
        major == 3 && minor == 5 && patch <= 2
    }

    package var description: String { "\(major).\(minor).\(patch)" }

    package static func < (left: EtcdVersion, right: EtcdVersion) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }
}
