internal import CCurlShims

// What libcurl calls, always on its own thread and from within one of its functions. The context
// is the transfer, which outlives its handle (see `CurlTransfer`); the buffers are libcurl's, are
// as long as it says, and are not kept beyond the call.

let onRead: ledger_curl_data_callback = { bytes, size, count, context in
    guard let transfer = unsafe CurlTransfer.behind(context) else {
        return Int(CURL_READFUNC_ABORT)
    }
    return unsafe transfer.offerBody(
        UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
}

let onWrite: ledger_curl_data_callback = { bytes, size, count, context in
    guard let transfer = unsafe CurlTransfer.behind(context),
        unsafe transfer.receive(UnsafeRawBufferPointer(start: bytes, count: size * count))
    else {
        // Any number but the one that was asked for ends the transfer.
        return size * count == 0 ? 1 : 0
    }
    return size * count
}

let onHeader: ledger_curl_data_callback = { bytes, size, count, context in
    guard let transfer = unsafe CurlTransfer.behind(context),
        unsafe transfer.receiveHeader(UnsafeRawBufferPointer(start: bytes, count: size * count))
    else { return 0 }
    return size * count
}

let onStart: ledger_curl_start_callback = { context, _, _, remotePort, localPort in
    guard let transfer = unsafe CurlTransfer.behind(context),
        transfer.isAssigned(
            to: ConnectionPorts(local: Int(localPort), remote: Int(remotePort)))
    else { return CURL_PREREQFUNC_ABORT }
    return CURL_PREREQFUNC_OK
}

let onResolve: ledger_curl_resolve_callback = { _, _, context in
    guard let transfer = unsafe CurlTransfer.behind(context) else { return 1 }
    transfer.beginsConnection()
    return 0
}

extension CurlTransfer {
    /// The transfer that a context stands for, which must be one that `setUpCallbacks` set.
    static func behind(_ context: UnsafeMutableRawPointer?) -> CurlTransfer? {
        guard let context = unsafe context else { return nil }
        return unsafe Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
    }
}
