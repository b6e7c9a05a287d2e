/// What requests are signed with. Its description has no secret.
package struct S3Credentials: Sendable, Hashable, CustomStringConvertible,
    CustomDebugStringConvertible
{
    package var accessKey: String
    package var secretKey: String
    /// Of temporary credentials.
    package var sessionToken: String?

    package init(accessKey: String, secretKey: String, sessionToken: String? = nil) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
    }

    package var description: String { "S3Credentials(\(accessKey))" }
    package var debugDescription: String { description }

    /// The longest of each value, in bytes: the header of a request has room for them.
    static let maxByteCount = 8 * 1024

    /// - Throws: `configuration` where a value is empty, too long, or has characters that no header field has.
    func validated(from source: String) throws(ObjectStoreError) -> S3Credentials {
        for (name, value) in [
            ("access key", accessKey), ("secret key", secretKey),
            ("session token", sessionToken ?? "-"),
        ] {
            guard (1...Self.maxByteCount).contains(value.utf8.count),
                value.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
            else {
                throw ObjectStoreError(
                    .configuration,
                    "the \(name) from \(source) is empty, too long, or has spaces or letters that no key has"
                )
            }
        }
        return self
    }
}

/// Where the credentials come from.
package enum S3CredentialSource: Sendable {
    /// As a setting has them.
    case fixed(S3Credentials)
    /// A file for each value, as Kubernetes mounts a secret; spaces and line ends around the value are not part of it.
    case files(accessKey: String, secretKey: String, sessionToken: String?)
    /// AWS's shared credentials file, and the profile in it.
    case sharedFile(path: String, profile: String)
}
