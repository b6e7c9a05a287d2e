import GRPCEdge
import Logging

/// Writes a line at debug level for every call that has ended.
struct CallLog: Sendable {
    let logger: Logger

    func ended(_ end: CallEnd) {
        guard logger.logLevel <= .debug else { return }
        var metadata = end.context.map { CallOrigin($0).metadata } ?? [:]
        metadata["method"] = "\(end.path ?? CallMetrics.otherMethod)"
        metadata["code"] = "\(CallMetrics.codes[end.code])"
        metadata["duration_ms"] = "\(Int(end.duration / .milliseconds(1)))"
        logger.debug("a call ended", metadata: metadata)
    }
}
