import Foundation

/// The command line's arguments as the bytes that were given.
///
/// Swift repairs what is not UTF-8: two arguments that differ in one bad byte become the same text, and two events the
/// same id.
package enum RawArguments {
    /// This process's arguments, without the name of the program.
    package static var ofProcess: [[UInt8]] {
        (1..<max(1, CommandLine.argc)).compactMap { index in
            CommandLine.unsafeArgv[Int(index)].map { argument in
                Array(UnsafeBufferPointer(start: argument, count: strlen(argument)))
                    .map { UInt8(bitPattern: $0) }
            }
        }
    }

    /// What is wrong with the first argument that is not UTF-8, in one line; nil where all are.
    package static func problem(in arguments: [[UInt8]]) -> String? {
        for (index, argument) in arguments.enumerated() {
            if String(validating: argument, as: UTF8.self) == nil {
                return "argument \(index + 1) is not UTF-8: \(shown(argument))"
            }
        }
        return nil
    }

    /// The same for the environment: names that begin so must have values in UTF-8, for the same reason.
    ///
    /// - Parameter block: `NAME=value` entries, each ended by a zero byte, as `/proc/self/environ` has them.
    package static func problem(
        inEnvironment block: [UInt8], prefixes: [String]
    ) -> String? {
        for entry in block.split(separator: 0) {
            let name = entry.prefix { $0 != UInt8(ascii: "=") }
            guard prefixes.contains(where: { name.starts(with: $0.utf8) }),
                String(validating: entry, as: UTF8.self) == nil
            else { continue }
            return "\(shown(Array(name))) is not UTF-8"
        }
        return nil
    }

    /// The beginning of the bytes, with everything but printable ASCII as `\xNN`.
    private static func shown(_ bytes: [UInt8]) -> String {
        let text = bytes.prefix(64).map { byte in
            if (0x20...0x7E).contains(byte), byte != UInt8(ascii: "\\") {
                return String(UnicodeScalar(byte))
            }
            return "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
        return text + (bytes.count > 64 ? "..." : "")
    }
}
