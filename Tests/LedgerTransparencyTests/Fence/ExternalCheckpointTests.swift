import Foundation
import HTTPTransport
import LedgerCore
import Logging
import TestSupport
import Testing

@testable import LedgerTransparency

@Suite("ExternalCheckpoint")
struct ExternalCheckpointTests {
    private let folder: URL
    private let signer: NoteSigner
    private let log = LogRecorder()

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(
            path: "external-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        signer = try NoteSigner(
            name: "ledger.example/test", privateKey: [UInt8](repeating: 3, count: 32))
    }

    private func reader(_ place: String, keys: [NoteVerifier]? = nil) throws -> ExternalCheckpoint {
        var settings = TransportSettings(threadName: "test")
        settings.protocols = .httpAndHTTPS
        return ExternalCheckpoint(
            try #require(CheckpointPlace(parsing: place)), keys: keys ?? [signer.verifier],
            transport: try CurlTransport(settings), logger: Logger(label: "test") { _ in log })
    }

    private func code(_ reader: ExternalCheckpoint) async -> ExternalCheckpointError.Code? {
        do throws(ExternalCheckpointError) {
            _ = try await reader.read()
            return nil
        } catch {
            return error.code
        }
    }

    @Test("a file is read anew each time, and tells once what is wrong with it")
    func file() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "checkpoint")
        let reader = try reader(path.path)
        #expect(await code(reader) == .unreadable)
        for _ in 0..<3 { #expect(await reader.records().isEmpty) }
        #expect(reader.trouble == .unreadable)
        #expect(log.count(of: "the external checkpoint cannot be used") == 1)
        for size: UInt64 in [5, 7] {
            let root = Digest.sha256([UInt8(size)])
            try Data(signer.note(size: size, root: root).encoded()).write(to: path)
            #expect(try await reader.read().size == size)
            #expect(
                await reader.records() == [
                    OutsideRecord(
                        source: "external checkpoint \(path.path)", size: size, root: root)
                ])
        }
        #expect(reader.trouble == nil)
        #expect(log.count(of: "the external checkpoint is read again") == 1)
    }

    @Test("what is not this ledger's signed checkpoint is refused by its sort")
    func refused() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "checkpoint")
        let reader = try reader(path.path)
        let note = try signer.note(size: 5, root: .zero).encoded()
        let other = try NoteSigner(
            name: "ledger.example/test", privateKey: [UInt8](repeating: 4, count: 32))
        let elsewhere = try NoteSigner(
            name: "ledger.example/other", privateKey: [UInt8](repeating: 3, count: 32))
        var forged = note
        forged[25] ^= 1
        let cases: [([UInt8], ExternalCheckpointError.Code)] = [
            ([], .malformed), (Array("hello\n".utf8), .malformed),
            (Array(note.dropLast()), .malformed),
            ([UInt8](repeating: 0x0A, count: 2 << 20), .malformed),
            (try other.note(size: 5, root: .zero).encoded(), .notSigned),
            (try elsewhere.note(size: 5, root: .zero).encoded(), .notSigned), (forged, .notSigned),
        ]
        for (content, expected) in cases {
            try Data(content).write(to: path)
            #expect(await code(reader) == expected)
            #expect(await reader.records().isEmpty)
        }
        #expect(
            log.codes(of: "the external checkpoint cannot be used") == ["malformed", "not_signed"])
        try Data(note).write(to: path)
        #expect(await code(reader) == nil)
        #expect(await code(try self.reader(path.path, keys: [])) == .notSigned)
        #expect(
            await code(try self.reader(path.path, keys: [other.verifier, signer.verifier])) == nil)
        #expect(await code(try self.reader(folder.path)) == .unreadable)
        #expect(await code(try self.reader("/dev/zero")) == .unreadable)
    }

    @Test("a pipe keeps nobody waiting")
    func pipe() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "pipe").path
        #expect(mkfifo(path, 0o600) == 0)
        #expect(await code(try reader(path)) == .unreadable)
    }

    @Test("over HTTP, with bounds, without redirections")
    func http() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let note = String(decoding: try signer.note(size: 5, root: .zero).encoded(), as: UTF8.self)
        let peer = try ScriptedPeer { number, _ in
            switch number {
            case 0: .answer(200, note)
            case 1: .answer(404, note)
            case 2: .answer(302, "", headers: ["Location: /elsewhere"])
            case 3: .endless(bytes: 2 << 20)
            default: .disconnect
            }
        }
        defer { peer.stop() }
        let reader = try reader("http://127.0.0.1:\(peer.port)/kept/checkpoint")
        #expect(try await reader.read().size == 5)
        #expect(peer.requests.first?.head.hasPrefix("GET /kept/checkpoint HTTP/1.1") == true)
        #expect(await code(reader) == .unreadable)
        #expect(await code(reader) == .unreadable)
        #expect(await code(reader) == .malformed)
        #expect(await code(reader) == .unreadable)
    }

    @Test("a place is a path or a URL", arguments: ["ftp://a/b", "http://a/?b", "https://", ""])
    func places(text: String) {
        #expect(CheckpointPlace(parsing: text) == nil)
    }
}
