import HTTPTransport

/// Which bucket, how it is reached, and the bounds of every request.
///
/// The defaults are those for AWS; another store needs its endpoint.
package struct S3Settings: Sendable {
    /// How a bucket is named in a request.
    package enum Addressing: String, Sendable, CaseIterable {
        /// The virtual host for AWS's own endpoint, and the path for others and for a bucket with dots in its name.
        case automatic = "auto"
        /// `https://bucket.endpoint/key`: AWS, and what follows it closely.
        case virtualHost = "virtual"
        /// `https://endpoint/bucket/key`: most other stores, and every endpoint that is an IP address.
        case path
    }

    /// Whether objects are put with `If-None-Match: *`.
    package enum ConditionalPut: String, Sendable, CaseIterable {
        /// Until the store says that it does not know that; from then on it is asked first whether the object exists.
        case automatic = "auto"
        /// The store's refusal is an error.
        case required = "on"
        /// The store is always asked first: for stores that take the condition and disregard it.
        case never = "off"
    }

    package var bucket: String
    /// What every key begins with, without the slash at its end; empty for none.
    package var prefix: String
    package var region = "us-east-1"
    /// `https://host` or `https://host:port`; nil is AWS's endpoint of the region.
    package var endpoint: String?
    package var addressing = Addressing.automatic
    /// Whether an endpoint of `http` is accepted that is not this machine's: everybody on the way sees the objects and
    /// can change answers.
    package var allowsPlainHTTP = false
    package var credentials: S3CredentialSource
    /// PEM file of the only authorities that may have signed the store's certificate; nil believes the system's.
    package var caCertificatePath: String?
    package var conditionalPut = ConditionalPut.automatic
    /// The longest time for making a connection, name resolution and TLS included.
    package var connectTimeout = Duration.seconds(5)
    /// The longest time for one attempt, from the wait for a connection to the last byte of the answer.
    package var requestTimeout = Duration.seconds(30)
    /// The longest time for one operation with all its attempts and pauses.
    package var totalTimeout = Duration.seconds(120)
    package var retries = RequestRetries()
    /// Most connections at any time.
    package var maxConnections = 8
    /// The longest object that is written, or read whatever the caller would take, in bytes.
    package var maxObjectBytes = 32 << 20

    package init(bucket: String, prefix: String = "", credentials: S3CredentialSource) {
        self.bucket = bucket
        self.prefix = prefix
        self.credentials = credentials
    }
}

/// Where requests go, as validated settings have it.
struct S3Address: Sendable, Equatable {
    var origin: HTTPOrigin
    /// The header field `Host`, as it is signed.
    var hostField: String
    /// What comes before a key in a path: `/` or `/bucket/`.
    var root: String
    /// What comes before an object's name in a key: nothing, or the prefix and a slash.
    var keyPrefix: String
}

extension S3Settings {
    /// Checks everything, and says which setting to change.
    ///
    /// - Throws: `configuration`.
    package func validate() throws(ObjectStoreError) {
        _ = try address()
    }

    /// - Throws: `configuration`.
    func address() throws(ObjectStoreError) -> S3Address {
        // One rule for the names, there.
        let location = try ObjectLocation(
            parsing: "s3://\(bucket)" + (prefix.isEmpty ? "" : "/\(prefix)"))
        guard location == .s3(bucket: bucket, prefix: prefix) else {
            throw Self.invalid("the prefix neither begins nor ends with a slash")
        }
        try validateBounds()
        guard Self.isRegion(region) else {
            throw Self.invalid(
                "the region has 1 to 64 letters, digits and '-', such as eu-central-1")
        }
        let endpoint = try endpointOrigin()
        let hasDots = bucket.utf8.contains(UInt8(ascii: "."))
        let isVirtual =
            switch addressing {
            case .automatic: self.endpoint == nil && !hasDots
            case .virtualHost: true
            case .path: false
            }
        if isVirtual { try validateVirtualHost(endpoint) }
        let origin =
            isVirtual
            ? HTTPOrigin(
                scheme: endpoint.scheme, host: "\(bucket).\(endpoint.host)", port: endpoint.port)
            : endpoint
        let isDefaultPort = origin.port == (origin.scheme == .https ? 443 : 80)
        let bareHost =
            origin.host.utf8.contains(UInt8(ascii: ":")) ? "[\(origin.host)]" : origin.host
        return S3Address(
            origin: origin, hostField: isDefaultPort ? bareHost : origin.hostPort,
            root: isVirtual ? "/" : "/\(bucket)/", keyPrefix: prefix.isEmpty ? "" : "\(prefix)/")
    }

    private func endpointOrigin() throws(ObjectStoreError) -> HTTPOrigin {
        guard let endpoint else {
            let domain = region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
            return HTTPOrigin(scheme: .https, host: "s3.\(region).\(domain)", port: 443)
        }
        guard
            let origin = HTTPOrigin(
                parsing: endpoint, defaultPort: { $0 == .https ? 443 : 80 })
        else {
            throw Self.invalid(
                "the endpoint is https://host or https://host:port, without a path and credentials")
        }
        guard origin.scheme == .https || origin.isLoopback || isLocal(origin) || allowsPlainHTTP
        else {
            throw Self.invalid(
                "the endpoint begins with https://; plain HTTP has to be allowed by its own setting"
            )
        }
        return origin
    }

    /// Names below `localhost` are this machine's (RFC 6761 6.3), and libcurl never asks a resolver for them.
    private func isLocal(_ origin: HTTPOrigin) -> Bool { origin.host.hasSuffix(".localhost") }

    private func validateVirtualHost(_ endpoint: HTTPOrigin) throws(ObjectStoreError) {
        let isAddress =
            endpoint.host.utf8.contains(UInt8(ascii: ":"))
            || endpoint.host.utf8.allSatisfy {
                $0 == UInt8(ascii: ".") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
            }
        guard !isAddress else {
            throw Self.invalid("an endpoint that is an IP address needs the addressing 'path'")
        }
        guard endpoint.scheme == .http || !bucket.utf8.contains(UInt8(ascii: ".")) else {
            throw Self.invalid(
                "no certificate is for a host with the dots of \(bucket): set the addressing 'path'"
            )
        }
    }

    private func validateBounds() throws(ObjectStoreError) {
        for (name, time) in [
            ("connect", connectTimeout), ("request", requestTimeout), ("total", totalTimeout),
        ] where time < .milliseconds(1) || time > .seconds(3600) {
            throw Self.invalid("the \(name) time-out is 1 ms to 1 h")
        }
        guard requestTimeout <= totalTimeout else {
            throw Self.invalid("the time-out of a request is not longer than that of all attempts")
        }
        guard (1...100).contains(retries.maxAttempts) else {
            throw Self.invalid("there are 1 to 100 attempts")
        }
        guard (1...256).contains(maxConnections) else {
            throw Self.invalid("there are 1 to 256 connections")
        }
        guard (1...(1 << 30)).contains(maxObjectBytes) else {
            throw Self.invalid("the longest object has 1 byte to 1 GiB")
        }
    }

    private static func isRegion(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    private static func invalid(_ rule: String) -> ObjectStoreError {
        ObjectStoreError(.configuration, "the archive's S3 settings: \(rule)")
    }
}
