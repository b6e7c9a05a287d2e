/// How soon, and by which member, a request is to be answered.
package struct EtcdRequestOptions: Sendable {
    /// How long the wait lasts, from the call on. Without one, each attempt may take
    /// `EtcdConfiguration.requestTimeout`.
    package var timeout: Duration?
    /// Members that are asked only when there is no other.
    package var avoiding: Set<EtcdEndpoint>
    /// The one member to ask; there is no failover then.
    package var only: EtcdEndpoint?
    /// Called before each attempt with the member that it goes to: who it was is known before it answers, if it does.
    package var onAttempt: (@Sendable (EtcdEndpoint) -> Void)?

    package init(
        timeout: Duration? = nil, avoiding: Set<EtcdEndpoint> = [],
        only: EtcdEndpoint? = nil, onAttempt: (@Sendable (EtcdEndpoint) -> Void)? = nil
    ) {
        self.timeout = timeout
        self.avoiding = avoiding
        self.only = only
        self.onAttempt = onAttempt
    }
}
