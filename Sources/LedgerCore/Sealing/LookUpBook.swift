/// Index hits that are compared with what is sealed, all by means of one stored block.
package struct LookUp: Sendable {
    /// A submission, and the numbers of the events that may have its id.
    package struct Item: Sendable {
        package let submission: Submission
        package let candidates: [SequenceNumber]
    }

    /// The first number of the block that holds the first candidate of each; nil where the index shows none.
    package let block: SequenceNumber?
    package let items: [Item]
}

/// Which index hits are looked up, and which wait for their turn (protocol.md 16).
///
/// A block is read by one look-up at a time, for all that want it by then, and only so many blocks at once: thousands of
/// old duplicates must not become thousands of reads beside sealing.
struct LookUpBook: Sendable {
    private let maxRunning: Int
    private var running: Set<SequenceNumber?> = []
    private var waiting: [SequenceNumber?: [SubmissionToken]] = [:]
    /// The blocks that are waited for, in the order in which they were first asked for; each once.
    private var order = WaitingLine<SequenceNumber?>()

    init(maxRunning: Int) {
        self.maxRunning = maxRunning
    }

    /// Blocks that are being read.
    var runningCount: Int { running.count }

    /// Blocks that are waited for.
    var waitingCount: Int { order.count }

    mutating func add(_ token: SubmissionToken, block: SequenceNumber?) {
        if waiting[block] == nil { order.append(block) }
        waiting[block, default: []].append(token)
    }

    /// A look-up has ended.
    mutating func ended(_ block: SequenceNumber?) {
        running.remove(block)
    }

    /// Takes out the next block that may be read now, with all that wait for it.
    mutating func next() -> (block: SequenceNumber?, tokens: [SubmissionToken])? {
        guard running.count < maxRunning else { return nil }
        // What is being read is passed over: at most as many as may be read at once.
        guard let block = order.takeFirst(where: { !running.contains($0) }) else { return nil }
        running.insert(block)
        return (block, waiting.removeValue(forKey: block) ?? [])
    }
}
