import LedgerVerify
import Testing

@Suite("VerifierKey")
struct VerifierKeyTests {
    private let text =
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"

    @Test("the key of the specification's example is read and given back")
    func example() throws {
        let key = try VerifierKey(text)
        #expect(key.name == "PeterNeumann")
        #expect(key.description == text)
    }

    @Test("a key ID that does not belong to the key is refused")
    func wrongKeyID() {
        #expect(throws: VerificationError.self) {
            try VerifierKey(text.replacingOccurrences(of: "c74f20a3", with: "c74f20a4"))
        }
    }
}

extension String {
    fileprivate func replacingOccurrences(of old: String, with new: String) -> String {
        split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
    }
}
