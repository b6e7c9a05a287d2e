import Logging
import Testing

@testable import EtcdGateway

@Suite("EtcdConfiguration")
struct EtcdConfigurationTests {
    private let endpoint = EtcdEndpoint(scheme: .http, host: "127.0.0.1", port: 1)

    @Test("a client is not made from settings that cannot work")
    func refusals() {
        let changes: [(String, (inout EtcdConfiguration) -> Void)] = [
            ("no endpoint", { $0.endpoints = [] }),
            ("a missing CA", { $0.caCertificatePath = "/nonexistent/ca.pem" }),
            ("a certificate alone", { $0.clientCertificatePath = "/dev/null" }),
            ("a key alone", { $0.clientKeyPath = "/dev/null" }),
            ("a user alone", { $0.username = "ledger" }),
            ("a password alone", { $0.password = "secret" }),
            ("no connection", { $0.maxConnections = 0 }),
            ("no idle connection", { $0.maxIdleConnections = 0 }),
            ("no time", { $0.requestTimeout = .zero }),
            ("no time to connect", { $0.connectTimeout = .seconds(-1) }),
            ("no room", { $0.maxResponseBytes = 0 }),
        ]
        for (name, change) in changes {
            var configuration = EtcdConfiguration(endpoints: [endpoint])
            change(&configuration)
            do throws(EtcdError) {
                _ = try EtcdClient(configuration: configuration, logger: Logger(label: "test"))
                Issue.record("\(name) was accepted")
            } catch {
                #expect(error.code == .configuration, "\(name)")
                #expect(!error.description.contains("secret"))
            }
        }
    }
}
