import Foundation

/// Keys and self-signed certificates of every kind that openssl makes, in one folder for all tests of the process.
struct KeyFiles: Sendable {
    /// The kinds of key.
    enum Kind: String, CaseIterable, Sendable {
        case rsa
        case p256
        case p384
        case p521
        case ed25519
    }

    /// How a key may be written.
    enum Notation: String, CaseIterable, Sendable {
        case pkcs8
        /// PKCS #1 for RSA, SEC 1 for ECDSA.
        case traditional
        /// What `openssl ecparam -genkey` writes: the curve, then SEC 1.
        case withParameters
        /// PKCS #8 with lines that end in CR LF.
        case crlf
        /// PKCS #8 behind explanations and a certificate.
        case withCertificate
        /// A pass phrase opens it: PKCS #8.
        case encrypted
        /// A pass phrase opens it: the headers of RFC 1421.
        case encryptedTraditional
    }

    let folder: URL

    /// Made when it is first asked for, and removed when the process ends.
    static let shared = Result { try KeyFiles() }

    private init() throws {
        folder = FileManager.default.temporaryDirectory.appending(
            path: "ledger-keys-\(ProcessInfo.processInfo.processIdentifier)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        atexit {
            let name = "ledger-keys-\(ProcessInfo.processInfo.processIdentifier)"
            try? FileManager.default.removeItem(
                at: FileManager.default.temporaryDirectory.appending(path: name))
        }
        try Self.run(Self.script, in: folder)
    }

    func path(_ name: String) -> String { folder.appending(path: name).path }

    /// A file with a private key.
    func key(_ kind: Kind, _ notation: Notation = .pkcs8) -> String {
        path("\(kind.rawValue)-\(notation.rawValue).pem")
    }

    /// A self-signed certificate of the key.
    func certificate(_ kind: Kind) -> String { path("\(kind.rawValue)-certificate.pem") }

    /// The key's public half.
    func publicKey(_ kind: Kind) -> String { path("\(kind.rawValue)-public.pem") }

    /// Runs a shell script.
    static func run(_ script: String, in folder: URL) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-euo", "pipefail", "-c", script]
        process.currentDirectoryURL = folder
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw ScriptFailure(description: "the script ended with \(process.terminationStatus)")
        }
    }

    struct ScriptFailure: Error, CustomStringConvertible {
        let description: String
    }

    private static let script = """
        make() { # KIND GENPKEY-OPTION...
            local kind=$1
            shift
            openssl genpkey "$@" -out $kind-pkcs8.pem
            openssl pkey -in $kind-pkcs8.pem -pubout -out $kind-public.pem
            openssl req -x509 -new -key $kind-pkcs8.pem -subj /O=$kind -days 2 \
                -out $kind-certificate.pem
            sed 's/$/\\r/' $kind-pkcs8.pem >$kind-crlf.pem
            { echo 'Bag Attributes: none'; cat $kind-certificate.pem $kind-pkcs8.pem
            } >$kind-withCertificate.pem
            openssl pkey -in $kind-pkcs8.pem -aes-256-cbc -passout pass:secret \
                -out $kind-encrypted.pem
            [[ $kind != ed25519 ]] || return 0
            openssl pkey -in $kind-pkcs8.pem -traditional -out $kind-traditional.pem
            openssl pkey -in $kind-pkcs8.pem -traditional -aes-128-cbc -passout pass:secret \
                -out $kind-encryptedTraditional.pem
            cp $kind-traditional.pem $kind-withParameters.pem
        }
        curve() { # KIND CURVE
            make $1 -algorithm EC -pkeyopt ec_paramgen_curve:$2
            { openssl ecparam -name $2; cat $1-traditional.pem; } >$1-withParameters.pem
        }
        make rsa -algorithm RSA -pkeyopt rsa_keygen_bits:2048
        make ed25519 -algorithm ED25519
        curve p256 prime256v1
        curve p384 secp384r1
        curve p521 secp521r1
        """
}
