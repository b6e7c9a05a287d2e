internal import ArgumentParser
internal import EtcdGateway
internal import Logging

/// Measures the protocol that the ledger replaces, through the ledger's own etcd gateway client.
@main
struct NaiveBaseline: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "naive-baseline",
        abstract: "Measure one GET and one transaction for each event, one event at a time.",
        discussion: "The report on standard output has the shape of `ledgerctl bench`.")

    @Option(help: "etcd's members, separated by commas.")
    var endpoints: String

    @Option(help: "PEM file of the authority that signed the members' certificates.")
    var caCert: String?

    @Option(help: "PEM file of the certificate that is shown to etcd.")
    var clientCert: String?

    @Option(help: "PEM file of its key.")
    var clientKey: String?

    @Option(help: "What every key begins with; the counter below it must not exist.")
    var prefix = "naive/"

    @Option(help: "Bytes of each payload.")
    var payloadBytes = 256

    @Option(help: "Seconds before measuring begins.")
    var warmup = 2.0

    @Option(help: "Seconds to measure.")
    var duration = 10.0

    mutating func validate() throws {
        guard (0...40_000).contains(payloadBytes), warmup >= 0, duration > 0 else {
            throw ValidationError("--payload-bytes, --warmup and --duration must be sensible.")
        }
    }

    func run() async throws {
        var logger = Logger(label: "naive-baseline")
        logger.logLevel = .error
        let members = try endpoints.split(separator: ",").map { try EtcdEndpoint(parsing: "\($0)") }
        let etcd = try EtcdClient(
            configuration: EtcdConfiguration(
                endpoints: members, caCertificatePath: caCert, clientCertificatePath: clientCert,
                clientKeyPath: clientKey),
            logger: logger)
        do {
            let report = try await measure(etcd)
            await etcd.shutdown()
            print(try report.json)
        } catch {
            await etcd.shutdown()
            throw error
        }
    }

    private func measure(_ etcd: EtcdClient) async throws -> BaselineReport {
        await preferLeader(etcd)
        var ledger = NaiveLedger(etcd: etcd, prefix: prefix, payloadBytes: payloadBytes)
        let clock = ContinuousClock()
        let begin = clock.now + .seconds(warmup)
        while clock.now < begin { _ = try await ledger.sealNext() }
        let cpuAtBegin = SystemTime.processorSeconds
        var latencies = Latencies()
        var lostRaces = 0
        let end = begin + .seconds(duration)
        var now = clock.now
        while now < end {
            let isSealed = try await ledger.sealNext()
            let answered = clock.now
            if isSealed { latencies.record(answered - now) } else { lostRaces += 1 }
            now = answered
        }
        return BaselineReport(
            latencies: latencies, lostRaces: lostRaces, payloadBytes: payloadBytes, warmup: warmup,
            duration: now - begin, cpuSeconds: SystemTime.processorSeconds - cpuAtBegin)
    }

    /// As the service does: the leader saves the others a hop, and the baseline shall not be slower
    /// for a reason that has nothing to do with its protocol.
    private func preferLeader(_ etcd: EtcdClient) async {
        for endpoint in etcd.endpoints {
            guard let status = try? await etcd.status(of: endpoint), status.isLeader else {
                continue
            }
            etcd.prefer(endpoint)
        }
    }
}
