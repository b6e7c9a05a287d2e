import Foundation
import LedgerServer
import Testing

@Suite("The internal port's credential")
struct InternalPortSettingTests {
    private static let publicKey = """
        -----BEGIN PUBLIC KEY-----
        MCowBQYDK2VwAyEA0n+HoUGPEUiaouGSTJwuxJ+O51EU/63WlMeoYFSgr2Q=
        -----END PUBLIC KEY-----

        """

    private func settings(_ changes: [String: String] = [:]) throws -> ServiceConfiguration {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/veps.pem"
            try Self.publicKey.write(toFile: path, atomically: true, encoding: .utf8)
            let environment = ["LEDGER_VEPS_PUBLIC_KEYS": path].merging(changes) { $1 }
            return try ServiceConfiguration.load(
                environment: environment, workingDirectory: "/nonexistent")
        }
    }

    @Test(
        "where signatures are verified, nobody without one gets around that: the port stays closed")
    func withoutCredential() throws {
        let settings = try settings()
        #expect(!settings.isForwarding)
        let warning = try #require(settings.warnings.first)
        for name in [
            "LEDGER_VEPS_PUBLIC_KEYS", "LEDGER_INTERNAL_TLS_CERT", "LEDGER_INTERNAL_TOKEN",
        ] {
            #expect(warning.contains(name))
        }
    }

    @Test("with a token it is open, and switched off it warns of nothing")
    func withCredential() throws {
        let open = try settings(["LEDGER_INTERNAL_TOKEN": "0123456789abcdef"])
        #expect(open.isForwarding)
        #expect(open.warnings.isEmpty)
        let off = try settings(["LEDGER_FORWARDING": "off"])
        #expect(off.warnings.isEmpty)
        let plain = try settings(["LEDGER_VEPS_PUBLIC_KEYS": ""])
        #expect(plain.isForwarding)
        #expect(plain.warnings.isEmpty)
    }
}
