internal import CCurlShims
import Glibc

/// A connection by its two ports: the own one, and the peer's.
struct ConnectionPorts: Hashable {
    var local: Int
    var remote: Int
}

/// One easy handle of libcurl with what its callbacks need; used for one request after another.
///
/// Lives on libcurl's thread and nowhere else. The handle knows this object by an unretained
/// pointer: the loop keeps every transfer until its handle is freed, in `free()`.
@safe final class CurlTransfer {
    /// The handle. Valid from `init` to `free()`.
    let easy: UnsafeMutableRawPointer
    /// What is being sent, nil between two requests.
    private(set) var request: TransferRequest?
    private(set) var startedAt: ContinuousClock.Instant
    /// The connection that carries the request, once there is one.
    private(set) var connection: ConnectionPorts?
    /// Whether libcurl asked for any part of the body; where there is none, whether it had a connection for it.
    private(set) var wasOffered = false
    /// Whether a line of the answer has come.
    private(set) var heardAnything = false
    private(set) var answerIsTooLong = false
    /// Whether libcurl makes, or has made, a connection for this request.
    private(set) var makesConnection = false
    /// Since when the request waits for a connection that others make or use; nil while it does not.
    private(set) var waitsSince: ContinuousClock.Instant?
    /// How long it waited before that.
    private(set) var waited: Duration?

    private let maxAnswerBytes: Int
    private let keptFields: TransportSettings.KeptFields
    let credentials: TransportCredentials?
    /// What the handle points to; kept until it points elsewhere.
    var blobs: CredentialBlobs?
    private var bodyOffset = 0
    private var answer: [UInt8] = []
    private var answerLimit = 0
    private var answerFields: [HTTPField] = []
    private var headerByteCount = 0
    /// What the handle is set to, so that it is not set again.
    private var method: OutgoingRequest.Method?
    private var fields: [HTTPField] = []
    private var headers: UnsafeMutablePointer<curl_slist>?
    private let errorText: UnsafeMutablePointer<CChar>

    /// Nil where libcurl has no memory or refuses an option.
    init?(_ settings: TransportSettings) {
        guard let easy = unsafe curl_easy_init() else { return nil }
        unsafe self.easy = easy
        maxAnswerBytes = settings.maxAnswerBytes
        keptFields = settings.keptFields
        credentials = settings.credentials
        startedAt = .now
        // libcurl writes up to CURL_ERROR_SIZE bytes here while the handle lives; `free()` frees
        // the handle first.
        unsafe errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        guard setUp(settings) else {
            free()
            return nil
        }
    }

    /// Gives the handle back. The transfer must not be in a multi handle, and not be used again.
    func free() {
        unsafe curl_easy_cleanup(easy)
        unsafe curl_slist_free_all(headers)
        unsafe errorText.deallocate()
    }

    /// Takes a request, which `begin` makes the handle ready for.
    ///
    /// - Returns: False where HTTP does not admit it. Either way the request is to be ended.
    func accepts(_ request: TransferRequest) -> Bool {
        self.request = request
        connection = nil
        wasOffered = false
        heardAnything = false
        answerIsTooLong = false
        makesConnection = false
        waitsSince = request.queuedAt
        waited = nil
        bodyOffset = 0
        answerFields = []
        headerByteCount = 0
        answerLimit = min(request.outgoing.maxAnswerBytes ?? maxAnswerBytes, maxAnswerBytes)
        unsafe errorText[0] = 0
        return request.outgoing.isWellFormed
            && (request.outgoing.fields == fields || HTTPField.areValid(request.outgoing.fields))
    }

    /// Makes the handle ready for the request that was accepted.
    ///
    /// Its deadline is not libcurl's to keep: what libcurl ends by itself, it ends without a word on a connection that
    /// lives on, and nobody would note that nothing was heard there.
    ///
    /// - Returns: False where libcurl refuses an option.
    func begin(at now: ContinuousClock.Instant) -> Bool {
        guard let request else { return false }
        startedAt = now
        let outgoing = request.outgoing
        return setMethod(outgoing.method)
            && (unsafe headers != nil && outgoing.fields == fields || setHeaders(outgoing.fields))
            && set(CURLOPT_URL, "\(outgoing.origin)\(outgoing.target)")
            && setBodySize(outgoing) && takeCredentials()
    }

    /// Ends the request with what libcurl made of it.
    func finish(_ code: CURLcode) {
        if code == CURLE_OK {
            end(.success(HTTPAnswer(status: status, fields: answerFields, body: answer)))
        } else if answerIsTooLong {
            fail(.answerTooLong, "the answer is longer than \(answerLimit) bytes")
        } else {
            let detail = unsafe String(cString: errorText)
            let general = unsafe String(cString: curl_easy_strerror(code))
            fail(.curl(Int(code.rawValue)), detail.isEmpty ? general : detail)
        }
    }

