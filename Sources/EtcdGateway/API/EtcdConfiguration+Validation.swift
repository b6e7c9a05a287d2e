import Glibc

extension EtcdConfiguration {
    /// - Throws: An error of code `configuration` that names the first setting that cannot work.
    func validate() throws(EtcdError) {
        if endpoints.isEmpty { throw Self.refusal("there is no endpoint") }
        let files = [
            ("authorities", caCertificatePath), ("client's certificate", clientCertificatePath),
            ("client's key", clientKeyPath),
        ]
        for (name, path) in files {
            if let path, unsafe access(path, R_OK) != 0 {
                throw Self.refusal("the file of the \(name) cannot be read")
            }
        }
        if (clientCertificatePath == nil) != (clientKeyPath == nil) {
            throw Self.refusal("the client's certificate and key are given together or not at all")
        }
        if (username == nil) != (password == nil) {
            throw Self.refusal("user name and password are given together or not at all")
        }
        if maxConnections < 1 || maxIdleConnections < 1 {
            throw Self.refusal("at least one connection must be allowed, idle ones included")
        }
        if maxWaitingRequests < 0 { throw Self.refusal("no fewer than no requests can wait") }
        if requestTimeout <= .zero || connectTimeout <= .zero {
            throw Self.refusal("time-outs must be longer than zero")
        }
        if maxResponseBytes < 1024 { throw Self.refusal("no answer fits in less than 1 KiB") }
    }

    private static func refusal(_ message: String) -> EtcdError {
        EtcdError(failureClass: .notSent, code: .configuration, message: message)
    }
}
