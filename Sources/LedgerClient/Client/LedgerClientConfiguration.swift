public import LedgerVerify

/// Settings of a ``LedgerClient``.
public struct LedgerClientConfiguration: Sendable {
    /// The service to connect to.
    public var address: ServerAddress

    /// How the connection is protected.
    public var security: TransportSecurity

    /// How long one attempt of a submission may take. The service is told, and answers at least
    /// 5 ms before. It rejects what it cannot seal in time instead of sealing it late.
    public var submissionDeadline: Duration

    /// How long one attempt of a read may take.
    public var readDeadline: Duration

    /// How long ``LedgerClient/verify(first:last:)`` may take; nil is without a limit.
    public var verificationDeadline: Duration?

    /// When and how often a submission, or a read, is tried again.
    public var retryPolicy: RetryPolicy

    /// Whether every event that the service returns is hashed again here, and refused as
    /// ``LedgerError/Kind-swift.enum/corrupt`` where the result is not its `eventHash`.
    public var checksHashes: Bool

    /// How many events of a stream may be unanswered, or answered and not yet taken by the consumer.
    public var streamWindow: Int

    /// How long a stream of submissions may stay without the answer that is due next before it is
    /// given up, and its unanswered events are submitted again.
    public var streamStallTimeout: Duration

    /// The ledger's verifier keys, of which one must have signed every checkpoint and receipt that comes; several where
    /// the key was changed. Empty: signatures are not checked. Have them from the ledger's operator, never from the
    /// service itself.
    public var verifierKeys: [VerifierKey]

    /// Creates a configuration; everything but the address has a default.
    public init(
        address: ServerAddress,
        security: TransportSecurity = .plaintext,
        submissionDeadline: Duration = .milliseconds(100),
        readDeadline: Duration = .seconds(5),
        verificationDeadline: Duration? = nil,
        retryPolicy: RetryPolicy = RetryPolicy(),
        checksHashes: Bool = true,
        streamWindow: Int = 1024,
        streamStallTimeout: Duration = .seconds(5),
        verifierKeys: [VerifierKey] = []
    ) {
        precondition(streamWindow > 0, "streamWindow must be positive")
        self.address = address
        self.security = security
        self.submissionDeadline = submissionDeadline
        self.readDeadline = readDeadline
        self.verificationDeadline = verificationDeadline
        self.retryPolicy = retryPolicy
        self.checksHashes = checksHashes
        self.streamWindow = streamWindow
        self.streamStallTimeout = streamStallTimeout
        self.verifierKeys = verifierKeys
    }
}