    /// Ends the request without an answer.
    func fail(_ reason: TransferFailure.Reason, _ message: String) {
        end(
            .failure(
                TransferFailure(
                    reason: reason, wasOffered: wasOffered, message: message)))
    }

    private func end(_ result: Result<HTTPAnswer, TransferFailure>) {
        let continuation = request?.continuation
        request = nil
        answer = []
        answerFields = []
        continuation?.resume(returning: result)
    }

    /// Whether the answer came over HTTP/2, which lets one connection carry many requests; nil where none came.
    var isMultiplexed: Bool? {
        var version = 0
        // The pointer is to a local variable, and libcurl writes one long.
        guard unsafe ledger_curl_get_long(easy, CURLINFO_HTTP_VERSION, &version) == CURLE_OK,
            version != 0
        else { return nil }
        return version >= Int(CURL_HTTP_VERSION_2_0)
    }

    private var status: Int {
        var status = 0
        // The pointer is to a local variable, and libcurl writes one long.
        _ = unsafe ledger_curl_get_long(easy, CURLINFO_RESPONSE_CODE, &status)
        return status
    }
}

// MARK: What the callbacks do

extension CurlTransfer {
    /// libcurl looks for the peer's address, which is how it begins to make a connection.
    func beginsConnection() {
        makesConnection = true
        endWaiting()
    }

    /// There is neither a connection for the request nor one being made for it.
    ///
    /// - Returns: Whether it waits for the first time.
    func noteWaiting(at now: ContinuousClock.Instant) -> Bool {
        guard connection == nil, !makesConnection else { return false }
        let isFirst = waitsSince == nil && waited == nil
        if waitsSince == nil { waitsSince = now }
        return isFirst
    }

    private func endWaiting() {
        guard let since = waitsSince else { return }
        waitsSince = nil
        waited = (waited ?? .zero) + (.now - since)
    }

    /// How long the request has waited in all, once it does no longer; told once.
    func takeWaited() -> Duration {
        endWaiting()
        defer { waited = waited.map { _ in .zero } }
        return waited ?? .zero
    }

    /// The request is about to be written to a connection.
    ///
    /// - Returns: False where this would be a second time: libcurl would repeat a request of
    ///   which a part was sent, which only the caller may decide to do.
    func isAssigned(to connection: ConnectionPorts) -> Bool {
        self.connection = connection
        endWaiting()
        guard let outgoing = request?.outgoing else { return false }
        guard !wasOffered else { return outgoing.method.isRepeatable }
        // With nothing to ask for, this is the last that is heard before it is sent.
        if outgoing.body.isEmpty { wasOffered = true }
        return true
    }

    /// Copies the next part of the body into libcurl's buffer.
    func offerBody(_ target: UnsafeMutableRawBufferPointer) -> Int {
        guard let body = request?.outgoing.body else { return Int(CURL_READFUNC_ABORT) }
        wasOffered = true
        let count = min(target.count, body.count - bodyOffset)
        let part = body[bodyOffset..<(bodyOffset + count)]
        unsafe target.copyBytes(from: part)
        bodyOffset += count
        return count
    }

    /// Takes a part of the answer's body.
    ///
    /// - Returns: False where the answer becomes too long.
    func receive(_ part: UnsafeRawBufferPointer) -> Bool {
        guard part.count <= answerLimit - answer.count else {
            answerIsTooLong = true
            return false
        }
        if answer.isEmpty { answer.reserveCapacity(announcedLength) }
        unsafe answer.append(contentsOf: part)
        return true
    }

    /// Takes a line of the answer's header.
    ///
    /// - Returns: False where the header becomes too long.
    func receiveHeader(_ line: UnsafeRawBufferPointer) -> Bool {
        heardAnything = true
        headerByteCount += line.count
        guard headerByteCount <= HeaderLine.maxHeaderByteCount else {
            answerIsTooLong = true
            return false
        }
        // After a header of status 100 comes another one, which is the answer's.
        if unsafe HeaderLine.isStatus(line) { answerFields = [] }
        if let field = unsafe HeaderLine.field(line, kept: keptFields) {
            answerFields.append(field)
        }
        return true
    }

    private var announcedLength: Int {
        var length: curl_off_t = 0
        // The pointer is to a local variable of the type that this information has.
        _ = unsafe ledger_curl_get_offset(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length)
        return max(0, min(Int(length), answerLimit))
    }
}

// MARK: Options

extension CurlTransfer {
    /// Sets what is the same for all requests.
    private func setUp(_ settings: TransportSettings) -> Bool {
        setUpRequest(settings) && setUpTLS(settings) && setUpConnection(settings)
            && setUpCallbacks()
    }

    private func setUpRequest(_ settings: TransportSettings) -> Bool {
        set(CURLOPT_PROTOCOLS_STR, settings.protocolNames)
            && set(CURLOPT_FOLLOWLOCATION, 0)
            && set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
            // Whatever https_proxy says in the environment, peers are spoken to directly.
            && set(CURLOPT_PROXY, "")
            && setErrorText()
    }

