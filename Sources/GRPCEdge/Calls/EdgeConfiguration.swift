/// What a port's guards are told by the service behind it.
package struct EdgeConfiguration: Sendable {
    package var limits: EdgeLimits
    /// The methods by path; a call of any other is refused.
    package var shapes: [String: CallShape]
    /// Headers that are handed on beside those of the protocol, in lower case. All others are dropped: what the service
    /// does not read, nothing behind the guards has to parse.
    package var furtherHeaders: Set<String>
    /// Whether a value of `grpc-timeout` is of the protocol's form.
    package var acceptsTimeout: @Sendable (String) -> Bool
    /// The status with which a call is refused; the shape is nil where the method is not known.
    package var status: @Sendable (Refusal, CallShape?) -> RefusalStatus

    package init(
        limits: EdgeLimits, shapes: [String: CallShape], furtherHeaders: Set<String> = [],
        acceptsTimeout: @escaping @Sendable (String) -> Bool,
        status: @escaping @Sendable (Refusal, CallShape?) -> RefusalStatus
    ) {
        self.limits = limits
        self.shapes = shapes
        self.furtherHeaders = furtherHeaders
        self.acceptsTimeout = acceptsTimeout
        self.status = status
    }
}
