// What is checked of each event.
extension LedgerVerifier {
    /// Looks at the entry of the expected number; false ends the run.
    mutating func look(at bytes: ArraySlice<UInt8>) -> Bool {
        let number = expected
        if number < first {
            lookAtContext(bytes)
            return true
        }
        if number == first { takeLeavesBeforeRange() }
        let entry: EntryView
        do throws(FormatError) {
            entry = try EntryView(decoding: bytes)
        } catch {
            reportMalformed(error, at: number)
            end(through: number)
            return false
        }
        checkLink(of: entry)
        // The event before is settled: its successor has spoken.
        end(through: number.previous)
        if finding != nil { return false }
        settled = first.distance(to: number)
        if number > last {
            closeRange()
            return false
        }

        checkPlace(of: entry)
        let leaf = MerkleTree.leafHash(of: bytes)
        checkTiles(leaf: leaf)
        checkSegment(entry)
        checkCheckpoint()
        checkKnown(entry.eventHash)
        previousHash = entry.eventHash
        previousTimestamp = entry.sealedTimestamp
        expected = number.next
        if number == head.sequence {
            finishAtHead()
            return false
        }
        return true
    }

    /// Passes an event below the range, of which only leaf and time matter.
    mutating func passContext(leaf: Digest?, timestamp: Int64?) {
        // In a full tile the leaves before the range come from the tile.
        if tree.size == expected.leafIndex { tree.append(leaf) }
        previousTimestamp = timestamp
        expected = expected.next
    }

    private mutating func lookAtContext(_ bytes: ArraySlice<UInt8>) {
        let entry = try? EntryView(decoding: bytes)
        passContext(leaf: MerkleTree.leafHash(of: bytes), timestamp: entry?.sealedTimestamp)
    }

    private mutating func takeLeavesBeforeRange() {
        let tile = tiles[0]?.value
        while tree.size < first.leafIndex {
            tree.append(tile?[Int(tree.size % UInt64(TileID.width))])
        }
    }

    private mutating func checkLink(of entry: EntryView) {
        if expected == .first, entry.previousHash != .zero {
            findings.add(
                .linkBroken, at: .first, expected: Digest.zero.hex, actual: entry.previousHash.hex)
        }
        if let previousHash, entry.previousHash != previousHash {
            findings.add(
                .linkBroken, at: expected.previous, expected: entry.previousHash.hex,
                actual: previousHash.hex)
        }
    }

    private mutating func checkPlace(of entry: EntryView) {
        if entry.sequenceNumber != expected {
            findings.add(
                .wrongNumber, at: expected, expected: "\(expected)",
                actual: "\(entry.sequenceNumber)")
        }
        if let previousTimestamp, entry.sealedTimestamp < previousTimestamp {
            findings.add(
                .timestampBackwards, at: expected, expected: "\(previousTimestamp) or later",
                actual: "\(entry.sealedTimestamp)")
        }
    }

    /// Another event under a number that is known to be sealed: the store was rolled back, and sealed on.
    private mutating func checkKnown(_ hash: EventHash) {
        guard let known = known.head, known.sequence == expected, known.eventHash != hash else {
            return
        }
        findings.add(
            .headMismatch, at: expected, expected: known.eventHash.hex, actual: hash.hex)
    }

    /// Compares the leaf with its tile, and every subtree that it completes with the hash in the
    /// tile above.
    private mutating func checkTiles(leaf: Digest) {
        if let tile = tiles[0]?.value, tile.id == TreeNode(height: 0, index: tree.size).tile {
            let stored = tile[Int(tree.size % UInt64(TileID.width))]
            if stored != leaf {
                findings.add(
                    .tileMismatch, at: expected, expected: stored.hex, actual: leaf.hex)
            }
        }
        var completed: [(node: TreeNode, root: Digest)] = []
        tree.append(leaf) { node, root in
            if node.height.isMultiple(of: TileID.height) { completed.append((node, root)) }
        }
        for (node, root) in completed {
            guard let tile = tiles[node.height / TileID.height]?.value, tile.id == node.tile else {
                continue
            }
            let stored = tile[node.positions.lowerBound]
            if stored != root {
                findings.addCoarse(
                    .tileMismatch, from: start(of: node.index << UInt64(node.height)),
                    expected: stored.hex, actual: root.hex)
            }
        }
    }

