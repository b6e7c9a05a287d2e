import Foundation
import Logging
import NIOSSL
import Synchronization
import Testing

@testable import LedgerServer

@Suite("Files that are read again")
struct ReloadedFilesTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// A folder with a certificate and its key, which links lead to.
    private struct Pair {
        let certificate: String
        let key: String
        private let folder: String

        init(in folder: String, _ kind: KeyFiles.Kind) throws {
            self.folder = folder
            certificate = "\(folder)/live/tls.crt"
            key = "\(folder)/live/tls.key"
            try replace(certificate: kind, key: kind)
        }

        /// As Kubernetes replaces a secret: a new folder, and a link that is turned there.
        func replace(certificate: KeyFiles.Kind, key: KeyFiles.Kind) throws {
            let keys = try KeyFiles.shared.get()
            let files = FileManager.default
            let next = "\(folder)/\(UUID().uuidString)"
            try files.createDirectory(atPath: next, withIntermediateDirectories: false)
            try files.copyItem(atPath: keys.certificate(certificate), toPath: "\(next)/tls.crt")
            try files.copyItem(atPath: keys.key(key), toPath: "\(next)/tls.key")
            try files.createSymbolicLink(atPath: "\(next).link", withDestinationPath: next)
            guard rename("\(next).link", "\(folder)/live") == 0 else {
                throw CocoaError(.fileWriteUnknown)
            }
        }
    }

    private func reloaded(_ pair: Pair) throws -> ReloadedFiles<CertificatePair> {
        try ReloadedFiles(
            [(.tlsCert, pair.certificate), (.tlsKey, pair.key)], logger: logger
        ) { files throws(ConfigurationError) in
            try CertificatePair(certificate: files[0], key: files[1], isServer: true)
        }
    }

    @Test("a pair that is replaced behind a link is taken over at the second look")
    func replaced() throws {
        try withTemporaryDirectory { folder in
            let pair = try Pair(in: folder, .p256)
            let files = try reloaded(pair)
            let before = files.value.chain
            #expect(!files.look())
            try pair.replace(certificate: .rsa, key: .rsa)
            #expect(!files.look())
            #expect(files.value.chain == before)
            #expect(files.look())
            #expect(files.value.chain != before)
            #expect(files.report == ReloadReport(setting: .tlsCert, count: 1))
        }
    }

    @Test("a pair that does not belong together is told, and the one before stays")
    func mismatch() throws {
        try withTemporaryDirectory { folder in
            let pair = try Pair(in: folder, .p256)
            let files = try reloaded(pair)
            let before = files.value.chain
            try pair.replace(certificate: .rsa, key: .p256)
            #expect(!files.look())
            #expect(files.report.problem == nil, "it may be half of a replacement")
            #expect(!files.look())
            #expect(files.value.chain == before)
            let problem = try #require(files.report.problem)
            #expect(problem.contains("LEDGER_TLS_KEY"))
            #expect(!problem.contains("PRIVATE"))
            // The files of before are as good as new ones.
            try pair.replace(certificate: .p256, key: .p256)
            #expect(!files.look())
            #expect(files.look())
            #expect(files.report == ReloadReport(setting: .tlsCert, count: 1))
        }
    }

    @Test("a file that is missing, empty or longer than 1 MiB is refused, and what was used stays")
    func unusable() throws {
        try withTemporaryDirectory { folder in
            let pair = try Pair(in: folder, .p256)
            let path = "\(folder)/ca.pem"
            let good = try Data(contentsOf: URL(fileURLWithPath: pair.certificate))
            try good.write(to: URL(fileURLWithPath: path))
            let files = try ReloadedFiles([(.tlsClientCA, path)], logger: logger) {
                files throws(ConfigurationError) in try files[0].certificates()
            }
            let long = Data(repeating: UInt8(ascii: "\n"), count: PEMFile.maxBytes + 1)
            for content in [nil, Data(), long, good.dropLast(40)] {
                try FileManager.default.removeItem(atPath: path)
                try content?.write(to: URL(fileURLWithPath: path))
                #expect(!files.look())
                #expect(!files.look())
                #expect(files.report.problem?.contains("LEDGER_TLS_CLIENT_CA") == true)
                #expect(files.value.count == 1)
                try good.write(to: URL(fileURLWithPath: path))
                #expect(!files.look())
                #expect(files.look())
                #expect(files.report.problem == nil)
            }
        }
    }

    @Test("a second reason within the minute is logged as the first was")
    func secondReason() throws {
        let lines = Mutex<[String]>([])
        let throttle = LogThrottle()
        let logger = Logger(label: "test") { label in
            LineLogHandler(label: label, format: .text, level: .info, throttle: throttle) { line in
                lines.withLock { $0.append(line) }
            }
        }
        try withTemporaryDirectory { folder in
            let path = "\(folder)/ca.pem"
            try Data(contentsOf: URL(fileURLWithPath: try Pair(in: folder, .p256).certificate))
                .write(to: URL(fileURLWithPath: path))
            let files = try ReloadedFiles([(.tlsClientCA, path)], logger: logger) {
                files throws(ConfigurationError) in try files[0].certificates()
            }
            for (index, content) in ["", "no certificate"].enumerated() {
                try Data(content.utf8).write(to: URL(fileURLWithPath: path))
                #expect(!files.look())
                #expect(!files.look())
                #expect(lines.withLock { $0.count } == index + 1)
            }
        }
    }

    @Test("a link to another replica shows and believes what the files hold when it is made")
    func links() throws {
        try withTemporaryDirectory { folder in
            let pair = try Pair(in: folder, .p256)
            let certificate = try PortCertificate(
                .init(
                    certificatePath: pair.certificate, keyPath: pair.key,
                    clientCAPath: pair.certificate, names: .replicas),
                logger: logger)
            let before = try certificate.replicaContext().configuration
            try pair.replace(certificate: .rsa, key: .rsa)
            certificate.look()
            certificate.look()
            let after = try certificate.replicaContext().configuration
            #expect(before.certificateChain != after.certificateChain)
            #expect(before.trustRoots != after.trustRoots)
            #expect(after.certificateVerification == .fullVerification)
            #expect(certificate.reports.map(\.count) == [1, 1])
            #expect(certificate.reports.map(\.setting) == [.internalTLSCert, .internalTLSCA])
        }
    }
}
