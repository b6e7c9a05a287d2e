import Foundation
import Logging
import Synchronization

/// Connects swift-log with standard error.
package enum LogBootstrap {
    // Two lines must not be mixed: a write longer than a pipe's buffer is not atomic.
    private static let standardError = Mutex(FileHandle.standardError)

    /// Sends every logger of the process to standard error; to be called once, before the first.
    package static func bootstrap(_ configuration: ServiceConfiguration) {
        let format = configuration.logFormat
        let level = configuration.logLevel
        let throttle = LogThrottle()
        LoggingSystem.bootstrap(
            { label, provider in
                LineLogHandler(
                    label: label, format: format, level: level, metadataProvider: provider,
                    throttle: throttle
                ) { line in
                    let bytes = Data((line + "\n").utf8)
                    // Where the log cannot be written there is nobody to tell.
                    standardError.withLock { try? $0.write(contentsOf: bytes) }
                }
            }, metadataProvider: nil)
    }
}
