import HTTPTypes
import Hummingbird
import LedgerCore
import Logging
import NIOCore

/// Puts a witness behind HTTP: `POST /add-checkpoint`, and nothing else.
struct WitnessResponder: HTTPResponder {
    typealias Context = BasicRequestContext

    /// How long a request's body may take.
    static let bodyTimeout = Duration.seconds(10)

    let witness: Witness
    let logger: Logger

    func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        guard request.uri.path == "/add-checkpoint" else { return text(.notFound, "no such page") }
        guard request.method == .post else {
            var refusal = text(.methodNotAllowed, "only POST")
            refusal.headers[.allow] = "POST"
            return refusal
        }
        let announced = request.headers[.contentLength].flatMap { Int($0) } ?? 0
        guard announced <= AddCheckpointRequest.maxByteCount else {
            return closing(.contentTooLarge, "a body has at most 65536 bytes")
        }
        switch await body(of: request) {
        case .whole(let bytes): return await answer(bytes)
        case .tooLong: return closing(.contentTooLarge, "a body has at most 65536 bytes")
        case .tooSlow: return closing(.requestTimeout, "the body did not come in time")
        }
    }

    private enum Body: Sendable {
        case whole([UInt8])
        case tooLong
        case tooSlow
    }

    private func body(of request: Request) async -> Body {
        await withTaskGroup(of: Body.self) { group in
            group.addTask {
                var body = request
                guard
                    let buffer = try? await body.collectBody(
                        upTo: AddCheckpointRequest.maxByteCount)
                else { return .tooLong }
                return .whole(Array(buffer.readableBytesView))
            }
            group.addTask {
                try? await Task.sleep(for: Self.bodyTimeout)
                return .tooSlow
            }
            defer { group.cancelAll() }
            return await group.next() ?? .tooSlow
        }
    }

    private func answer(_ body: [UInt8]) async -> Response {
        let request: AddCheckpointRequest
        do throws(FormatError) {
            request = try AddCheckpointRequest(parsing: body)
        } catch {
            return text(.badRequest, error.message)
        }
        let answer = await witness.add(request)
        switch answer {
        case .cosigned(let signature):
            logger.debug("cosigned", metadata: metadata(request))
            return text(.ok, String(signature.line.dropLast()))
        case .refused(let verdict):
            return refusal(verdict, request)
        case .notStored(let why):
            logger.error("nothing was cosigned", metadata: ["error": "\(why)"])
            return text(.internalServerError, "the state cannot be stored")
        }
    }

    private func refusal(
        _ verdict: WitnessRegister.Verdict, _ request: AddCheckpointRequest
    ) -> Response {
        switch verdict {
        case .unknownLog: return text(.notFound, "this witness does not know the origin")
        case .notSigned: return text(.forbidden, "no key of the log has signed the checkpoint")
        case .sizesReversed:
            return text(.badRequest, "the old size is above the checkpoint's")
        case .conflict(let size):
            var response = text(.conflict, "\(size)")
            response.headers[.contentType] = "text/x.tlog.size"
            return response
        case .inconsistent:
            // With a valid signature, this is what a log leaves behind that has two pasts.
            logger.warning(
                "a signed checkpoint does not continue the one that was cosigned",
                metadata: metadata(request))
            return text(.unprocessableContent, "the checkpoint does not continue the cosigned one")
        case .acceptable: return text(.internalServerError, "the checkpoint was not looked at")
        }
    }

    private func metadata(_ request: AddCheckpointRequest) -> Logger.Metadata {
        [
            "origin": "\(request.checkpoint.origin)", "size": "\(request.checkpoint.size)",
            "root": "\(request.checkpoint.root)", "old": "\(request.oldSize)",
        ]
    }

    /// One line of text.
    private func text(_ status: HTTPResponse.Status, _ line: String) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = "text/plain; charset=utf-8"
        headers[.cacheControl] = "no-store"
        return Response(
            status: status, headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(string: line + "\n")))
    }

    /// A refusal after which the rest of the request is not read.
    private func closing(_ status: HTTPResponse.Status, _ line: String) -> Response {
        var response = text(status, line)
        response.headers[.connection] = "close"
        return response
    }
}
