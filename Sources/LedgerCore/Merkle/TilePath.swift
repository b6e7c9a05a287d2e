/// The part of a C2SP tlog-tiles path after `/tile/`: `<L>/<N>[.p/<W>]` (formats.md, "Tiles over
/// HTTP").
package struct TilePath: Hashable, Sendable {
    /// What a tile holds.
    package enum Kind: Hashable, Sendable {
        /// Hashes of a level 0...63.
        case hashes(level: Int)
        /// Entries, framed as in a block.
        case entries
    }

    package let kind: Kind

    package let index: UInt64

    /// 256 for a full tile, 1...255 for a partial one.
    package let width: Int

    package init(kind: Kind, index: UInt64, width: Int = TileID.width) {
        precondition((1...TileID.width).contains(width), "a tile has 1 to 256 hashes")
        self.kind = kind
        self.index = index
        self.width = width
    }

    /// The full tile of which this is a part.
    package var full: TilePath { TilePath(kind: kind, index: index) }

    /// Reads a path such as `0/x001/x234/067.p/8`; nil for any other text than the one that `text`
    /// gives.
    package init?(_ text: String) {
        var parts = text.split(separator: "/", omittingEmptySubsequences: false)[...]
        guard parts.count >= 2, parts.count <= 10 else { return nil }
        guard let kind = Self.kind(parts.removeFirst()) else { return nil }
        var width = TileID.width
        if parts.count >= 2, parts[parts.endIndex - 2].hasSuffix(".p") {
            guard let partial = DecimalText.canonical(Array(parts.removeLast().utf8)[...]),
                (1..<UInt64(TileID.width)).contains(partial)
            else { return nil }
            width = Int(partial)
            parts[parts.endIndex - 1].removeLast(2)
        }
        guard let index = Self.index(parts) else { return nil }
        self.init(kind: kind, index: index, width: width)
        // Whatever leading groups or signs the parser let pass, only the canonical text is a path.
        guard self.text == text else { return nil }
    }

    /// The canonical text.
    package var text: String {
        var text = Self.group(index % 1000)
        var rest = index / 1000
        while rest > 0 {
            text = "x\(Self.group(rest % 1000))/\(text)"
            rest /= 1000
        }
        switch kind {
        case .hashes(let level): text = "\(level)/\(text)"
        case .entries: text = "entries/\(text)"
        }
        return width == TileID.width ? text : "\(text).p/\(width)"
    }

    private static func kind(_ text: Substring) -> Kind? {
        if text == "entries" { return .entries }
        guard let level = DecimalText.canonical(Array(text.utf8)[...]), level < 64 else {
            return nil
        }
        return .hashes(level: Int(level))
    }

    private static func index(_ groups: ArraySlice<Substring>) -> UInt64? {
        var index: UInt64 = 0
        for (offset, group) in groups.enumerated() {
            let digits = offset == groups.count - 1 ? group : group.dropFirst()
            guard digits.utf8.count == 3, let value = UInt64(digits) else { return nil }
            let (product, tooLarge) = index.multipliedReportingOverflow(by: 1000)
            let (sum, carried) = product.addingReportingOverflow(value)
            guard !tooLarge, !carried else { return nil }
            index = sum
        }
        return index
    }

    private static func group(_ value: UInt64) -> String {
        String(String(value + 1000).dropFirst())
    }
}