    private mutating func checkSegment(_ entry: EntryView) {
        guard let segment = segment?.value,
            segment.number == expected.leafIndex / UInt64(IdSegment.width)
        else { return }
        let position = Int(expected.leafIndex % UInt64(IdSegment.width))
        let stored = segment.fingerprint(at: position)
        let fingerprint = entry.fingerprint
        if stored != fingerprint {
            findings.add(
                .idsMismatch, at: expected, expected: stored.hex, actual: fingerprint.hex)
        }
        let startsBlock = expected == block?.first
        if segment.startsBlock(at: position) != startsBlock {
            findings.add(
                .idsMismatch, at: expected, expected: Self.blockStart(!startsBlock),
                actual: Self.blockStart(startsBlock))
        }
    }

    private mutating func checkCheckpoint() {
        guard let checkpoint, checkpoint.size == tree.size, let root = tree.root,
            root != checkpoint.root
        else { return }
        findings.addCoarse(
            .checkpointMismatch, from: first, expected: checkpoint.root.hex, actual: root.hex)
    }

    private static func blockStart(_ isStart: Bool) -> String {
        isStart ? "the first of a block" : "not the first of a block"
    }

    /// The number of the leaf at an index, or the first of the range where that lies below it.
    private func start(of leafIndex: UInt64) -> SequenceNumber {
        max(first, SequenceNumber(leafIndex).next)
    }
}

// MARK: - The head

extension LedgerVerifier {
    /// Compares the last event and the tree with the head, and looks for what lies beyond it.
    private mutating func finishAtHead() {
        let number = head.sequence
        checkLastEvent()
        checkFrontier()
        if let open = block, open.position == open.entries.count, let problem = open.problem {
            reportMalformed(problem, at: number)
        }
        end(through: number)
        guard finding == nil else { return }
        settled = first.distance(to: number) + 1
        checkBeyond()
        end(through: SequenceNumber(.max))
        closeRange()
    }

    private mutating func checkLastEvent() {
        if let previousHash, previousHash != head.eventHash {
            findings.add(
                .headMismatch, at: head.sequence, expected: head.eventHash.hex,
                actual: previousHash.hex)
        }
        if let previousTimestamp, previousTimestamp != head.sealedTimestamp {
            findings.add(
                .headMismatch, at: head.sequence, expected: "\(head.sealedTimestamp)",
                actual: "\(previousTimestamp)")
        }
    }

    private mutating func checkFrontier() {
        for (offset, start) in tree.starts.enumerated() {
            let stored = head.tree.hashes[offset]
            guard let root = tree.roots[offset], root != stored else { continue }
            findings.addCoarse(
                .headMismatch, from: self.start(of: start), expected: stored.hex, actual: root.hex)
        }
    }

    private mutating func checkBeyond() {
        let end = "the last event is \(head.sequence)"
        if let finding = known.finding(at: head) {
            findings.add(
                finding.kind, at: finding.sequenceNumber, expected: finding.expected,
                actual: finding.actual)
        }
        if let open = block, open.position < open.entries.count {
            findings.add(
                .beyondHead, at: head.sequence.next, expected: end,
                actual: "\(open.entries.count - open.position) more in its block")
        }
        if let number = firstBlockBeyondHead {
            findings.add(.beyondHead, at: number, expected: end, actual: "the block \(number)")
        }
        if let checkpoint, checkpoint.size > head.sequence.rawValue {
            findings.add(
                .checkpointMismatch, at: head.sequence.next,
                expected: "events up to \(checkpoint.size)", actual: end)
        }
    }
}
