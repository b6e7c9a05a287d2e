import NIOHPACK

/// The status with which a call is refused, as it stands in HTTP/2 trailers.
package struct RefusalStatus: Sendable, Hashable {
    /// A gRPC status code other than 0.
    package var code: Int
    /// For people; anything but printable ASCII is escaped on the wire.
    package var message: String
    /// The base64 of a serialized `google.rpc.Status`, for `grpc-status-details-bin`.
    package var details: String?

    package init(code: Int, message: String, details: String? = nil) {
        self.code = code
        self.message = message
        self.details = details
    }

    /// - Parameter isFirst: whether no response headers were sent before ("Trailers-Only").
    func trailers(isFirst: Bool) -> HPACKHeaders {
        var headers = HPACKHeaders()
        if isFirst {
            headers.add(name: ":status", value: "200")
            headers.add(name: "content-type", value: "application/grpc")
        }
        headers.add(name: "grpc-status", value: String(code))
        headers.add(name: "grpc-message", value: Self.percentEncoded(message))
        if let details { headers.add(name: "grpc-status-details-bin", value: details) }
        return headers
    }

    /// The gRPC protocol's "Percent-Encoded": everything but 0x20 to 0x7E, and the per cent sign.
    static func percentEncoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if (0x20...0x7E).contains(byte), byte != UInt8(ascii: "%") {
                bytes.append(byte)
            } else {
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
