// Going on with what was sealed since.
extension LedgerVerifier {
    /// The next number to look at. Everything from `first` up to here was looked at once, and is not again.
    package var position: SequenceNumber { expected }

    /// Goes on to a later head, or to the same with another checkpoint, after a run to the head that ended without a
    /// finding. All of this was read together.
    ///
    /// Tiles and segments that have become full since are compared with what was computed before. A checkpoint of fewer
    /// events than were looked at is not checked: the tree of that size is not known any more.
    ///
    /// - Parameter head: not before the present one.
    package mutating func follow(
        _ head: Head, known: KnownHead, checkpoint: CheckpointStatement,
        firstBlockBeyondHead: SequenceNumber?
    ) {
        precondition(
            need == .nothing && finding == nil, "a run that is not over")
        precondition(expected > self.head.sequence, "a run that did not reach its head")
        precondition(head.sequence >= self.head.sequence, "a head that went back")
        self.head = head
        last = head.sequence
        self.known = known
        self.checkpoint = checkpoint
        self.firstBlockBeyondHead = firstBlockBeyondHead
        recordsAreDue = true
        isClosing = false
        checkCheckpoint()
        if expected > head.sequence {
            finishAtHead()
        } else {
            advance()
        }
    }

    /// Compares what was computed with a tile that was not full then.
    mutating func compareOpen(_ tile: Tile) {
        let width = UInt64(TileID.width)
        for (place, hash) in openRecords.take(tile: tile.id) {
            let stored = tile[Int(place % width)]
            guard stored != hash else { continue }
            if tile.level == 0 {
                findings.add(
                    .tileMismatch, at: SequenceNumber(place + 1), expected: stored.hex,
                    actual: hash.hex)
            } else {
                let height = UInt64(TileID.height * tile.level)
                findings.addCoarse(
                    .tileMismatch,
                    from: start(
                        of: place << height, through: SequenceNumber((place + 1) << height)),
                    expected: stored.hex, actual: hash.hex)
            }
        }
    }

    /// Compares what was computed with a segment that was not full then.
    mutating func compareOpen(_ segment: IdSegment) {
        for (place, element) in openRecords.take(segment: segment.number) {
            compare(
                segment, at: SequenceNumber(place + 1), element.fingerprint,
                startsBlock: element.startsBlock)
        }
    }
}
