import LedgerCore
import LedgerStore

extension LedgerStore {
    /// So long a hint may outlive the replica that holds it.
    private static let leaseWait = Duration.seconds(30)

    /// Counter and head, once no replica holds the hint. One that was killed leaves it until its lease has ended.
    ///
    /// - Parameter waiting: called with the address of who holds it.
    /// - Throws: `sealerAlive` where it is held for longer.
    func observeWithoutSealer(
        _ waiting: (String) -> Void
    ) async throws(RecoveryError) -> LedgerObservation {
        let end = ContinuousClock.now + Self.leaseWait
        while true {
            let observed: LedgerStore.Observed
            do throws(LedgerStoreError) {
                observed = try await observe()
            } catch {
                throw .store(error)
            }
            guard let address = observed.hint?.hint?.address else { return observed.observation }
            guard ContinuousClock.now < end else { throw .sealerAlive(address) }
            waiting(address)
            try? await Task.sleep(for: .milliseconds(500))
        }
    }
}
