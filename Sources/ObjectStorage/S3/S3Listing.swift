/// A page of a listing, as ListObjectsV2 answers.
struct S3Listing: Sendable, Equatable {
    /// Decoded.
    var keys: [String] = []
    /// What brings the next page; nil where this is the last.
    var continuation: String?

    /// The longest page that is read, in bytes: 1,000 keys of 1,024 bytes, each encoded, with what belongs to them.
    static let maxByteCount = 6 << 20
    /// The most keys that S3 puts on a page.
    static let maxKeyCount = 1000
    private static let maxTokenByteCount = 4096

    /// - Parameter limit: How many keys were asked for.
    /// - Throws: `invalidAnswer` where the text is none of a listing.
    init(parsing bytes: [UInt8], limit: Int) throws(ObjectStoreError) {
        guard let root = XMLNode(parsing: bytes), root.name == "ListBucketResult" else {
            throw Self.invalid("is none")
        }
        let isEncoded = root.text(of: "EncodingType") == "url"
        for entry in root.children where entry.name == "Contents" {
            guard let text = entry.text(of: "Key"),
                let key = isEncoded ? Self.decoded(text) : text, !key.isEmpty
            else { throw Self.invalid("has an object without a name") }
            keys.append(key)
        }
        guard keys.count <= limit else { throw Self.invalid("is longer than was asked for") }
        switch root.text(of: "IsTruncated") {
        case "false": break
        case "true":
            guard let token = root.text(of: "NextContinuationToken"), !token.isEmpty,
                token.utf8.count <= Self.maxTokenByteCount
            else { throw Self.invalid("does not say how to go on") }
            continuation = token
        default: throw Self.invalid("does not say whether it is whole")
        }
    }

    /// Nil where the text is no URL encoding of UTF-8.
    static func decoded(_ text: String) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard rest.count >= 2,
                    let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
                else { return nil }
                rest.removeFirst(2)
                bytes.append(value)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func invalid(_ what: String) -> ObjectStoreError {
        ObjectStoreError(.invalidAnswer, "the store's listing \(what)")
    }
}
