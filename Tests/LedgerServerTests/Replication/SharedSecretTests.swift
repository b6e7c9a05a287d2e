import Foundation
import GRPCCore
import LedgerAPI
import LedgerCore
import Logging
import SwiftProtobuf
import Testing

@testable import LedgerServer

@Suite("Showing that both replicas know the token")
struct SharedSecretTests {
    private static let secret = SharedSecret(token: "the-token-of-both")
    private static let hint = SealerHint(address: "10.0.0.1:50052", id: "one")

    private func greeting() -> Ledger_Internal_ForwardRequest.OneOf_Content {
        .greeting(.with { $0.sealerID = Self.hint.id })
    }

    private func refusal(_ action: PeerAdmission.Action) -> RPCError.Code? {
        guard case .refuse(let error) = action else { return nil }
        return error.code
    }

    private func challenge(
        _ admission: inout PeerAdmission, _ hello: Ledger_Internal_Hello
    ) throws -> Ledger_Internal_Challenge {
        guard case .answer(let challenge) = admission.received(.hello(hello)) else {
            throw RPCError(code: .aborted, message: "no challenge")
        }
        return challenge
    }

    @Test("both prove it, then the greeting and events are taken")
    func admitted() throws {
        var admission = PeerAdmission(secret: Self.secret, own: Self.hint)
        let caller = SealerProof(secret: Self.secret, hint: Self.hint)
        let challenge = try challenge(&admission, caller.hello)
        let proof = try caller.answer(to: challenge)
        guard case .nothing = admission.received(.proof(proof)),
            case .check = admission.received(greeting())
        else {
            Issue.record("not admitted")
            return
        }
        #expect(admission.isComplete)
        guard case .take = admission.received(.events(.init())) else {
            Issue.record("events are not taken")
            return
        }
        #expect(refusal(admission.received(greeting())) == .failedPrecondition)
    }

    @Test("nothing is taken before the proof")
    func unproven() throws {
        let messages: [Ledger_Internal_ForwardRequest.OneOf_Content] = [
            greeting(), .events(.init()), .proof(.with { $0.proof = Data(count: 32) }),
            .hello(.with { $0.version = 1 }),
        ]
        for message in messages {
            var admission = PeerAdmission(secret: Self.secret, own: Self.hint)
            #expect(refusal(admission.received(message)) == .unauthenticated)
            #expect(!admission.isComplete)
        }
        let caller = SealerProof(secret: Self.secret, hint: Self.hint)
        for message in messages {
            var admission = PeerAdmission(secret: Self.secret, own: Self.hint)
            _ = try challenge(&admission, caller.hello)
            #expect(refusal(admission.received(message)) == .unauthenticated)
        }
    }

    @Test("with another token neither side believes the other")
    func otherToken() throws {
        var admission = PeerAdmission(secret: Self.secret, own: Self.hint)
        let stranger = SealerProof(secret: SharedSecret(token: "another"), hint: Self.hint)
        let challenge = try challenge(&admission, stranger.hello)
        #expect(throws: RPCError.self) { try stranger.answer(to: challenge) }
    }

    @Test("what one side has proved is no proof of the other: it cannot be reflected")
    func reflected() throws {
        var admission = PeerAdmission(secret: Self.secret, own: Self.hint)
        let caller = SealerProof(secret: Self.secret, hint: Self.hint)
        let challenge = try challenge(&admission, caller.hello)
        let reflected = Ledger_Internal_Proof.with { $0.proof = challenge.proof }
        #expect(refusal(admission.received(.proof(reflected))) == .unauthenticated)
    }

    @Test(
        "a proof is for the address and the hint that the caller meant: it cannot be relayed",
        arguments: [
            SealerHint(address: "10.0.0.66:50052", id: "one"),
            SealerHint(address: "10.0.0.1:50052", id: "two"),
        ])
    func relayed(meant: SealerHint) throws {
        // The caller was led elsewhere; who listens there carries everything on to a replica.
        var admission = PeerAdmission(secret: Self.secret, own: Self.hint)
        let caller = SealerProof(secret: Self.secret, hint: meant)
        let challenge = try challenge(&admission, caller.hello)
        #expect(throws: RPCError.self) { try caller.answer(to: challenge) }
    }

    @Test("a proof of another call does not count: nonces are fresh")
    func replayed() throws {
        let caller = SealerProof(secret: Self.secret, hint: Self.hint)
        var first = PeerAdmission(secret: Self.secret, own: Self.hint)
        let proof = try caller.answer(to: try challenge(&first, caller.hello))
        var second = PeerAdmission(secret: Self.secret, own: Self.hint)
        _ = try challenge(&second, caller.hello)
        #expect(refusal(second.received(.proof(proof))) == .unauthenticated)
        #expect(SharedSecret.makeNonce() != SharedSecret.makeNonce())
    }

    @Test("another form of the proof is refused by name, so that a later version can go back")
    func version() {
        var admission = PeerAdmission(secret: Self.secret, own: Self.hint)
        var hello = SealerProof(secret: Self.secret, hint: Self.hint).hello
        hello.version = 2
        #expect(refusal(admission.received(.hello(hello))) == .failedPrecondition)
    }

    @Test("the proof is the HMAC that docs/replicas.md describes")
    func knownAnswer() {
        // Computed by an independent program: see docs/replicas.md, "Who may forward".
        let exchange = SharedSecret.Exchange(
            hint: Self.hint, callerNonce: Array(repeating: 1, count: 32),
            sealerNonce: Array(repeating: 2, count: 32))
        let proof = Self.secret.proof(of: .caller, in: exchange)
        #expect(
            proof.map { String(format: "%02x", $0) }.joined()
                == "13d18868c55049e3cfadbc8258f30e711e56f1c54a4c0fd8799220180c7f5ede")
        #expect(Self.secret.isProof(proof, of: .caller, in: exchange))
        #expect(!Self.secret.isProof(proof.dropLast(), of: .caller, in: exchange))
        #expect(!Self.secret.isProof([], of: .caller, in: exchange))
    }

    @Test("an older replica that sends the token is believed, a wrong token is not")
    func olderReplica() throws {
        let access = InternalAccess(token: "the-token-of-both", peerNames: nil)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let caller = CallerIdentity(names: [])
        #expect(try access.check(nil, from: caller, logger) != nil)
        #expect(try access.check("the-token-of-both", from: caller, logger) == nil)
        for wrong in ["", "the-token-of-bot", "the-token-of-both ", "another"] {
            let error = #expect(throws: RPCError.self) {
                _ = try access.check(wrong, from: caller, logger)
            }
            #expect(error?.code == .unauthenticated)
        }
    }
}
