import LedgerTransparency

extension ServiceConfiguration {
    /// Those who know of this ledger what the store cannot change.
    mutating func readOutside(_ reader: SettingReader) {
        readWitnesses(reader)
        if let file = reader.pemFile(.witnessCACert) {
            witnessCAPath = file.path
            _ = reader.accepted { () throws(ConfigurationError) in try file.certificates() }
        }
        readExternalCheckpoint(reader)
    }

    private mutating func readWitnesses(_ reader: SettingReader) {
        let texts = reader.list(.witnesses)
        guard !texts.isEmpty else { return }
        func refuse(_ accepted: String) {
            reader.refuse(.witnesses, value: texts.joined(separator: ","), accepted: accepted)
        }
        let addresses = texts.compactMap { WitnessAddress(parsing: $0) }
        guard addresses.count == texts.count else {
            return refuse(
                "comma-separated VERIFIERKEY=URL; the key as ledgerctl witness prints it, the URL https, or http on this machine"
            )
        }
        guard addresses.count <= WitnessLimits.maxCount,
            Set(addresses.map(\.name)).count == addresses.count
        else {
            return refuse("at most \(WitnessLimits.maxCount) witnesses with a name of its own each")
        }
        guard !signers.isEmpty || !reader.areAccepted(.signingKey) else {
            return refuse(
                "only together with \(SettingName.signingKey.rawValue), for witnesses cosign what is signed"
            )
        }
        witnesses = addresses
    }

    private mutating func readExternalCheckpoint(_ reader: SettingReader) {
        guard let text = reader.text(.externalCheckpoint) else { return }
        guard let place = CheckpointPlace(parsing: text) else {
            return reader.refuse(
                .externalCheckpoint, value: text,
                accepted: "the path of a file, or an http or https URL without a query")
        }
        guard
            !signers.isEmpty || !formerKeys.isEmpty
                || !reader.areAccepted(.signingKey, .formerKeys)
        else {
            return reader.refuse(
                .externalCheckpoint, value: text,
                accepted: "only together with \(SettingName.signingKey.rawValue) or "
                    + "\(SettingName.formerKeys.rawValue), for one of these keys must have signed it"
            )
        }
        externalCheckpoint = place
    }
}
