package import HTTPTransport
package import ObjectStorage

/// Where sealed events are archived, and how.
package struct ArchiveSettings: Sendable, Hashable {
    /// How many of the newest events stay in etcd.
    package enum Retention: Sendable, Hashable, CustomStringConvertible {
        /// So many, 8,192 or more.
        case events(UInt64)
        case all

        /// Nil for all.
        var count: UInt64? {
            if case .events(let count) = self { count } else { nil }
        }

        /// As the setting has it.
        package var description: String {
            switch self {
            case .events(let count): "\(count)"
            case .all: "all"
            }
        }
    }

    /// A secret that is given itself or in a file, which is read again when it changes.
    package enum Secret: Sendable, Hashable {
        case value(String)
        case file(String)
    }

    /// `LEDGER_ARCHIVE`: `s3://bucket/prefix` or `file:///folder`.
    package var location: ObjectLocation
    /// `LEDGER_ARCHIVE_ENDPOINT`: an http(s) origin; nil for the provider's own.
    package var endpoint: HTTPOrigin?
    /// `LEDGER_ARCHIVE_REGION`.
    package var region = "us-east-1"
    /// `LEDGER_ARCHIVE_CA_CERT`: a PEM file of the only authorities for the endpoint's certificate; nil for the system's.
    package var caCertificatePath: String?
    /// `LEDGER_ARCHIVE_ADDRESSING`: how the bucket is named in a request.
    package var addressing = S3Settings.Addressing.automatic
    /// `LEDGER_ARCHIVE_CONDITIONAL_PUT`: whether the store is to refuse an object that exists.
    package var conditionalPut = S3Settings.ConditionalPut.automatic
    /// `LEDGER_ARCHIVE_ACCESS_KEY`, or the same with `_FILE`.
    package var accessKey: Secret?
    /// `LEDGER_ARCHIVE_SECRET_KEY`, or the same with `_FILE`.
    package var secretKey: Secret?
    /// `LEDGER_ARCHIVE_SESSION_TOKEN`, or the same with `_FILE`.
    package var sessionToken: Secret?

    package init(location: ObjectLocation) {
        self.location = location
    }

    /// Whether it is in a bucket, which has settings of its own.
    private var isBucket: Bool {
        if case .s3 = location { true } else { false }
    }

    /// The region, where a bucket has one.
    var bucketRegion: String? { isBucket ? region : nil }
    /// How a bucket is named, where there is one.
    var bucketAddressing: String? { isBucket ? addressing.rawValue : nil }
    /// How objects are put into a bucket, where there is one.
    var bucketConditionalPut: String? { isBucket ? conditionalPut.rawValue : nil }
}

extension ArchiveSettings.Secret {
    /// The path, where it is in a file.
    var path: String? {
        if case .file(let path) = self { path } else { nil }
    }

    /// The value, where it is given itself.
    var value: String? {
        if case .value(let value) = self { value } else { nil }
    }

    /// Whether the value itself is given.
    var isValue: Bool { path == nil }
}
