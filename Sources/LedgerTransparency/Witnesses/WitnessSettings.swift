package import HTTPTransport
package import LedgerCore

/// A witness that a setting names: its verifier key and where it takes checkpoints.
package struct WitnessAddress: Hashable, Sendable, CustomStringConvertible {
    package let verifier: CosignatureVerifier
    /// What `/add-checkpoint` is appended to.
    package let location: HTTPLocation

    package init(verifier: CosignatureVerifier, location: HTTPLocation) {
        self.verifier = verifier
        self.location = location
    }

    /// Reads `VERIFIERKEY=URL`; the URL is https, or http on this machine.
    ///
    /// Nil for anything else.
    package init?(parsing text: String) {
        // The name ends at the first +, and what follows has no = but the one that ends the key.
        guard let plus = text.firstIndex(of: "+"),
            let end = text[plus...].firstIndex(of: "="),
            let verifier = try? CosignatureVerifier(parsing: String(text[..<end])),
            let location = HTTPLocation(parsing: text[text.index(after: end)...]),
            location.origin.scheme == .https || location.origin.isLoopback
        else { return nil }
        self.init(verifier: verifier, location: location)
    }

    /// The witness's name.
    package var name: String { verifier.name }

    package var description: String { "\(verifier.verifierKey)=\(location)" }

    /// What is asked of the origin.
    var target: String {
        (location.path.hasSuffix("/") ? String(location.path.dropLast()) : location.path)
            + "/add-checkpoint"
    }
}

/// Bounds of what is asked of witnesses.
package struct WitnessLimits: Sendable {
    /// How long a checkpoint waits for cosignatures: later ones count for nobody, but what they say of the witness does.
    package var collecting = Duration.milliseconds(700)
    /// The longest wait for one answer.
    package var request = Duration.seconds(5)
    /// The longest wait for name resolution, TCP and TLS together.
    package var connect = Duration.seconds(3)
    /// The rest of a witness after its first failure; it doubles with each further one, and is spread by half of it to
    /// either side.
    package var firstRest = Duration.seconds(1)
    package var longestRest = Duration.seconds(60)
    /// So many requests are sent to get one cosignature: to a witness that names another size each time, no more.
    package var attempts = 3
    /// The most that a cosignature's time may differ from this machine's clock.
    package var clockDifference = Duration.seconds(300)

    /// The longest answer that is read, in bytes.
    static let maxAnswerBytes = 16 * 1024
    /// So many witnesses can be named.
    package static let maxCount = 16

    package init() {}
}
