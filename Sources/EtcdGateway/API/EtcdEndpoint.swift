internal import HTTPTransport

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
        guard
            let origin = HTTPOrigin(
                parsing: text.hasSuffix("/") ? text.dropLast() : text[...],
                defaultPort: { _ in 2379 })
        else {
            throw EtcdError(
                failureClass: .notSent, code: .configuration,
                message: "an endpoint must look like https://host:port")
        }
        self.init(
            scheme: origin.scheme == .https ? .https : .http, host: origin.host, port: origin.port)
    }

    /// The address as the transport takes it.
    var origin: HTTPOrigin {
        HTTPOrigin(scheme: scheme == .https ? .https : .http, host: host, port: port)
    }

    /// `host:port`, with an IPv6 address in brackets.
    package var hostPort: String { origin.hostPort }

    package var description: String { origin.description }
}
