internal import ArgumentParser
internal import Foundation

/// Standard output and standard error.
enum Console {
    /// Whether standard error is a terminal, on which lines can be drawn over.
    static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Writes a line of results at once, so that a reader at the other end of a pipe sees it.
    ///
    /// - Throws: An exit code where nobody reads any more.
    static func write(_ line: String) throws {
        try write(line + "\n", to: STDOUT_FILENO)
    }

    /// Writes a line of explanation; that nobody reads it is no failure.
    static func note(_ line: String) {
        try? write(line + "\n", to: STDERR_FILENO)
    }

    /// Draws over the current line of the terminal.
    static func redraw(_ line: String) {
        try? write("\r\u{1B}[K" + line, to: STDERR_FILENO)
    }

    private static func write(_ text: String, to descriptor: Int32) throws {
        var bytes = ArraySlice(text.utf8)
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes {
                Foundation.write(descriptor, $0.baseAddress, $0.count)
            }
            if written > 0 {
                bytes = bytes.dropFirst(written)
            } else if errno != EINTR {
                throw ExitCode(ExitCodes.failure)
            }
        }
    }
}
