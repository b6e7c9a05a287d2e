import CZlib
import NIOCore
import Testing

@testable import GRPCEdge

/// Messages as they stand on the wire.
enum Wire {
    static func message(_ body: [UInt8], flag: UInt8 = 0) -> [UInt8] {
        let length = UInt32(body.count)
        return [flag] + (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) } + body
    }

    /// The body as a zlib stream.
    static func deflated(_ body: [UInt8]) -> [UInt8] {
        var length = compressBound(UInt(body.count))
        var output = [UInt8](repeating: 0, count: Int(length))
        #expect(compress(&output, &length, body, UInt(body.count)) == Z_OK)
        return Array(output.prefix(Int(length)))
    }
}

@Suite("Message framing")
struct MessageFramingTests {
    private static func framing(
        maxBytes: Int = 100, skipping: Int = 1_000, isCompressionAllowed: Bool = true
    ) -> MessageFraming {
        MessageFraming(
            maxBytes: maxBytes, maxSkippedBytes: skipping,
            isCompressionAllowed: isCompressionAllowed)
    }

    /// All pieces of the bytes, fed in parts of these sizes.
    private static func pieces(
        of bytes: [UInt8], in parts: [Int], _ framing: inout MessageFraming
    ) -> [MessageFraming.Piece] {
        var rest = bytes[...]
        var pieces: [MessageFraming.Piece] = []
        for part in parts + [bytes.count] {
            var input = ByteBuffer(bytes: rest.prefix(part))
            rest = rest.dropFirst(part)
            while let piece = framing.next(from: &input) { pieces.append(piece) }
        }
        return pieces
    }

    @Test("the same messages come out however their bytes come in", arguments: 0..<50)
    func splitting(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let bodies = (0..<8).map { _ in
            (0..<Int.random(in: 0...100, using: &random)).map { UInt8(truncatingIfNeeded: $0) }
        }
        let bytes = bodies.flatMap { Wire.message($0) }
        var parts: [Int] = []
        while parts.reduce(0, +) < bytes.count {
            parts.append(Int.random(in: 0...40, using: &random))
        }
        var framing = Self.framing()
        let pieces = Self.pieces(of: bytes, in: parts, &framing)
        #expect(pieces == bodies.map { .message(ByteBuffer(bytes: Wire.message($0))) })
        #expect(!framing.isInMessage)
        #expect(framing.heldBytes == 0)
    }

    @Test("no more is held than came, whatever length is claimed")
    func claimedLength() {
        var framing = Self.framing(maxBytes: 1 << 20)
        _ = Self.pieces(of: [0, 0, 15, 0, 0, 1, 2, 3], in: [2], &framing)
        #expect(framing.heldBytes == 8)
        #expect(framing.isInMessage)
    }

    @Test("a message that is too long is skipped, and what follows it is read")
    func oversized() {
        var framing = Self.framing()
        let long = [UInt8](repeating: 7, count: 900)
        let bytes = Wire.message([1]) + Wire.message(long) + Wire.message([2])
        let pieces = Self.pieces(of: bytes, in: [3, 200, 400], &framing)
        #expect(
            pieces == [
                .message(ByteBuffer(bytes: Wire.message([1]))),
                .oversized(length: 900, start: ByteBuffer(bytes: long.prefix(300))),
                .message(ByteBuffer(bytes: Wire.message([2]))),
            ])
    }

    @Test("the longest message is taken, one byte more is not")
    func bounds() {
        var framing = Self.framing(skipping: 0)
        let longest = [UInt8](repeating: 1, count: 100)
        #expect(
            Self.pieces(of: Wire.message(longest), in: [], &framing)
                == [.message(ByteBuffer(bytes: Wire.message(longest)))])
        #expect(
            Self.pieces(of: Wire.message(longest + [1]), in: [], &framing)
                == [.broken(.messageTooLarge)])
    }

    @Test("a message beyond what is skipped ends the call, also one of four gigabytes")
    func beyondSkipping() {
        for length in [[0, 0, 3, 233], [255, 255, 255, 255]] as [[UInt8]] {
            var framing = Self.framing()
            #expect(
                Self.pieces(of: [0] + length + [1, 2], in: [], &framing)
                    == [.broken(.messageTooLarge)])
            #expect(Self.pieces(of: Wire.message([1]), in: [], &framing).isEmpty)
        }
    }

    @Test("a flag other than 0 and 1 is refused", arguments: [2, 3, 128, 255] as [UInt8])
    func flags(flag: UInt8) {
        var framing = Self.framing()
        #expect(
            Self.pieces(of: Wire.message([1], flag: flag), in: [1], &framing)
                == [.broken(.malformedMessage)])
    }

    @Test("a compressed message comes out as it was")
    func compressed() {
        var framing = Self.framing()
        let body = [UInt8](repeating: 5, count: 100)
        let pieces = Self.pieces(
            of: Wire.message(Wire.deflated(body), flag: 1), in: [6, 3], &framing)
        #expect(pieces == [.message(ByteBuffer(bytes: Wire.message(body)))])
    }

    @Test("a bomb is skipped like any message that is too long")
    func bomb() throws {
        var framing = Self.framing()
        let bomb = Wire.deflated([UInt8](repeating: 0, count: 50_000))
        #expect(bomb.count < 100)
        let pieces = Self.pieces(
            of: Wire.message(bomb, flag: 1) + Wire.message([1]), in: [], &framing)
        let first = try #require(pieces.first)
        guard case .oversized(let length, let start) = first else {
            Issue.record("\(first)")
            return
        }
        #expect(length > 100 && length < 400)
        #expect(start.readableBytes <= MessageFraming.keptStart)
        #expect(pieces.last == .message(ByteBuffer(bytes: Wire.message([1]))))
    }

    @Test("bytes that do not decompress, or not to their end, are refused")
    func malformedCompression() {
        let whole = Wire.deflated([1, 2, 3, 4])
        for bytes in [[], [1, 2, 3], Array(whole.dropLast()), whole + [0]] {
            var framing = Self.framing()
            #expect(
                Self.pieces(of: Wire.message(bytes, flag: 1), in: [], &framing)
                    == [.broken(.malformedCompression)])
        }
    }

    @Test("a compressed message needs a call that names an encoding")
    func withoutEncoding() {
        var framing = Self.framing(isCompressionAllowed: false)
        #expect(
            Self.pieces(of: Wire.message(Wire.deflated([1]), flag: 1), in: [], &framing)
                == [.broken(.compressedWithoutEncoding)])
    }
}

/// Reproducible random numbers.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
