internal import ArgumentParser
internal import LedgerClient
internal import LedgerVerify

struct ProofCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proof",
        abstract: "Read proofs of the Merkle tree, and check them.",
        subcommands: [InclusionCommand.self, ConsistencyCommand.self])
}

struct InclusionCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "inclusion",
        abstract: "The way from an event to the root of the tree.",
        discussion: """
            The event is read too, and must be the leaf that the path begins with. With --checkpoint the path must lead \
            to its root, and --verifier-key must have signed it. Without, the root is only what the service says.
            """)

    @OptionGroup var options: GlobalOptions
    @OptionGroup var keyOptions: VerifierKeyOptions

    @Option(name: .long, help: "The event's number.")
    var number: UInt64

    @Option(name: .long, help: "The number of events in the tree; 0 means all.")
    var size: UInt64?

    @Option(
        name: .long,
        help: ArgumentHelp("A checkpoint in a file; its size is the tree's.", valueName: "file"))
    var checkpoint: String?

    mutating func validate() throws {
        guard size == nil || checkpoint == nil else {
            throw ValidationError("Give either --size or --checkpoint.")
        }
    }

    func run() async throws {
        let (keys, against) = try await Failures.reported(options.output) {
            let keys = try keyOptions.keys()
            return (keys, try CheckpointFile.read(checkpoint, keys: keys))
        }
        try await withClient { client in
            let entry = try await client.get(number).entry()
            let report = try await client.inclusionProof(
                of: number, treeSize: against?.size ?? size ?? 0)
            guard report.leafHash == entry.leafHash else {
                throw VerificationError(
                    .notIncluded,
                    "the proof is for the leaf \(report.leafHash), event \(number) is the leaf "
                        + "\(entry.leafHash)")
            }
            if let against { try report.proof.verify(entry, in: against) }
            let json = InclusionJSON(report, against: against, isSigned: !keys.isEmpty)
            switch options.output {
            case .text: try Console.write(EventText.table(json.fields))
            case .json: try Console.write(JSONLine.encode(json))
            }
        }
    }
}

struct ConsistencyCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "consistency",
        abstract: "The hashes which show that a tree is the beginning of a later one.",
        discussion: """
            With --first-checkpoint and --second-checkpoint the roots must be theirs, and --verifier-key must have signed \
            both: then nothing was changed between them, only added. Without, the roots are only what the service says.
            """)

    @OptionGroup var options: GlobalOptions
    @OptionGroup var keyOptions: VerifierKeyOptions

    @Option(name: .long, help: "The number of events in the smaller tree.")
    var first: UInt64?

    @Option(name: .long, help: "The number of events in the larger tree; 0 means all.")
    var second: UInt64?

    @Option(
        name: .long, help: ArgumentHelp("The earlier checkpoint, in a file.", valueName: "file"))
    var firstCheckpoint: String?

    @Option(name: .long, help: ArgumentHelp("The later checkpoint, in a file.", valueName: "file"))
    var secondCheckpoint: String?

    mutating func validate() throws {
        guard (first == nil) != (firstCheckpoint == nil) else {
            throw ValidationError("Give either --first or --first-checkpoint.")
        }
        guard second == nil || secondCheckpoint == nil else {
            throw ValidationError("Give either --second or --second-checkpoint.")
        }
    }

    func run() async throws {
        let (keys, earlier, later) = try await Failures.reported(options.output) {
            let keys = try keyOptions.keys()
            return (
                keys, try CheckpointFile.read(firstCheckpoint, keys: keys),
                try CheckpointFile.read(secondCheckpoint, keys: keys)
            )
        }
        try await withClient { client in
            let report = try await client.consistencyProof(
                from: earlier?.size ?? first ?? 0, to: later?.size ?? second ?? 0)
            try report.proof.verify(
                firstRoot: earlier?.rootHash ?? report.firstRoot,
                secondRoot: later?.rootHash ?? report.secondRoot)
            if let earlier, let later { try report.proof.verify(from: earlier, to: later) }
            let json = ConsistencyJSON(
                report, earlier: earlier, later: later, isSigned: !keys.isEmpty)
            switch options.output {
            case .text: try Console.write(EventText.table(json.fields))
            case .json: try Console.write(JSONLine.encode(json))
            }
        }
    }
}

/// Checkpoints in files.
enum CheckpointFile {
    /// Reads a note; where there are keys, one of them must have signed it. Nil where no file is named.
    static func read(_ path: String?, keys: [VerifierKey]) throws -> SignedCheckpoint? {
        guard let path else { return nil }
        let note = try InputFile.read(path, limit: SignedCheckpoint.maxByteCount)
        let checkpoint = try SignedCheckpoint(parsing: note)
        if !keys.isEmpty { _ = try checkpoint.verified(by: keys) }
        return checkpoint
    }
}

/// With what a root was compared.
enum RootSource: String, Encodable {
    case signedCheckpoint = "signed_checkpoint"
    case uncheckedCheckpoint = "unchecked_checkpoint"
    case service

    init(_ checkpoint: SignedCheckpoint?, isSigned: Bool) {
        guard checkpoint != nil else {
            self = .service
            return
        }
        self = isSigned ? .signedCheckpoint : .uncheckedCheckpoint
    }

    var text: String {
        switch self {
        case .signedCheckpoint: "of the signed checkpoint"
        case .uncheckedCheckpoint: "of the checkpoint, whose signature was not checked"
        case .service: "as the service says: no signature was checked"
        }
    }
}

private struct InclusionJSON: Encodable {
    let sequenceNumber: UInt64
    let treeSize: UInt64
    let leafHash: String
    let rootHash: String
    let path: [String]
    let root: RootSource

    init(_ report: InclusionReport, against: SignedCheckpoint?, isSigned: Bool) {
        sequenceNumber = report.proof.sequenceNumber
        treeSize = report.proof.treeSize
        leafHash = report.leafHash.hex
        rootHash = report.rootHash.hex
        path = report.proof.path.map(\.hex)
        root = RootSource(against, isSigned: isSigned)
    }

    var fields: [(String, String)] {
        var fields = [("number", "\(sequenceNumber)"), ("tree size", "\(treeSize)")]
        fields.append(("leaf hash", leafHash))
        for hash in path { fields.append(("path", hash)) }
        fields.append(("root hash", "\(rootHash) (\(root.text))"))
        fields.append(("proved", "event \(sequenceNumber) is in the tree with this root"))
        return fields
    }
}

private struct ConsistencyJSON: Encodable {
    let firstSize: UInt64
    let secondSize: UInt64
    let firstRootHash: String
    let secondRootHash: String
    let path: [String]
    let firstRoot: RootSource
    let secondRoot: RootSource

    init(
        _ report: ConsistencyReport, earlier: SignedCheckpoint?, later: SignedCheckpoint?,
        isSigned: Bool
    ) {
        firstSize = report.proof.firstSize
        secondSize = report.proof.secondSize
        firstRootHash = report.firstRoot.hex
        secondRootHash = report.secondRoot.hex
        path = report.proof.path.map(\.hex)
        firstRoot = RootSource(earlier, isSigned: isSigned)
        secondRoot = RootSource(later, isSigned: isSigned)
    }

    var fields: [(String, String)] {
        var fields = [("first size", "\(firstSize)")]
        fields.append(("first root", "\(firstRootHash) (\(firstRoot.text))"))
        fields.append(("second size", "\(secondSize)"))
        for hash in path { fields.append(("path", hash)) }
        fields.append(("second root", "\(secondRootHash) (\(secondRoot.text))"))
        fields.append(("proved", "the first tree is the beginning of the second one"))
        return fields
    }
}
