import Foundation

/// Standard output and standard error, written at once and to the end.
package enum StandardStream {
    case output
    case error

    /// Writes text as it is.
    ///
    /// - Throws: what the system says, such as that no space is left or that nobody reads any more.
    package func write(_ text: String) throws(OutputError) {
        let descriptor = self == .output ? STDOUT_FILENO : STDERR_FILENO
        var bytes = ArraySlice(text.utf8)
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes {
                Foundation.write(descriptor, $0.baseAddress, $0.count)
            }
            let number = errno
            if written > 0 {
                bytes = bytes.dropFirst(written)
            } else if number == EAGAIN {
                // Somebody else's terminal or pipe that does not block: wait until it takes more.
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&waiting, 1, -1)
            } else if number != EINTR {
                throw OutputError(number: number)
            }
        }
    }

    /// From now on a reader that has gone is an error of `write` and no signal that ends the process.
    package static func ignoreClosedPipes() {
        signal(SIGPIPE, SIG_IGN)
    }
}
