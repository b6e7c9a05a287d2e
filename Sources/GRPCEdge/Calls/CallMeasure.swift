import NIOCore
import NIOHPACK

/// How a call ended, for metrics.
package struct CallEnd: Sendable, Hashable {
    /// The method's path, where it is one of the port's; nil for any other, which callers may name as they like.
    package let path: String?
    /// The gRPC status code, 0...16: 1 (CANCELLED) where the caller left before it was answered, 2 (UNKNOWN) where what
    /// was answered is none.
    package let code: Int
    /// From the moment when its headers were there to the moment when its last answer was written.
    package let duration: Duration
    /// By what its lines in the log are found; nil where that is not kept.
    package let context: CallContext?
}

/// Takes the time of one call, and tells once how it ended.
///
/// All that callers are answered passes through the guard of their call, whoever answers it: so this is the one place
/// where every call is counted alike.
struct CallMeasure {
    private enum Phase {
        case waiting
        case open(path: String?, arrival: UInt64)
        case over
    }

    private var phase = Phase.waiting
    private(set) var context: CallContext?

    /// The headers are there.
    mutating func begin(
        _ headers: HPACKHeaders, at arrival: UInt64, _ configuration: EdgeConfiguration
    ) {
        if configuration.keepsContext { context = CallContext(headers) }
        guard configuration.callEnded != nil || configuration.callBegan != nil else {
            phase = .over
            return
        }
        let path = headers.first(name: ":path").flatMap {
            configuration.shapes[$0] == nil ? nil : $0
        }
        if let callBegan = configuration.callBegan {
            let begin = CallBegin(
                path: path, traceParent: context?.traceParent, arrival: arrival)
            context?.recording = callBegan(begin).map { CallRecording(recorder: $0) }
        }
        phase = .open(path: path, arrival: arrival)
    }

    /// The call is answered with these trailers.
    mutating func end(_ trailers: HPACKHeaders, _ configuration: EdgeConfiguration) {
        let code = trailers.first(name: "grpc-status").flatMap { Int($0) }
        end(code.flatMap { (0...16).contains($0) ? $0 : nil } ?? 2, configuration)
    }

    /// The call's channel is gone: where nothing was answered, nobody waits for it any more.
    mutating func cancelled(_ configuration: EdgeConfiguration) { end(1, configuration) }

    private mutating func end(_ code: Int, _ configuration: EdgeConfiguration) {
        guard case .open(let path, let arrival) = phase else { return }
        phase = .over
        context?.recording?.recorder.ended(code: code)
        let now = NIODeadline.now().uptimeNanoseconds
        let length = Int64(clamping: now > arrival ? now - arrival : 0)
        configuration.callEnded?(
            CallEnd(path: path, code: code, duration: .nanoseconds(length), context: context))
    }
}
