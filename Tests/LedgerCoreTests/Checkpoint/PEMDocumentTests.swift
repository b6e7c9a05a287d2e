import LedgerCore
import Testing
import TextFormats

@Suite("PEMDocument")
struct PEMDocumentTests {
    /// An object of one byte in DER.
    private static let body = "MAEA"

    private func object(_ label: String, _ body: String = body) -> String {
        "-----BEGIN \(label)-----\n\(body)\n-----END \(label)-----\n"
    }

    private func all(_ text: String) throws(FormatError) -> [PEMDocument] {
        try PEMDocument.all(in: Array(text.utf8))
    }

    @Test("every object is read, with text around them, and lines that end in CR LF")
    func several() throws {
        let text = "Subject: a\n\n" + object("A") + "between\n" + object("B B") + "after"
        for text in [text, text.replacing("\n", with: "\r\n"), text.replacing("\n", with: " \t\n")]
        {
            #expect(try all(text).map(\.label) == ["A", "B B"])
            #expect(try all(text).map(\.der) == [[0x30, 1, 0], [0x30, 1, 0]])
        }
    }

    @Test("the only object of a text, curve parameters before it or not")
    func only() throws {
        let parameters = object("EC PARAMETERS", "BggqhkjOPQMBBw==")
        #expect(try PEMDocument(parsing: Array((parameters + object("A")).utf8)).label == "A")
        #expect(throws: FormatError.self) {
            try PEMDocument(parsing: Array((object("A") + object("A")).utf8))
        }
    }

    @Test("whether a pass phrase opens it")
    func encrypted() throws {
        let headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n"
        #expect(try all(object("EC PRIVATE KEY", headers + "AAAA")).map(\.isEncrypted) == [true])
        #expect(try all(object("ENCRYPTED PRIVATE KEY")).map(\.isEncrypted) == [true])
        #expect(try all(object("PRIVATE KEY")).map(\.isEncrypted) == [false])
    }

    @Test(
        "what programs read differently is refused",
        arguments: [
            // A boundary that one of them does not see.
            " -----BEGIN A-----\nMAEA\n-----END A-----\n",
            "\u{FEFF}-----BEGIN A-----\nMAEA\n-----END A-----\n",
            "-----BEGIN A-----\nMAEA\n-----END A----- x\n",
            "-----BEGIN A-----\nMAEA\n-----END B-----\n",
            "-----BEGIN A-----\nMAEA\n", "-----END A-----\n", "", "nothing",
            "-----BEGIN A-----\rMAEA\r-----END A-----\r",
            // Base64 of which one of them drops a part.
            "-----BEGIN A-----\nMAEA=\n-----END A-----\n",
            "-----BEGIN A-----\nMAE\n-----END A-----\n",
            "-----BEGIN A-----\nMA\n\nEA\n-----END A-----\n",
            "-----BEGIN A-----\n-----END A-----\n",
            // Bytes behind the object, or a length that is not the shortest.
            "-----BEGIN A-----\nMAEAAA==\n-----END A-----\n",
            "-----BEGIN A-----\nMIEBAA==\n-----END A-----\n",
            // Objects inside others.
            "-----BEGIN A-----\n-----BEGIN B-----\nMAEA\n-----END B-----\n-----END A-----\n",
        ])
    func ambiguous(text: String) {
        #expect(throws: FormatError.self) { try all(text) }
    }

    @Test("UTF-16 is refused")
    func wide() {
        let wide = object("A").utf8.flatMap { byte -> [UInt8] in [byte, 0] }
        #expect(throws: FormatError.self) { try PEMDocument.all(in: wide) }
        #expect(throws: FormatError.self) { try PEMDocument.all(in: [0xFF, 0xFE] + wide) }
    }
}
