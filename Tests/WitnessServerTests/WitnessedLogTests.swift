import LedgerCore
import Testing

@testable import WitnessServer

@Suite("WitnessedLog")
struct WitnessedLogTests {
    private func key(_ name: String, _ seed: UInt8) throws -> NoteVerifier {
        try NoteSigner(name: name, privateKey: [UInt8](repeating: seed, count: 32)).verifier
    }

    @Test("a log is a key, or a key and an origin; several keys of one origin are one log")
    func parses() throws {
        let (first, second, third) = (try key("a=b", 1), try key("a=b", 2), try key("c", 3))
        let logs = try WitnessedLog.parse([
            first.verifierKey, "\(third.verifierKey)=d.example/x=y", second.verifierKey,
        ])
        #expect(logs.map(\.origin) == ["a=b", "d.example/x=y"])
        #expect(logs.map(\.keys) == [[first, second], [third]])
    }

    @Test("what is none is refused")
    func refuses() throws {
        let key = try key("é", 1)
        let other = try NoteSigner(
            name: "e\u{301}", privateKey: [UInt8](repeating: 2, count: 32)
        ).verifier
        for options in [
            ["x"], ["\(key.verifierKey)="], ["\(key.verifierKey)=a b"], ["x=\(key.verifierKey)"],
            // One text to Swift, two names as bytes.
            [key.verifierKey, other.verifierKey],
        ] {
            #expect(throws: FormatError.self) { _ = try WitnessedLog.parse(options) }
        }
    }
}
