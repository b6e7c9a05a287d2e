internal import CCurlShims
import Glibc

/// The thread that owns libcurl: takes requests from the inbox, drives them, ends them.
///
/// Everything here runs on that thread, except `init` and `startThread`, which come before it.
@safe final class CurlLoop {
    fileprivate let settings: TransportSettings
    private let inbox: TransportInbox
    private let board: StatisticsBoard
    /// The multi handle. Valid from `init` to the end of `run()`.
    private let multi: UnsafeMutableRawPointer
    private var active: [UInt64: CurlTransfer] = [:]
    /// Transfers whose handles wait for their next request.
    private var idle: [CurlTransfer] = []
    private var stopping: [CheckedContinuation<Void, Never>] = []
    private var isStopping = false
    /// For each peer that owes answers, since when.
    private var silentSince: [HTTPOrigin: ContinuousClock.Instant] = [:]
    /// What waits because libcurl has as much as its connections can carry.
    private var queue: TransferQueue
    /// Peers whose last answer came over HTTP/1.1, where a connection carries one request at a time.
    private var serialPeers: Set<HTTPOrigin> = []
    private var statistics = ConnectionStatistics()
    /// The sockets that libcurl has open; kept by its callbacks.
    fileprivate var sockets = SocketTable()

    /// More handles than this are not kept.
    private static let mostIdleTransfers = 128
    /// As many requests share a connection over HTTP/2; libcurl's own default, and fewer than etcd admits.
    private static let mostStreams = 100
    /// How long to sleep when nothing is due; whatever happens meanwhile ends the sleep.
    private static let longestSleep = Duration.seconds(3600)

    /// Nil where libcurl has no memory.
    init?(_ settings: TransportSettings, inbox: TransportInbox, board: StatisticsBoard) {
        guard let multi = unsafe curl_multi_init() else { return nil }
        self.settings = settings
        self.inbox = inbox
        self.board = board
        queue = TransferQueue(limit: settings.maxWaitingRequests)
        unsafe self.multi = multi
        let options: [(CURLMoption, Int)] = [
            (CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX)),
            (CURLMOPT_MAX_TOTAL_CONNECTIONS, settings.maxConnections),
            (CURLMOPT_MAXCONNECTS, settings.maxIdleConnections),
        ]
        for (option, value) in options {
            guard unsafe ledger_curl_multi_set_long(multi, option, value) == CURLM_OK else {
                unsafe curl_multi_cleanup(multi)
                return nil
            }
        }
    }

    /// Starts the thread, which keeps this object until it ends.
    ///
    /// - Returns: False where the system has no thread to give; the loop is of no use then.
    func startThread() -> Bool {
        unsafe inbox.open(Waker(multi))
        var thread = pthread_t()
        // The reference that is taken here is the thread's to release.
        let context = unsafe Unmanaged.passRetained(self)
        let result = unsafe pthread_create(&thread, nil, runCurlLoop, context.toOpaque())
        guard result == 0 else {
            _ = inbox.close()
            unsafe curl_multi_cleanup(multi)
            unsafe context.release()
            return false
        }
        // Nobody joins it: `shutDown` waits for the loop's last act instead.
        pthread_detach(thread)
        return true
    }

    fileprivate func nameThread() {
        // The system copies the name.
        unsafe settings.threadName.withCString { unsafe ledger_thread_set_name($0) }
    }

    /// The thread's life.
    fileprivate func run() {
        while true {
            for command in inbox.take() { perform(command) }
            if isStopping { break }
            var running: Int32 = 0
            _ = unsafe curl_multi_perform(multi, &running)
            endFinished()
            endOverdue(at: .now)
            if startQueued() { continue }
            publishStatistics()
            _ = unsafe curl_multi_poll(multi, nil, 0, Int32(clamping: sleepMilliseconds()), nil)
        }
        close()
    }

    private func close() {
        for command in inbox.close() { perform(command) }
        for transfer in active.values { abandon(transfer, .shutDown, "the client is shut down") }
        active = [:]
        for request in queue.takeAll() {
            refuse(request, .shutDown, "the client is shut down")
        }
        for transfer in idle { transfer.free() }
        idle = []
        unsafe curl_multi_cleanup(multi)
        sockets.removeAll()
        publishStatistics()
        for continuation in stopping { continuation.resume() }
    }
}

// MARK: Requests

extension CurlLoop {
    private func perform(_ command: TransportCommand) {
        switch command {
        case .start(let request):
            admit(request)
        case .cancel(let id):
            if let request = queue.remove(id) {
                refuse(request, .cancelled, "the request was cancelled")
            }
            guard let transfer = active.removeValue(forKey: id) else { return }
            abandon(transfer, .cancelled, "the request was cancelled")
            recycle(transfer)
        case .shutDown(let continuation):
            isStopping = true
            if let continuation { stopping.append(continuation) }
        }
    }

