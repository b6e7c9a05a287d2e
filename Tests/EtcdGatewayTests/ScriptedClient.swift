import Logging
import TestSupport

@testable import EtcdGateway

/// What the tests with scripted peers have in common.
enum ScriptedClient {
    /// A write that compares, and puts one key.
    static let put = EtcdTransaction(
        compares: [.version(key: [1], equals: 0)], success: [.put(key: [1], value: [2])])

    /// etcd's answer when the write was applied.
    static let applied =
        "{\(ScriptedPeer.header),\"succeeded\":true,\"responses\":[{\"response_put\":{}}]}"

    /// etcd's answer to a range that found nothing.
    static let emptyRange = "{\(ScriptedPeer.header)}"

    /// A client with time-outs that a machine which does many things at once does not reach.
    static func make(
        _ peers: [EtcdEndpoint], _ change: (inout EtcdConfiguration) -> Void = { _ in }
    ) throws -> EtcdClient {
        var configuration = EtcdConfiguration(endpoints: peers)
        configuration.requestTimeout = .seconds(20)
        configuration.connectTimeout = .seconds(20)
        change(&configuration)
        return try EtcdClient(
            configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// The error with which the write fails, nil where it succeeds.
    static func putError(
        _ client: EtcdClient, _ options: EtcdRequestOptions = .init()
    ) async -> EtcdError? {
        do throws(EtcdError) {
            _ = try await client.transaction(put, options: options)
            return nil
        } catch {
            return error
        }
    }
}
