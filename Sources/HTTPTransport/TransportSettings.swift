/// How a transport reaches its peers: identity, and the bounds of connections and answers.
package struct TransportSettings: Sendable {
    /// Which protocols may be spoken.
    package enum Protocols: Sendable {
        case httpsOnly
        case httpAndHTTPS
    }

    /// Which header fields of an answer are kept.
    package enum KeptFields: Sendable {
        case all
        /// Those with these names, in lower case.
        case only([String])
    }

    /// The name of the transport's thread for debuggers; at most 15 characters.
    package var threadName: String
    package var protocols = Protocols.httpsOnly
    /// What is shown and believed, where it may be replaced while the transport works; the three files below are for
    /// programs that end soon, and do not count beside it.
    package var credentials: TransportCredentials?
    /// PEM file of the only authorities that may have signed a peer's certificate; without it the system's
    /// authorities are believed.
    package var caCertificatePath: String?
    /// PEM file of this client's certificate.
    package var clientCertificatePath: String?
    /// PEM file of the key that belongs to the client's certificate; without a pass phrase.
    package var clientKeyPath: String?
    /// Most connections at any time, over all peers.
    package var maxConnections = 16
    /// Most connections kept while nothing uses them.
    package var maxIdleConnections = 4
    /// Most requests that wait while every connection carries as many as it can; further ones are refused at once.
    package var maxWaitingRequests = 1024
    /// A connection older than this takes no new request; zero means no limit.
    package var connectionMaxLifetime = Duration.seconds(3600)
    /// A connection unused for longer than this takes no new request.
    package var connectionMaxIdleTime = Duration.seconds(900)
    /// The longest wait for name resolution, TCP and TLS together.
    package var connectTimeout = Duration.seconds(5)
    /// How long a peer may leave requests unanswered before its connections are given up.
    package var longestSilence = Duration.seconds(10)
    /// How long a peer's machine may leave bytes unacknowledged, probes unanswered, or its window closed: one that is
    /// gone, or has a new address, leaves the old connection behind without a word. A peer that is merely busy
    /// acknowledges.
    package var unacknowledgedTimeout = Duration.milliseconds(1_500)
    /// The longest body of an answer, in bytes, unless a request allows less.
    package var maxAnswerBytes = 1 << 20
    package var keptFields = KeptFields.all

    package init(threadName: String) {
        self.threadName = threadName
    }

    /// In libcurl's notation.
    var protocolNames: String {
        switch protocols {
        case .httpsOnly: "https"
        case .httpAndHTTPS: "http,https"
        }
    }
}

extension Duration {
    /// Rounded up, and never negative.
    package var wholeMilliseconds: Int {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let unit: Int64 = 1_000_000_000_000_000
        return Int(seconds) * 1000 + Int((attoseconds + unit - 1) / unit)
    }
}
