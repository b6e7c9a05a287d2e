import Foundation
import GRPCCore
import LedgerAPI
import LedgerCore
import SwiftProtobuf

/// What a caller of the internal port has to show before anything that it sends is believed; pure.
///
/// Where the replicas share a secret: hello, challenge, proof, greeting, events. Else: greeting, events.
///
/// A message before the greeting that is longer than `ForwardedInput.maxInlineBytes` is not even decoded.
struct PeerAdmission: Sendable {
    enum Action {
        case nothing
        case answer(Ledger_Internal_Challenge)
        /// Check it, and welcome the caller.
        case check(Ledger_Internal_Greeting)
        case take(Ledger_Internal_EventBatch)
        case callOff(Ledger_Internal_RecallBatch)
        case refuse(RPCError)
    }

    private enum State {
        case needsHello(SharedSecret)
        case needsProof(SharedSecret, SharedSecret.Exchange)
        case needsGreeting
        case greeted
        case refused
    }

    private var state: State
    private let own: SealerHint
    private let makeNonce: @Sendable () -> [UInt8]

    /// - Parameters:
    ///   - secret: what the caller has to know; nil where it has shown who it is already, or need not.
    ///   - own: the hint that leads here.
    init(
        secret: SharedSecret?, own: SealerHint,
        makeNonce: @escaping @Sendable () -> [UInt8] = { SharedSecret.makeNonce() }
    ) {
        state = secret.map { .needsHello($0) } ?? .needsGreeting
        self.own = own
        self.makeNonce = makeNonce
    }

    /// Whether everything was shown: events are taken.
    var isComplete: Bool {
        if case .greeted = state { true } else { false }
    }

    /// Whether the caller was challenged and has not answered.
    var isUnproven: Bool {
        if case .needsProof = state { true } else { false }
    }

    /// The caller has sent a message.
    mutating func received(
        _ content: Ledger_Internal_ForwardRequest.OneOf_Content?
    ) -> Action {
        // A message of a later version that means nothing here.
        guard let content else { return .nothing }
        switch (state, content) {
        case (.needsHello(let secret), .hello(let hello)):
            guard hello.version == SharedSecret.version else {
                return refuse(
                    RPCError(
                        code: .failedPrecondition,
                        message: "the proof's form must be \(SharedSecret.version)"))
            }
            guard hello.nonce.count == SharedSecret.nonceBytes else {
                return refuse(Self.unproven)
            }
            let exchange = SharedSecret.Exchange(
                hint: own, callerNonce: Array(hello.nonce), sealerNonce: makeNonce())
            state = .needsProof(secret, exchange)
            return .answer(
                .with {
                    $0.version = SharedSecret.version
                    $0.nonce = Data(exchange.sealerNonce)
                    $0.proof = Data(secret.proof(of: .sealer, in: exchange))
                })
        case (.needsProof(let secret, let exchange), .proof(let proof)):
            guard secret.isProof(Array(proof.proof), of: .caller, in: exchange) else {
                return refuse(Self.unproven)
            }
            state = .needsGreeting
            return .nothing
        case (.needsHello, _), (.needsProof, _):
            return refuse(Self.unproven)
        case (.needsGreeting, .greeting(let greeting)):
            state = .greeted
            return .check(greeting)
        case (.greeted, .events(let batch)):
            return .take(batch)
        case (.greeted, .recalls(let batch)):
            return .callOff(batch)
        case (.needsGreeting, _):
            return refuse(
                RPCError(code: .failedPrecondition, message: "the greeting comes first"))
        case (.greeted, _), (.refused, _):
            return refuse(
                RPCError(
                    code: .failedPrecondition,
                    message: "only events, and what is recalled of them, follow the greeting"))
        }
    }

    private mutating func refuse(_ error: RPCError) -> Action {
        state = .refused
        return .refuse(error)
    }

    static var unproven: RPCError {
        RPCError(
            code: .unauthenticated,
            message: "the caller has not proved that it knows LEDGER_INTERNAL_TOKEN")
    }
}
