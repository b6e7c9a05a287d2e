import ArgumentParser
import CommandLineSupport
import Foundation
import LedgerServer
import Logging

/// The server's main: reads the settings, and starts the application or says what they are.
@main
struct LedgerServiceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ledger-service",
        abstract: "Serves ImmutableLedger: gives events their number, and seals them in etcd.",
        discussion: """
            Without an option it runs until SIGTERM or SIGINT. Settings come from the environment, and from a \
            .env file in the working directory, which the environment overrides; README.md lists them. The log goes \
            to standard error.

            EXIT CODES
              0   after a signal to stop; with an option: done
              1   output could not be written
              64  a setting or an argument is not accepted; every setting has a line of its own
              70  an error that the service cannot live with, such as a port that is taken
            """,
        version: "ledger-service \(LedgerApplication.version)")

    @Flag(name: .long, help: "Say whether the settings are accepted, with every error, and end.")
    var checkConfig = false

    @Flag(
        name: .long,
        help:
            "Print every setting that is in force, of secrets whether they are set, and end. What is not accepted is left out."
    )
    var printConfig = false

    @Option(name: .shortAndLong, help: "How --print-config writes: text or json.")
    var output: OutputFormat?

    enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
        /// A line `NAME=value` for each setting.
        case text
        /// One object.
        case json
    }

    static func main() async {
        await runProcess()
    }

    func validate() throws {
        guard !checkConfig || !printConfig else {
            throw ValidationError("Give either --check-config or --print-config.")
        }
        guard output == nil || printConfig else {
            throw ValidationError("--output belongs to --print-config.")
        }
    }

    func run() async throws {
        let (configuration, errors) = try Self.settings()
        for error in errors { Self.say(error.message) }
        if printConfig {
            let report = ConfigurationReport(configuration, without: errors)
            try Self.write(output == .json ? report.json : report.text)
        }
        guard errors.isEmpty else { throw ExitCode.validationFailure }
        if checkConfig {
            for warning in configuration.warnings { Self.say("warning: \(warning)") }
            try Self.write("the settings are accepted")
        } else if !printConfig {
            try await Self.serve(configuration)
        }
    }

    /// Reads the settings, and what of them is not accepted.
    private static func settings() throws -> (ServiceConfiguration, errors: [ConfigurationError]) {
        let block = FileManager.default.contents(atPath: "/proc/self/environ") ?? Data()
        if let problem = RawArguments.problem(
            inEnvironment: Array(block), prefixes: ServiceConfiguration.namePrefixes)
        {
            say(problem)
            throw ExitCode.validationFailure
        }
        do throws(ConfigurationErrors) {
            return try ServiceConfiguration.read(
                environment: ProcessInfo.processInfo.environment,
                workingDirectory: FileManager.default.currentDirectoryPath)
        } catch {
            say(error.description)
            throw ExitCode.validationFailure
        }
    }

    private static func serve(_ configuration: ServiceConfiguration) async throws {
        LogBootstrap.bootstrap(configuration)
        let logger = Logger(label: "ledger")
        for warning in configuration.warnings { logger.warning("\(warning)") }
        if let warning = OpenFiles.raiseLimit(for: configuration) {
            logger.warning("\(warning)")
        }
        do {
            let stop = StopRequest()
            var ending = LedgerApplication.Ending.decided
            // A request to stop that comes while the application ends for a decision is not heard by it.
            while ending == .decided, !stop.isRequested {
                ending = try await LedgerApplication(configuration: configuration, logger: logger)
                    .run()
            }
            stop.cancel()
        } catch let error as ConfigurationError {
            say(error.message)
            throw ExitCode.validationFailure
        } catch let error as ListenError {
            say(error.description)
            throw ExitCode(EX_SOFTWARE)
        } catch {
            logger.critical("the service stops", metadata: ["error": "\(error)"])
            throw ExitCode(EX_SOFTWARE)
        }
    }

    private static func say(_ line: String) {
        try? StandardStream.error.write("ledger-service: \(line)\n")
    }

    private static func write(_ text: String) throws {
        do throws(OutputError) {
            try StandardStream.output.write(text + "\n")
        } catch {
            if !error.isClosedPipe { say(error.description) }
            throw ExitCode.failure
        }
    }
}
