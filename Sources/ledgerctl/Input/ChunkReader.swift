internal import Dispatch
internal import Foundation

/// Reads a file or standard input in chunks, on a thread of its own: waiting for a slow writer must
/// not hold up the tasks that submit.
final class ChunkReader: Sendable {
    private static let chunkBytes = 64 * 1024

    private let handle: FileHandle
    private let queue = DispatchQueue(label: "ledgerctl.input")

    /// The file's length, where it has one that is known.
    let byteCount: UInt64?

    /// Opens a file; `-` is standard input.
    init(path: String) throws {
        if path == "-" {
            handle = .standardInput
            byteCount = nil
        } else {
            handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            let attributes = try? FileManager.default.attributesOfItem(atPath: path)
            let isRegular = attributes?[.type] as? FileAttributeType == .typeRegular
            byteCount = isRegular ? attributes?[.size] as? UInt64 : nil
        }
    }

    /// The next bytes; nil at the end.
    func next() async throws -> [UInt8]? {
        try await withCheckedThrowingContinuation { continuation in
            queue.async {
                continuation.resume(
                    with: Result {
                        try self.handle.read(upToCount: Self.chunkBytes).flatMap {
                            $0.isEmpty ? nil : Array($0)
                        }
                    })
            }
        }
    }

    /// Reads everything, up to a limit.
    ///
    /// - Returns: The bytes, or nil where there are more than the limit.
    func readAll(limit: Int) async throws -> [UInt8]? {
        var bytes: [UInt8] = []
        while let chunk = try await next() {
            bytes += chunk
            if bytes.count > limit { return nil }
        }
        return bytes
    }
}
