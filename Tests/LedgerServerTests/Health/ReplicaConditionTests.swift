import GRPCCore
import LedgerAPI
import LedgerCore
import Testing

@testable import LedgerReplica
@testable import LedgerServer

@Suite("What health says of sealing")
struct ReplicaConditionTests {
    private func condition(
        _ obstacle: NotSealedReason?, fence: LedgerInconsistency? = nil,
        isUnreadable: Bool = false, isForwarding: Bool = false, provisional: SequenceNumber? = nil,
        loading: LoadingProgress? = nil
    ) -> ReplicaCondition {
        ReplicaCondition(
            number: 9, obstacle: obstacle, fence: fence, isUnreadable: isUnreadable,
            isLoading: obstacle == .starting, refusedRelease: "3.5.1", isForwarding: isForwarding,
            isSealer: !isForwarding, provisional: provisional, loading: loading)
    }

    @Test("it follows from what a submission would be told, for every reason")
    func states() {
        let rolledBack = LedgerInconsistency.rolledBack(known: 9, found: 5)
        let expected: [(NotSealedReason?, ServingState, String)] = [
            (nil, .serving, "sealed and read"),
            (.storageFull, .readOnly, "no space"),
            (.noQuorum, .readOnly, "no quorum"),
            (.storeUnavailable, .readOnly, "not answered"),
            (.releaseRefused, .readOnly, "3.5.1"),
            (.unknownFormat, .readOnly, "format \"3\""),
            (.clockUntrusted, .readOnly, "disagrees"),
            (.clockUnsampled, .readOnly, "could not be compared"),
            (.rolledBack, .fenced, "up to number 9"),
            (.starting, .starting, "being loaded"),
            (.stopping, .stopping, "stopping"),
        ]
        for (reason, state, words) in expected {
            let fence: LedgerInconsistency? =
                reason == .unknownFormat
                ? .unknownFormat("3") : reason == .rolledBack ? rolledBack : nil
            let status = condition(reason, fence: fence).status
            #expect(status.state == state, "\(String(describing: reason))")
            #expect(status.message.contains(words), "\(status.message)")
            #expect(status.readsServed == (reason != .starting))
        }
    }

    @Test("who forwards is hindered by what hinders all, not by its own clock")
    func forwarding() {
        for own in [NotSealedReason.clockUntrusted, .clockUnsampled, .storeUnavailable] {
            #expect(condition(own, isForwarding: true).status.state == .serving)
        }
        for shared in [NotSealedReason.storageFull, .noQuorum, .releaseRefused] {
            #expect(condition(shared, isForwarding: true).status.state == .readOnly)
        }
    }

    @Test("a store that lets this replica in no more is not called one without a quorum")
    func refused() {
        let status = condition(.storeUnavailable, isUnreadable: true).status
        #expect(status.state == .readOnly)
        #expect(status.message.contains("does not let this replica in"))
    }

    @Test("events that one member holds are read while the quorum is missing")
    func provisional() {
        let status = condition(.starting, provisional: 7).status
        #expect(status.state == .readOnly && status.readsServed)
        #expect(status.message.contains("up to number 7"))
    }

    @Test("while many ids are loaded it is said how far that is, and reads by number are served")
    func loading() {
        var progress = LoadingProgress(
            head: 200_000_000, events: 86_000_000, eventsPerSecond: 1_234_567)
        #expect(condition(.starting, loading: progress).status.message.contains("being loaded"))
        #expect(!condition(.starting, loading: progress).status.readsServed)
        progress.servesReads = true
        let status = condition(.starting, loading: progress).status
        #expect(status.state == .starting && status.readsServed)
        #expect(status.message.contains("43 % of 200000000, 1234567 events a second"))
        #expect(status.message.contains("read by number"))
        #expect(condition(.stopping, loading: progress).status.readsServed)
    }

    @Test("an archive that cannot be read keeps the replica starting, and it is said why")
    func loadingWaits() {
        var progress = LoadingProgress(
            head: 200_000_000, trouble: "the archive cannot be read: no answer", servesReads: true)
        var status = condition(.starting, loading: progress).status
        #expect(status.state == .starting && status.readsServed)
        #expect(status.message.contains("cannot be read: no answer"))
        progress.servesReads = false
        progress.trouble = "set LEDGER_ARCHIVE to it"
        status = condition(.starting, loading: progress).status
        #expect(status.state == .starting && !status.readsServed)
        #expect(status.message.contains("set LEDGER_ARCHIVE"))
        #expect(!status.message.contains("by number"))
    }

    @Test("every reason has a message of its own, for the event was not sealed")
    func messages() {
        let reasons: [NotSealedReason] = [
            .overloaded(retryAfter: .zero), .storageFull, .deadlineExceeded, .storeUnavailable,
            .starting, .stopping, .clockUntrusted, .clockUnsampled, .lookupFailed, .rolledBack,
            .noQuorum, .releaseRefused, .unknownFormat, .notSealing,
        ]
        let errors = reasons.map { LedgerRPCError.notSealed($0) }
        #expect(Set(errors.map(\.message)).count == reasons.count)
        #expect(errors.allSatisfy { $0.message.contains("not sealed") })
        let format = LedgerRPCError.notSealed(.unknownFormat)
        #expect(format.code == .unavailable && format.reason == .notSealed)
        #expect(format.message.contains("upgraded"))
        #expect(LedgerRPCError.notSealed(.noQuorum).message.contains("no quorum"))
    }
}
