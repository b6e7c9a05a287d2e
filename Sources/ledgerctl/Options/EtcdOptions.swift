internal import ArgumentParser
internal import EtcdGateway
internal import Foundation
internal import LedgerCore
internal import LedgerStore
internal import Logging

/// Where the ledger is stored, for the few commands that an operator runs beside the service.
struct EtcdOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "etcd's members, comma-separated. (default: $ETCD_ENDPOINTS, else http://localhost:2379)",
            valueName: "urls"))
    var etcdEndpoints: String?

    @Option(
        name: .long,
        help: "PEM file of the authorities of etcd's certificates. (default: $ETCD_CA_CERT)")
    var etcdCa: String?

    @Option(
        name: .long, help: "PEM file of the client certificate. (default: $ETCD_CLIENT_CERT)")
    var etcdCert: String?

    @Option(name: .long, help: "PEM file of its private key. (default: $ETCD_CLIENT_KEY)")
    var etcdKey: String?

    @Option(
        name: .long,
        help:
            "etcd's user; the password is read from $ETCD_PASSWORD. (default: $ETCD_USERNAME)")
    var etcdUser: String?

    @Option(
        name: .long,
        help: "What the ledger's keys begin with. (default: $LEDGER_PREFIX, else ledger/)")
    var prefix: String?

    /// The client's settings, from the options and the service's own variables.
    func configuration(environment: [String: String]) throws -> EtcdConfiguration {
        func value(_ option: String?, _ name: String) -> String? {
            option ?? environment[name].flatMap { $0.isEmpty ? nil : $0 }
        }
        let texts = value(etcdEndpoints, "ETCD_ENDPOINTS") ?? "http://localhost:2379"
        let endpoints = try texts.split(separator: ",").map { text in
            let text = text.trimmingCharacters(in: .whitespaces)
            guard let endpoint = try? EtcdEndpoint(parsing: text) else {
                throw ValidationError(
                    "--etcd-endpoints must be comma-separated http://host:port or "
                        + "https://host:port, without user, path and query.")
            }
            return endpoint
        }
        let user = value(etcdUser, "ETCD_USERNAME")
        var configuration = EtcdConfiguration(
            endpoints: endpoints, caCertificatePath: value(etcdCa, "ETCD_CA_CERT"),
            clientCertificatePath: value(etcdCert, "ETCD_CLIENT_CERT"),
            clientKeyPath: value(etcdKey, "ETCD_CLIENT_KEY"), username: user,
            password: user == nil ? nil : value(nil, "ETCD_PASSWORD"))
        configuration.requestTimeout = .seconds(5)
        configuration.connectTimeout = .seconds(2)
        return configuration
    }

    /// Runs the body with the stored ledger.
    ///
    /// - Parameter archived: where what has left etcd is read.
    func withStore(
        archived: (any ArchivedPast)? = nil, _ body: (LedgerStore) async throws -> Void
    ) async throws {
        let environment = ProcessInfo.processInfo.environment
        let name = prefix ?? environment["LEDGER_PREFIX"].flatMap { $0.isEmpty ? nil : $0 }
        do {
            let client = try EtcdClient(
                configuration: try configuration(environment: environment),
                logger: Logger(label: "ledgerctl") { _ in SwiftLogNoOpLogHandler() })
            let store = LedgerStore(
                store: client, keys: LedgerKeys(prefix: name ?? "ledger/"), archived: archived)
            do {
                try await body(store)
            } catch {
                await client.shutdown()
                throw error
            }
            await client.shutdown()
        } catch let error as EtcdError {
            Console.note("ledgerctl: " + Printable.escape("\(error)"))
            throw ExitCode(ExitCodes.unavailable)
        } catch let error as LedgerStoreError {
            Console.note("ledgerctl: " + Printable.escape("\(error)"))
            switch error.code {
            case .unavailable, .archive: throw ExitCode(ExitCodes.unavailable)
            case .inconsistent, .unsupportedFormat: throw ExitCode(ExitCodes.verificationFailed)
            }
        }
    }
}
