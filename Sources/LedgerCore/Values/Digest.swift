import Crypto

/// A SHA-256 value: 32 bytes, stored inline.
package struct Digest: Hashable, Sendable, CustomStringConvertible {
    /// The length of every digest in bytes.
    package static let byteCount = 32

    /// 32 zero bytes: the `previous_hash` of sequence number 1 (formats.md, "Entry").
    package static let zero = Digest()

    // In the order of the bytes in memory, so that `withUnsafeBytes` needs no conversion.
    private let word0: UInt64
    private let word1: UInt64
    private let word2: UInt64
    private let word3: UInt64

    private init() {
        word0 = 0
        word1 = 0
        word2 = 0
        word3 = 0
    }

    /// Reads a digest from the first 32 bytes of a buffer that must hold at least as many.
    init(reading buffer: UnsafeRawBufferPointer) {
        precondition(buffer.count >= Self.byteCount)
        word0 = buffer.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
        word1 = buffer.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        word2 = buffer.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
        word3 = buffer.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
    }

    /// Takes the value of a finished hash function.
    init(_ digest: SHA256Digest) {
        self = digest.withUnsafeBytes { Digest(reading: $0) }
    }

    /// A digest from its bytes; nil unless there are exactly 32.
    package init?(bytes: [UInt8]) {
        self.init(bytes: bytes[...])
    }

    /// A digest from its bytes; nil unless there are exactly 32.
    package init?(bytes: ArraySlice<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        self = bytes.withUnsafeBytes { Digest(reading: $0) }
    }

    /// A digest from 64 lower-case hex digits; nil for anything else.
    package init?(hex: String) {
        self.init(hexUTF8: Array(hex.utf8)[...])
    }

    /// A digest from the bytes of 64 lower-case hex digits; nil for anything else.
    package init?(hexUTF8: ArraySlice<UInt8>) {
        guard hexUTF8.count == 2 * Self.byteCount, let bytes = Hex.decode(hexUTF8) else {
            return nil
        }
        self.init(bytes: bytes)
    }

    /// The SHA-256 of the bytes.
    package static func sha256(_ bytes: [UInt8]) -> Digest {
        bytes.withUnsafeBytes { sha256($0) }
    }

    /// The SHA-256 of the bytes.
    package static func sha256(_ bytes: ArraySlice<UInt8>) -> Digest {
        bytes.withUnsafeBytes { sha256($0) }
    }

    /// The SHA-256 of the bytes.
    static func sha256(_ bytes: UnsafeRawBufferPointer) -> Digest {
        var function = SHA256()
        function.update(bufferPointer: bytes)
        return Digest(function.finalize())
    }

    /// The 32 bytes.
    package var bytes: [UInt8] {
        withUnsafeBytes { Array($0) }
    }

    /// 64 lower-case hex digits.
    package var hex: String {
        withUnsafeBytes { Hex.encode($0) }
    }

    package var description: String { hex }

    /// Appends the 32 bytes to an array.
    package func append(to bytes: inout [UInt8]) {
        withUnsafeBytes { bytes.append(contentsOf: $0) }
    }

    /// Gives access to the 32 bytes without a copy on the heap.
    package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        Swift.withUnsafeBytes(of: self, body)
    }
}

/// The SHA-256 of an entry's canonical bytes (formats.md, "Entry").
package typealias EventHash = Digest
