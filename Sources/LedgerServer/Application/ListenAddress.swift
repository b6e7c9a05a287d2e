import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The IP address that the ports are bound to.
enum ListenAddress {
    /// Every address of this machine, IPv4 too where the system maps it.
    static let everyAddress = "::"
    /// Every IPv4 address of this machine.
    static let everyIPv4Address = "0.0.0.0"

    /// The address that `LEDGER_BIND_ADDRESS` names.
    ///
    /// - Parameters:
    ///   - setting: an IP address, which is taken as it is; a host name, of whose addresses the first IPv4 one is
    ///     taken, else the first; nil for every address, IPv4 and IPv6.
    ///   - servesBoth: whether a socket bound to `::` also takes IPv4 connections here.
    /// - Throws: a name without an address.
    static func resolve(
        _ setting: String?, servesBoth: Bool = ListenAddress.servesBoth
    ) throws(ConfigurationError) -> String {
        guard let setting else { return servesBoth ? everyAddress : everyIPv4Address }
        if HostName.isAddress(setting) { return setting }
        guard let address = addresses(of: setting).first else {
            throw ConfigurationError(
                SettingName.bindAddress.rawValue, value: setting,
                accepted: "an address of this machine, or a name that has one; this name has none")
        }
        return address
    }

    /// Whether a new socket for IPv6 also takes IPv4 connections: not where IPv6 is off, or kept apart from IPv4
    /// (`net.ipv6.bindv6only`).
    static var servesBoth: Bool {
        let descriptor = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var isSeparate: Int32 = 1
        var length = socklen_t(MemoryLayout<Int32>.size)
        let option = getsockopt(
            descriptor, Int32(IPPROTO_IPV6), Int32(IPV6_V6ONLY), &isSeparate, &length)
        return option == 0 && isSeparate == 0
    }

    /// The addresses of a name, IPv4 first.
    private static func addresses(of name: String) -> [String] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var found: [(family: Int32, text: String)] = []
        var next = list
        while let info = next?.pointee {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let result = getnameinfo(
                info.ai_addr, info.ai_addrlen, &text, socklen_t(text.count), nil, 0,
                NI_NUMERICHOST)
            if result == 0 {
                let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
                found.append((info.ai_family, String(decoding: bytes, as: UTF8.self)))
            }
            next = info.ai_next
        }
        return found.filter { $0.family == AF_INET }.map(\.text)
            + found.filter { $0.family != AF_INET }.map(\.text)
    }
}
