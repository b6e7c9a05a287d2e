import Foundation

/// Output that could not be written.
package struct OutputError: Error, Sendable, CustomStringConvertible {
    /// The system's number of the failure.
    package let number: Int32

    /// Whether nobody reads any more, as behind `| head`: no news to the person who did that.
    package var isClosedPipe: Bool { number == EPIPE }

    package var description: String {
        "standard output cannot be written: \(String(cString: strerror(number)))"
    }
}
