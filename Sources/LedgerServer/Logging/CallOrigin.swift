package import GRPCCore
package import GRPCEdge
package import Logging

/// By what the lines of one call are found again, with its trace context read.
package struct CallOrigin: Sendable, Hashable {
    package let requestID: String
    /// Nil where the caller sent none, or none that is valid.
    package let trace: TraceParent?

    package init(_ context: CallContext) {
        requestID = context.requestID
        trace = TraceParent(context.traceParent)
    }

    /// The same of a call that the gRPC library serves; nil where its port keeps nothing of that.
    package init?(_ metadata: Metadata) {
        func value(_ name: String) -> String? {
            metadata[stringValues: name].first { _ in true }
        }
        guard let requestID = value(CallContext.handedOnName) else { return nil }
        self.requestID = requestID
        trace = TraceParent(value(CallContext.traceParentName))
    }

    /// What every line about the call carries.
    package var metadata: Logger.Metadata {
        var metadata: Logger.Metadata = ["request_id": "\(requestID)"]
        if let trace {
            metadata["trace_id"] = "\(trace.traceID)"
            metadata["parent_id"] = "\(trace.parentID)"
        }
        return metadata
    }
}
