import HTTPTransport

/// What an answer that is no success says.
struct S3Refusal: Sendable, Equatable {
    var status: Int
    /// S3's own word, such as `NoSuchKey`; nil where the answer has none, as that to a HEAD.
    var code: String?
    /// The region to ask in instead, where the answer names one.
    var region: String?
    /// The store's clock, in seconds since 1970.
    var storeTime: Int64?
    /// How long the store asks to wait.
    var wish: Duration?

    /// The longest error document that is looked at, in bytes.
    static let maxByteCount = 64 * 1024
    /// A longer wish is no wish.
    private static let longestWish = Duration.seconds(3600)

    init(_ answer: HTTPAnswer) {
        status = answer.status
        let document =
            answer.body.count <= Self.maxByteCount ? XMLNode(parsing: answer.body) : nil
        let error = document?.name == "Error" ? document : nil
        code = error?.text(of: "Code").flatMap(Self.word)
        region = (answer.value(of: "x-amz-bucket-region") ?? error?.text(of: "Region"))
            .flatMap(Self.word)
        storeTime = answer.date
        wish = answer.value(of: "retry-after").flatMap { Int64($0) }
            .flatMap { $0 >= 0 ? min(.seconds($0), Self.longestWish) : nil }
    }

    init(status: Int, code: String?) {
        self.status = status
        self.code = code
    }

    /// A text of the store's that may stand in a message: letters, digits, `-` and `.`, at most 64 bytes.
    private static func word(_ text: String) -> String? {
        let isWord =
            (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
        return isWord ? text : nil
    }

    /// The object that is asked for does not exist.
    var isAbsence: Bool { status == 404 && code == "NoSuchKey" }

    /// The store does not know conditional puts.
    var isNotImplemented: Bool { status == 501 || code == "NotImplemented" }

    /// The credentials may have been replaced since they were read.
    var asksForOtherCredentials: Bool {
        switch code {
        case "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired": true
        default: false
        }
    }

    /// What it means for an operation.
    ///
    /// - Parameter now: This machine's clock, in seconds since 1970.
    func error(at now: Int64) -> ObjectStoreError {
        switch kind {
        case .clockSkew: return ObjectStoreError(.clockSkew, skewMessage(at: now))
        case .configuration where isRedirection:
            return ObjectStoreError(
                .configuration,
                region.map { "the bucket is in the region \($0): set the archive's region to it" }
                    ?? "the bucket is not where the archive's region and endpoint say (\(said))")
        case .noSuchBucket:
            return ObjectStoreError(
                .noSuchBucket,
                "the bucket does not exist at this endpoint: make it, or correct its name")
        case .notAllowed:
            return ObjectStoreError(
                .notAllowed,
                "the store refuses the credentials (\(said)); they need GetObject, PutObject and DeleteObject below the prefix and ListBucket, without which a missing object is refused as well"
            )
        case .full: return ObjectStoreError(.full, "the store has no space left (\(said))")
        case .tooLarge: return ObjectStoreError(.tooLarge, "the store takes no object so long")
        case .unavailable:
            return ObjectStoreError(.unavailable, "the store does not answer now (\(said))")
        case .configuration:
            return ObjectStoreError(
                .configuration, "the store does not know what it is asked for (\(said))")
        case let kind:
            return ObjectStoreError(kind, "the store's answer breaks S3's protocol (\(said))")
        }
    }

    /// The status and the code.
    private var said: String { code.map { "\(status) \($0)" } ?? "\(status)" }

    private var kind: ObjectStoreError.Kind { codeKind ?? statusKind }

    private var codeKind: ObjectStoreError.Kind? {
        switch code {
        case "RequestTimeTooSkewed", "RequestExpired": .clockSkew
        case "PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException":
            .configuration
        case "NoSuchBucket": .noSuchBucket
        case "AccessDenied", "AccountProblem", "AllAccessDisabled", "ExpiredToken",
            "InvalidAccessKeyId", "InvalidSecurity", "InvalidToken", "SignatureDoesNotMatch",
            "TokenRefreshRequired":
            .notAllowed
        case "QuotaExceeded", "InsufficientStorage", "XMinioStorageFull": .full
        case "EntityTooLarge": .tooLarge
        case "BadDigest", "BandwidthLimitExceeded", "ConditionalRequestConflict",
            "IncompleteBody", "InternalError", "OperationAborted", "RequestLimitExceeded",
            "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling",
            "ThrottlingException", "TooManyRequests", "XAmzContentSHA256Mismatch":
            .unavailable
        case "NotImplemented", "InvalidArgument", "InvalidBucketName", "InvalidRequest",
            "MethodNotAllowed":
            .configuration
        default: nil
        }
    }

    private var statusKind: ObjectStoreError.Kind {
        switch status {
        case 301, 302, 307, 308: .configuration
        case 401, 403: .notAllowed
        case 408, 409, 425, 429: .unavailable
        case 413: .tooLarge
        case 501: .configuration
        case 507: .full
        case 500...599: .unavailable
        case 400, 405, 411, 414, 431: .configuration
        default: .invalidAnswer
        }
    }

    private var isRedirection: Bool {
        [301, 302, 307, 308].contains(status)
            || code == "AuthorizationHeaderMalformed"
            || code == "IllegalLocationConstraintException"
    }

    private func skewMessage(at now: Int64) -> String {
        guard let storeTime, storeTime != now else {
            return "the store's clock and this machine's are too far apart: set them right"
        }
        let direction = now > storeTime ? "ahead of" : "behind"
        return
            "this machine's clock is \((now - storeTime).magnitude) s \(direction) the store's: set the wrong one right"
    }
}
