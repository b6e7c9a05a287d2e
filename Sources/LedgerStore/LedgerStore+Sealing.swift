package import EtcdGateway
package import LedgerCore

/// Sealing: one transmission of a transaction, and what its end means.
extension LedgerStore {
    /// How one transmission of a sealing transaction ended.
    package struct Transmitted: Sendable {
        /// What it means for the proposal.
        package let result: TransmissionResult
        /// The key `sealer` as the transaction showed it, where its comparison failed.
        package let hint: HintReading?
        /// Who answered; nil where nobody did.
        package let member: AnsweringMember?
        /// Why nobody did, for the log.
        package let error: EtcdError?
    }

    /// Sends a sealing transaction, once.
    ///
    /// It goes to none of the members that keep another transmission, as long as there is one that does not
    /// (protocol.md 15). It waits as long as the store's requests may.
    package func seal(_ transaction: SealingTransaction) async -> Transmitted {
        let transmission = members?.beginTransmission()
        let asked = members?.now
        var options = EtcdRequestOptions(avoiding: transmission?.avoiding ?? [])
        if let members, let transmission {
            options.onAttempt = { members.sent(transmission, to: $0) }
        }
        func ended(_ error: EtcdError?) {
            if let transmission { members?.ended(transmission, error) }
        }
        do throws(EtcdError) {
            let response = try await store.transaction(
                encoded: transaction.encoded, options: options)
            ended(nil)
            members?.answered(response.header, askedAt: asked)
            return Transmitted(
                result: transactions.result(of: response),
                hint: transactions.hint(ofLostRace: response),
                member: AnsweringMember(response.header), error: nil)
        } catch {
            ended(error)
            return Transmitted(
                result: transactions.result(of: error), hint: nil, member: nil, error: error)
        }
    }

    /// The fate of the open transaction is looked into: nobody waits any more for the members that have it.
    package func doubtOpenTransmissions() {
        members?.doubtOpenTransmissions()
    }
}
