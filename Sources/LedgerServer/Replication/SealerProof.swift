import Foundation
import GRPCCore
import LedgerAPI
import LedgerCore
import SwiftProtobuf

/// The caller's side of `PeerAdmission`: believes nothing that an address says before it has proved that it knows the
/// secret, and tells it nothing but a nonce; pure.
struct SealerProof: Sendable {
    private let secret: SharedSecret
    private let hint: SealerHint
    private let nonce: [UInt8]

    init(secret: SharedSecret, hint: SealerHint, nonce: [UInt8] = SharedSecret.makeNonce()) {
        self.secret = secret
        self.hint = hint
        self.nonce = nonce
    }

    /// The first message.
    var hello: Ledger_Internal_Hello {
        .with {
            $0.version = SharedSecret.version
            $0.nonce = Data(nonce)
        }
    }

    /// The own proof, where the other side has given its.
    func answer(
        to challenge: Ledger_Internal_Challenge
    ) throws(RPCError) -> Ledger_Internal_Proof {
        let exchange = SharedSecret.Exchange(
            hint: hint, callerNonce: nonce, sealerNonce: Array(challenge.nonce))
        guard challenge.version == SharedSecret.version,
            challenge.nonce.count == SharedSecret.nonceBytes,
            secret.isProof(Array(challenge.proof), of: .sealer, in: exchange)
        else {
            throw RPCError(
                code: .unauthenticated,
                message: "the address has not proved that it knows LEDGER_INTERNAL_TOKEN")
        }
        return .with { $0.proof = Data(secret.proof(of: .caller, in: exchange)) }
    }
}
