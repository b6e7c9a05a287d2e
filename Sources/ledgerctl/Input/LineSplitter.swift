/// Cuts chunks of bytes into lines.
struct LineSplitter {
    /// The longest line in bytes: more than any event needs, and small enough to hold.
    static let maximumLength = 1 << 20

    private var rest: [UInt8] = []
    private var isSkipping = false

    /// A line without its end, or the fact that it was too long.
    enum Line: Equatable {
        case complete([UInt8])
        case tooLong
    }

    /// The lines that the next bytes complete.
    mutating func append(_ chunk: [UInt8]) -> [Line] {
        var lines: [Line] = []
        var start = chunk.startIndex
        while let end = chunk[start...].firstIndex(of: UInt8(ascii: "\n")) {
            keep(chunk[start..<end])
            lines.append(takeLine())
            start = end + 1
        }
        keep(chunk[start...])
        return lines
    }

    /// The last line, where it has no end.
    mutating func finish() -> Line? {
        rest.isEmpty && !isSkipping ? nil : takeLine()
    }

    private mutating func keep(_ part: ArraySlice<UInt8>) {
        if isSkipping { return }
        rest += part
        if rest.count > Self.maximumLength {
            rest = []
            isSkipping = true
        }
    }

    private mutating func takeLine() -> Line {
        defer {
            rest = []
            isSkipping = false
        }
        if isSkipping { return .tooLong }
        if rest.last == UInt8(ascii: "\r") { rest.removeLast() }
        return .complete(rest)
    }
}
