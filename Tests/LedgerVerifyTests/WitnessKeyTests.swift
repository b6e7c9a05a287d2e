import Foundation
import LedgerVerify
import TestSupport
import Testing

@Suite("Cosignatures of witnesses")
struct WitnessKeyTests {
    private struct Vector: Decodable {
        let name: String
        let timestamp: UInt64
        let verifierKey: String
        let note: String
    }

    private func vectors() throws -> [Vector] {
        let file = EtcdCluster.root.appending(path: "Tests/Vectors/cosignatures.json")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode([Vector].self, from: Data(contentsOf: file))
    }

    private func code(_ body: () throws(VerificationError) -> Void) -> VerificationError.Code? {
        do throws(VerificationError) {
            try body()
            return nil
        } catch {
            return error.code
        }
    }

    @Test("a witness's cosignature is found with its key alone, and counted for the quorum")
    func found() throws {
        let vectors = try vectors()
        let keys = try vectors.map { try WitnessKey($0.verifierKey) }
        for (vector, key) in zip(vectors, keys) {
            let checkpoint = try SignedCheckpoint(parsing: Array(vector.note.utf8))
            #expect(
                try checkpoint.cosignatures(by: [key], quorum: 1).map(\.timestamp)
                    == [vector.timestamp])
            #expect(try checkpoint.cosignatures(by: keys).map(\.witness) == [key])
            // One key given twice is one witness.
            #expect(
                code { () throws(VerificationError) in
                    _ = try checkpoint.cosignatures(by: [key, key], quorum: 2)
                } == .notSigned)
        }
    }

    @Test("a cosignature that was changed is an error, not a missing one")
    func changed() throws {
        for vector in try vectors() {
            var note = Array(vector.note.utf8)
            // The signature is the last line, and its last characters are of the signature's end.
            note[note.count - 6] = note[note.count - 6] == UInt8(ascii: "A") ? 66 : 65
            let checkpoint = try SignedCheckpoint(parsing: note)
            let key = try WitnessKey(vector.verifierKey)
            #expect(
                code { () throws(VerificationError) in
                    _ = try checkpoint.cosignatures(by: [key])
                } == .badSignature)
        }
    }

    @Test("a ledger's verifier key is no witness's")
    func otherAlgorithm() {
        #expect(
            code { () throws(VerificationError) in
                _ = try WitnessKey(
                    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
            } == .malformedKey)
    }
}
