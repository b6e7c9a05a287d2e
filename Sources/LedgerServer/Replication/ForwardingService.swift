import EventLoopTasks
import GRPCCore
import GRPCEdge
import LedgerAPI
import LedgerReplica
import Logging
import NIOCore
import PrometheusExposition

/// Serves the internal port: takes events from other replicas and answers what became of them, each on its call's own
/// channel, without the gRPC library.
final class ForwardingService: Sendable {
    let replica: Replica
    let greeter: Greeter
    let metrics: LedgerMetrics
    let peers: ForwardingPeers
    /// Brings what has to be told to the event loop: all answers of a batch with one hop.
    let answers = DirectAnswers { Reactor.loop.execute($0) }
    private let access: InternalAccess
    private let traces: Traces?
    private let logger: Logger

    init(
        replica: Replica, peers: ForwardingPeers, greeter: Greeter,
        access: InternalAccess, metrics: LedgerMetrics, traces: Traces? = nil, logger: Logger
    ) {
        self.peers = peers
        self.replica = replica
        self.greeter = greeter
        self.access = access
        self.traces = traces
        self.metrics = metrics
        self.logger = logger
    }

    /// The internal port's one method.
    var direct: EdgeConfiguration.Direct {
        let method = Ledger_Internal_Forwarding.Method.Forward.descriptor
        return .init(streamPath: "/\(method.fullyQualifiedMethod)") { connection in
            let caller = CallerIdentity(of: connection)
            return DirectService(stream: { self.serve($0, from: caller) })
        }
    }

    private func serve(_ call: DirectStream, from caller: CallerIdentity) {
        do throws(RPCError) {
            let secret = try access.check(
                call.furtherHeaders[InternalAccess.tokenKey], from: caller, logger)
            guard let own = replica.identity else {
                throw RPCError(code: .unavailable, message: "this replica has no hint yet")
            }
            let admission = PeerAdmission(secret: secret, own: own)
            peers.add { ForwardingStream(call, of: self, number: $0, admission) }.begin()
        } catch {
            call.end(refused(error))
        }
    }

    /// The spans of an event that another replica has forwarded; nil where it is not traced.
    func trace(_ forwarded: ForwardedSubmission) -> SubmissionSpans? {
        guard traces != nil, !forwarded.traceParent.isEmpty else { return nil }
        return TracedCall.of(forwarded: forwarded.traceParent, traces).map(SubmissionSpans.init)
    }

    /// The status of a call that is refused, which the log shows.
    func refused(_ error: RPCError) -> RefusalStatus {
        logger.warning(
            "a call of the internal port was refused", metadata: ["reason": "\(error.message)"])
        return RefusalStatus(error)
    }
}

extension RefusalStatus {
    init(_ error: RPCError) {
        self.init(code: error.code.rawValue, message: error.message)
    }
}
