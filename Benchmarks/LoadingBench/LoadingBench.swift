internal import ArgumentParser
internal import BenchSupport
internal import Foundation
internal import LedgerCore
internal import LedgerStore
internal import ObjectStorage

/// Measures how long a replica loads the ids of events that have left etcd: with the loader that ships, out of a folder.
@main
struct LoadingBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "loading-bench",
        abstract: "Measure how fast the ids of archived events are loaded.",
        discussion: """
            Writes ids segments with random fingerprints into a folder, loads them as a starting replica does (read, \
            hash, compare the digest with the recorded one, decode, index), and deletes them. They are read out of the \
            kernel's memory: a slow disk or a bucket adds to that. Beside it stands SHA-256 over the same bytes on one \
            core. The report is one line of JSON.
            """)

    @Option(help: "Events of the ledger; 8.13 bytes of disk each.")
    var events = 10_000_000

    @Option(help: "Where the folder is made.")
    var directory = FileManager.default.temporaryDirectory.path

    mutating func validate() throws {
        guard (1...2_000_000_000).contains(events) else {
            throw ValidationError("The number of events must be sensible.")
        }
    }

    func run() async throws {
        let path = "\(directory)/loading-bench-\(ProcessInfo.processInfo.processIdentifier)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let count = UInt64((events + IdSegment.width - 1) / IdSegment.width)
        let recorded = try MadeSegments.write(count, into: path)
        let folder = FolderStore(path: path)
        let hashing = try await time {
            for number in 0..<count {
                let bytes = try await folder.read(
                    MadeSegments.name(number), maximum: IdSegment.byteCount)
                precondition(bytes.map { SegmentsDigest.ofSegment($0) } != nil, "it was written")
            }
        }
        let before = ResidentMemory.bytes
        let size = count * UInt64(IdSegment.width)
        let store = LedgerStore(
            store: try RecordedKeys(recorded, location: folder.location),
            keys: LedgerKeys(prefix: "ledger/"), archived: FolderSegments(folder))
        // As counter and head do, it shows that events have left etcd.
        let archive = try await store.archive()
        precondition(archive != nil, "there is a record")
        var index = IdIndex(seed: .random(in: 0...(.max)), expectedCount: size)
        let loading = try await time {
            _ = try await LedgerLoader(store).loadSegments(
                into: &index, size: size, progress: { _ in })
        }
        precondition(index.count == size, "every event is indexed")
        let events = Double(size)
        print(
            """
            {"events":\(size),"seconds":\(rounded(loading)),"events_per_s":\(Int(events / loading)),\
            "bytes_per_event":\(rounded(Double(ResidentMemory.bytes - before) / events)),\
            "peak_bytes_per_event":\(rounded(Double(ResidentMemory.peakBytes - before) / events)),\
            "read_and_sha256":{"seconds":\(rounded(hashing)),"events_per_s":\(Int(events / hashing))},\
            "ratio":\(rounded(hashing / loading))}
            """)
    }

    private func time(_ body: () async throws -> Void) async rethrows -> Double {
        let begin = ContinuousClock.now
        try await body()
        return begin.duration(to: .now) / .seconds(1)
    }
}

func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
