import Foundation
import LedgerAPI
import LedgerCore
import TestSupport
import Testing

extension Integration {
    /// The static log over HTTP, on the port for tiles and on the admin port.
    @Suite("Tiles over HTTP", .serialized)
    struct TilesTests {
        private let signer: NoteSigner

        init() throws {
            signer = try NoteSigner(
                name: "localhost/immutable-ledger", privateKey: Array(repeating: 9, count: 32))
        }

        private static let settings = [
            "LEDGER_TILES_PORT": "0", "LEDGER_TILES_ENTRIES": "on",
            "LEDGER_COMMIT_DEADLINE_MS": "20000", "LEDGER_RESOLVE_DEADLINE_MS": "30000",
            "LEDGER_CACHE_BYTES": "0", "LEDGER_FOLLOW_BYTES": "0",
        ]

        private func entries(_ stored: StoredLedger) async throws -> [[UInt8]] {
            try await stored.blocks().flatMap { block in
                try Block(decoding: block.bytes, firstNumber: SequenceNumber(block.number))
                    .entries.map { Array($0) }
            }
        }

        private func publish(
            _ size: Int, _ entries: [[UInt8]], _ stored: StoredLedger
        ) async throws -> [UInt8] {
            let root = MerkleTree.root(of: entries.prefix(size).map { MerkleTree.leafHash(of: $0) })
            let note = try signer.note(size: UInt64(size), root: root).encoded()
            try await stored.put(stored.keys.checkpoint, note)
            return note
        }

        /// Runs a test with a ledger of 520 events.
        private func withLog(
            _ changes: [String: String] = [:],
            _ body: (LedgerFixture, StoredLedger, [[UInt8]]) async throws -> Void
        ) async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let settings = Self.settings.merging(changes) { $1 }
            try await withLedger(on: cluster, settings: settings) { ledger in
                let answers = try await ledger.calls.submitStream(
                    Ledger_CertifiedEvent.samples("t", count: 520))
                #expect(answers.count { $0.isSealed } == 520)
                try await withKeys(of: ledger) { stored in
                    try await body(ledger, stored, try await entries(stored))
                }
            }
        }

        private func get(_ port: Int, _ path: String) async throws -> LoopbackHTTP.Answer {
            try #require(await LoopbackHTTP.ask(port: port, path))
        }

        @Test("everything that the published checkpoint covers is served, and nothing more")
        func covered() async throws {
            try await withLog { ledger, stored, entries in
                let port = try await ledger.process.tilesPort()
                for path in ["/checkpoint", "/tile/0/000", "/tile/entries/000"] {
                    #expect(try await get(port, path).status == 404, "\(path), unpublished")
                }
                let note = try await publish(300, entries, stored)
                let checkpoint = try await get(port, "/checkpoint")
                #expect(checkpoint.status == 200 && checkpoint.body == note)
                #expect(checkpoint.headers["content-type"] == "text/plain; charset=utf-8")
                #expect(checkpoint.headers["cache-control"] == "no-cache")
                let leaves = entries.map { MerkleTree.leafHash(of: $0) }
                let hashes: (Range<Int>) -> [UInt8] = { leaves[$0].flatMap(\.bytes) }
                let framed: (Range<Int>) -> [UInt8] = { range in
                    entries[range].reduce(into: []) { Block.append($1, to: &$0) }
                }
                let first = MerkleTree.root(of: Array(leaves[..<256]))
                let tiles: [(String, [UInt8])] = [
                    ("0/000", hashes(0..<256)), ("0/000.p/1", hashes(0..<1)),
                    ("0/000.p/255", hashes(0..<255)), ("0/001.p/44", hashes(256..<300)),
                    ("0/001.p/7", hashes(256..<263)), ("1/000.p/1", first.bytes),
                    ("entries/000", framed(0..<256)), ("entries/000.p/9", framed(0..<9)),
                    ("entries/001.p/44", framed(256..<300)),
                ]
                for (path, body) in tiles {
                    let answer = try await get(port, "/tile/\(path)")
                    #expect(answer.status == 200 && answer.body == body, "\(path)")
                    #expect(answer.isWhole, "\(path)")
                    #expect(answer.headers["content-type"] == "application/octet-stream")
                    #expect(answer.headers["cache-control"]?.hasSuffix("immutable") == true)
                }
                for path in ["0/001", "0/001.p/45", "1/000", "1/000.p/2", "entries/001.p/45"] {
                    #expect(try await get(port, "/tile/\(path)").status == 404, "\(path)")
                }
                _ = try await publish(512, entries, stored)
                #expect(try await get(port, "/tile/0/001").body == hashes(256..<512))
                #expect(try await get(port, "/tile/1/000.p/2").body.count == 64)
                #expect(try await get(port, "/tile/0/002.p/1").status == 404)
            }
        }

