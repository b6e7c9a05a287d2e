/// What has to be known of a method to take its requests.
package struct CallShape: Sendable, Hashable {
    /// Whether the caller sends a stream of messages.
    package var isStreaming: Bool
    /// Whether the service is handed an `EdgeMarker` for a message that it is not to see, instead of the call being
    /// refused: what is wrong then concerns an event, and the answers before it stand.
    package var takesMarkers: Bool
    /// Whether the call submits events: its errors say that the event was not sealed.
    package var isSubmission: Bool
    /// The longest message, in bytes after decompression.
    package var maxMessageBytes: Int

    package init(
        isStreaming: Bool = false, takesMarkers: Bool = false, isSubmission: Bool = false,
        maxMessageBytes: Int
    ) {
        self.isStreaming = isStreaming
        self.takesMarkers = takesMarkers
        self.isSubmission = isSubmission
        self.maxMessageBytes = maxMessageBytes
    }
}
