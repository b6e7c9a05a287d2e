import PrometheusExposition

extension LedgerMetrics {
    /// Shows until when certificates are valid, by the settings that name them; without any there is no series.
    package func observe(_ certificates: CertificateExpiries) {
        for setting in certificates.settings {
            registry.sampled(
                "ledger_certificate_expiry_timestamp_seconds", .gauge,
                help: "When the first certificate of the file that a setting names expires.",
                labels: [PrometheusLabel("setting", setting.rawValue)]
            ) { certificates.expiry(of: setting) }
        }
    }

    /// Shows how it goes with files that are read again, by the setting that names the first of each set; of those that
    /// are added before.
    func observe(_ reloader: PEMReloader) {
        for setting in reloader.reports.map(\.setting) {
            let labels = [PrometheusLabel("setting", setting.rawValue)]
            let report = { @Sendable in reloader.reports.first { $0.setting == setting } }
            registry.sampled(
                "ledger_tls_reload_failed", .gauge,
                help: "1 while a setting's new files cannot be used and those before still are.",
                labels: labels
            ) { report().map { $0.problem == nil ? 0 : 1 } }
            registry.sampled(
                "ledger_tls_reloads_total", .counter,
                help: "How often a setting's files have changed and were taken over.",
                labels: labels
            ) { report().map { Double($0.count) } }
        }
    }
}
