/// Where a ledger service listens: a host name or IP address, and a port.
public struct ServerAddress: Sendable, Hashable, CustomStringConvertible {
    /// The port on which ledger services listen unless they are told otherwise.
    public static let defaultPort = 50051

    /// A host name or an IP address; an IPv6 address stands here without brackets.
    public var host: String

    /// The TCP port, 1...65535.
    public var port: Int

    /// Creates an address from its parts.
    public init(host: String, port: Int = ServerAddress.defaultPort) {
        self.host = host
        self.port = port
    }

    /// Parses `host`, `host:port`, `1.2.3.4:port` or `[::1]:port`; nil where it is none of them.
    public init?(parsing text: String) {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            let host = String(text[text.index(after: text.startIndex)..<end])
            let rest = text[text.index(after: end)...]
            guard !host.isEmpty, let port = Self.port(after: rest) else { return nil }
            self.init(host: host, port: port)
            return
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), !parts[0].isEmpty else { return nil }
        guard !parts[0].contains(where: { $0.isWhitespace || $0 == "/" }) else { return nil }
        guard let port = parts.count == 1 ? Self.defaultPort : Self.portNumber(parts[1]) else {
            return nil
        }
        self.init(host: String(parts[0]), port: port)
    }

    /// The form that ``init(parsing:)`` reads.
    public var description: String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// The kind of the host, which decides how it is looked up and what a certificate must name.
    package var hostKind: HostKind {
        if host.contains(":") { return .ipv6 }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        let isIPv4 = parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
        return isIPv4 ? .ipv4 : .name
    }

    package enum HostKind: Sendable {
        case name
        case ipv4
        case ipv6
    }

    private static func port(after rest: Substring) -> Int? {
        if rest.isEmpty { return defaultPort }
        return rest.first == ":" ? portNumber(rest.dropFirst()) : nil
    }

    private static func portNumber(_ text: Substring) -> Int? {
        guard let port = UInt16(text), port > 0 else { return nil }
        return Int(port)
    }
}
