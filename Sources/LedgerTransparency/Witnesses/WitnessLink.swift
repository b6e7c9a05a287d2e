import HTTPTransport
import LedgerCore
import Logging
import Synchronization
import TextFormats

/// The driver of one witness: does what its machine says, one checkpoint after another.
final class WitnessLink: Sendable {
    /// What all witnesses' links have in common.
    struct Surroundings: Sendable {
        let limits: WitnessLimits
        let transport: CurlTransport
        /// Where proofs come from; nil until the ledger was read.
        let tree: @Sendable () -> (any LedgerTree)?
        let logger: Logger
        let onResult: @Sendable (_ name: String, WitnessResult) -> Void
        /// Seconds since 1970.
        let time: @Sendable () -> UInt64
    }

    enum Errand: Sendable {
        case cosign(SignedNote, Checkpoint)
        /// The signed checkpoint of the empty tree.
        case ask(SignedNote)
    }

    private struct Job: Sendable {
        let errand: Errand
        let done: (@Sendable (SignedNote.Signature?) -> Void)?
    }

    private struct State {
        var machine: WitnessMachine
        var waiting: Job?
        var isBusy = false
    }

    let address: WitnessAddress
    private let surroundings: Surroundings
    private let state: Mutex<State>
    /// Wakes the link's task; what is to be done is in the state.
    private let wakes: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation

