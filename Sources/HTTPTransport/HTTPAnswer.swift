internal import CCurlShims

/// An answer that was received whole.
package struct HTTPAnswer: Sendable {
    package var status: Int
    /// The header fields that are kept, in the order in which they came; names in lower case.
    package var fields: [HTTPField]
    package var body: [UInt8]

    package init(status: Int, fields: [HTTPField] = [], body: [UInt8]) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    /// The value of a header field, the last one where there are several; nil where there is none.
    ///
    /// - Parameter name: In lower case.
    package func value(of name: String) -> String? {
        fields.last { $0.name == name }?.value
    }

    /// The field `date` in seconds since 1970.
    package var date: Int64? {
        guard let text = value(of: "date"), !text.utf8.contains(0) else { return nil }
        // libcurl reads the text up to its zero byte, and keeps nothing.
        let seconds = unsafe text.withCString { unsafe curl_getdate($0, nil) }
        return seconds >= 0 ? Int64(seconds) : nil
    }
}

/// How a transfer failed.
package struct TransferFailure: Error, Sendable, Hashable {
    package enum Reason: Sendable, Hashable {
        /// libcurl's own code.
        case curl(Int)
        case deadline
        case cancelled
        case shutDown
        /// Every connection carries as many requests as it can, and too many wait already, or this one waited too long.
        case poolFull
        /// The answer's body or header is longer than allowed.
        case answerTooLong
        /// The request cannot be sent as it is: a header field or a target that HTTP does not admit.
        case malformedRequest
    }

    /// What went wrong, in the sorts that a caller tells apart.
    package enum Kind: String, Sendable, Hashable {
        case timeout
        case cancelled
        case shutDown
        case answerTooLong
        case malformedRequest
        /// No connection could be made: certificates or TLS.
        case tls
        /// No connection could be made, or had: name resolution, TCP, a full pool.
        case connect
        /// An established connection broke before the whole answer was read.
        case connectionLost
        /// libcurl has no memory.
        case noMemory
    }

    package var reason: Reason
    /// Whether libcurl was given any part of the body, or, where there is no body, a connection to write the request
    /// to: only when it was not is it certain that the peer cannot have acted.
    package var wasOffered: Bool
    /// Without anything of what was sent or received.
    package var message: String

    package init(reason: Reason, wasOffered: Bool, message: String) {
        self.reason = reason
        self.wasOffered = wasOffered
        self.message = message
    }

    package var kind: Kind {
        switch reason {
        case .deadline: .timeout
        case .cancelled: .cancelled
        case .shutDown: .shutDown
        case .poolFull: .connect
        case .answerTooLong: .answerTooLong
        case .malformedRequest: .malformedRequest
        case .curl(let number): Self.kind(ofCurl: number)
        }
    }

    /// The numbers are libcurl's CURLcode, which never change.
    private static func kind(ofCurl number: Int) -> Kind {
        switch number {
        case 28: .timeout
        // Handshake, certificates, ciphers, the files they come from, ALPN.
        case 35, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98: .tls
        // A malformed address, an unresolved name, a refused connection.
        case 3, 5, 6, 7, 45, 96: .connect
        case 27: .noMemory
        // Half an answer, none, broken sends and receives, a rewind that is forbidden here, broken HTTP and HTTP/2:
        // 1, 8, 16, 18, 42, 52, 55, 56, 61, 65, 92, 95; and whatever else there may be.
        default: .connectionLost
        }
    }
}
