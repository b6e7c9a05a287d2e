internal import ArgumentParser
internal import LedgerClient

/// A command that talks to the service.
protocol ClientCommand: AsyncParsableCommand {
    var options: GlobalOptions { get }
}

extension ClientCommand {
    /// Runs the body with a client, and turns its errors into messages and exit codes.
    ///
    /// - Parameter configure: What this command changes of the settings that the options give.
    func withClient(
        configure: (inout LedgerClientConfiguration) throws -> Void = { _ in },
        _ body: (LedgerClient) async throws -> Void
    ) async throws {
        do {
            var configuration = try options.clientConfiguration()
            try configure(&configuration)
            if options.verbose {
                let isPlaintext = configuration.security == .plaintext
                Console.note(
                    "connecting to \(configuration.address) "
                        + (isPlaintext ? "in plaintext" : "with TLS"))
            }
            try await Failures.reported(options.output) {
                try await withLedgerClient(configuration: configuration, body)
            }
        } catch let error as LedgerError {
            report(error)
            throw ExitCode(ExitCodes.code(for: error))
        }
    }

    /// Says what went wrong, and what to do now.
    func report(_ error: LedgerError, prefix: String = "ledgerctl: ") {
        if options.output == .json {
            if let line = try? JSONLine.encode(ErrorJSON(error)) { Console.note(line) }
            return
        }
        Console.note(prefix + Printable.escape(error.description))
        if case .invalid(let violations) = error.kind {
            for violation in violations {
                let text = "\(violation.field): \(violation.explanation)"
                Console.note("  " + Printable.escape(text))
            }
        }
        for line in ConflictText.lines(error) { Console.note("  " + line) }
        if error.kind == .unavailable {
            Console.note("Is the service running? --server or LEDGER_ADDRESS name its address.")
        }
        if options.verbose, let cause = error.cause {
            Console.note("  cause: " + Printable.escape("\(cause)"))
        }
    }

    /// Writes an event as the options ask for.
    func write(_ event: SealedEvent, outcome: String? = nil) throws {
        switch options.output {
        case .text:
            try Console.write(EventText.details(event))
        case .json:
            let json = SealedEventJSON(event: event, outcome: outcome)
            try Console.write(JSONLine.encode(json))
        }
    }

    /// Writes an event as one of many.
    func writeLine(_ event: SealedEvent) throws {
        switch options.output {
        case .text: try Console.write(EventText.line(event))
        case .json: try Console.write(JSONLine.encode(SealedEventJSON(event: event)))
        }
    }
}
