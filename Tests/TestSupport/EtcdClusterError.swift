/// Why a cluster for a test does not run.
package struct EtcdClusterError: Error, CustomStringConvertible {
    package var description: String

    package init(_ description: String) {
        self.description = description
    }
}
