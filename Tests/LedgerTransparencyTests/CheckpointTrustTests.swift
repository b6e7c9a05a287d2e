import LedgerCore
import LedgerStore
import LedgerTransparency
import Testing

@Suite("CheckpointTrust")
struct CheckpointTrustTests {
    private static let origin = "ledger.example.com/a"

    private func signer(_ byte: UInt8, name: String = origin) throws -> NoteSigner {
        try NoteSigner(name: name, privateKey: Array(repeating: byte, count: 32))
    }

    private func stored(_ signer: NoteSigner) throws -> LedgerStore.StoredCheckpoint {
        .init(
            bytes: try signer.note(size: 9, root: .sha256([1])).encoded(),
            revision: Revision(rawValue: 4))
    }

    private func trust(_ signers: NoteSigner...) -> CheckpointTrust {
        CheckpointTrust(origin: Self.origin, verifiers: signers.map(\.verifier))
    }

    private func isRefused(_ statement: CheckpointStatement) -> Bool {
        if case .refused = statement { true } else { false }
    }

    @Test("a checkpoint that one of the trusted keys has signed is believed")
    func believed() throws {
        let (own, former) = (try signer(1), try signer(2))
        let checkpoint = Checkpoint(origin: Self.origin, size: 9, root: .sha256([1]))
        #expect(trust(own).statement(of: try stored(own)) == .made(checkpoint))
        #expect(trust(own, former).statement(of: try stored(former)) == .made(checkpoint))
        #expect(trust(own).statement(of: nil) == .absent)
    }

    @Test("one by another key, with a changed text, of another origin or without form is refused")
    func refused() throws {
        let (own, other) = (try signer(1), try signer(2))
        #expect(isRefused(trust(own).statement(of: try stored(other))))
        var bytes = try stored(own).bytes
        let size = try #require(bytes.firstIndex(of: UInt8(ascii: "9")))
        bytes[size] = UInt8(ascii: "8")
        #expect(isRefused(trust(own).statement(of: .init(bytes: bytes, revision: .absent))))
        let foreign = try signer(1, name: "ledger.example.com/b")
        #expect(isRefused(trust(own).statement(of: try stored(foreign))))
        #expect(isRefused(trust().statement(of: try stored(foreign))))
        for bytes: [UInt8] in [[], [1, 2, 3], Array("a\n1\n\n".utf8)] {
            #expect(isRefused(trust().statement(of: .init(bytes: bytes, revision: .absent))))
        }
    }

    @Test("without any trusted key signatures are not looked at")
    func withoutKeys() throws {
        let checkpoint = Checkpoint(origin: Self.origin, size: 9, root: .sha256([1]))
        #expect(trust().statement(of: try stored(try signer(5))) == .made(checkpoint))
    }
}
