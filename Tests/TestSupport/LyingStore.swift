package import ObjectStorage
import Synchronization

/// An object store that misbehaves around another one, as a seed has it.
///
/// What it breaks is what stores and networks break: answers that are lost after the write was applied, writes that are
/// lost, outages, old and wrong bytes, objects that are not there for a while. With `Faults()` it does nothing.
package final class LyingStore: ObjectStore {
    package enum Fault: String, Sendable, CaseIterable {
        /// A call fails as `unavailable`, and nothing was done.
        case unavailable
        /// A write is applied, and fails as `timedOut`.
        case lostAnswer
        /// A write is answered as if it were applied, and is not.
        case lostWrite
        /// A read of an object that exists finds nothing.
        case absent
        /// A read gives the object's first bytes only.
        case truncated
        /// A read gives bytes of which one bit is another.
        case flippedBit
        /// A read gives what the object was before it was last replaced.
        case old
        /// A listing leaves out names.
        case shortListing
    }

    package struct Faults: Sendable {
        /// How often each happens where it can: 0 is never, 1 is always.
        package var rates: [Fault: Double]
        /// How often a call takes longer, by at most `longestDelay`.
        package var slowRate = 0.0
        package var longestDelay = Duration.milliseconds(20)
        /// Objects whose names begin otherwise are left in peace.
        package var prefix = ""

        package init(_ rates: [Fault: Double] = [:]) {
            self.rates = rates
        }

        /// What a retry overcomes: a tenth of the calls fail before they are applied, a tenth of the writes after.
        package static let passing = Faults([.unavailable: 0.1, .lostAnswer: 0.1])
    }

    /// One call, as it was answered.
    package struct Call: Sendable {
        package var operation: ObjectRequest.Operation
        /// The name, or a listing's prefix.
        package var name: String
        /// What was broken; nil where nothing was.
        package var fault: Fault?
    }

    private struct State {
        var random: ReplayableRandom
        var faults: Faults
        var calls: [Call] = []
        /// What objects were before they were last replaced; nil where they did not exist.
        var previous: [ObjectName: [UInt8]?] = [:]
    }

    package let location: String
    private let inner: any ObjectStore
    private let state: Mutex<State>

    /// - Parameter seed: Nil takes `LEDGER_TEST_SEED`, or a fresh one; `note` tells it.
    package init(
        around inner: any ObjectStore, seed: UInt64? = nil, faults: Faults = Faults()
    ) {
        self.inner = inner
        location = inner.location
        state = Mutex(State(random: ReplayableRandom(seed: seed), faults: faults))
    }

    /// What brings the same faults again.
    package var note: String { state.withLock { $0.random.note } }

    /// All calls so far.
    package var calls: [Call] { state.withLock { $0.calls } }

    /// What happens from now on.
    package var faults: Faults {
        get { state.withLock { $0.faults } }
        set { state.withLock { $0.faults = newValue } }
    }

    package func read(_ name: ObjectName, maximum: Int) async throws(ObjectStoreError) -> [UInt8]? {
        let fault = try await begin(
            .read, name.text, [.absent, .truncated, .flippedBit, .old])
        if fault == .old, let previous = state.withLock({ $0.previous[name] }) { return previous }
        guard let bytes = try await inner.read(name, maximum: maximum) else { return nil }
        switch fault {
        case .absent: return nil
        case .truncated: return Array(bytes.prefix(number(below: bytes.count)))
        case .flippedBit where !bytes.isEmpty:
            var bytes = bytes
            bytes[number(below: bytes.count)] ^= 1 << UInt8(number(below: 8))
            return bytes
        default: return bytes
        }
    }

    package func putIfAbsent(
        _ name: ObjectName, _ bytes: [UInt8]
    ) async throws(ObjectStoreError) -> PutResult {
        let fault = try await begin(.put, name.text, Self.ofWrites)
        if fault == .lostWrite { return .created }
        let result = try await inner.putIfAbsent(name, bytes)
        if fault == .lostAnswer { throw Self.lostAnswer }
        return result
    }

    package func replace(
        _ name: ObjectName, with bytes: [UInt8]
    ) async throws(ObjectStoreError) {
        let fault = try await begin(.replace, name.text, Self.ofWrites)
        if fault == .lostWrite { return }
        let previous = try await inner.read(name, maximum: 1 << 26)
        state.withLock { $0.previous[name] = .some(previous) }
        try await inner.replace(name, with: bytes)
        if fault == .lostAnswer { throw Self.lostAnswer }
    }

    package func list(
        prefix: String, after: ObjectName?, limit: Int
    ) async throws(ObjectStoreError) -> [ObjectName] {
        let fault = try await begin(.list, prefix, [.shortListing])
        let names = try await inner.list(prefix: prefix, after: after, limit: limit)
        return fault == nil ? names : names.filter { _ in number(below: 2) == 0 }
    }

    package func remove(_ name: ObjectName) async throws(ObjectStoreError) {
        let fault = try await begin(.remove, name.text, Self.ofWrites)
        if fault == .lostWrite { return }
        try await inner.remove(name)
        if fault == .lostAnswer { throw Self.lostAnswer }
    }

    private static let ofWrites = [Fault.lostAnswer, .lostWrite]

    private static let lostAnswer = ObjectStoreError(.timedOut, "the answer was lost")

    /// Chooses the fault of a call, and waits or fails where that is it.
    private func begin(
        _ operation: ObjectRequest.Operation, _ name: String,
        _ further: [Fault]
    ) async throws(ObjectStoreError) -> Fault? {
        let (fault, delay) = state.withLock { state in
            let faults = state.faults
            guard name.hasPrefix(faults.prefix) else { return (Fault?.none, Duration.zero) }
            var delay = Duration.zero
            if Double.random(in: 0..<1, using: &state.random) < faults.slowRate {
                delay = faults.longestDelay * Double.random(in: 0...1, using: &state.random)
            }
            let fault = ([.unavailable] + further).first { fault in
                Double.random(in: 0..<1, using: &state.random) < faults.rates[fault, default: 0]
            }
            return (fault, delay)
        }
        state.withLock { $0.calls.append(Call(operation: operation, name: name, fault: fault)) }
        if delay > .zero { try? await Task.sleep(for: delay) }
        if fault == .unavailable {
            throw ObjectStoreError(.unavailable, "the store is out of order")
        }
        return fault
    }

    private func number(below bound: Int) -> Int {
        state.withLock { Int.random(in: 0..<max(1, bound), using: &$0.random) }
    }
}
