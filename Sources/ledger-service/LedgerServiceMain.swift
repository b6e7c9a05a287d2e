import Foundation
import LedgerServer
import Logging

/// The server's main: reads the settings, starts the application, and turns its end into an exit code.
///
/// Exit codes: 0 after a signal to stop, 64 for a setting that is not accepted, 70 for an error that the service
/// cannot live with.
@main
struct LedgerServiceMain {
    static func main() async {
        let configuration: ServiceConfiguration
        do throws(ConfigurationError) {
            configuration = try ServiceConfiguration.load(
                environment: ProcessInfo.processInfo.environment,
                workingDirectory: FileManager.default.currentDirectoryPath)
        } catch {
            stop(saying: error.message, code: 64)
        }
        LogBootstrap.bootstrap(configuration)
        let logger = Logger(label: "ledger")
        for warning in configuration.warnings { logger.warning("\(warning)") }
        do {
            let application = try LedgerApplication(configuration: configuration, logger: logger)
            try await application.run()
        } catch let error as ConfigurationError {
            stop(saying: error.message, code: 64)
        } catch {
            logger.critical("the service stops", metadata: ["error": "\(error)"])
            exit(70)
        }
    }

    private static func stop(saying line: String, code: Int32) -> Never {
        FileHandle.standardError.write(Data("ledger-service: \(line)\n".utf8))
        exit(code)
    }
}
