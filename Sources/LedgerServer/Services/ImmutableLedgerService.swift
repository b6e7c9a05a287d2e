import EventLoopTasks
package import GRPCCore
package import GRPCEdge
import GRPCProtobuf
import LedgerAPI
package import LedgerCore
import SwiftProtobuf

/// The gRPC service `ledger.ImmutableLedger`.
///
/// Its methods are registered one by one instead of through the generated protocol, because the two submitting
/// ones decode `Submission`: the same wire format as `CertifiedEvent`, with bytes for strings, so that a string
/// that is not UTF-8 can be answered with the name of its field.
package struct ImmutableLedgerService: RegistrableRPCService {
    private typealias Method = Ledger_ImmutableLedger.Method

    /// The longest message that can be an event: an entry has at most 65,535 bytes, and a message names its parts
    /// with a few bytes each.
    static let maxSubmissionBytes = 131_072

    /// The methods whose requests are more than one short message.
    static let shapes: [MethodDescriptor: CallShape] = {
        var stream = submissionShape
        stream.isStreaming = true
        return [
            Method.SubmitEvent.descriptor: submissionShape, Method.SubmitEvents.descriptor: stream,
        ]
    }()

    static let submissionShape = CallShape(
        takesMarkers: true, isSubmission: true, maxMessageBytes: maxSubmissionBytes)

    /// The submitting methods without the gRPC library.
    static func direct(_ submissions: DirectSubmissions) -> EdgeConfiguration.Direct {
        .init(
            unaryPath: "/\(Method.SubmitEvent.descriptor.fullyQualifiedMethod)",
            streamPath: "/\(Method.SubmitEvents.descriptor.fullyQualifiedMethod)"
        ) { connection in
            let caller = CallerIdentity(of: connection)
            return DirectService(
                unary: { submissions.serve($0, from: caller) },
                stream: { submissions.serve($0, from: caller) })
        }
    }

    private let submissions: SubmissionHandler
    private let reads: ReadHandler
    private let proofs: ProofHandler
    private let deserializer: SubmissionDeserializer

    /// - Parameters:
    ///   - limits: what an event may have, for what is said of one that has more.
    ///   - edge: what the port takes, likewise.
    package init(
        submissions: SubmissionHandler, reads: ReadHandler, proofs: ProofHandler,
        limits: EventLimits, edge: EdgeLimits
    ) {
        deserializer = SubmissionDeserializer(limits: limits, edge: edge)
        self.submissions = submissions
        self.reads = reads
        self.proofs = proofs
    }

    package func registerMethods<Transport: ServerTransport>(
        with router: inout RPCRouter<Transport>
    ) {
        router.registerHandler(
            forMethod: Method.SubmitEvent.descriptor, deserializer: deserializer,
            serializer: ProtobufSerializer<Ledger_SealedEvent>()
        ) { request, context in
            let event = try await submissions.submitEvent(
                ServerRequest(stream: request), context)
            return StreamingServerResponse(single: ServerResponse(message: event))
        }
        router.registerHandler(
            forMethod: Method.SubmitEvents.descriptor, deserializer: deserializer,
            serializer: ProtobufSerializer<Ledger_SubmitResult>(),
            handler: submissions.submitEvents)
        unary(Method.GetEvent.descriptor, &router, onPool(reads.getEvent))
        unary(Method.GetEventById.descriptor, &router, onPool(reads.getEventByID))
        router.registerHandler(
            forMethod: Method.ListEvents.descriptor,
            deserializer: ProtobufDeserializer<Ledger_ListEventsRequest>(),
            serializer: ProtobufSerializer<Ledger_SealedEvent>()
        ) { request, _ in
            try await Reactor.runOnPool {
                try await reads.listEvents(ServerRequest(stream: request))
            }
        }
        unary(Method.VerifyEvents.descriptor, &router, onPool(reads.verifyEvents))
        unary(Method.HealthCheck.descriptor, &router, reads.healthCheck)
        unary(Method.GetCheckpoint.descriptor, &router, onPool(proofs.getCheckpoint))
        unary(Method.GetInclusionProof.descriptor, &router, onPool(proofs.getInclusionProof))
        unary(Method.GetConsistencyProof.descriptor, &router, onPool(proofs.getConsistencyProof))
        unary(Method.GetReceipt.descriptor, &router, onPool(proofs.getReceipt))
    }

    /// A read may keep a processor busy for milliseconds.
    private func onPool<Input, Output: Sendable>(
        _ handler: @escaping @Sendable (ServerRequest<Input>, ServerContext) async throws -> Output
    ) -> @Sendable (ServerRequest<Input>, ServerContext) async throws -> Output {
        { request, context in
            try await Reactor.runOnPool { try await handler(request, context) }
        }
    }

    private func unary<
        Transport: ServerTransport, Input: SwiftProtobuf.Message & Sendable,
        Output: SwiftProtobuf.Message & Sendable
    >(
        _ method: MethodDescriptor, _ router: inout RPCRouter<Transport>,
        _ handler: @escaping @Sendable (ServerRequest<Input>, ServerContext) async throws -> Output
    ) {
        router.registerHandler(
            forMethod: method, deserializer: ProtobufDeserializer<Input>(),
            serializer: ProtobufSerializer<Output>()
        ) { request, context in
            let single = try await ServerRequest(stream: request)
            let message = try await handler(single, context)
            return StreamingServerResponse(single: ServerResponse(message: message))
        }
    }
}
