import TextFormats

/// Reads the bodies of etcd's answers. What cannot be read whole is an error.
///
/// etcd leaves out what is zero, false or empty.
struct ResponseDecoding {
    /// Who answered.
    let endpoint: EtcdEndpoint
    /// The answer's `Date`, in seconds since 1970.
    let date: Int64?

    func range(_ body: [UInt8]) throws(JSONFailure) -> EtcdRangeResponse {
        try JSONReader.whole(body) { reader throws(JSONFailure) in
            let response = try range(&reader)
            guard response.header != nil else { throw reader.failure("no header") }
            return response
        }
    }

    /// - Parameters:
    ///   - successKinds: What the answer must hold when the comparisons held.
    ///   - failureKinds: What it must hold when they did not.
    func transaction(
        _ body: [UInt8], successKinds: [EtcdOperationKind], failureKinds: [EtcdOperationKind]
    ) throws(JSONFailure) -> EtcdTransactionResponse {
        try JSONReader.whole(body) { reader throws(JSONFailure) in
            var header: EtcdResponseHeader?
            var succeeded = false
            var responses: [EtcdOperationResponse] = []
            try reader.object { name, reader throws(JSONFailure) in
                switch name {
                case "header": header = try self.header(&reader)
                case "succeeded": succeeded = try reader.boolean()
                case "responses":
                    try reader.array { reader throws(JSONFailure) in
                        responses.append(try operation(&reader))
                    }
                default: try reader.skip()
                }
            }
            guard let header else { throw reader.failure("no header") }
            guard responses.map(\.kind) == (succeeded ? successKinds : failureKinds) else {
                throw reader.failure("the responses do not fit the operations")
            }
            return EtcdTransactionResponse(
                header: header, succeeded: succeeded, responses: responses)
        }
    }

    func leaseGrant(_ body: [UInt8]) throws(JSONFailure) -> EtcdLease {
        try JSONReader.whole(body) { reader throws(JSONFailure) in
            let (header, lease) = try lease(&reader)
            guard header != nil, lease.id != 0, lease.ttlSeconds > 0 else {
                throw reader.failure("no lease")
            }
            return lease
        }
    }

    /// The remaining time to live, or nil where the lease has expired.
    func leaseKeepAlive(_ body: [UInt8], id: Int64) throws(JSONFailure) -> Int64? {
        try JSONReader.whole(body) { reader throws(JSONFailure) in
            var result: EtcdLease?
            try reader.object { name, reader throws(JSONFailure) in
                if name == "result" {
                    result = try lease(&reader).lease
                } else {
                    try reader.skip()
                }
            }
            guard let result, result.id == id else { throw reader.failure("no result") }
            return result.ttlSeconds > 0 ? result.ttlSeconds : nil
        }
    }

    /// An answer that says nothing but that it was done.
    func acknowledgement(_ body: [UInt8]) throws(JSONFailure) {
        try JSONReader.whole(body) { reader throws(JSONFailure) in
            var header: EtcdResponseHeader?
            try reader.object { name, reader throws(JSONFailure) in
                if name == "header" {
                    header = try self.header(&reader)
                } else {
                    try reader.skip()
                }
            }
            guard header != nil else { throw reader.failure("no header") }
        }
    }

    func status(_ body: [UInt8]) throws(JSONFailure) -> EtcdMemberStatus {
        try JSONReader.whole(body) { reader throws(JSONFailure) in
            var header: EtcdResponseHeader?
            var status = EtcdMemberStatus(
                endpoint: endpoint, version: "", dbSize: 0, leader: 0, raftTerm: 0, raftIndex: 0,
                memberID: 0, clusterID: 0, revision: 0, errors: [], date: date, isLearner: false)
            try reader.object { name, reader throws(JSONFailure) in
                switch name {
                case "header": header = try self.header(&reader)
                case "version": status.version = try reader.string()
                case "dbSize": status.dbSize = try reader.quotedInteger()
                case "dbSizeInUse": status.dbSizeInUse = try reader.quotedInteger()
                case "dbSizeQuota": status.dbSizeQuota = try reader.quotedInteger()
                case "leader": status.leader = try reader.quotedInteger()
                case "raftTerm": status.raftTerm = try reader.quotedInteger()
                case "raftIndex": status.raftIndex = try reader.quotedInteger()
                case "isLearner": status.isLearner = try reader.boolean()
                case "errors":
                    try reader.array { reader throws(JSONFailure) in
                        status.errors.append(try reader.string())
                    }
                default: try reader.skip()
                }
            }
            guard let header, !status.version.isEmpty else { throw reader.failure("no status") }
            status.memberID = header.memberID
            status.clusterID = header.clusterID
            status.revision = header.revision
            return status
        }
    }

    func alarms(_ body: [UInt8]) throws(JSONFailure) -> [EtcdAlarm] {
        try JSONReader.whole(body) { reader throws(JSONFailure) in
            // etcd 3.4 answers `{}` where there is no alarm: not even a header.
            var alarms: [EtcdAlarm] = []
            try reader.object { name, reader throws(JSONFailure) in
                if name == "alarms" {
                    try reader.array { reader throws(JSONFailure) in
                        alarms.append(try alarm(&reader))
                    }
                } else {
                    try reader.skip()
                }
            }
            return alarms
        }
    }

