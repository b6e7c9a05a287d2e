package import LedgerCore

/// How far loading the ledger has come.
package struct LoadingProgress: Equatable, Sendable {
    /// The number of the last event that is being loaded. What is sealed up to it can be read by number meanwhile.
    package var head: SequenceNumber
    /// Events that the index covers.
    package var events: UInt64
    /// Events loaded a second, on average since loading began.
    package var eventsPerSecond: UInt64
    /// What keeps it from going on; nil where nothing does.
    package var trouble: String?
    /// Whether reads are served meanwhile: it takes so long that somebody may want them.
    package var servesReads: Bool

    package init(
        head: SequenceNumber, events: UInt64 = 0, eventsPerSecond: UInt64 = 0,
        trouble: String? = nil, servesReads: Bool = false
    ) {
        self.head = head
        self.events = events
        self.eventsPerSecond = eventsPerSecond
        self.trouble = trouble
        self.servesReads = servesReads
    }

    /// The part of all events that the index covers, in percent.
    package var percent: Int {
        head == .zero ? 100 : Int(min(100, Double(events) / Double(head.rawValue) * 100))
    }
}
