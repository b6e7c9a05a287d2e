import HTTPTypes
import Hummingbird
import NIOCore

/// Puts the admin pages behind Hummingbird: methods, headers, and nothing that grows.
struct AdminResponder: HTTPResponder {
    typealias Context = BasicRequestContext

    /// The longest path that is looked at, in bytes.
    static let maxPathBytes = 512

    let pages: AdminPages

    func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        guard request.method == .get || request.method == .head else {
            var refusal = response(AdminResponse(status: 405, line: "only GET and HEAD"))
            refusal.headers[.allow] = "GET, HEAD"
            return refusal
        }
        let length = request.headers[.contentLength].flatMap { Int($0) } ?? 0
        guard length == 0, request.headers[.transferEncoding] == nil else {
            return response(AdminResponse(status: 413, line: "a request has no body here"))
        }
        let path = request.uri.path
        guard path.utf8.count <= Self.maxPathBytes else {
            return response(AdminResponse(status: 414, line: "the path is too long"))
        }
        let answer = response(await pages.get(path))
        return request.method == .head ? answer.createHeadResponse() : answer
    }

    private func response(_ answer: AdminResponse) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = answer.contentType
        headers[.cacheControl] =
            answer.isImmutable ? "public, max-age=31536000, immutable" : "no-store"
        headers[.xContentTypeOptions] = "nosniff"
        return Response(
            status: HTTPResponse.Status(code: answer.status), headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body)))
    }
}
