import Glibc
import HTTPTransport
import Synchronization

/// Objects in a bucket of S3, or of a store that speaks its protocol.
///
/// Every request is signed with its body's hash, has a time-out, and is repeated with growing pauses where it may
/// succeed then; all operations may be repeated. Answers are bounded before they are read.
package final class S3Store: ObjectStore {
    package let location: String
    private let settings: S3Settings
    private let address: S3Address
    let transport: S3Transport
    /// Whether the store said that it knows no conditional puts.
    private let putsUnconditionally: Atomic<Bool>

    /// Makes the transport; connects to nobody yet.
    ///
    /// - Parameter now: The clock that requests are signed by, in seconds since 1970.
    /// - Throws: `configuration`, with the setting that has to be changed.
    package init(
        _ settings: S3Settings, observer: ObjectRequestObserver? = nil,
        now: @escaping @Sendable () -> Int64 = { Int64(time(nil)) }
    ) throws(ObjectStoreError) {
        self.settings = settings
        address = try settings.address()
        location =
            ObjectLocation.s3(bucket: settings.bucket, prefix: settings.prefix).description
        transport = try S3Transport(settings, address, observer: observer, now: now)
        putsUnconditionally = Atomic(settings.conditionalPut == .never)
    }

    /// Fails what is open, and closes all connections.
    package func shutDown() async { await transport.shutDown() }

    package func read(_ name: ObjectName, maximum: Int) async throws(ObjectStoreError) -> [UInt8]? {
        let maximum = min(maximum, settings.maxObjectBytes)
        // An error's document may be longer than the object that is wanted.
        let limit = max(maximum, S3Refusal.maxByteCount)
        return try await transport.perform(
            .read, S3Request(.get, path: path(name), maxAnswerBytes: limit)
        ) { reply throws(ObjectStoreError) in
            switch reply {
            case .tooLong: throw .tooLarge(name, maximum: maximum)
            case .refusal(let refusal) where refusal.isAbsence: return (nil, .absent, 0)
            case .refusal(let refusal): throw transport.error(refusal)
            case .success(let answer):
                guard answer.status == 200,
                    answer.value(of: "content-length").flatMap({ Int($0) }) == answer.body.count
                else {
                    throw ObjectStoreError(
                        .invalidAnswer, "the store's answer for \(name) is not the whole object")
                }
                guard answer.body.count <= maximum else {
                    throw .tooLarge(name, maximum: maximum)
                }
                return (answer.body, .ok, answer.body.count)
            }
        }
    }

    package func putIfAbsent(
        _ name: ObjectName, _ bytes: [UInt8]
    ) async throws(ObjectStoreError) -> PutResult {
        if !putsUnconditionally.load(ordering: .relaxed) {
            if let result = try await putConditionally(name, bytes) { return result }
            putsUnconditionally.store(true, ordering: .relaxed)
        }
        if try await exists(name) { return .exists }
        try await put(.put, name, bytes)
        return .created
    }

    package func replace(
        _ name: ObjectName, with bytes: [UInt8]
    ) async throws(ObjectStoreError) {
        try await put(.replace, name, bytes)
    }

    package func remove(_ name: ObjectName) async throws(ObjectStoreError) {
        try await transport.perform(
            .remove, S3Request(.delete, path: path(name), maxAnswerBytes: S3Refusal.maxByteCount)
        ) { reply throws(ObjectStoreError) in
            if case .refusal(let refusal) = reply, refusal.isAbsence { return ((), .absent, 0) }
            try transport.expectSuccess(reply)
            return ((), .ok, 0)
        }
    }

    private func path(_ name: ObjectName) -> String {
        // Names, prefixes and buckets are the same when they are percent-encoded.
        "\(address.root)\(address.keyPrefix)\(name.text)"
    }
}

// MARK: Writing

extension S3Store {
    /// - Returns: Nil where the store does not know the condition.
    private func putConditionally(
        _ name: ObjectName, _ bytes: [UInt8]
    ) async throws(ObjectStoreError) -> PutResult? {
        var request = try putRequest(name, bytes)
        request.fields.append(HTTPField("if-none-match", "*"))
        return try await transport.perform(.put, request) { reply throws(ObjectStoreError) in
            switch reply {
            case .refusal(let refusal) where refusal.status == 412:
                return (.exists, .exists, 0)
            case .refusal(let refusal)
            where refusal.isNotImplemented && settings.conditionalPut == .automatic:
                return (nil, .failed(.configuration), 0)
            default:
                try transport.expectSuccess(reply)
                return (.created, .ok, bytes.count)
            }
        }
    }

