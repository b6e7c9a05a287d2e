import Foundation
package import Logging

/// A swift-log handler that writes one line an entry, as text or as JSON.
package struct LineLogHandler: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?

    private let label: String
    private let format: ServiceConfiguration.LogFormat
    private let throttle: LogThrottle?
    private let write: @Sendable (String) -> Void

    /// Makes a handler.
    ///
    /// - Parameters:
    ///   - label: which part of the service speaks.
    ///   - format: how a line looks.
    ///   - level: what is less important is left out.
    ///   - throttle: holds back what is said again; nil writes every line.
    ///   - write: takes a whole line without its end.
    package init(
        label: String, format: ServiceConfiguration.LogFormat, level: Logger.Level,
        metadataProvider: Logger.MetadataProvider? = nil, throttle: LogThrottle? = nil,
        write: @escaping @Sendable (String) -> Void
    ) {
        self.label = label
        self.format = format
        self.logLevel = level
        self.metadataProvider = metadataProvider
        self.throttle = throttle
        self.write = write
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var merged = metadata
        if let provided = metadataProvider?.get() {
            merged.merge(provided) { $1 }
        }
        if let own = event.metadata {
            merged.merge(own) { $1 }
        }
        if let error = event.error {
            merged["error"] = .string("\(error)")
        }
        let message = event.message.description
        if let throttle {
            guard let heldBack = throttle.admit(event.level, message, merged, label: label) else {
                return
            }
            if heldBack > 0 { merged["repeated"] = "\(heldBack)" }
        }
        let line = LogLine(
            date: Date(), level: event.level, label: label, message: message,
            metadata: merged)
        switch format {
        case .text: write(line.text)
        case .json: write(line.json)
        }
    }
}
