internal import ArgumentParser
internal import LedgerVerify

/// How commands end that could not do what they should.
enum Failures {
    /// Runs a body and turns what failed with files and proofs into messages and exit codes.
    static func reported<Value>(
        _ output: OutputFormat, _ body: () async throws -> Value
    ) async throws -> Value {
        do {
            return try await body()
        } catch let error as VerificationError {
            report(error.code.rawValue, error.message, output)
            throw ExitCode(ExitCodes.verificationFailed)
        } catch let error as FileError {
            report("file", error.description, output)
            throw ExitCode(ExitCodes.failure)
        }
    }

    private static func report(_ name: String, _ message: String, _ output: OutputFormat) {
        switch output {
        case .text:
            Console.note("ledgerctl: " + Printable.escape(message))
        case .json:
            if let line = try? JSONLine.encode(FailureJSON(error: name, message: message)) {
                Console.note(line)
            }
        }
    }
}

/// What failed without a service, for programs.
private struct FailureJSON: Encodable {
    let error: String
    let message: String
}
