package import HTTPTransport

/// How etcd is reached: addresses, identity, and the bounds of connections and requests.
package struct EtcdConfiguration: Sendable {
    /// The members' client addresses; at least one.
    package var endpoints: [EtcdEndpoint]
    /// PEM file of the authorities that may have signed a member's certificate; without it the
    /// system's authorities are believed.
    package var caCertificatePath: String?
    /// PEM file of this client's certificate. With etcd's RBAC it must have no CommonName, or
    /// every call is refused with 400.
    package var clientCertificatePath: String?
    /// PEM file of the key that belongs to the client's certificate.
    package var clientKeyPath: String?
    /// What these three files hold, where it may be replaced while the client works; then it is used instead of them.
    package var credentials: TransportCredentials?
    /// The etcd user, where etcd's RBAC is on.
    package var username: String?
    package var password: String?
    /// Reads the password again for every login, where it is kept in a file; nil from it: what is known is used.
    package var readsPassword: (@Sendable () -> String?)?
    /// Most connections at any time, over all members.
    package var maxConnections = 25
    /// Most connections kept while nothing uses them.
    package var maxIdleConnections = 5
    /// Most requests that wait while every connection carries as many as it can; further ones are refused as `busy`.
    package var maxWaitingRequests = 256
    /// A connection older than this takes no new request; zero means no limit.
    package var connectionMaxLifetime = Duration.seconds(3600)
    /// A connection unused for longer than this takes no new request.
    package var connectionMaxIdleTime = Duration.seconds(900)
    /// The longest wait for one answer where a request names no deadline.
    package var requestTimeout = Duration.milliseconds(1000)
    /// The longest wait for name resolution, TCP and TLS together.
    package var connectTimeout = Duration.milliseconds(500)
    /// Whether a read that one member did not answer in time is asked of another one. Who reads pages decides for
    /// himself: a page that takes too long may be too large for any.
    package var asksOthersAfterTimeout = true
    /// The longest answer that is read, in bytes of its body.
    package var maxResponseBytes = 16 * 1024 * 1024

    package init(
        endpoints: [EtcdEndpoint], caCertificatePath: String? = nil,
        clientCertificatePath: String? = nil, clientKeyPath: String? = nil,
        username: String? = nil, password: String? = nil
    ) {
        self.endpoints = endpoints
        self.caCertificatePath = caCertificatePath
        self.clientCertificatePath = clientCertificatePath
        self.clientKeyPath = clientKeyPath
        self.username = username
        self.password = password
    }
}
