import LedgerArchive
import ObjectStorage
import Synchronization

/// Object storage in memory of which one call goes wrong, and which remembers what must never have happened.
final class ScriptedObjects: ObjectStore {
    enum Fault: CaseIterable, Sendable {
        /// The call fails, and nothing is done.
        case lostBefore
        /// It is done, and fails.
        case lostAfter
        /// A write is answered as if it were done; what is read is not there.
        case pretended
        /// A put keeps other bytes; a read gives them.
        case flipped
        /// The same, without the last bytes.
        case truncated
        /// A read of the checkpoint gives the one before.
        case old
        /// A put says that the object exists, whatever is there.
        case saysExists
        /// Whoever asks is killed before the call is done: nothing that it still asks for happens.
        case killedBefore
        /// Whoever asks is killed after the call is done.
        case killedAfter

        /// Whether what is there afterwards has to be looked into by somebody.
        var damages: Bool { self == .flipped || self == .truncated }
    }

    private struct State {
        var objects: [ObjectName: [UInt8]] = [:]
        var before: [UInt8]?
        var calls = 0
        var script: (call: Int, fault: Fault)?
        var isDead = false
        var violations: [String] = []
        var interruption: (call: Int, body: @Sendable () async -> Void)?
    }

    let location = "file:///archive"
    private let state = Mutex(State())

    /// What is really there.
    var contents: [ObjectName: [UInt8]] {
        get { state.withLock { $0.objects } }
        set { state.withLock { $0.objects = newValue } }
    }

    /// How many calls there were since the last script.
    var calls: Int { state.withLock { $0.calls } }
    /// Objects that were overwritten and never may be.
    var violations: [String] { state.withLock { $0.violations } }

    /// From now on, the call with this number goes wrong; with nil nothing does, and the dead are followed by others.
    func script(_ script: (call: Int, fault: Fault)?) {
        state.withLock { state in
            state.script = script
            state.calls = 0
            state.isDead = false
        }
    }

    /// Before the call with this number, once, others do what they do.
    func interrupt(before call: Int, _ body: @escaping @Sendable () async -> Void) {
        state.withLock { $0.interruption = (call, body) }
    }

    private func interruption() async {
        let body = state.withLock { state -> (@Sendable () async -> Void)? in
            guard let interruption = state.interruption, interruption.call == state.calls else {
                return nil
            }
            state.interruption = nil
            return interruption.body
        }
        await body?()
    }

    private static let lost = ObjectStoreError(.unavailable, "the store is out of order")

    /// The fault of this call.
    private static func begin(_ state: inout State) throws(ObjectStoreError) -> Fault? {
        defer { state.calls += 1 }
        if state.isDead { throw lost }
        guard let script = state.script, script.call == state.calls else { return nil }
        switch script.fault {
        case .lostBefore: throw lost
        case .killedBefore:
            state.isDead = true
            throw lost
        case .killedAfter: state.isDead = true
        default: break
        }
        return script.fault
    }

    private static func end(_ fault: Fault?) throws(ObjectStoreError) {
        if fault == .lostAfter || fault == .killedAfter { throw lost }
    }

    private static func damaged(_ bytes: [UInt8], _ fault: Fault?) -> [UInt8] {
        var bytes = bytes
        switch fault {
        case .flipped where !bytes.isEmpty: bytes[bytes.count / 2] ^= 1
        case .truncated: bytes.removeLast(min(bytes.count, 40))
        default: break
        }
        return bytes
    }

    func read(_ name: ObjectName, maximum: Int) async throws(ObjectStoreError) -> [UInt8]? {
        await interruption()
        return try state.withLock { state throws(ObjectStoreError) in
            let fault = try Self.begin(&state)
            try Self.end(fault)
            if fault == .pretended { return nil }
            if fault == .old, name == ArchiveNames.checkpoint { return state.before }
            guard let bytes = state.objects[name] else { return nil }
            guard bytes.count <= maximum else { throw ObjectStoreError(.tooLarge, "\(name)") }
            return Self.damaged(bytes, fault)
        }
    }

    func putIfAbsent(
        _ name: ObjectName, _ bytes: [UInt8]
    ) async throws(ObjectStoreError) -> PutResult {
        await interruption()
        return try state.withLock { state throws(ObjectStoreError) in
            let fault = try Self.begin(&state)
            if fault == .saysExists { return .exists }
            if fault == .pretended { return .created }
            guard state.objects[name] == nil else {
                try Self.end(fault)
                return .exists
            }
            state.objects[name] = Self.damaged(bytes, fault)
            try Self.end(fault)
            return .created
        }
    }

    func replace(_ name: ObjectName, with bytes: [UInt8]) async throws(ObjectStoreError) {
        await interruption()
        try state.withLock { state throws(ObjectStoreError) in
            let fault = try Self.begin(&state)
            if name != ArchiveNames.checkpoint { state.violations.append("\(name) is overwritten") }
            if fault == .pretended { return }
            state.before = state.objects[name]
            state.objects[name] = bytes
            try Self.end(fault)
        }
    }

    func list(
        prefix: String, after: ObjectName?, limit: Int
    ) async throws(ObjectStoreError) -> [ObjectName] {
        try state.withLock { state throws(ObjectStoreError) in
            try Self.end(try Self.begin(&state))
            let names = state.objects.keys.filter { name in
                name.text.hasPrefix(prefix) && after.map { $0 < name } ?? true
            }
            return Array(names.sorted().prefix(limit))
        }
    }

    func remove(_ name: ObjectName) async throws(ObjectStoreError) {
        try state.withLock { state throws(ObjectStoreError) in
            let fault = try Self.begin(&state)
            if fault != .pretended { state.objects[name] = nil }
            try Self.end(fault)
        }
    }
}