    private func setUpConnection(_ settings: TransportSettings) -> Bool {
        set(CURLOPT_NOSIGNAL, 1)
            && set(CURLOPT_TCP_NODELAY, 1)
            && set(CURLOPT_TCP_KEEPALIVE, 1)
            && set(CURLOPT_TCP_KEEPIDLE, 10)
            && set(CURLOPT_TCP_KEEPINTVL, 5)
            && set(CURLOPT_PIPEWAIT, 1)
            // A name is resolved anew for each connection: a peer that comes back under another address would
            // stay out of reach for as long as the old one is remembered. Connections are made rarely.
            && set(CURLOPT_DNS_CACHE_TIMEOUT, 0)
            // A transfer that ends while its name is being resolved must not hold up all the others until the
            // resolver gives up, which is libcurl's way by default.
            && set(CURLOPT_QUICK_EXIT, 1)
            && set(CURLOPT_CONNECTTIMEOUT_MS, settings.connectTimeout.wholeMilliseconds)
            && set(CURLOPT_MAXLIFETIME_CONN, Int(settings.connectionMaxLifetime.components.seconds))
            && set(CURLOPT_MAXAGE_CONN, Int(settings.connectionMaxIdleTime.components.seconds))
    }

    /// There is no SEEKFUNCTION on purpose: it is what libcurl would need to repeat a request
    /// whose connection died. So it ends the transfer with code 65 instead.
    private func setUpCallbacks() -> Bool {
        // Unretained: see the invariant above.
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        return unsafe ledger_curl_on_read(easy, onRead, context) == CURLE_OK
            && ledger_curl_on_write(easy, onWrite, context) == CURLE_OK
            && ledger_curl_on_header(easy, onHeader, context) == CURLE_OK
            && ledger_curl_on_start(easy, onStart, context) == CURLE_OK
            && ledger_curl_on_resolve(easy, onResolve, context) == CURLE_OK
            && ledger_curl_set_pointer(easy, CURLOPT_PRIVATE, context) == CURLE_OK
    }

    private func setMethod(_ method: OutgoingRequest.Method) -> Bool {
        guard method != self.method else { return true }
        // Each of these options takes back what the others have set, but the method's name.
        var isSet = clear(CURLOPT_CUSTOMREQUEST)
        switch method {
        case .get: isSet = isSet && set(CURLOPT_HTTPGET, 1)
        case .head: isSet = isSet && set(CURLOPT_HTTPGET, 1) && set(CURLOPT_NOBODY, 1)
        case .put: isSet = isSet && set(CURLOPT_HTTPGET, 1) && set(CURLOPT_UPLOAD, 1)
        case .post: isSet = isSet && set(CURLOPT_HTTPGET, 1) && set(CURLOPT_POST, 1)
        case .delete:
            isSet = isSet && set(CURLOPT_HTTPGET, 1) && set(CURLOPT_CUSTOMREQUEST, method.rawValue)
        }
        self.method = isSet ? method : nil
        return isSet
    }

    private func setBodySize(_ outgoing: OutgoingRequest) -> Bool {
        switch outgoing.method {
        case .post: setOffset(CURLOPT_POSTFIELDSIZE_LARGE, outgoing.body.count)
        case .put: setOffset(CURLOPT_INFILESIZE_LARGE, outgoing.body.count)
        case .get, .head, .delete: true
        }
    }

    /// libcurl uses the list itself, not a copy: the old one is freed when the new one is set.
    private func setHeaders(_ fields: [HTTPField]) -> Bool {
        var list: UnsafeMutablePointer<curl_slist>?
        for line in HeaderLine.lines(of: fields) {
            guard let longer = unsafe curl_slist_append(list, line) else {
                unsafe curl_slist_free_all(list)
                return false
            }
            unsafe list = longer
        }
        guard unsafe ledger_curl_set_headers(easy, list) == CURLE_OK else {
            unsafe curl_slist_free_all(list)
            return false
        }
        unsafe curl_slist_free_all(headers)
        unsafe headers = list
        self.fields = fields
        return true
    }

    // The handle is valid as long as this object is used, which is all that these need.

    private func setErrorText() -> Bool {
        unsafe ledger_curl_set_pointer(easy, CURLOPT_ERRORBUFFER, errorText) == CURLE_OK
    }

    func set(_ option: CURLoption, _ value: Int) -> Bool {
        unsafe ledger_curl_set_long(easy, option, value) == CURLE_OK
    }

    func set(_ option: CURLoption, _ value: String) -> Bool {
        unsafe ledger_curl_set_string(easy, option, value) == CURLE_OK
    }

    func clear(_ option: CURLoption) -> Bool {
        unsafe ledger_curl_set_string(easy, option, nil) == CURLE_OK
    }

    private func setOffset(_ option: CURLoption, _ value: Int) -> Bool {
        unsafe ledger_curl_set_offset(easy, option, curl_off_t(value)) == CURLE_OK
    }
}
