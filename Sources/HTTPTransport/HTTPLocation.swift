/// Whom a request goes to: a scheme, a host and a port.
package struct HTTPOrigin: Hashable, Sendable, CustomStringConvertible {
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

    /// Reads `https://host:port`, or `https://host` where a default is given.
    ///
    /// Nil for anything else: another scheme, a user name, a path, a query, a port outside 1...65,535 or a character
    /// that no host name has.
    ///
    /// - Parameter defaultPort: What no port means, for a scheme.
    package init?(parsing text: some StringProtocol, defaultPort: (Scheme) -> Int) {
        guard let schemeEnd = text.firstRange(of: "://"),
            let scheme = Scheme(rawValue: text[..<schemeEnd.lowerBound].lowercased()),
            let (host, portText) = Self.split(Substring(text[schemeEnd.upperBound...])),
            !host.isEmpty
        else { return nil }
        self.scheme = scheme
        self.host = String(host)
        guard let portText else {
            port = defaultPort(scheme)
            return
        }
        guard portText.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = Int(portText), (1...65_535).contains(port)
        else { return nil }
        self.port = port
    }

    /// `host:port`, with an IPv6 address in brackets.
    package var hostPort: String {
        host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    package var description: String { "\(scheme.rawValue)://\(hostPort)" }

    /// Whether the host is this machine, whatever names are resolved to.
    package var isLoopback: Bool {
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
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

/// A URL that a setting gives: an origin and a path.
package struct HTTPLocation: Hashable, Sendable, CustomStringConvertible {
    package let origin: HTTPOrigin
    /// Empty, or begins with a slash.
    package let path: String

    package init(origin: HTTPOrigin, path: String) {
        self.origin = origin
        self.path = path
    }

    /// Reads `https://host:port/path`; the port is the scheme's where none is given.
    ///
    /// Nil for anything else: another scheme, a user name, a query, a fragment, or characters that no URL has.
    package init?(parsing text: some StringProtocol) {
        guard let schemeEnd = text.firstRange(of: "://") else { return nil }
        let pathStart = text[schemeEnd.upperBound...].firstIndex(of: "/") ?? text.endIndex
        guard
            let origin = HTTPOrigin(
                parsing: text[..<pathStart], defaultPort: { $0 == .https ? 443 : 80 })
        else { return nil }
        self.origin = origin
        path = String(text[pathStart...])
        guard HTTPTarget.isValid(path), !path.contains("?") else { return nil }
    }

    package var description: String { "\(origin)\(path)" }
}

/// The rule for what is asked of an origin: a path with or without a query.
enum HTTPTarget {
    /// Whether the text has nothing in it but the characters of a URL, percent-encoded where others are meant.
    static func isValid(_ text: String) -> Bool {
        text.utf8.allSatisfy { byte in
            (0x21...0x7E).contains(byte) && !forbidden.contains(byte)
        }
    }

    private static let forbidden = Set(##""#<>\^`{|}"##.utf8)
}
