import LedgerCore
import Synchronization

extension Sealer {
    /// From now on whoever decides where events are sealed is told what it has to know.
    package func startReporting(_ reporting: Reporting) {
        let ability = state.withLock { state in
            state.reporting = reporting
            return state.ability
        }
        reporting.ability(ability)
    }

    /// Who seals has changed.
    ///
    /// - Parameters:
    ///   - hasPrecedence: whether events that are sealed here go on at once after a lost race.
    ///   - isForwarding: whether what is submitted here goes to another replica.
    package func setPart(hasPrecedence: Bool, isForwarding: Bool) {
        send { state, _ in
            state.machine.hasPrecedence = hasPrecedence
            state.isForwarding = isForwarding
            return []
        }
    }

    /// The ability to seal, where it has changed.
    func abilityChange(
        _ state: inout State, at moment: Moment
    ) -> (VersionedAbility, Reporting)? {
        let ability: SealingAbility =
            if state.machine.fence != nil {
                .fenced
            } else if state.machine.isLoading {
                .loading
            } else if state.machine.releaseIsRefused {
                .releaseRefused
            } else if !moment.wall.isTrusted {
                .clockUntrusted
            } else if state.machine.isInDoubt(at: moment.now) {
                .stuck
            } else {
                .able
            }
        guard ability != state.ability.ability else { return nil }
        state.ability = VersionedAbility(version: state.ability.version + 1, ability: ability)
        return state.reporting.map { (state.ability, $0) }
    }
}
