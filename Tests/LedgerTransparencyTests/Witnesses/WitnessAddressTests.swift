import LedgerCore
import Testing

@testable import LedgerTransparency

@Suite("WitnessAddress")
struct WitnessAddressTests {
    private static let key: String = {
        let signer = try? CosignatureSigner(
            name: "w.example/a=b", privateKey: [UInt8](repeating: 1, count: 32))
        return signer?.verifier.verifierKey ?? ""
    }()

    @Test(
        "a key and a URL, https or of this machine",
        arguments: [
            ("https://w.example", "/add-checkpoint"), ("https://w.example/", "/add-checkpoint"),
            ("https://w.example:1/a/b", "/a/b/add-checkpoint"),
            ("http://127.0.0.1:8087", "/add-checkpoint"),
            ("http://[::1]:1/x/", "/x/add-checkpoint"),
        ])
    func parses(url: String, target: String) throws {
        let address = try #require(WitnessAddress(parsing: "\(Self.key)=\(url)"))
        #expect(address.name == "w.example/a=b")
        #expect(address.target == target)
        #expect(WitnessAddress(parsing: address.description) == address)
    }

    @Test("anything else is refused")
    func refuses() throws {
        let ledger = try NoteSigner(name: "w", privateKey: [UInt8](repeating: 1, count: 32))
        let refused = [
            "", Self.key, "\(Self.key)=", "\(Self.key)=w.example", "\(Self.key)=http://w.example",
            "\(Self.key)=http://10.0.0.1", "\(Self.key)=https://u:p@w.example",
            "\(Self.key)=https://w.example?x", "\(Self.key.dropLast())=https://w.example",
            "https://w.example", "\(ledger.verifier.verifierKey)=https://w.example",
            "x\(Self.key)=https://w.example",
        ]
        for text in refused { #expect(WitnessAddress(parsing: text) == nil, "\(text)") }
    }
}
