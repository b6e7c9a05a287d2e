#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The text of a host as a setting may name it: an IP address or a DNS name, never with a port.
enum HostName {
    /// What is accepted, for errors.
    static let accepted = "an IP address or a host name, without a port"

    /// The host without the brackets of an IPv6 address; nil where it is none.
    static func parse(_ text: String) -> String? {
        if text.hasPrefix("["), text.hasSuffix("]") {
            let inner = String(text.dropFirst().dropLast())
            return isIPv6(inner) ? inner : nil
        }
        return isIPv6(text) || isIPv4(text) || isDNSName(text) ? text : nil
    }

    /// Whether the text is an IP address, without brackets.
    static func isAddress(_ text: String) -> Bool {
        isIPv6(text) || isIPv4(text)
    }

    private static func isIPv4(_ text: String) -> Bool {
        var address = in_addr()
        return inet_pton(AF_INET, text, &address) == 1
    }

    private static func isIPv6(_ text: String) -> Bool {
        var address = in6_addr()
        return inet_pton(AF_INET6, text, &address) == 1
    }

    /// Labels of letters, digits, `-` and `_`. A last label of digits is a mistyped IPv4 address.
    private static func isDNSName(_ text: String) -> Bool {
        guard (1...253).contains(text.utf8.count) else { return false }
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        guard let last = labels.last, !last.utf8.allSatisfy(isDigit) else { return false }
        return labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.utf8.first != UInt8(ascii: "-")
                && label.utf8.last != UInt8(ascii: "-")
                && label.utf8.allSatisfy { byte in
                    isDigit(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                }
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
