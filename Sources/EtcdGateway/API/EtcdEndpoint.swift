/// The address of one etcd member's client port.
package struct EtcdEndpoint: Hashable, Sendable, CustomStringConvertible {
    /// How the member is spoken to.
    package enum Scheme: String, Hashable, Sendable {
        case http, https
    }

    package let scheme: Scheme
    /// A host name or an IP address; IPv6 without its brackets.
    package let host: String
    /// 1...65,535.
    package let port: Int

    package init(scheme: Scheme, host: String, port: Int) {
        precondition((1...65_535).contains(port), "a TCP port is 1...65535")
        self.scheme = scheme
        self.host = host
        self.port = port
    }

    /// Reads `https://host:port`; without a port, etcd's 2379 is meant.
    ///
    /// - Throws: An error of code `configuration` for anything else: another scheme, a user name,
    ///   a path, a query, a port outside 1...65,535 or a character that no host name has.
    package init(parsing text: String) throws(EtcdError) {
        guard let parts = EndpointParts(text) else {
            throw EtcdError(
                failureClass: .notSent, code: .configuration,
                message: "an endpoint must look like https://host:port")
        }
        self.init(scheme: parts.scheme, host: parts.host, port: parts.port)
    }

    /// `host:port`, with an IPv6 address in brackets.
    package var hostPort: String {
        host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    package var description: String { "\(scheme.rawValue)://\(hostPort)" }
}

/// The pieces of an endpoint's text, or nil where the text is not one.
private struct EndpointParts {
    var scheme: EtcdEndpoint.Scheme
    var host: String
    var port: Int

    init?(_ text: String) {
        guard let schemeEnd = text.firstRange(of: "://"),
            let scheme = EtcdEndpoint.Scheme(
                rawValue: text[..<schemeEnd.lowerBound].lowercased())
        else { return nil }
        var rest = text[schemeEnd.upperBound...]
        if rest.hasSuffix("/") { rest.removeLast() }
        guard let (host, portText) = Self.split(rest), !host.isEmpty else { return nil }
        self.scheme = scheme
        self.host = String(host)
        guard let portText else {
            port = 2379
            return
        }
        guard portText.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = Int(portText), (1...65_535).contains(port)
        else { return nil }
        self.port = port
    }

    private static func split(_ rest: Substring) -> (host: Substring, port: Substring?)? {
        if rest.hasPrefix("[") {
            guard let end = rest.firstIndex(of: "]") else { return nil }
            let host = rest[rest.index(after: rest.startIndex)..<end]
            guard
                host.utf8.allSatisfy({
                    isHexDigit($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".")
                }),
                host.utf8.contains(UInt8(ascii: ":"))
            else { return nil }
            let tail = rest[rest.index(after: end)...]
            if tail.isEmpty { return (host, nil) }
            return tail.hasPrefix(":") ? (host, tail.dropFirst()) : nil
        }
        let pieces = rest.split(separator: ":", omittingEmptySubsequences: false)
        guard pieces.count <= 2, pieces[0].utf8.allSatisfy(isHostByte) else { return nil }
        return (pieces[0], pieces.count == 2 ? pieces[1] : nil)
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