    private func put(
        _ operation: ObjectRequest.Operation, _ name: ObjectName, _ bytes: [UInt8]
    ) async throws(ObjectStoreError) {
        try await transport.perform(
            operation, try putRequest(name, bytes)
        ) { reply throws(ObjectStoreError) in
            try transport.expectSuccess(reply)
            return ((), .ok, bytes.count)
        }
    }

    private func putRequest(
        _ name: ObjectName, _ bytes: [UInt8]
    ) throws(ObjectStoreError) -> S3Request {
        guard bytes.count <= settings.maxObjectBytes else {
            throw .tooLarge(name, maximum: settings.maxObjectBytes)
        }
        var request = S3Request(.put, path: path(name), maxAnswerBytes: S3Refusal.maxByteCount)
        request.body = bytes
        request.fields = [HTTPField("content-type", "application/octet-stream")]
        return request
    }

    private func exists(_ name: ObjectName) async throws(ObjectStoreError) -> Bool {
        try await transport.perform(
            .read, S3Request(.head, path: path(name), maxAnswerBytes: S3Refusal.maxByteCount)
        ) { reply throws(ObjectStoreError) in
            // An answer to a HEAD has no code. Where it is the bucket that is missing, the put says so.
            if case .refusal(let refusal) = reply, refusal.status == 404 {
                return (false, .absent, 0)
            }
            try transport.expectSuccess(reply)
            return (true, .ok, 0)
        }
    }
}

// MARK: Listing

extension S3Store {
    /// The most pages that one listing asks for: objects whose names are none of `ObjectName` are passed over.
    private static let maxPageCount = 1000

    package func list(
        prefix: String, after: ObjectName?, limit: Int
    ) async throws(ObjectStoreError) -> [ObjectName] {
        precondition(limit >= 1, "a listing has a limit of 1 or more")
        guard ObjectName.isPrefix(prefix) else {
            throw ObjectStoreError(.invalidName, "no object's name begins like that")
        }
        var names: [ObjectName] = []
        var continuation: String?
        for _ in 0..<Self.maxPageCount {
            let page = try await page(
                prefix: prefix, after: after, continuation: continuation,
                limit: min(limit - names.count, S3Listing.maxKeyCount))
            for key in page.keys {
                guard let name = try name(of: key, prefix: prefix) else { continue }
                guard (names.last ?? after).map({ $0 < name }) ?? true else {
                    throw ObjectStoreError(
                        .invalidAnswer, "the store's listing is not in the order of names")
                }
                names.append(name)
            }
            guard names.count < limit, let next = page.continuation else { return names }
            continuation = next
        }
        throw ObjectStoreError(
            .invalidAnswer, "the store's listing has more than \(Self.maxPageCount) pages")
    }

    /// - Returns: Nil for an object of somebody else's that has a name of another kind.
    private func name(
        of key: String, prefix: String
    ) throws(ObjectStoreError) -> ObjectName? {
        guard key.hasPrefix(address.keyPrefix + prefix) else {
            throw ObjectStoreError(
                .invalidAnswer, "the store's listing has names that do not begin as asked")
        }
        return try? ObjectName(String(key.dropFirst(address.keyPrefix.count)))
    }

    private func page(
        prefix: String, after: ObjectName?, continuation: String?, limit: Int
    ) async throws(ObjectStoreError) -> S3Listing {
        var request = S3Request(
            .get, path: bucketPath, maxAnswerBytes: S3Listing.maxByteCount)
        request.query = [
            ("list-type", "2"), ("encoding-type", "url"), ("max-keys", "\(limit)"),
            ("prefix", address.keyPrefix + prefix),
        ]
        if let continuation {
            request.query.append(("continuation-token", continuation))
        } else if let after {
            request.query.append(("start-after", address.keyPrefix + after.text))
        }
        return try await transport.perform(.list, request) { reply throws(ObjectStoreError) in
            let answer = try transport.expectSuccess(reply)
            return (try S3Listing(parsing: answer.body, limit: limit), .ok, 0)
        }
    }

    /// AWS's documents have the bucket without a slash at its end; with the host, the path is never empty.
    private var bucketPath: String {
        address.root == "/" ? "/" : String(address.root.dropLast())
    }
}
