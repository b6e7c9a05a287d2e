internal import ArgumentParser
internal import Foundation
internal import LedgerClient

/// The options that every command has.
struct GlobalOptions: ParsableArguments {
    /// Where the service is looked for when nothing says otherwise.
    static let defaultServer = "127.0.0.1:50051"

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The service, as host:port. (default: $LEDGER_ADDRESS, else 127.0.0.1:50051)",
            valueName: "host:port"))
    var server: String?

    @Flag(name: .long, help: "Use TLS, trusting the system's authorities.")
    var tls = false

    @Option(name: .long, help: "Use TLS, trusting the authorities in this PEM file.")
    var tlsCa: String?

    @Option(name: .long, help: "Use TLS with the client certificate in this PEM file.")
    var tlsCert: String?

    @Option(name: .long, help: "PEM file with the client certificate's private key.")
    var tlsKey: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Use TLS, and expect this name in a server's certificate that lacks its address, for a forwarded port.",
            valueName: "name"))
    var serverName: String?

    @Option(name: .long, help: "Milliseconds that one attempt to submit an event may take.")
    var deadlineMs = 100

    @Option(name: .long, help: "Seconds for which a call is tried again where that may help.")
    var retryFor = 10.0

    @Flag(name: .long, help: "Make every call once.")
    var noRetry = false

    @Option(name: .shortAndLong, help: "How results are written: text or json.")
    var output = OutputFormat.text

    @Flag(name: .shortAndLong, help: "Say more on standard error.")
    var verbose = false

    mutating func validate() throws {
        guard deadlineMs > 0 else { throw ValidationError("--deadline-ms must be positive.") }
        guard retryFor >= 0, retryFor <= 86_400 else {
            throw ValidationError("--retry-for must be 0 to 86400 seconds.")
        }
        guard serverName.map({ !$0.isEmpty && $0.utf8.count <= 253 }) ?? true else {
            throw ValidationError("--server-name must be a DNS name of at most 253 bytes.")
        }
        guard (tlsCert == nil) == (tlsKey == nil) else {
            throw ValidationError("--tls-cert and --tls-key belong together.")
        }
        _ = try address(environment: ProcessInfo.processInfo.environment)
    }

    /// The service's address, from the option, the environment, or the default.
    func address(environment: [String: String]) throws -> ServerAddress {
        let fromEnvironment = environment["LEDGER_ADDRESS"].flatMap { $0.isEmpty ? nil : $0 }
        let text = server ?? fromEnvironment ?? Self.defaultServer
        guard let address = ServerAddress(parsing: text) else {
            let source = server == nil ? "LEDGER_ADDRESS" : "--server"
            throw ValidationError("\(source) must be host:port, such as 127.0.0.1:50051.")
        }
        return address
    }

    /// How the connection is protected.
    var security: TransportSecurity {
        guard tls || tlsCa != nil || tlsCert != nil || serverName != nil else { return .plaintext }
        var certificate: ClientCertificate?
        if let tlsCert, let tlsKey {
            certificate = ClientCertificate(certificatePath: tlsCert, privateKeyPath: tlsKey)
        }
        return .tls(
            caCertificatePath: tlsCa, clientCertificate: certificate, serverName: serverName)
    }

    /// The client's settings.
    func clientConfiguration() throws -> LedgerClientConfiguration {
        var retryPolicy = RetryPolicy(overallTime: .seconds(retryFor))
        if noRetry { retryPolicy = .never }
        return LedgerClientConfiguration(
            address: try address(environment: ProcessInfo.processInfo.environment),
            security: security,
            submissionDeadline: .milliseconds(deadlineMs),
            retryPolicy: retryPolicy)
    }
}
