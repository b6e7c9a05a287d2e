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
        // Behind the range it is all that speaks of the last number.
        if !belongsElsewhere(entry) || number > last { checkLink(of: entry) }
        // The event before is settled: its successor has spoken.
        end(through: number.previous)
        if finding != nil { return false }
        settled = first.distance(to: number)
        if number > last {
            finishBeforeHead()
            return false
        }

        checkPlace(of: entry)
        let leaf = MerkleTree.leafHash(of: bytes)
        checkTiles(leaf: leaf)
        checkSegment(entry)
        checkCheckpoint()
        let hash = entry.eventHash
        checkKnown(hash)
        previousHash = hash
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

    /// Whether an entry is one that follows later, as where events were deleted or swapped, or the one before once more:
    /// what it says of the event before its place shows nothing but that it is wrong there itself.
    private func belongsElsewhere(_ entry: EntryView) -> Bool {
        let number = entry.sequenceNumber
        return number > expected || (number < expected && entry.eventHash == previousHash)
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
        let place = tree.size
        let id = TreeNode(height: 0, index: place).tile
        if let loaded = tiles[0], loaded.key == id {
            if let stored = loaded.value?[Int(place % UInt64(TileID.width))], stored != leaf {
                findings.add(
                    .tileMismatch, at: expected, expected: stored.hex, actual: leaf.hex)
            }
        } else {
            openRecords.append(leaf, level: 0, at: place)
        }
        var completed: [(node: TreeNode, root: Digest)] = []
        tree.append(leaf) { node, root in
            if node.height.isMultiple(of: TileID.height) { completed.append((node, root)) }
        }
        for (node, root) in completed { checkTile(above: node, root: root) }
    }

    /// Compares a full tile's root with the hash in the tile above.
    private mutating func checkTile(above node: TreeNode, root: Digest) {
        let level = node.height / TileID.height
        guard let loaded = tiles[level], loaded.key == node.tile else {
            openRecords.append(root, level: level, at: node.index)
            return
        }
        if let stored = loaded.value?[node.positions.lowerBound], stored != root {
            findings.addCoarse(
                .tileMismatch,
                from: start(of: node.index << UInt64(node.height), through: expected),
                expected: stored.hex, actual: root.hex)
        }
    }

    private mutating func checkSegment(_ entry: EntryView) {
        let place = expected.leafIndex
        let startsBlock = expected == block?.first
        guard let segment, segment.key == place / UInt64(IdSegment.width) else {
            openRecords.append(entry.fingerprint, startsBlock: startsBlock, at: place)
            return
        }
        if let segment = segment.value {
            compare(segment, at: expected, entry.fingerprint, startsBlock: startsBlock)
        }
    }

    /// Compares what a segment says of an event with what was computed of it.
    mutating func compare(
        _ segment: IdSegment, at number: SequenceNumber, _ fingerprint: Fingerprint,
        startsBlock: Bool
    ) {
        let position = Int(number.leafIndex % UInt64(IdSegment.width))
        let stored = segment.fingerprint(at: position)
        if stored != fingerprint {
            findings.add(
                .idsMismatch, at: number, expected: stored.hex, actual: fingerprint.hex)
        }
        if segment.startsBlock(at: position) != startsBlock {
            findings.add(
                .idsMismatch, at: number, expected: Self.blockStart(!startsBlock),
                actual: Self.blockStart(startsBlock))
        }
    }

    /// Compares the checkpoint's root with the tree's, where both have one size.
    mutating func checkCheckpoint() {
        guard let checkpoint = checkpoint.checkpoint, checkpoint.size == tree.size,
            let root = tree.root
        else { return }
        checkCheckpoint(root: root)
    }

    private mutating func checkCheckpoint(root: Digest) {
        guard let checkpoint = checkpoint.checkpoint, checkpoint.root != root else { return }
        findings.addCoarse(
            .checkpointMismatch,
            from: start(of: 0, through: SequenceNumber(checkpoint.size)),
            expected: checkpoint.root.hex, actual: root.hex)
    }

    private static func blockStart(_ isStart: Bool) -> String {
        isStart ? "the first of a block" : "not the first of a block"
    }
}

// MARK: - The end

extension LedgerVerifier {
    /// Ends a range below the head: what a checkpoint says of later events cannot be recomputed from it. Where it is of
    /// the head's size, the head's own tree says the same, or contradicts it.
    private mutating func finishBeforeHead() {
        if checkpoint.checkpoint?.size == head.sequence.rawValue {
            checkCheckpoint(root: head.tree.root)
        }
        checkRefusal()
        end(through: last)
        closeRange()
    }

    private mutating func checkRefusal() {
        guard let refusal = checkpoint.refusal(at: first) else { return }
        findings.addCoarse(
            refusal.kind, from: refusal.sequenceNumber, expected: refusal.expected,
            actual: refusal.actual)
    }

    /// Compares the last event and the tree with the head, and looks for what lies beyond it.
    mutating func finishAtHead() {
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
        let starts = tree.starts
        for (offset, start) in starts.enumerated() {
            let stored = head.tree.hashes[offset]
            guard let root = tree.roots[offset], root != stored else { continue }
            let end = offset + 1 < starts.count ? SequenceNumber(starts[offset + 1]) : head.sequence
            findings.addCoarse(
                .headMismatch, from: self.start(of: start, through: end), expected: stored.hex,
                actual: root.hex)
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
        if let size = checkpoint.checkpoint?.size, size > head.sequence.rawValue {
            findings.add(
                .checkpointMismatch, at: head.sequence.next,
                expected: "events up to \(size)", actual: end)
        }
        checkRefusal()
    }
}
