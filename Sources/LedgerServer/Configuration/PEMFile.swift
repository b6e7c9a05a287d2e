import Foundation
import LedgerCore
import NIOSSL

/// A PEM file that a setting names: the one reader for all of them.
///
/// libcurl's TLS library and the one of the ports read PEM in different ways. What is accepted here is what both read
/// alike, so that a file works for every setting or is refused by that setting's name.
struct PEMFile {
    /// The longest file that is read, in bytes; a system's whole list of authorities has a quarter.
    static let maxBytes = 1 << 20

    let name: SettingName
    let path: String
    /// As it was read.
    let content: [UInt8]
    private let documents: [PEMDocument]

    /// Reads the file.
    ///
    /// - Parameters:
    ///   - path: the setting's value.
    ///   - name: the setting, for errors.
    /// - Throws: a file that cannot be read, or holds no PEM or a malformed one. Its content is not repeated.
    init(_ path: String, of name: SettingName) throws(ConfigurationError) {
        try self.init(Self.read(path, of: name), at: path, of: name)
    }

    /// Takes what was read of a file.
    ///
    /// - Throws: what is no PEM, or a malformed one.
    init(
        _ content: [UInt8], at path: String, of name: SettingName
    ) throws(ConfigurationError) {
        self.name = name
        self.path = path
        self.content = content
        do throws(FormatError) {
            documents = try PEMDocument.all(in: content)
        } catch {
            throw ConfigurationError(
                name.rawValue, value: path,
                accepted: "the path of a PEM file (a text with -----BEGIN ...-----); "
                    + error.message)
        }
    }

    /// Reads a file without a look at what it holds.
    ///
    /// - Throws: a file that cannot be read, or is longer than `maxBytes`.
    static func read(
        _ path: String, of name: SettingName
    ) throws(ConfigurationError) -> [UInt8] {
        // FileHandle opens a directory too, but cannot read it.
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw ConfigurationError(
                name.rawValue, value: path, accepted: "the path of a PEM file that can be read")
        }
        defer { try? handle.close() }
        guard let content = try? handle.read(upToCount: maxBytes + 1), content.count <= maxBytes
        else {
            throw ConfigurationError(
                name.rawValue, value: path,
                accepted: "the path of a PEM file of at most \(maxBytes) bytes")
        }
        return Array(content)
    }

    /// Every certificate, in the order of the file. A key beside them is left to the setting of the key.
    func certificates() throws(ConfigurationError) -> [NIOSSLCertificate] {
        var certificates: [NIOSSLCertificate] = []
        for document in documents {
            switch document.label {
            case "CERTIFICATE":
                guard
                    let certificate = try? NIOSSLCertificate(bytes: document.der, format: .der)
                else {
                    throw refusal("PEM certificates; number \(certificates.count + 1) is none")
                }
                certificates.append(certificate)
            case let label where Self.keyLabels.contains(label): break
            default: throw refusal("PEM certificates, not \(document.label)")
            }
        }
        guard !certificates.isEmpty else { throw refusal("a PEM file with a certificate") }
        return certificates
    }

    /// The only private key: PKCS #8, PKCS #1 or SEC 1. A certificate beside it is left to the setting of the
    /// certificate.
    func privateKey() throws(ConfigurationError) -> NIOSSLPrivateKey {
        let keys = try keyDocuments()
        guard keys.count == 1, let key = keys.first else {
            throw refusal("a PEM file with one private key; this one has \(keys.count)")
        }
        guard !key.isEncrypted else {
            throw refusal(
                "a private key without a pass phrase, for nobody is asked for one; "
                    + "openssl pkey -in FILE -out OTHER-FILE takes it off")
        }
        guard let parsed = try? NIOSSLPrivateKey(bytes: key.der, format: .der) else {
            throw refusal(
                "a private key of RSA, ECDSA (P-256, P-384, P-521) or Ed25519; this \(key.label) is none"
            )
        }
        return parsed
    }

    /// The Ed25519 private key that signs.
    func signingKey() throws(ConfigurationError) -> [UInt8] {
        _ = try privateKey()
        guard let key = try keyDocuments().first, let bytes = try? key.ed25519PrivateKey() else {
            throw refusal("a PEM file with an Ed25519 private key (PKCS #8)")
        }
        return bytes
    }

    /// Every public key with which events may be signed.
    func publicKeys() throws(ConfigurationError) -> [VEPSVerifier.Key] {
        var keys: [VEPSVerifier.Key] = []
        for document in documents where document.label != PEMDocument.curveParameters {
            guard let key = try? VEPSVerifier.Key(document: document) else {
                throw refusal(
                    "PEM files with Ed25519 or P-256 public keys; a \(document.label) in it is none"
                )
            }
            keys.append(key)
        }
        guard !keys.isEmpty else { throw refusal("a PEM file with a public key") }
        return keys
    }

    /// Refuses the file's content.
    func refusal(_ accepted: String) -> ConfigurationError {
        ConfigurationError(name.rawValue, value: path, accepted: accepted)
    }

    private func keyDocuments() throws(ConfigurationError) -> [PEMDocument] {
        let others: Set = ["CERTIFICATE", PEMDocument.curveParameters]
        let keys = documents.filter { !others.contains($0.label) }
        if let other = keys.first(where: { !Self.keyLabels.contains($0.label) }) {
            throw refusal("a private key, not \(other.label)")
        }
        return keys
    }

    private static let keyLabels: Set = [
        "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY",
        "DSA PRIVATE KEY", PEMDocument.curveParameters,
    ]
}
