/// The events of one group commit, as the value of `events/<first>` holds them (formats.md, "Keys in etcd").
package struct Block: Hashable, Sendable {
    /// The most events of a block.
    package static let maxEntries = 1024

    /// The most bytes of entries in a block, without their lengths.
    package static let maxEntryBytes = 1 << 20

    /// The length of the number before each entry, in bytes.
    package static let lengthByteCount = 2

    /// The sequence number that the block's key gives to its first entry.
    package let firstNumber: SequenceNumber

    /// The canonical bytes of each entry; at least one.
    package let entries: [ArraySlice<UInt8>]

    /// Reads a stored block: whole, not empty, within its limits. The entries themselves are not
    /// looked into.
    package init(decoding value: [UInt8], firstNumber: SequenceNumber) throws(FormatError) {
        let framing = BlockFraming(value)
        if let problem = framing.problem { throw problem }
        self.firstNumber = firstNumber
        entries = framing.entries
    }

    /// The number of the last entry.
    package var lastNumber: SequenceNumber {
        firstNumber.advanced(by: UInt64(entries.count - 1))
    }

    /// The bytes of the entry with this number; nil when it is not in the block.
    package func entry(_ number: SequenceNumber) -> ArraySlice<UInt8>? {
        guard number >= firstNumber, number <= lastNumber else { return nil }
        return entries[Int(firstNumber.distance(to: number))]
    }

    /// The stored form.
    package func encoded() -> [UInt8] {
        var value: [UInt8] = []
        value.reserveCapacity(entries.reduce(0) { $0 + Self.lengthByteCount + $1.count })
        for entry in entries { Self.append(entry, to: &value) }
        return value
    }

    /// Appends an entry of at most 65,535 bytes to the value of a block.
    package static func append(_ entry: [UInt8], to value: inout [UInt8]) {
        append(entry[...], to: &value)
    }

    /// Appends an entry of at most 65,535 bytes to the value of a block.
    package static func append(_ entry: ArraySlice<UInt8>, to value: inout [UInt8]) {
        precondition(entry.count <= EventLimits.maxEntryBytes, "an entry is too long")
        value.appendBigEndian(UInt16(entry.count))
        value.append(contentsOf: entry)
    }
}

extension Block {
    /// One entry of a block whose chain was checked, with its hashes.
    package struct Link: Hashable, Sendable {
        package let entry: EntryView

        /// What the next entry carries as its previous hash.
        package let eventHash: EventHash

        /// What the Merkle tree commits to.
        package let leafHash: Digest
    }

    /// Reads a stored block and checks the chain inside it: well-formed entries, their numbers from
    /// `first` on, each previous hash against the entry before it, and times that never go back.
    ///
    /// The error carries the first number whose bytes do not match, and one of the codes
    /// `wrongNumber`, `linkBroken`, `timestampBackwards` or what is malformed. What the first entry
    /// continues is for the caller to check.
    ///
    /// - Parameter maxEntryBytes: of all entries together; a bundle of an archive has more than a block.
    package static func decodeChain(
        _ value: [UInt8], first: SequenceNumber, maxEntryBytes: Int = Block.maxEntryBytes
    ) throws(FormatError) -> [Link] {
        let framing = BlockFraming(value, maxEntryBytes: maxEntryBytes)
        var links: [Link] = []
        links.reserveCapacity(framing.entries.count)
        var number = first
        for bytes in framing.entries {
            let entry = try EntryView(decoding: bytes, at: number)
            try check(entry, number: number, follows: links.last)
            links.append(
                Link(
                    entry: entry, eventHash: entry.eventHash,
                    leafHash: MerkleTree.leafHash(of: bytes)))
            number = number.next
        }
        if let problem = framing.problem {
            throw FormatError(problem.code, problem.message, at: number)
        }
        return links
    }

    private static func check(
        _ entry: EntryView, number: SequenceNumber, follows previous: Link?
    ) throws(FormatError) {
        if let previous, entry.previousHash != previous.eventHash {
            throw FormatError(
                .linkBroken,
                "the next entry says \(entry.previousHash), its bytes give \(previous.eventHash)",
                at: number.previous)
        }
        guard entry.sequenceNumber == number else {
            throw FormatError(
                .wrongNumber, "the entry carries the number \(entry.sequenceNumber)", at: number)
        }
        if let previous, entry.sealedTimestamp < previous.entry.sealedTimestamp {
            throw FormatError(
                .timestampBackwards,
                "sealed at \(entry.sealedTimestamp), the entry before at "
                    + "\(previous.entry.sealedTimestamp)",
                at: number)
        }
    }
}
