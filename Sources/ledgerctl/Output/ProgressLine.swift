internal import LedgerClient

/// A line at the bottom of the terminal that says how far something is; nothing where standard error is no terminal.
struct TerminalLine {
    private let isShown: Bool
    private let start = ContinuousClock.now
    private var lastDrawn: ContinuousClock.Instant?
    private var isDrawn = false

    init(isShown: Bool = Console.errorIsTerminal) {
        self.isShown = isShown
    }

    /// Draws the line, at most ten times a second.
    ///
    /// - Parameter text: The line, from the seconds since the beginning.
    mutating func draw(_ text: (Double) -> String) {
        guard isShown else { return }
        let now = ContinuousClock.now
        if let lastDrawn, lastDrawn.duration(to: now) < .milliseconds(100) { return }
        lastDrawn = now
        isDrawn = true
        Console.redraw(text(start.duration(to: now) / .seconds(1)))
    }

    /// Clears the line where something else is about to be written.
    mutating func clear() {
        guard isShown, isDrawn else { return }
        isDrawn = false
        lastDrawn = nil
        Console.redraw("")
    }

    /// A bar with its percentage.
    static func bar(_ part: Double) -> String {
        let width = 20
        let filled = Int(part * Double(width))
        return "[" + String(repeating: "#", count: filled)
            + String(repeating: "-", count: width - filled) + "] \(Int(part * 100)) %  "
    }
}

/// How far a file of events to submit is.
struct ProgressLine {
    private let total: UInt64?
    private var line: TerminalLine

    /// - Parameter total: The length of the file in bytes, where it is known.
    init(total: UInt64?, isShown: Bool = Console.errorIsTerminal) {
        self.total = total
        line = TerminalLine(isShown: isShown)
    }

    /// Draws the line, at most ten times a second.
    mutating func draw(_ tally: SubmitTally, bytesRead: UInt64) {
        line.draw { [total] seconds in
            Self.text(tally, bytesRead: bytesRead, total: total, seconds: seconds)
        }
    }

    /// Clears the line where something else is about to be written.
    mutating func clearIfDrawn(before isWriting: Bool) {
        if isWriting { line.clear() }
    }

    /// The line's text.
    static func text(
        _ tally: SubmitTally, bytesRead: UInt64, total: UInt64?, seconds: Double
    ) -> String {
        var text = ""
        if let total, total > 0 {
            text += TerminalLine.bar(min(1, Double(bytesRead) / Double(total)))
        }
        let rate = seconds > 0 ? Int(Double(tally.total) / seconds) : 0
        return text + "\(tally.total) events, \(rate)/s: " + tally.text
    }
}

/// How far a range of events is.
struct RangeProgress {
    private let first: UInt64
    private let last: UInt64
    private let begin: UInt64
    private let verb: String
    private var line = TerminalLine()

    /// - Parameters:
    ///   - first: The first number of the range.
    ///   - last: Its last number.
    ///   - begin: The number with which work begins, for its rate: `first` unless some is done already.
    ///   - verb: What is done to the events, such as "exported".
    init(first: UInt64, last: UInt64, begin: UInt64? = nil, verb: String) {
        self.first = first
        self.last = last
        self.begin = begin ?? first
        self.verb = verb
    }

    /// Draws the line, at most ten times a second.
    mutating func draw(through number: UInt64) {
        line.draw { [self] seconds in text(through: number, seconds: seconds) }
    }

    /// Clears the line.
    mutating func clear() { line.clear() }

    /// The line's text.
    func text(through number: UInt64, seconds: Double) -> String {
        let total = last < first ? 0 : last - first + 1
        let done = number < first ? 0 : min(number - first + 1, total)
        let now = number < begin ? 0 : number - begin + 1
        let rate = seconds > 0 ? Int(Double(now) / seconds) : 0
        let bar = total == 0 ? "" : TerminalLine.bar(Double(done) / Double(total))
        return bar + "\(done) of \(total) events \(verb), \(rate)/s"
    }
}
