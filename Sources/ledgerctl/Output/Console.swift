internal import ArgumentParser
internal import CommandLineSupport
internal import Foundation

/// Standard output and standard error.
enum Console {
    /// Whether standard error is a terminal, on which lines can be drawn over.
    static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Writes a line of results at once, so that a reader at the other end of a pipe sees it.
    ///
    /// - Throws: An exit code where it cannot be written. Why is said, unless nobody reads any more.
    static func write(_ line: String) throws {
        do throws(OutputError) {
            try StandardStream.output.write(line + "\n")
        } catch {
            if !error.isClosedPipe { note("ledgerctl: \(error)") }
            throw ExitCode(ExitCodes.failure)
        }
    }

    /// Writes a line of explanation; that nobody reads it is no failure.
    static func note(_ line: String) {
        try? StandardStream.error.write(line + "\n")
    }

    /// Draws over the current line of the terminal.
    static func redraw(_ line: String) {
        try? StandardStream.error.write("\r\u{1B}[K" + line)
    }
}