    /// Whether libcurl's connections can carry one more. Where they cannot, libcurl would keep it all the same, without
    /// a bound and without a word.
    private var hasRoom: Bool {
        let each = serialPeers.isEmpty ? Self.mostStreams : 1
        return active.count < settings.maxConnections * each
    }

    /// Starts a request, lets it wait, or refuses it where too many wait.
    private func admit(_ request: TransferRequest) {
        if hasRoom, queue.count == 0 { return start(request) }
        guard !queue.isFull else {
            statistics.refusedCount += 1
            refuse(
                request, .poolFull,
                "all connections are in use, and \(queue.count) requests wait for one")
            return
        }
        var request = request
        request.queuedAt = .now
        statistics.waitCount += 1
        queue.append(request)
    }

    /// Starts what there is room for.
    ///
    /// - Returns: Whether it has started anything.
    private func startQueued() -> Bool {
        var hasStarted = false
        while hasRoom, let request = queue.next() {
            start(request)
            hasStarted = true
        }
        return hasStarted
    }

    private func start(_ request: TransferRequest) {
        let now = ContinuousClock.now
        guard let transfer = idle.popLast() ?? makeTransfer() else {
            refuse(request, .curl(Int(CURLE_OUT_OF_MEMORY.rawValue)), "libcurl has no memory")
            return
        }
        guard transfer.accepts(request) else {
            transfer.fail(.malformedRequest, "HTTP does not admit the request as it is")
            recycle(transfer)
            return
        }
        guard transfer.begin(at: now) else {
            transfer.fail(.curl(Int(CURLE_FAILED_INIT.rawValue)), "libcurl refuses an option")
            recycle(transfer)
            return
        }
        // The handle is in no multi handle: it is new, or was removed before it became idle.
        guard unsafe curl_multi_add_handle(multi, transfer.easy) == CURLM_OK else {
            transfer.fail(.curl(Int(CURLE_FAILED_INIT.rawValue)), "libcurl refuses the request")
            recycle(transfer)
            return
        }
        active[request.id] = transfer
    }

    private func makeTransfer() -> CurlTransfer? {
        guard let transfer = CurlTransfer(settings) else { return nil }
        // libcurl keeps this context with each connection, and closes the last of them when the
        // multi handle is freed, which is when this object still lives.
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        guard unsafe ledger_curl_on_open(transfer.easy, onOpen, context) == CURLE_OK,
            unsafe ledger_curl_on_close(transfer.easy, onClose, context) == CURLE_OK
        else {
            transfer.free()
            return nil
        }
        return transfer
    }

    private func refuse(
        _ request: TransferRequest, _ reason: TransferFailure.Reason, _ message: String
    ) {
        request.continuation.resume(
            returning: .failure(
                TransferFailure(reason: reason, wasOffered: false, message: message)))
    }

    /// Takes the transfer from libcurl and ends its request without an answer.
    private func abandon(
        _ transfer: CurlTransfer, _ reason: TransferFailure.Reason, _ message: String
    ) {
        noteSilence(of: transfer)
        unsafe curl_multi_remove_handle(multi, transfer.easy)
        transfer.fail(reason, message)
    }

    /// A peer that leaves everything unanswered may be gone without a word, and its connection dead for good: the
    /// next request shall make a new one.
    ///
    /// Other requests may lie on that connection, and new ones would follow them there for as long as it has any. So
    /// its socket is shut down, and libcurl finds that it has ended.
    private func noteSilence(of transfer: CurlTransfer) {
        guard let origin = transfer.request?.outgoing.origin, let connection = transfer.connection,
            transfer.wasOffered, !transfer.heardAnything,
            !active.values.contains(where: {
                $0.heardAnything && $0.request?.outgoing.origin == origin
            })
        else { return }
        let since = min(silentSince[origin] ?? transfer.startedAt, transfer.startedAt)
        silentSince[origin] = since
        guard .now - since >= settings.longestSilence else { return }
        silentSince[origin] = nil
        for socket in sockets.descriptors(of: connection) { SocketOptions.shutDown(socket) }
    }

    private func recycle(_ transfer: CurlTransfer) {
        statistics.waitTime += transfer.takeWaited()
        if idle.count < Self.mostIdleTransfers {
            idle.append(transfer)
        } else {
            transfer.free()
        }
    }

    private func noteAnswer(of transfer: CurlTransfer, _ origin: HTTPOrigin) {
        silentSince[origin] = nil
        if let connection = transfer.connection, transfer.makesConnection {
            sockets.carries(connection)
        }
        switch transfer.isMultiplexed {
        case true?: serialPeers.remove(origin)
        case false?: serialPeers.insert(origin)
        case nil: break
        }
    }

