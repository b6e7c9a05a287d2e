import TextFormats

/// The bodies of requests to etcd's gateway.
///
/// etcd ignores fields that it does not know: a misspelt `compare` would make a transaction
/// unconditional. Every name written here is therefore tested against a real etcd, with
/// comparisons that must fail.
enum RequestEncoding {
    static func range(_ request: EtcdRangeRequest) -> [UInt8] {
        var writer = JSONWriter(capacity: estimate(request))
        write(request, to: &writer)
        return writer.bytes
    }

    static func transaction(_ transaction: EtcdTransaction) -> [UInt8] {
        var writer = JSONWriter(capacity: estimate(transaction))
        writer.literal("{\"compare\":")
        writer.array(transaction.compares, write)
        writer.literal(",\"success\":")
        writer.array(transaction.success, write)
        writer.literal(",\"failure\":")
        writer.array(transaction.failure, write)
        writer.literal("}")
        return writer.bytes
    }

    static func leaseGrant(ttlSeconds: Int64) -> [UInt8] {
        object("{\"TTL\":", ttlSeconds)
    }

    /// The body of both keeping a lease alive and revoking it.
    static func lease(id: Int64) -> [UInt8] {
        object("{\"ID\":", id)
    }

    static func status() -> [UInt8] { Array("{}".utf8) }

    static func alarms() -> [UInt8] { Array("{\"action\":\"GET\"}".utf8) }

    static func authenticate(username: String, password: String) -> [UInt8] {
        var writer = JSONWriter(capacity: 64 + username.utf8.count + password.utf8.count)
        writer.literal("{\"name\":")
        writer.string(username)
        writer.literal(",\"password\":")
        writer.string(password)
        writer.literal("}")
        return writer.bytes
    }

    private static func object(_ opening: StaticString, _ value: Int64) -> [UInt8] {
        var writer = JSONWriter(capacity: 40)
        writer.literal(opening)
        writer.integer(value)
        writer.literal("}")
        return writer.bytes
    }

    private static func write(_ request: EtcdRangeRequest, to writer: inout JSONWriter) {
        writer.literal("{\"key\":")
        writer.base64(request.key)
        if let rangeEnd = request.rangeEnd {
            writer.literal(",\"range_end\":")
            writer.base64(rangeEnd)
        }
        if request.limit != 0 {
            writer.literal(",\"limit\":")
            writer.integer(request.limit)
        }
        if request.revision != 0 {
            writer.literal(",\"revision\":")
            writer.integer(request.revision)
        }
        if request.serializable { writer.literal(",\"serializable\":true") }
        if request.keysOnly { writer.literal(",\"keys_only\":true") }
        if request.countOnly { writer.literal(",\"count_only\":true") }
        writer.literal("}")
    }

    private static func write(_ compare: EtcdCompare, to writer: inout JSONWriter) {
        writer.literal("{\"result\":\"EQUAL\",\"target\":")
        switch compare {
        case .modRevision(let key, let revision):
            writer.literal("\"MOD\",\"key\":")
            writer.base64(key)
            writer.literal(",\"mod_revision\":")
            writer.integer(revision)
        case .createRevision(let key, let revision):
            writer.literal("\"CREATE\",\"key\":")
            writer.base64(key)
            writer.literal(",\"create_revision\":")
            writer.integer(revision)
        case .version(let key, let version):
            writer.literal("\"VERSION\",\"key\":")
            writer.base64(key)
            writer.literal(",\"version\":")
            writer.integer(version)
        case .value(let key, let value):
            writer.literal("\"VALUE\",\"key\":")
            writer.base64(key)
            writer.literal(",\"value\":")
            writer.base64(value)
        case .lease(let key, let lease):
            writer.literal("\"LEASE\",\"key\":")
            writer.base64(key)
            writer.literal(",\"lease\":")
            writer.integer(lease)
        }
        writer.literal("}")
    }

    private static func write(_ operation: EtcdOperation, to writer: inout JSONWriter) {
        switch operation {
        case .put(let key, let value, let lease):
            writer.literal("{\"request_put\":{\"key\":")
            writer.base64(key)
            writer.literal(",\"value\":")
            writer.base64(value)
            if lease != 0 {
                writer.literal(",\"lease\":")
                writer.integer(lease)
            }
            writer.literal("}}")
        case .range(let request):
            writer.literal("{\"request_range\":")
            write(request, to: &writer)
            writer.literal("}")
        case .delete(let key, let rangeEnd):
            writer.literal("{\"request_delete_range\":{\"key\":")
            writer.base64(key)
            if let rangeEnd {
                writer.literal(",\"range_end\":")
                writer.base64(rangeEnd)
            }
            writer.literal("}}")
        }
    }

    // The estimates are upper bounds: names and integers of one entry take less than 160 bytes.

    private static func estimate(_ request: EtcdRangeRequest) -> Int {
        160 + Base64.encodedCount(request.key.count)
            + Base64.encodedCount(request.rangeEnd?.count ?? 0)
    }

    private static func estimate(_ transaction: EtcdTransaction) -> Int {
        var total = 64
        for compare in transaction.compares {
            total += 160
            switch compare {
            case .value(let key, let value):
                total += Base64.encodedCount(key.count) + Base64.encodedCount(value.count)
            case .modRevision(let key, _), .createRevision(let key, _), .version(let key, _),
                .lease(let key, _):
                total += Base64.encodedCount(key.count)
            }
        }
        for operation in transaction.success { total += estimate(operation) }
        for operation in transaction.failure { total += estimate(operation) }
        return total
    }

    private static func estimate(_ operation: EtcdOperation) -> Int {
        switch operation {
        case .put(let key, let value, _):
            160 + Base64.encodedCount(key.count) + Base64.encodedCount(value.count)
        case .range(let request):
            32 + estimate(request)
        case .delete(let key, let rangeEnd):
            160 + Base64.encodedCount(key.count) + Base64.encodedCount(rangeEnd?.count ?? 0)
        }
    }
}
