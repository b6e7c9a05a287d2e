/// Records one call, where somebody traces it. Told on the call's event loop.
package protocol CallRecorder: AnyObject, Sendable {
    /// What names the record for what is done within the call: a `traceparent` of W3C Trace Context.
    var traceParent: String? { get }
    /// The call has ended; told once.
    ///
    /// - Parameter code: the gRPC status code, 0...16.
    func ended(code: Int)
}

/// The recorder of one call.
package struct CallRecording: Sendable, Hashable {
    package let recorder: any CallRecorder

    package static func == (one: Self, other: Self) -> Bool { one.recorder === other.recorder }

    package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(recorder)) }
}

/// What is known of a call when it begins.
package struct CallBegin: Sendable {
    /// The method's path, where it is one of the port's.
    package let path: String?
    /// As the caller sent it, not looked into.
    package let traceParent: String?
    /// When its headers were there, see `LoopClock`.
    package let arrival: UInt64
}
