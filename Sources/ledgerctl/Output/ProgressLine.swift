internal import LedgerClient

/// A line at the bottom of the terminal that says how far a file is; nothing where standard error
/// is no terminal.
struct ProgressLine {
    private let total: UInt64?
    private let isShown: Bool
    private let start = ContinuousClock.now
    private var lastDrawn: ContinuousClock.Instant?
    private var isDrawn = false

    /// - Parameter total: The length of the file in bytes, where it is known.
    init(total: UInt64?, isShown: Bool = Console.errorIsTerminal) {
        self.total = total
        self.isShown = isShown
    }

    /// Draws the line, at most ten times a second.
    mutating func draw(_ tally: SubmitTally, bytesRead: UInt64) {
        guard isShown else { return }
        let now = ContinuousClock.now
        if let lastDrawn, lastDrawn.duration(to: now) < .milliseconds(100) { return }
        lastDrawn = now
        isDrawn = true
        let seconds = start.duration(to: now) / .seconds(1)
        Console.redraw(
            Self.text(tally, bytesRead: bytesRead, total: total, seconds: seconds))
    }

    /// Clears the line where something else is about to be written.
    mutating func clearIfDrawn(before isWriting: Bool) {
        guard isShown, isDrawn, isWriting else { return }
        isDrawn = false
        lastDrawn = nil
        Console.redraw("")
    }

    /// The line's text.
    static func text(
        _ tally: SubmitTally, bytesRead: UInt64, total: UInt64?, seconds: Double
    ) -> String {
        var text = ""
        if let total, total > 0 {
            let part = min(1, Double(bytesRead) / Double(total))
            let width = 20
            let filled = Int(part * Double(width))
            text += "[" + String(repeating: "#", count: filled)
            text += String(repeating: "-", count: width - filled) + "] \(Int(part * 100)) %  "
        }
        let rate = seconds > 0 ? Int(Double(tally.total) / seconds) : 0
        return text + "\(tally.total) events, \(rate)/s: " + tally.text
    }
}
