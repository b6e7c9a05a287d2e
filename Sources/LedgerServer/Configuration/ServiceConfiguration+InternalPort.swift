extension ServiceConfiguration {
    /// Where callers of the public port are told apart or their events are verified, whoever reaches the internal port
    /// could submit around that. So it stays closed unless replicas show that they are replicas.
    mutating func closeInternalPortWithoutCredential() {
        guard isForwarding, internalTLS == nil, internalToken == nil,
            let setting = settingThatNeedsCredential
        else { return }
        isForwarding = false
        warnings.append(
            "\(setting.rawValue) is set, but neither \(SettingName.internalTLSCert.rawValue) nor "
                + "\(SettingName.internalToken.rawValue): replicas could not be told from other callers, so "
                + "the internal port stays closed and this replica seals for itself")
    }

    private var settingThatNeedsCredential: SettingName? {
        if !vepsPublicKeyPaths.isEmpty { return .vepsPublicKeys }
        if !allowedSubmitters.isEmpty { return .allowedSubmitters }
        return tls == nil ? nil : .tlsCert
    }
}
