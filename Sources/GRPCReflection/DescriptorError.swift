/// The compiled protos cannot be read: the build is broken.
package struct DescriptorError: Error, Sendable, CustomStringConvertible {
    /// What is wrong with them.
    package let message: String

    package var description: String { "the proto descriptors cannot be read: \(message)" }
}
