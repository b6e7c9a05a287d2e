package import HTTPTransport

/// Where spans go, which, and how fast.
package struct OTLPSettings: Sendable, CustomStringConvertible {
    /// Where they are posted to.
    package var endpoint: HTTPLocation
    /// Sent with every request. A secret: nothing shows them.
    package var headers: [HTTPField] = []
    /// Who may have signed the collector's certificate, and what it is shown; nil believes the system's authorities,
    /// and shows nothing.
    package var credentials: TransportCredentials?
    /// After so long a request has failed.
    package var timeout = Duration.seconds(10)
    /// So long spans wait for company at most.
    package var delay = Duration.seconds(5)
    package var bounds = SpanQueue.Bounds()
    package var sampler = Sampler.standard
    /// Who records: `service.name` and the like.
    package var resource: [SpanRecord.Attribute] = []
    /// The part of the program that records, and its version.
    package var scope: (name: String, version: String) = ("", "")

    package init(endpoint: HTTPLocation) {
        self.endpoint = endpoint
    }

    package var description: String {
        "\(endpoint), \(headers.count) headers, \(sampler.name)"
    }
}