    /// Ends what libcurl has finished with.
    private func endFinished() {
        var left: Int32 = 0
        // A message is valid until its handle is removed; both fields are read before that.
        while let message = unsafe curl_multi_info_read(multi, &left) {
            guard unsafe message.pointee.msg == CURLMSG_DONE,
                let easy = unsafe message.pointee.easy_handle
            else { continue }
            let code = unsafe message.pointee.data.result
            var context: UnsafeMutableRawPointer?
            _ = unsafe ledger_curl_get_pointer(easy, CURLINFO_PRIVATE, &context)
            unsafe curl_multi_remove_handle(multi, easy)
            guard let transfer = unsafe CurlTransfer.behind(context),
                let request = transfer.request
            else { continue }
            active[request.id] = nil
            if transfer.heardAnything { noteAnswer(of: transfer, request.outgoing.origin) }
            transfer.finish(code)
            recycle(transfer)
        }
    }
}

// MARK: Time

extension CurlLoop {
    /// Until its request is on a connection, a transfer has no longer than the connecting may
    /// take; libcurl's own time-outs do not cover the wait for another's connection.
    private func deadline(_ transfer: CurlTransfer) -> ContinuousClock.Instant? {
        guard let request = transfer.request else { return nil }
        return transfer.connection == nil ? request.connectDeadline : request.deadline
    }

    private func endOverdue(at now: ContinuousClock.Instant) {
        for (id, transfer) in active {
            guard let deadline = deadline(transfer), deadline <= now else { continue }
            active[id] = nil
            abandon(
                transfer, .deadline,
                transfer.connection == nil ? "no connection in time" : "no answer in time")
            recycle(transfer)
        }
        for request in queue.takeOverdue(at: now) {
            statistics.refusedCount += 1
            statistics.waitTime += now - (request.queuedAt ?? now)
            refuse(request, .poolFull, "all connections were in use for too long")
        }
    }

    /// Rounded up: rounded down, the last millisecond would be spent looking at the clock.
    private func sleepMilliseconds() -> Int {
        let started = active.values.compactMap(deadline).min()
        guard let earliest = [started, queue.earliestDeadline].compactMap({ $0 }).min() else {
            return Self.longestSleep.wholeMilliseconds
        }
        return (earliest - .now).wholeMilliseconds
    }

    private func publishStatistics() {
        let now = ContinuousClock.now
        var carrying: Set<ConnectionPorts> = []
        statistics.waiting = queue.count
        for transfer in active.values {
            if let connection = transfer.connection {
                carrying.insert(connection)
            } else if !transfer.makesConnection {
                statistics.waiting += 1
                if transfer.noteWaiting(at: now) { statistics.waitCount += 1 }
            }
        }
        for connection in carrying { sockets.carries(connection) }
        sockets.forgetClosed()
        let counts = sockets.counts(carrying: carrying)
        statistics.active = counts.active
        statistics.idle = counts.connections - counts.active
        statistics.opening = counts.opening
        statistics.openedCount = sockets.openedCount
        board.update(statistics)
    }
}

// MARK: What the system and libcurl call

/// The thread's entry; the context is the reference that `startThread` took.
private let runCurlLoop: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = {
    context in
    guard let context = unsafe context else { return nil }
    let loop = unsafe Unmanaged<CurlLoop>.fromOpaque(context).takeRetainedValue()
    // Signals are for other threads. SIGPIPE above all: OpenSSL raises it in the thread that
    // writes to a connection that the peer has closed, where it would end the process.
    var all = sigset_t()
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_BLOCK, &all, nil)
    loop.nameThread()
    loop.run()
    return nil
}

/// Opens a socket the way libcurl would, not to be inherited by other programs, and counts it.
private let onOpen: ledger_curl_open_callback = { context, _, address in
    let descriptor = unsafe socket(
        address.pointee.family, address.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue),
        address.pointee.protocol)
    if let context = unsafe context, descriptor >= 0 {
        // The loop outlives all connections: see `makeTransfer`.
        let loop = unsafe Unmanaged<CurlLoop>.fromOpaque(context).takeUnretainedValue()
        SocketOptions.limitSilence(descriptor, to: loop.settings.unacknowledgedTimeout)
        loop.sockets.opened(descriptor)
    }
    return descriptor
}

private let onClose: ledger_curl_close_callback = { context, descriptor in
    if let context = unsafe context {
        // The loop outlives all connections: see `makeTransfer`.
        unsafe Unmanaged<CurlLoop>.fromOpaque(context).takeUnretainedValue().sockets.closed(
            descriptor)
    }
    return Glibc.close(descriptor)
}
