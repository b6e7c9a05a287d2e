import Foundation

/// A file that holds one secret, as Kubernetes mounts them: the whole file without one newline at its end.
struct SecretFile: Hashable, Sendable {
    /// The longest file that is read, in bytes.
    static let maxBytes = 65_536

    /// The setting that names the file.
    let name: String
    let path: String

    /// What the file holds now.
    ///
    /// - Throws: a file that cannot be read, is empty, too long, or no UTF-8 text. Nothing of its content is told.
    func read() throws(ConfigurationError) -> String {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw refusal("the path of a file with the secret, which can be read")
        }
        defer { try? handle.close() }
        guard let content = try? handle.read(upToCount: Self.maxBytes + 1),
            content.count <= Self.maxBytes, var text = String(validating: content, as: UTF8.self)
        else { throw refusal("the path of a file of at most \(Self.maxBytes) bytes of UTF-8") }
        if text.hasSuffix("\r\n") || text.hasSuffix("\n") { text.removeLast() }
        guard !text.isEmpty else { throw refusal("the path of a file that is not empty") }
        return text
    }

    private func refusal(_ accepted: String) -> ConfigurationError {
        ConfigurationError(name, value: path, accepted: accepted)
    }
}
