internal import Foundation
internal import LedgerCore
internal import LedgerStore
internal import ObjectStorage

/// Ids segments with random fingerprints, in blocks of 16 events, as files.
enum MadeSegments {
    /// - Returns: the digest of all of them.
    static func write(_ count: UInt64, into path: String) throws -> SegmentsDigest {
        let folder = URL(fileURLWithPath: path)
        try FileManager.default.createDirectory(
            at: folder.appending(path: "ids"), withIntermediateDirectories: true)
        var digest = SegmentsDigest()
        var state = UInt64.random(in: 0...(.max))
        for number in 0..<count {
            let bytes = segment(&state)
            digest.append(SegmentsDigest.ofSegment(bytes))
            try Data(bytes).write(to: folder.appending(path: name(number).text))
        }
        return digest
    }

    static func name(_ number: UInt64) throws -> ObjectName {
        let digits = String(number)
        return try ObjectName("ids/" + String(repeating: "0", count: 20 - digits.count) + digits)
    }

    private static func segment(_ state: inout UInt64) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: IdSegment.byteCount) { bytes, count in
            let raw = UnsafeMutableRawBufferPointer(bytes)
            let fingerprintBytes = IdSegment.width * Fingerprint.byteCount
            for offset in stride(from: 0, to: fingerprintBytes, by: 8) {
                // SplitMix64.
                state &+= 0x9E37_79B9_7F4A_7C15
                var mixed = state
                mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
                mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
                raw.storeBytes(of: mixed ^ (mixed >> 31), toByteOffset: offset, as: UInt64.self)
            }
            for offset in stride(from: fingerprintBytes, to: IdSegment.byteCount, by: 2) {
                raw.storeBytes(of: UInt16(1).littleEndian, toByteOffset: offset, as: UInt16.self)
            }
            count = IdSegment.byteCount
        }
    }
}

/// An archive that has nothing but ids segments.
struct FolderSegments: ArchivedPast {
    private let objects: any ObjectStore

    init(_ objects: any ObjectStore) { self.objects = objects }

    func segment(
        _ number: UInt64, _ trust: ArchiveTrust
    ) async throws(LedgerStoreError) -> [UInt8] {
        do throws(ObjectStoreError) {
            let name = try ObjectName("ids/" + Self.digits(number))
            let bytes = try await objects.read(name, maximum: IdSegment.byteCount)
            if let bytes { return bytes }
        } catch {
            throw .archive(.unavailable("\(error)"))
        }
        throw .archive(.contradicts("ids segment \(number)"))
    }

    func bundle(_ index: UInt64, _ trust: ArchiveTrust) async throws(LedgerStoreError) -> [UInt8] {
        throw .archive(.unavailable("there are no bundles"))
    }

    func tile(_ id: TileID) async throws(LedgerStoreError) -> [UInt8] {
        throw .archive(.unavailable("there are no tiles"))
    }

    private static func digits(_ number: UInt64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: 20 - digits.count) + digits
    }
}
