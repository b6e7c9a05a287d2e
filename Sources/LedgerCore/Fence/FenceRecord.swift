import TextFormats

/// The key `fence`: that sealing has stopped because the ledger's past is in doubt, or what an operator has decided
/// about it. A fence thus outlives the processes that found it (protocol.md 12).
package struct FenceRecord: Hashable, Sendable {
    package enum State: Hashable, Sendable {
        /// Nothing is sealed until an operator decides.
        case fenced(reason: String)
        /// An operator accepts the ledger that ends, or ended, with this number and root, although the records speak
        /// of another one.
        case accepted(size: UInt64, root: Digest)
    }

    package let state: State

    /// What contradicts the ledger; with `accepted`, what is no contradiction any more.
    package let records: [OutsideRecord]

    package static let maxRecords = 64
    package static let maxReasonBytes = 1_024

    /// Text outside printable ASCII, quotes and backslashes are replaced, and what is longer than the bounds is cut.
    package init(_ state: State, records: [OutsideRecord]) {
        switch state {
        case .fenced(let reason):
            self.state = .fenced(reason: Self.plain(reason, Self.maxReasonBytes))
        case .accepted: self.state = state
        }
        self.records = records.prefix(Self.maxRecords).map {
            OutsideRecord(
                source: Self.plain($0.source, OutsideRecord.maxSourceBytes), size: $0.size,
                root: $0.root, isContradicted: $0.isContradicted)
        }
    }

    /// Whether the loss of what this record speaks of was accepted.
    package func accepts(_ record: OutsideRecord) -> Bool {
        guard case .accepted = state else { return false }
        let plain = FenceRecord(state, records: [record]).records[0]
        return records.contains { $0.covers(plain) }
    }

    /// What the ledger must still contain: what was accepted. Nil while nothing is.
    package var acceptedRecord: OutsideRecord? {
        guard case .accepted(let size, let root) = state, size > 0 else { return nil }
        return OutsideRecord(source: "the operator's decision", size: size, root: root)
    }

    private static func plain(_ text: String, _ limit: Int) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8.prefix(limit) {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(UInt8(ascii: "'"))
            case 0x20...0x7E: bytes.append(byte)
            default: bytes.append(UInt8(ascii: "?"))
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

// MARK: - JSON

extension FenceRecord {
    /// The key's value.
    package func encodedJSON() -> [UInt8] {
        var text = #"{"version":1,"#
        switch state {
        case .fenced(let reason): text += #""state":"fenced","reason":"\#(reason)","#
        case .accepted(let size, let root):
            text += #""state":"accepted","sequence":\#(size),"root":"\#(root.hex)","#
        }
        let records = records.map { record in
            let root = record.root.map { #""\#($0.hex)""# } ?? "null"
            return #"{"source":"\#(record.source)","size":\#(record.size),"root":\#(root),"#
                + #""contradicted":\#(record.isContradicted)}"#
        }
        text += #""records":[\#(records.joined(separator: ","))]}"#
        return Array(text.utf8)
    }

    /// Reads the key's value; unknown members are an error, for what they say could be what matters.
    package init(decodingJSON bytes: [UInt8]) throws(FormatError) {
        var fields = Fields()
        try JSONReader.members(of: bytes, "the fence") { key, reader throws(JSONFailure) in
            try fields.read(key, from: &reader)
        }
        self = try fields.record()
    }

    private struct Fields {
        var version: UInt64?
        var state: String?
        var reason: String?
        var sequence: UInt64?
        var root: Digest?
        var records: [OutsideRecord] = []

        mutating func read(_ key: String, from reader: inout JSONReader) throws(JSONFailure) {
            switch key {
            case "version": version = try reader.integer()
            case "state": state = try reader.string()
            case "reason": reason = try reader.string()
            case "sequence": sequence = try reader.integer()
            case "root": root = try reader.digest()
            case "records":
                var records: [OutsideRecord] = []
                try reader.array { reader throws(JSONFailure) in
                    guard records.count < FenceRecord.maxRecords else {
                        throw reader.failure("too many records")
                    }
                    records.append(try Self.outside(&reader))
                }
                self.records = records
            default: throw reader.unknown
            }
        }

        func record() throws(FormatError) -> FenceRecord {
            guard version == 1 else {
                throw FormatError(.wrongFormat, "the fence has not version 1")
            }
            switch (state, reason, sequence, root) {
            case ("fenced", .some(let reason), nil, nil):
                return FenceRecord(.fenced(reason: reason), records: records)
            case ("accepted", nil, .some(let sequence), .some(let root)):
                return FenceRecord(.accepted(size: sequence, root: root), records: records)
            default: throw FormatError(.wrongFormat, "the fence says neither of its two states")
            }
        }

        private static func outside(
            _ reader: inout JSONReader
        ) throws(JSONFailure) -> OutsideRecord {
            var source: String?
            var size: UInt64?
            var root: Digest?
            var isContradicted = false
            try reader.object { key, reader throws(JSONFailure) in
                switch key {
                case "source": source = try reader.string()
                case "size": size = try reader.integer()
                case "root": root = try digestOrNull(&reader)
                case "contradicted": isContradicted = try reader.boolean()
                default: throw reader.unknown
                }
            }
            guard let source, let size else {
                throw reader.failure("a record without source or size")
            }
            return OutsideRecord(
                source: source, size: size, root: root, isContradicted: isContradicted)
        }

        private static func digestOrNull(
            _ reader: inout JSONReader
        ) throws(JSONFailure) -> Digest? {
            if try reader.kind() == .null {
                try reader.null()
                return nil
            }
            return try reader.digest()
        }
    }
}
