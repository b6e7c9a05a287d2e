package import ArgumentParser
import Foundation

extension AsyncParsableCommand {
    /// What `main` does: reads the arguments, runs the command, and ends the process with the exit code.
    ///
    /// Unlike the library's own `main` it refuses arguments that are not UTF-8, and says so where help or a version
    /// cannot be written.
    package static func runProcess() async -> Never {
        StandardStream.ignoreClosedPipes()
        let name = configuration.commandName ?? _commandName
        if let problem = RawArguments.problem(in: RawArguments.ofProcess) {
            try? StandardStream.error.write("\(name): \(problem)\n")
            Foundation.exit(ExitCode.validationFailure.rawValue)
        }
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            Foundation.exit(0)
        } catch {
            Foundation.exit(finish(error, name: name))
        }
    }

    /// Writes what an error says, which help is too, and returns the exit code.
    private static func finish(_ error: any Error, name: String) -> Int32 {
        let code = exitCode(for: error)
        let message = fullMessage(for: error)
        guard !message.isEmpty else { return code.rawValue }
        do {
            let stream = code.isSuccess ? StandardStream.output : .error
            try stream.write(message + "\n")
            return code.rawValue
        } catch {
            guard code.isSuccess else { return code.rawValue }
            if !error.isClosedPipe { try? StandardStream.error.write("\(name): \(error)\n") }
            return ExitCode.failure.rawValue
        }
    }
}
