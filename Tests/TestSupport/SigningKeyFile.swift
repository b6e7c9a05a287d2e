package import Foundation
package import LedgerCore

/// A PEM file with an Ed25519 private key, as `openssl genpkey -algorithm ed25519` writes it, for tests.
package struct SigningKeyFile: Sendable {
    package let path: String
    package let signer: NoteSigner

    /// - Parameters:
    ///   - seed: every byte of the private key.
    ///   - origin: the name in which it signs.
    package init(
        seed: UInt8, origin: String = "localhost/immutable-ledger",
        in folder: URL = FileManager.default.temporaryDirectory
    ) throws {
        let key = [UInt8](repeating: seed, count: 32)
        signer = try NoteSigner(name: origin, privateKey: key)
        let prefix: [UInt8] = [
            0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ]
        let text = Data(prefix + key).base64EncodedString()
        let url = folder.appending(path: "signing-\(seed)-\(UUID().uuidString).pem")
        try Data("-----BEGIN PRIVATE KEY-----\n\(text)\n-----END PRIVATE KEY-----\n".utf8)
            .write(to: url)
        path = url.path
    }
}
