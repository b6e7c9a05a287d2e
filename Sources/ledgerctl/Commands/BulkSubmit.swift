internal import ArgumentParser
internal import Dispatch
internal import Foundation
internal import LedgerClient

/// Submits a JSON Lines file, showing how far it is and what became of the events.
struct BulkSubmit {
    let command: SubmitCommand
    let path: String
    let defaultTimestamp: Int64?

    func run() async throws {
        let lines: EventLines
        do {
            lines = EventLines(
                reader: try ChunkReader(path: path), defaultTimestamp: defaultTimestamp,
                reportBadLine: { Console.note("line \($0): \(Printable.escape($1.description))") })
        } catch {
            Console.note("ledgerctl: \(path) cannot be read: \(error.localizedDescription)")
            throw ExitCode(ExitCodes.failure)
        }
        let interrupt = Self.stopOnInterrupt(lines)
        defer { interrupt.cancel() }
        var tally = SubmitTally()
        var stop: Stop?
        try await command.withClient { client in
            var progress = ProgressLine(total: lines.byteCount)
            for try await result in client.submitAll(lines, resolvingUnknown: command.resolve) {
                let line = lines.takeLineNumber()
                tally.add(result)
                let isNews = stop == nil || result.endsTheRun == nil
                progress.clearIfDrawn(before: isNews && !result.isSealed)
                try report(result, line: line, isNews: isNews)
                if stop == nil, let reason = result.endsTheRun {
                    stop = Stop(line: line, reason: reason)
                    lines.stop()
                }
                progress.draw(tally, bytesRead: lines.progress.bytesRead)
            }
            progress.clearIfDrawn(before: true)
            tally.badLines = lines.progress.badLines
            if let stop { Console.note(stop.text(lastLine: lines.progress.lastLine)) }
            try write(tally)
        }
        let code = tally.exitCode
        if code != 0 { throw ExitCode(code) }
    }

    /// The first interrupt stops reading and waits for what is under way; the second one kills.
    private static func stopOnInterrupt(_ lines: EventLines) -> any DispatchSourceSignal {
        signal(SIGINT, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        source.setEventHandler {
            signal(SIGINT, SIG_DFL)
            Console.note("\nInterrupted: waiting for the events under way. Again to give them up.")
            lines.stop()
        }
        source.resume()
        return source
    }

    /// Why the rest of the file was not submitted.
    private struct Stop {
        let line: Int
        let reason: String

        func text(lastLine: Int) -> String {
            "Stopped: \(reason). The first event that this concerns is on line \(line), and "
                + "nothing behind line \(lastLine) was read. Run it again when that is over: what "
                + "is sealed already stays as it is."
        }
    }

    /// - Parameter isNews: Whether the failure is to be explained; the same one follows for all
    ///   events that were under way when a service went away.
    private func report(_ result: SubmissionResult, line: Int, isNews: Bool) throws {
        if command.options.output == .json {
            try Console.write(JSONLine.encode(SubmissionJSON(result, line: line)))
            return
        }
        switch result.result {
        case .success(let event):
            guard command.options.verbose else { return }
            try Console.write(EventText.line(event))
        case .failure(let error):
            if case .duplicate = error.kind { return }
            guard isNews || command.options.verbose else { return }
            let id = Printable.escape(result.eventID)
            command.report(error, prefix: "line \(line), \(id): ")
        }
    }

    private func write(_ tally: SubmitTally) throws {
        switch command.options.output {
        case .json: Console.note(try JSONLine.encode(tally))
        case .text: try Console.write(tally.text)
        }
    }
}

extension SubmissionResult {
    /// Whether the event is sealed, now or before.
    var isSealed: Bool {
        switch result {
        case .success: true
        case .failure(let error): error.sealed == .yes
        }
    }

    /// Why no later event can fare better, where that is so.
    fileprivate var endsTheRun: String? {
        guard case .failure(let error) = result else { return nil }
        switch error.kind {
        case .unavailable: return "the service cannot be reached"
        case .storageFull: return "the store is full"
        case .rolledBack: return "the ledger does not seal"
        case .notAuthenticated, .notAllowed: return "this caller may not submit"
        default: return nil
        }
    }
}
