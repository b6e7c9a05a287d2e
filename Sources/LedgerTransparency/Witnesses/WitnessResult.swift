/// How one request to a witness ended: the label `result` of `ledger_witness_requests_total`.
package enum WitnessResult: String, Sendable, Hashable, CaseIterable {
    /// 200 with a valid cosignature of the configured key.
    case cosigned
    /// 409: the witness has cosigned another size.
    case otherSize = "other_size"
    /// 409 at the very size that was sent: the witness has cosigned another root.
    case otherRoot = "other_root"
    /// 422: the checkpoint does not continue what the witness has cosigned.
    case inconsistent
    /// 404: the witness does not know this ledger.
    case unknownLog = "unknown_log"
    /// 403: the witness does not know the key that has signed.
    case unknownKey = "unknown_key"
    /// 400: the witness does not understand the request.
    case refused
    /// 200 without a valid cosignature of the configured key, or with a time that cannot be.
    case badCosignature = "bad_cosignature"
    /// 429 or 5xx.
    case unavailable
    /// Another status, or an answer that is none.
    case malformed
    /// No answer in time.
    case timeout
    /// No connection, or one that broke; TLS that does not verify.
    case unreachable
    /// The consistency proof could not be made, so that nothing was sent.
    case noProof = "no_proof"

    /// What people are told.
    package var sentence: String {
        switch self {
        case .cosigned: "cosigns"
        case .otherSize: "names another size each time"
        case .otherRoot: "has cosigned another checkpoint of the same size"
        case .inconsistent: "finds that the checkpoint does not continue what it has cosigned"
        case .unknownLog: "does not know this ledger's origin"
        case .unknownKey: "does not know the key that signs this ledger's checkpoints"
        case .refused: "does not understand the request"
        case .badCosignature: "answers without a valid cosignature of its configured key"
        case .unavailable: "is unavailable"
        case .malformed: "answers what no witness answers"
        case .timeout: "does not answer in time"
        case .unreachable: "cannot be reached"
        case .noProof: "was not asked, for there is no consistency proof"
        }
    }

    /// Whether the witness says that it knows another past of this ledger.
    var isContradiction: Bool { self == .otherRoot || self == .inconsistent }
}