    init(_ address: WitnessAddress, _ surroundings: Surroundings) {
        self.address = address
        self.surroundings = surroundings
        state = Mutex(State(machine: WitnessMachine(surroundings.limits)))
        (wakes, waker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Hands something over; the newest takes the place of what still waits.
    ///
    /// - Parameter done: is told the cosignature, or that none is to be waited for.
    func put(_ errand: Errand, done: @escaping @Sendable (SignedNote.Signature?) -> Void) {
        let (isBusy, displaced) = state.withLock { state -> (Bool, Job?) in
            let displaced = state.waiting
            // Behind an answer that is being waited for, nobody waits.
            state.waiting = Job(errand: errand, done: state.isBusy ? nil : done)
            return (state.isBusy, displaced)
        }
        displaced?.done?(nil)
        if isBusy { done(nil) }
        waker.yield()
    }

    /// Works until the task is cancelled.
    func work() async {
        for await _ in wakes {
            while let job = take() {
                let signature = await perform(job.errand)
                state.withLock { $0.isBusy = false }
                job.done?(signature)
            }
        }
    }

    private func take() -> Job? {
        state.withLock { state in
            guard let job = state.waiting.take() else { return nil }
            state.isBusy = true
            return job
        }
    }

    private func perform(_ errand: Errand) async -> SignedNote.Signature? {
        switch errand {
        case .cosign(let note, let checkpoint): return await cosign(note, checkpoint)
        case .ask(let note):
            await ask(note)
            return nil
        }
    }

    private func cosign(
        _ note: SignedNote, _ checkpoint: Checkpoint
    ) async -> SignedNote.Signature? {
        var cosignature: Cosignature?
        var action = change { $0.begin(checkpoint, at: .now) }
        while case .send(let old) = action {
            guard let path = await path(from: old, to: checkpoint.size) else {
                change { $0.hadNoProof(at: .now, jitter: .random(in: 0..<1)) }
                surroundings.onResult(address.name, .noProof)
                return nil
            }
            let answer = await send(note, old: old, path: path)
            if Task.isCancelled { return nil }
            if case .cosigned(let found) = answer { cosignature = found }
            action = change { $0.received(answer, at: .now, jitter: .random(in: 0..<1)) }
            if let result = state.withLock({ $0.machine.result }) {
                surroundings.onResult(address.name, result)
            }
        }
        return cosignature?.signature
    }

    private func ask(_ note: SignedNote) async {
        guard state.withLock({ !$0.machine.rests(at: .now) }) else { return }
        let answer = await send(note, old: 0, path: [])
        if Task.isCancelled { return }
        change { $0.receivedToQuestion(answer, at: .now, jitter: .random(in: 0..<1)) }
        switch answer {
        case .cosigned: surroundings.onResult(address.name, .cosigned)
        case .conflict: surroundings.onResult(address.name, .otherSize)
        case .failed(let result): surroundings.onResult(address.name, result)
        }
    }

    /// None for the empty tree and for the same one; nil where it cannot be made now.
    private func path(from old: UInt64, to size: UInt64) async -> [Digest]? {
        guard old > 0, old < size else { return [] }
        guard let tree = surroundings.tree() else { return nil }
        do {
            return try await tree.consistencyPath(from: old, to: size)
        } catch {
            surroundings.logger.debug(
                "no consistency proof for a witness",
                metadata: ["witness": "\(address.name)", "error": "\(error)"])
            return nil
        }
    }

    private func send(_ note: SignedNote, old: UInt64, path: [Digest]) async -> WitnessAnswer {
        let limits = surroundings.limits
        let now = ContinuousClock.now
        let result = await surroundings.transport.send(
            OutgoingRequest(
                .post, address.location.origin, target: address.target,
                fields: [HTTPField("Content-Type", "text/plain; charset=utf-8")],
                body: AddCheckpointBody.encode(note, old: old, path: path),
                maxAnswerBytes: WitnessLimits.maxAnswerBytes,
                connectDeadline: now + limits.connect, deadline: now + limits.request))
        switch result {
        case .success(let answer):
            return WitnessAnswer(
                answer, to: note, by: address.verifier, now: surroundings.time(),
                clockDifference: limits.clockDifference)
        case .failure(let failure): return WitnessAnswer(failure)
        }
    }

    /// Changes the machine; what is told of it is told once, outside the lock.
    @discardableResult
    private func change<Value: Sendable>(_ body: (inout WitnessMachine) -> Value) -> Value {
        let (value, before, after) = state.withLock { state in
            let before = state.machine.trouble
            let value = body(&state.machine)
            return (value, before, state.machine.trouble)
        }
        guard before != after else { return value }
        let metadata: Logger.Metadata = [
            "witness": "\(address.name)", "url": "\(address.location)",
        ]
        if let after {
            surroundings.logger.log(
                level: after.isContradiction ? .error : .warning, "the witness \(after.sentence)",
                metadata: metadata)
        } else {
            surroundings.logger.info("the witness answers again", metadata: metadata)
        }
        return value
    }

    // MARK: What is known

    /// What the witness has cosigned, as far as is known; nil: nothing, or nobody could ask.
    var record: OutsideRecord? {
        guard let known = state.withLock({ $0.machine.known }),
            known.size > 0 || known.isContradicted
        else { return nil }
        return OutsideRecord(
            source: "witness \(address.name)", size: known.size, root: known.root,
            isContradicted: known.isContradicted)
    }

    var status: WitnessStatus {
        state.withLock { state in
            WitnessStatus(
                address: address, trouble: state.machine.trouble,
                wasAsked: state.machine.result != nil || state.machine.known != nil,
                cosignedSize: state.machine.known?.size)
        }
    }
}

/// How one witness is, for health.
package struct WitnessStatus: Sendable, Hashable {
    package let address: WitnessAddress
    /// What is wrong; nil while nothing is known to be.
    package let trouble: WitnessResult?
    /// Whether it has answered or failed to since this process started.
    package let wasAsked: Bool
    /// The newest size that it has cosigned, as far as is known.
    package let cosignedSize: UInt64?
}

/// The body of `add-checkpoint` (C2SP tlog-witness).
enum AddCheckpointBody {
    static func encode(_ note: SignedNote, old: UInt64, path: [Digest]) -> [UInt8] {
        var text = "old \(old)\n"
        for hash in path { text += Base64.encode(hash.bytes) + "\n" }
        return Array((text + "\n").utf8) + note.encoded()
    }
}
