/// What a caller of server reflection wants to know.
package enum ReflectionQuestion: Sendable, Hashable {
    case fileByName(String)
    case fileContainingSymbol(String)
    case fileContainingExtension(type: String, number: Int32)
    case allExtensionNumbers(type: String)
    case listServices
    /// A request without a question, or with one of a later version.
    case none
}

/// What it is told.
package enum ReflectionAnswer: Sendable, Hashable {
    /// Serialized FileDescriptorProtos: the file first, then everything it imports.
    case files([[UInt8]])
    case extensionNumbers(type: String, [Int32])
    case services([String])
    /// A google.rpc.Code and a sentence.
    case error(code: Int32, message: String)
}
