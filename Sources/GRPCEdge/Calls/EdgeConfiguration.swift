package import NIOCore

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

    /// The methods that are served without the gRPC library, where there are any.
    package var direct: Direct?

    /// Whether calls' names and traces are kept: for the log and whoever else asks for them.
    package var keepsContext: Bool

    /// Asked with every call whose context is kept, on its event loop, for who records it; nil where nobody does.
    package var callBegan: (@Sendable (CallBegin) -> (any CallRecorder)?)?

    /// Told of every call when it has ended, on its event loop; nil where nobody counts them.
    package var callEnded: (@Sendable (CallEnd) -> Void)?

    /// Methods and who serves them.
    package struct Direct: Sendable {
        /// Some of `shapes`: a unary one, where there is one, and one with streams in both directions.
        package var unaryPath: String?
        package var streamPath: String
        /// Asked once for a connection, on its event loop, with the first call: its peer is known by then.
        package var service: @Sendable (any Channel) -> DirectService

        package init(
            unaryPath: String? = nil, streamPath: String,
            service: @escaping @Sendable (any Channel) -> DirectService
        ) {
            self.unaryPath = unaryPath
            self.streamPath = streamPath
            self.service = service
        }

        func serves(_ path: String) -> Bool { path == unaryPath || path == streamPath }
    }

    package init(
        limits: EdgeLimits, shapes: [String: CallShape], furtherHeaders: Set<String> = [],
        direct: Direct? = nil, keepsContext: Bool = false,
        callBegan: (@Sendable (CallBegin) -> (any CallRecorder)?)? = nil,
        callEnded: (@Sendable (CallEnd) -> Void)? = nil,
        acceptsTimeout: @escaping @Sendable (String) -> Bool,
        status: @escaping @Sendable (Refusal, CallShape?) -> RefusalStatus
    ) {
        self.limits = limits
        self.shapes = shapes
        self.furtherHeaders = furtherHeaders
        self.direct = direct
        self.keepsContext = keepsContext
        self.callBegan = callBegan
        self.callEnded = callEnded
        self.acceptsTimeout = acceptsTimeout
        self.status = status
    }
}
