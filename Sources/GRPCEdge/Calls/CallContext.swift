import NIOHPACK
import Synchronization

/// By what the lines of one call are found again: the name that the caller gave its request, or one that is made here, and
/// the caller's trace context. Kept only where somebody asks for it (`EdgeConfiguration.keepsContext`).
package struct CallContext: Sendable, Hashable {
    /// The header in which a caller may name its request.
    package static let requestIDName = "x-request-id"
    /// W3C Trace Context.
    package static let traceParentName = "traceparent"
    /// The request's name, as it is handed on to the gRPC library.
    package static let handedOnName = "ledger-request-id"
    /// What names the call's own record, likewise.
    package static let spanName = "ledger-span"

    /// The longest name that is taken from a caller, in bytes; of a longer one nothing is taken.
    static let maxNameBytes = 128
    /// The longest trace context that is looked at, in bytes; version 00 has 55.
    static let maxTraceBytes = 256

    /// Tells the calls of this process from those of others, and of its former lives.
    private static let process = String(UInt32.random(in: .min ... .max), radix: 16)
    private static let count = Atomic<UInt64>(0)

    /// The caller's name of the request, printable ASCII without spaces; else one of this process's.
    package let requestID: String
    /// What the caller sent as `traceparent`, not looked into; nil where there is none, or more than one.
    package let traceParent: String?
    /// Who records the call; nil where nobody does.
    package var recording: CallRecording?

    init(_ headers: HPACKHeaders) {
        var named: String?
        var traces: [String] = []
        for (name, value, _) in headers {
            if name == Self.requestIDName, Self.isName(value) { named = value }
            if name == Self.traceParentName, value.utf8.count <= Self.maxTraceBytes {
                traces.append(value)
            }
        }
        requestID = named ?? Self.newName()
        traceParent = traces.count == 1 ? traces[0] : nil
    }

    private static func isName(_ text: String) -> Bool {
        (1...maxNameBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { (33...126).contains($0) }
    }

    private static func newName() -> String {
        let number = count.wrappingAdd(1, ordering: .relaxed).newValue
        return "\(process)-\(number)"
    }
}
