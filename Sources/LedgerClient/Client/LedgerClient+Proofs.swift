internal import GRPCCore
internal import LedgerAPI
public import LedgerVerify
internal import SwiftProtobuf

/// What proves events to others.
extension LedgerClient {
    /// The longest that the service waits for a checkpoint in one call.
    static let longestWait = Duration.seconds(5)

    /// The newest signed checkpoint.
    ///
    /// Where the configuration has ``LedgerClientConfiguration/verifierKeys``, one of them signed it.
    ///
    /// - Throws: ``LedgerError`` of kind `noSigningKey` where the service signs none, `notFound` while the ledger is
    ///   empty, `corrupt` where what came is no checkpoint or not signed by one of the keys.
    public func checkpoint() async throws(LedgerError) -> SignedCheckpoint {
        let note = try await read { options in
            try await self.ledger.getCheckpoint(
                request: ClientRequest(message: Ledger_GetCheckpointRequest()), options: options)
        }.note
        return try proving { () throws(VerificationError) in
            let checkpoint = try SignedCheckpoint(parsing: Array(note.utf8))
            if !configuration.verifierKeys.isEmpty {
                _ = try checkpoint.verified(by: configuration.verifierKeys)
            }
            return checkpoint
        }
    }

    /// The way from an event to the root of the tree of a size. That it leads there is checked.
    ///
    /// - Parameters:
    ///   - sequenceNumber: The event's number.
    ///   - treeSize: How many events the tree has; 0 means all that are sealed now.
    /// - Throws: ``LedgerError`` of kind `outOfRange` where the ledger has fewer events, `invalid` where the tree does
    ///   not have the event, `corrupt` where the path leads elsewhere.
    public func inclusionProof(
        of sequenceNumber: UInt64, treeSize: UInt64 = 0
    ) async throws(LedgerError) -> InclusionReport {
        let request = Ledger_GetInclusionProofRequest.with {
            $0.sequenceNumber = sequenceNumber
            $0.treeSize = treeSize
        }
        let answer = try await read { options in
            try await self.ledger.getInclusionProof(
                request: ClientRequest(message: request), options: options)
        }
        guard answer.sequenceNumber == sequenceNumber, treeSize == 0 || answer.treeSize == treeSize
        else { throw checker.corrupt("asked for one proof, got another") }
        let report = InclusionReport(
            proof: InclusionProof(
                sequenceNumber: sequenceNumber, treeSize: answer.treeSize,
                path: try hashes(answer.path.map { [UInt8]($0) })),
            leafHash: try hash([UInt8](answer.leafHash)),
            rootHash: try hash([UInt8](answer.rootHash)))
        try proving { () throws(VerificationError) in
            try report.proof.verify(leafHash: report.leafHash, rootHash: report.rootHash)
        }
        return report
    }

    /// The hashes which show that the tree of one size is the beginning of that of another. That they do is checked.
    ///
    /// - Parameters:
    ///   - firstSize: How many events the smaller tree has; at least 1.
    ///   - secondSize: How many events the larger tree has; 0 means all that are sealed now.
    /// - Throws: ``LedgerError`` of kind `outOfRange` where the ledger has fewer events, `invalid` where the first size
    ///   is 0 or the larger one, `corrupt` where the hashes do not show it.
    public func consistencyProof(
        from firstSize: UInt64, to secondSize: UInt64 = 0
    ) async throws(LedgerError) -> ConsistencyReport {
        // The answer does not repeat the sizes, so the one that is meant must be known.
        var last = secondSize
        if last == 0 { last = try await head()?.sequenceNumber ?? 0 }
        let request = Ledger_GetConsistencyProofRequest.with {
            $0.firstSize = firstSize
            $0.secondSize = last
        }
        let answer = try await read { options in
            try await self.ledger.getConsistencyProof(
                request: ClientRequest(message: request), options: options)
        }
        let report = ConsistencyReport(
            proof: ConsistencyProof(
                firstSize: firstSize, secondSize: last,
                path: try hashes(answer.path.map { [UInt8]($0) })),
            firstRoot: try hash([UInt8](answer.firstRoot)),
            secondRoot: try hash([UInt8](answer.secondRoot)))
        try proving { () throws(VerificationError) in
            try report.proof.verify(firstRoot: report.firstRoot, secondRoot: report.secondRoot)
        }
        return report
    }

    /// The proof that an event has its number, for checking without the service.
    ///
    /// Form and path are always checked here, and that the entry is the event with this number. Where the configuration
    /// has ``LedgerClientConfiguration/verifierKeys``, one of them signed the checkpoint in it.
    ///
    /// - Parameters:
    ///   - sequenceNumber: The event's number.
    ///   - wait: How long to wait for a checkpoint that covers the event: there is one within two seconds of sealing.
    /// - Throws: ``LedgerError`` of kind `notFound` beyond the last event, `notYetCovered` where no checkpoint covers
    ///   the event in that time, `noSigningKey` where the service signs none, `corrupt` where the receipt proves
    ///   nothing.
    public func receipt(
        of sequenceNumber: UInt64, wait: Duration = .zero
    ) async throws(LedgerError) -> EventReceipt {
        let start = ContinuousClock.now
        while true {
            let left = max(.zero, wait - start.duration(to: .now))
            do throws(LedgerError) {
                return try await receipt(
                    of: sequenceNumber, waitingOnce: min(left, Self.longestWait))
            } catch {
                let isWorthWaiting = error.kind == .notYetCovered && left > Self.longestWait
                guard isWorthWaiting else { throw error }
            }
        }
    }

    private func receipt(
        of sequenceNumber: UInt64, waitingOnce wait: Duration
    ) async throws(LedgerError) -> EventReceipt {
        let request = Ledger_GetReceiptRequest.with {
            $0.sequenceNumber = sequenceNumber
            $0.waitMs = UInt32(max(.zero, wait) / .milliseconds(1))
        }
        let answer = try await read(deadline: configuration.readDeadline + wait) { options in
            try await self.ledger.getReceipt(
                request: ClientRequest(message: request), options: options)
        }
        let receipt = EventReceipt(proof: Array(answer.receipt.utf8), entry: [UInt8](answer.entry))
        try proving { () throws(VerificationError) in
            let contents = try receipt.contents()
            guard contents.entry.sequenceNumber == sequenceNumber else {
                throw VerificationError(
                    .wrongNumber,
                    "asked for the receipt of event \(sequenceNumber), got that of another")
            }
            if !configuration.verifierKeys.isEmpty {
                _ = try contents.checkpoint.verified(by: configuration.verifierKeys)
            }
        }
        return receipt
    }

    /// Turns what does not verify into the error of a read.
    private func proving<Value>(
        _ body: () throws(VerificationError) -> Value
    ) throws(LedgerError) -> Value {
        do throws(VerificationError) {
            return try body()
        } catch {
            var corrupt = checker.corrupt(error.message)
            corrupt.cause = error
            throw corrupt
        }
    }

    private func hash(_ bytes: [UInt8]) throws(LedgerError) -> LedgerHash {
        guard let hash = LedgerHash(bytes: bytes) else {
            throw checker.corrupt("a hash of \(bytes.count) bytes")
        }
        return hash
    }

    private func hashes(_ path: [[UInt8]]) throws(LedgerError) -> [LedgerHash] {
        var hashes: [LedgerHash] = []
        for bytes in path { hashes.append(try hash(bytes)) }
        return hashes
    }
}