        @Test("strange paths, methods and headers get an answer that says no")
        func strange() async throws {
            try await withLog { ledger, stored, entries in
                _ = try await publish(520, entries, stored)
                let port = try await ledger.process.tilesPort()
                let strange = [
                    "/", "/tile", "/tile/", "/tile/0", "/tile/0/", "/tile/0/0", "/tile/0/00",
                    "/tile/0/0000", "/tile/0/x000/000", "/tile/0/x001", "/tile/00/000",
                    "/tile/-1/000", "/tile/+0/000", "/tile/64/000", "/tile/63/000",
                    "/tile/0/000.p/0", "/tile/0/000.p/00", "/tile/0/000.p/01", "/tile/0/000.p/256",
                    "/tile/0/000.p/300", "/tile/0/000.p/", "/tile/0/000.p", "/tile/0/000.p/-1",
                    "/tile/0/000/../000", "/tile/../tile/0/000", "/../../etc/passwd",
                    "/tile/%30/000", "/tile/0/%2e%2e/000", "/tile//0/000", "//tile/0/000",
                    "/tile/0/x999/x999/x999/x999/x999/x999/999",
                    "/tile/0/x018/x446/x744/x073/x709/x551/615",
                    "/tile/entries/000/", "/tile/entries", "/tile/data/000", "/TILE/0/000",
                    "/metrics", "/health", "/livez", "/checkpoint/",
                ]
                for path in strange {
                    let answer = try await get(port, path)
                    #expect(answer.status == 404, "\(path): \(answer.status)")
                    #expect(answer.headers["cache-control"] == "no-store", "\(path)")
                }
                // Bytes that are not ASCII are no request at all.
                #expect(try await get(port, "/tile/0/\u{0661}00").status == 400)
                let full = try await get(port, "/tile/0/000?whatever=1")
                #expect(full.status == 200)
                let tag = try #require(full.headers["etag"])
                for path in ["/tile/0/000", "/tile/entries/000"] {
                    let same = await LoopbackHTTP.ask(
                        port: port, path, headers: "If-None-Match: \(tag)\r\n")
                    #expect(same?.status == 304 && same?.body.isEmpty == true)
                }
                let range = await LoopbackHTTP.ask(
                    port: port, "/tile/0/000", headers: "Range: bytes=0-31\r\n")
                #expect(range?.status == 200 && range?.body.count == 8_192)
                for path in ["/tile/0/000", "/tile/entries/000", "/checkpoint"] {
                    let head = await LoopbackHTTP.ask(port: port, path, method: "HEAD")
                    #expect(head?.status == 200 && head?.body.isEmpty == true)
                    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
                        let other = await LoopbackHTTP.ask(port: port, path, method: method)
                        #expect(other?.status != 200, "\(method)")
                    }
                }
                let long = "/tile/0/" + String(repeating: "x000/", count: 20_000)
                #expect(await LoopbackHTTP.ask(port: port, long)?.status != 200)
                #expect(try await get(port, "/tile/0/000").status == 200)
                let counted = try await ledger.process.metrics()
                #expect(counted["ledger_tiles_requests_total{result=\"not_modified\"}"] == 2)
                #expect(
                    (counted["ledger_tiles_requests_total{result=\"not_found\"}"] ?? 0)
                        >= Double(strange.count))
            }
        }

        @Test(
            "entries are served only where that is said, on either port; the admin port has the rest"
        )
        func entriesOff() async throws {
            try await withLog(["LEDGER_TILES_ENTRIES": "off"]) { ledger, stored, entries in
                let note = try await publish(520, entries, stored)
                for port in [
                    try await ledger.process.tilesPort(), try await ledger.process.adminPort(),
                ] {
                    #expect(try await get(port, "/tile/entries/000").status == 404)
                    #expect(try await get(port, "/tile/0/000").status == 200)
                    #expect(try await get(port, "/checkpoint").body == note)
                }
                let silent = try await ledger.another(["LEDGER_TILES_PORT": ""])
                try await silent.use { silent in
                    #expect(!silent.process.log.contains("tiles port"))
                    let admin = try await silent.process.adminPort()
                    #expect(try await get(admin, "/tile/1/000.p/2").status == 200)
                }
            }
        }

        @Test("what is damaged is not served")
        func damaged() async throws {
            try await withLog { ledger, stored, entries in
                _ = try await publish(520, entries, stored)
                let port = try await ledger.process.tilesPort()
                // The second tile before it was ever read: what was read and checked is kept.
                let tile = stored.keys.tile(TileID(level: 0, index: 1))
                let right = try #require(try await stored.value(tile))
                try await stored.change(tile) { $0[5] ^= 1 }
                #expect(try await get(port, "/tile/0/001").status == 500)
                #expect(try await get(port, "/tile/entries/001").status == 500)
                try await stored.put(tile, right)
                #expect(try await get(port, "/tile/0/001").status == 200)
                let last = try #require(try await stored.blocks().last)
                let key = stored.keys.block(SequenceNumber(last.number))
                // In the payload of its last event, which no hash in the block shows.
                let place = try #require(
                    last.bytes.lastRange(of: Array("payload of".utf8))?.lowerBound)
                try await stored.change(key) { $0[place] ^= 1 }
                let cut = await LoopbackHTTP.ask(port: port, "/tile/entries/002.p/8")
                #expect(cut?.isWhole != true)
                try await stored.put(stored.keys.checkpoint, Array("nonsense".utf8))
                #expect(try await get(port, "/checkpoint").status == 500)
            }
        }

        @Test("thousands of connections that ask nothing keep nobody out")
        func silentConnections() async throws {
            try await withLog { ledger, stored, entries in
                _ = try await publish(520, entries, stored)
                let port = try await ledger.process.tilesPort()
                let silent = (0..<2_000).compactMap { _ in LoopbackSocket(connectedTo: port) }
                defer { for socket in silent { socket.close() } }
                try await eventually("somebody who asks is answered") {
                    await LoopbackHTTP.ask(port: port, "/tile/0/000")?.status == 200
                }
                let metrics = try await ledger.process.metrics()
                #expect((metrics["ledger_tiles_connections"] ?? 0) <= 512)
                #expect(await ledger.calls.submit(.sample("meanwhile")).isSealed)
            }
        }
    }
}
