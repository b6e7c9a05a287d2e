/// By when, and by which member, a request is to be answered.
package struct EtcdRequestOptions: Sendable {
    /// When the wait ends. Without one, each attempt may take `EtcdConfiguration.requestTimeout`.
    package var deadline: ContinuousClock.Instant?
    /// A member that is asked only when there is no other.
    package var avoiding: EtcdEndpoint?
    /// The one member to ask; there is no failover then.
    package var only: EtcdEndpoint?

    package init(
        deadline: ContinuousClock.Instant? = nil, avoiding: EtcdEndpoint? = nil,
        only: EtcdEndpoint? = nil
    ) {
        self.deadline = deadline
        self.avoiding = avoiding
        self.only = only
    }
}
