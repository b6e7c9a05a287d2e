import Crypto

/// AWS Signature Version 4 in a header field, as S3 wants it: the path is encoded once, and not normalised.
///
/// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
struct RequestSigner: Sendable {
    var region: String
    var service = "s3"

    /// What is signed of a request.
    struct Request: Sendable {
        var method: String
        /// Percent-encoded, from the slash on.
        var path: String
        /// Not encoded.
        var query: [(name: String, value: String)] = []
        /// Names in lower case, each once; `host` and `x-amz-date` among them.
        var fields: [(name: String, value: String)]
        /// SHA-256 of the body, in hexadecimal digits.
        var payloadHash: String
    }

    /// The value of the field `authorization`.
    func authorization(
        _ request: Request, _ credentials: S3Credentials, at time: SigningTime
    ) -> String {
        let fields = request.fields.sorted { $0.name < $1.name }
        let names = fields.map(\.name).joined(separator: ";")
        let scope = "\(time.date)/\(region)/\(service)/aws4_request"
        let signed = Self.textToSign(
            Self.canonicalText(request, fields, names), scope: scope, at: time)
        let signature = HMAC<SHA256>.authenticationCode(
            for: Array(signed.utf8), using: key(credentials, time))
        return
            "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope), SignedHeaders=\(names), Signature=\(Self.hex(signature))"
    }

    /// The query as it is sent, in the order in which it is signed.
    static func encoded(_ query: [(name: String, value: String)]) -> String {
        query.map { (percentEncoded($0.name), percentEncoded($0.value)) }
            .sorted { $0 < $1 }
            .map { "\($0.0)=\($0.1)" }
            .joined(separator: "&")
    }

    static func hash(_ bytes: [UInt8]) -> String { hex(SHA256.hash(data: bytes)) }

    private static func canonicalText(
        _ request: Request, _ fields: [(name: String, value: String)], _ names: String
    ) -> String {
        var lines = [request.method, request.path, encoded(request.query)]
        lines += fields.map { "\($0.name):\(trimmed($0.value))" }
        lines += ["", names, request.payloadHash]
        return lines.joined(separator: "\n")
    }

    private static func textToSign(
        _ canonicalText: String, scope: String, at time: SigningTime
    ) -> String {
        ["AWS4-HMAC-SHA256", time.text, scope, hash(Array(canonicalText.utf8))]
            .joined(separator: "\n")
    }

    private func key(_ credentials: S3Credentials, _ time: SigningTime) -> SymmetricKey {
        var key = SymmetricKey(data: Array("AWS4\(credentials.secretKey)".utf8))
        for part in [time.date, region, service, "aws4_request"] {
            key = SymmetricKey(
                data: HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key))
        }
        return key
    }

    /// Without spaces at its ends, and with one where there are several.
    private static func trimmed(_ value: String) -> String {
        value.split(separator: " ").joined(separator: " ")
    }

    /// RFC 3986: everything but the unreserved characters.
    static func percentEncoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"), UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                result += "%"
                result += hex([byte]).uppercased()
            }
        }
        return result
    }

    private static func hex(_ bytes: some Sequence<UInt8>) -> String {
        var result = ""
        for byte in bytes {
            result.unicodeScalars.append(digits[Int(byte >> 4)])
            result.unicodeScalars.append(digits[Int(byte & 15)])
        }
        return result
    }

    private static let digits = Array("0123456789abcdef".unicodeScalars)
}

/// A moment as signatures have it, in UTC.
struct SigningTime: Sendable, Hashable {
    /// `20130524`
    let date: String
    /// `20130524T000000Z`
    let text: String

    /// - Parameter seconds: Since 1970; not before.
    init(secondsSince1970 seconds: Int64) {
        let (days, rest) = max(seconds, 0).quotientAndRemainder(dividingBy: 86_400)
        let (year, month, day) = Self.civilDate(days)
        date = Self.digits(year, 4) + Self.digits(month, 2) + Self.digits(day, 2)
        text =
            "\(date)T" + Self.digits(rest / 3600, 2) + Self.digits(rest / 60 % 60, 2)
            + Self.digits(rest % 60, 2) + "Z"
    }

    private static func digits(_ number: Int64, _ count: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
    }

    /// The Gregorian date of a day since 1970: years are counted from March on, so that a leap day is the last of its
    /// year, in eras of 400 years, which are all alike.
    private static func civilDate(_ days: Int64) -> (Int64, Int64, Int64) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, day)
    }
}