    /// The token that a login yields.
    func token(_ body: [UInt8]) throws(JSONFailure) -> String {
        try JSONReader.whole(body) { reader throws(JSONFailure) in
            var token = ""
            try reader.object { name, reader throws(JSONFailure) in
                if name == "token" {
                    token = try reader.string()
                } else {
                    try reader.skip()
                }
            }
            // It becomes a header line: nothing that could end the line may be in it.
            guard !token.isEmpty, token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw reader.failure("no token")
            }
            return token
        }
    }
}

// MARK: Pieces

extension ResponseDecoding {
    private func header(_ reader: inout JSONReader) throws(JSONFailure) -> EtcdResponseHeader {
        var header = EtcdResponseHeader(
            clusterID: 0, memberID: 0, revision: 0, raftTerm: 0, date: date, endpoint: endpoint)
        try reader.object { name, reader throws(JSONFailure) in
            switch name {
            case "cluster_id": header.clusterID = try reader.quotedInteger()
            case "member_id": header.memberID = try reader.quotedInteger()
            case "revision": header.revision = try reader.quotedInteger()
            case "raft_term": header.raftTerm = try reader.quotedInteger()
            default: try reader.skip()
            }
        }
        return header
    }

    private func range(_ reader: inout JSONReader) throws(JSONFailure) -> EtcdRangeResponse {
        var response = EtcdRangeResponse(kvs: [], more: false, count: 0)
        try reader.object { name, reader throws(JSONFailure) in
            switch name {
            case "header": response.header = try header(&reader)
            case "kvs":
                try reader.array { reader throws(JSONFailure) in
                    response.kvs.append(try keyValue(&reader))
                }
            case "more": response.more = try reader.boolean()
            case "count": response.count = try reader.quotedInteger()
            default: try reader.skip()
            }
        }
        guard response.count >= response.kvs.count else {
            throw reader.failure("more keys than were counted")
        }
        return response
    }

    private func keyValue(_ reader: inout JSONReader) throws(JSONFailure) -> EtcdKeyValue {
        var keyValue = EtcdKeyValue(
            key: [], value: [], createRevision: 0, modRevision: 0, version: 0, lease: 0)
        try reader.object { name, reader throws(JSONFailure) in
            switch name {
            case "key": keyValue.key = try reader.base64()
            case "value": keyValue.value = try reader.base64()
            case "create_revision": keyValue.createRevision = try reader.quotedInteger()
            case "mod_revision": keyValue.modRevision = try reader.quotedInteger()
            case "version": keyValue.version = try reader.quotedInteger()
            case "lease": keyValue.lease = try reader.quotedInteger()
            default: try reader.skip()
            }
        }
        // A key that exists has all of these; without them the answer is not etcd's.
        guard !keyValue.key.isEmpty, keyValue.createRevision > 0, keyValue.version > 0,
            keyValue.modRevision >= keyValue.createRevision
        else { throw reader.failure("not a key that exists") }
        return keyValue
    }

    private func operation(
        _ reader: inout JSONReader
    ) throws(JSONFailure) -> EtcdOperationResponse {
        var responses: [EtcdOperationResponse] = []
        try reader.object { name, reader throws(JSONFailure) in
            switch name {
            case "response_put":
                try reader.object { _, reader throws(JSONFailure) in try reader.skip() }
                responses.append(.put)
            case "response_range":
                var response = try range(&reader)
                response.header = nil
                responses.append(.range(response))
            case "response_delete_range":
                var deleted: Int64 = 0
                try reader.object { name, reader throws(JSONFailure) in
                    if name == "deleted" {
                        deleted = try reader.quotedInteger()
                    } else {
                        try reader.skip()
                    }
                }
                responses.append(.delete(deleted))
            default: try reader.skip()
            }
        }
        guard responses.count == 1 else { throw reader.failure("not one response") }
        return responses[0]
    }

    private func lease(
        _ reader: inout JSONReader
    ) throws(JSONFailure) -> (header: EtcdResponseHeader?, lease: EtcdLease) {
        var header: EtcdResponseHeader?
        var lease = EtcdLease(id: 0, ttlSeconds: 0)
        try reader.object { name, reader throws(JSONFailure) in
            switch name {
            case "header": header = try self.header(&reader)
            case "ID": lease.id = try reader.quotedInteger()
            case "TTL": lease.ttlSeconds = try reader.quotedInteger()
            default: try reader.skip()
            }
        }
        return (header, lease)
    }

    private func alarm(_ reader: inout JSONReader) throws(JSONFailure) -> EtcdAlarm {
        var alarm = EtcdAlarm(memberID: 0, kind: .other("NONE"))
        try reader.object { name, reader throws(JSONFailure) in
            switch name {
            case "memberID": alarm.memberID = try reader.quotedInteger()
            case "alarm":
                switch try reader.string() {
                case "NOSPACE": alarm.kind = .noSpace
                case "CORRUPT": alarm.kind = .corrupt
                case let other: alarm.kind = .other(other)
                }
            default: try reader.skip()
            }
        }
        return alarm
    }
}

extension EtcdOperationResponse {
    /// Which operation this is the answer to.
    var kind: EtcdOperationKind {
        switch self {
        case .put: .put
        case .range: .range
        case .delete: .delete
        }
    }
}
