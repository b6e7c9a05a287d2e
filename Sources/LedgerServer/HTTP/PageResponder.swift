import HTTPTypes
import Hummingbird
import NIOCore

/// Puts pages behind Hummingbird: methods, headers, and nothing that grows.
struct PageResponder: HTTPResponder {
    typealias Context = BasicRequestContext

    /// The longest path that is looked at, in bytes.
    static let maxPathBytes = 512
    /// When to ask again where that may help, in seconds.
    private static let retryAfter = "1"

    let pages: HTTPPort.Pages
    let answered: HTTPPort.Answered

    func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        let response = await response(to: request)
        answered(response.status.code)
        return response
    }

    private func response(to request: Request) async -> Response {
        guard request.method == .get || request.method == .head else {
            var refusal = closing(Page(status: 405, line: "only GET and HEAD"))
            refusal.headers[.allow] = "GET, HEAD"
            return refusal
        }
        let hasBody = request.headers[.contentLength].map { $0 != "0" } ?? false
        guard !hasBody, request.headers[.transferEncoding] == nil else {
            return closing(Page(status: 413, line: "a request has no body here"))
        }
        let path = request.uri.path
        guard path.utf8.count <= Self.maxPathBytes else {
            return closing(Page(status: 414, line: "the path is too long"))
        }
        let page = await pages(path, request.headers[.accept])
        if page.status == 200, let tag = page.entityTag, Self.has(request, tag) {
            return unchanged(page)
        }
        let answer = full(page)
        return request.method == .head ? answer.createHeadResponse() : answer
    }

    /// Whether the asker has what the tag names (RFC 9110, section 13.1.2).
    private static func has(_ request: Request, _ tag: String) -> Bool {
        guard let given = request.headers[.ifNoneMatch] else { return false }
        return given.split { $0 == "," || $0 == " " }
            .contains { $0 == "*" || $0 == "\"\(tag)\"" || $0 == "W/\"\(tag)\"" }
    }

    // MARK: Responses

    private func full(_ page: Page) -> Response {
        Response(
            status: HTTPResponse.Status(code: page.status), headers: headers(of: page),
            body: Self.body(of: page))
    }

    private func unchanged(_ page: Page) -> Response {
        var headers = headers(of: page)
        headers[.contentType] = nil
        return Response(status: .notModified, headers: headers)
    }

    /// After a request that may go on with a body, or that is none at all, the connection ends: nothing more is read of it.
    private func closing(_ page: Page) -> Response {
        var response = full(page)
        response.headers[.connection] = "close"
        return response
    }

    private func headers(of page: Page) -> HTTPFields {
        var headers = HTTPFields()
        headers[.contentType] = page.contentType
        headers[.cacheControl] = page.caching.header
        headers[.xContentTypeOptions] = "nosniff"
        if let tag = page.entityTag { headers[.eTag] = "\"\(tag)\"" }
        if page.isTemporary { headers[.retryAfter] = Self.retryAfter }
        return headers
    }

    private static func body(of page: Page) -> ResponseBody {
        switch page.body {
        case .bytes(let bytes): ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        case .pieces(let next): ResponseBody(asyncSequence: Pieces(produce: next))
        }
    }
}

/// A body that is made while it is sent.
private struct Pieces: AsyncSequence, Sendable {
    struct AsyncIterator: AsyncIteratorProtocol {
        let produce: @Sendable () async throws -> [UInt8]?

        func next() async throws -> ByteBuffer? {
            try await produce().map { ByteBuffer(bytes: $0) }
        }
    }

    let produce: @Sendable () async throws -> [UInt8]?

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(produce: produce) }
}
