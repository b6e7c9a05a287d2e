import TextFormats

/// The last sealed event and the tree up to it, as the key `head` holds them (formats.md, "Keys in etcd").
package struct Head: Hashable, Sendable {
    /// The version of the stored form.
    package static let version: UInt64 = 1

    /// The last sealed number; zero for an empty ledger.
    package let sequence: SequenceNumber

    /// The hash of that event; zero for an empty ledger, so that it is the first event's previous
    /// hash.
    package let eventHash: EventHash

    /// When that event was sealed, in epoch milliseconds; the lowest number for an empty ledger.
    package let sealedTimestamp: Int64

    /// The Merkle tree over the events 1...sequence.
    package let tree: MerkleFrontier

    /// A head whose tree must have as many leaves as the ledger has events.
    package init(
        sequence: SequenceNumber, eventHash: EventHash, sealedTimestamp: Int64, tree: MerkleFrontier
    ) {
        precondition(tree.size == sequence.rawValue, "the tree does not end at the head")
        self.sequence = sequence
        self.eventHash = eventHash
        self.sealedTimestamp = sealedTimestamp
        self.tree = tree
    }

    /// The head of a ledger without events, which is never stored.
    package static let empty = Head(
        sequence: .zero, eventHash: .zero, sealedTimestamp: .min, tree: MerkleFrontier())

    /// The stored form, without white space: the same head always gives the same bytes.
    package func encodedJSON() -> [UInt8] {
        var text = "{\"version\":\(Self.version),\"sequence\":\(sequence)"
        text += ",\"event_hash\":\"\(eventHash.hex)\",\"sealed_timestamp\":\(sealedTimestamp)"
        text += ",\"tree\":["
        text += tree.hashes.map { "\"\($0.hex)\"" }.joined(separator: ",")
        text += "]}"
        return Array(text.utf8)
    }
}

extension Head {
    /// Reads the stored form: one object with exactly the five known keys, in any order and with
    /// any white space between the tokens; canonical integers; a sequence in 1..<2^63 and as many
    /// subtree roots as it has 1-bits.
    package init(decodingJSON bytes: [UInt8]) throws(FormatError) {
        var fields = HeadFields()
        try JSONReader.members(of: bytes, "the head") { key, reader throws(JSONFailure) in
            try fields.read(key, from: &reader)
        }
        self = try fields.head()
    }
}

/// The fields of a stored head as far as they were read.
private struct HeadFields {
    var version: UInt64?
    var sequence: UInt64?
    var eventHash: Digest?
    var sealedTimestamp: Int64?
    var tree: [Digest]?

    mutating func read(_ key: String, from reader: inout JSONReader) throws(JSONFailure) {
        switch key {
        case "version": version = try reader.integer()
        case "sequence": sequence = try reader.integer()
        case "event_hash": eventHash = try reader.digest()
        case "sealed_timestamp": sealedTimestamp = try reader.integer()
        case "tree":
            var hashes: [Digest] = []
            try reader.array { reader throws(JSONFailure) in
                guard hashes.count < 64 else {
                    throw reader.failure("more than 64 subtree roots")
                }
                hashes.append(try reader.digest())
            }
            tree = hashes
        default:
            throw reader.unknown
        }
    }

    func head() throws(FormatError) -> Head {
        guard let version, let sequence, let eventHash, let sealedTimestamp, let tree else {
            throw FormatError(.wrongFormat, "the head lacks a key")
        }
        guard version == Head.version else {
            throw FormatError(.wrongFormat, "the head has version \(version) instead of 1")
        }
        let number = SequenceNumber(sequence)
        guard number.isLedgerNumber else {
            throw FormatError(.outOfBounds, "the head's sequence \(number) is not in 1..<2^63")
        }
        return Head(
            sequence: number, eventHash: eventHash, sealedTimestamp: sealedTimestamp,
            tree: try MerkleFrontier(size: sequence, hashes: tree))
    }
}
