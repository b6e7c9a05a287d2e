/// One POST, on its way from a caller to the thread that owns libcurl.
struct TransferRequest: Sendable {
    /// Unlike that of any other request of this transport.
    let id: UInt64
    let endpoint: EtcdEndpoint
    let path: StaticString
    let body: [UInt8]
    /// What goes into the `Authorization` header.
    let token: String?
    /// When a connection must have been found and the request be on its way.
    let connectDeadline: ContinuousClock.Instant
    /// When the answer must have been read.
    let deadline: ContinuousClock.Instant
    let continuation: CheckedContinuation<Result<HTTPAnswer, TransferFailure>, Never>
}
