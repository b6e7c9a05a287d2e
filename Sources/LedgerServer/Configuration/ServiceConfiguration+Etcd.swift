import EtcdGateway

extension ServiceConfiguration {
    /// Everything that etcd's client needs, from the `ETCD_` variables.
    static func etcdConfiguration(_ reader: SettingReader) -> EtcdConfiguration {
        var result = EtcdConfiguration(endpoints: endpoints(reader))
        readFiles(into: &result, reader)
        readUser(into: &result, reader)
        readPool(into: &result, reader)
        return result
    }

    /// Several addresses of one scheme.
    private static func endpoints(_ reader: SettingReader) -> [EtcdEndpoint] {
        let name = SettingName.etcdEndpoints
        let texts = reader.list(name)
        var endpoints: [EtcdEndpoint] = []
        for text in texts.isEmpty ? ["http://localhost:2379"] : texts {
            guard let endpoint = try? EtcdEndpoint(parsing: text) else {
                // A part with an @ may hold a password, so it is not repeated.
                reader.refuse(
                    name, value: text.contains("@") ? "(not shown)" : text,
                    accepted: "comma-separated http://host:port or https://host:port, without "
                        + "user, path and query")
                continue
            }
            endpoints.append(endpoint)
        }
        let shown = endpoints.map(\.description).joined(separator: ",")
        if endpoints.count > 16 || Set(endpoints).count != endpoints.count {
            reader.refuse(name, value: shown, accepted: "at most 16 different endpoints")
        }
        if Set(endpoints.map(\.scheme)).count > 1 {
            reader.refuse(
                name, value: shown, accepted: "either http or https for all endpoints")
        }
        return endpoints
    }

    /// https needs all three files. With http they would have no effect, and who set them believes
    /// that the connection is encrypted.
    private static func readFiles(
        into configuration: inout EtcdConfiguration, _ reader: SettingReader
    ) {
        let names: [SettingName] = [.etcdCACert, .etcdClientCert, .etcdClientKey]
        configuration.caCertificatePath = reader.text(.etcdCACert)
        configuration.clientCertificatePath = reader.text(.etcdClientCert)
        configuration.clientKeyPath = reader.text(.etcdClientKey)
        let isSecure = configuration.endpoints.first?.scheme == .https
        if reader.areAccepted(.etcdEndpoints) {
            for name in names {
                let path = reader.text(name)
                if isSecure, path == nil {
                    reader.refuse(
                        ConfigurationError(
                            missing: name.rawValue,
                            accepted: "https endpoints in \(SettingName.etcdEndpoints.rawValue) "
                                + "need the path of a PEM file"))
                } else if !isSecure, let path {
                    reader.refuse(
                        name, value: path,
                        accepted: "only together with https endpoints in "
                            + SettingName.etcdEndpoints.rawValue)
                }
            }
        }
        let authorities = reader.pemFile(.etcdCACert)
        _ = reader.accepted { () throws(ConfigurationError) in try authorities?.certificates() }
        reader.checkPair(.etcdClientCert, .etcdClientKey, isServer: false)
    }

    private static func readUser(
        into configuration: inout EtcdConfiguration, _ reader: SettingReader
    ) {
        configuration.username = reader.text(.etcdUsername)
        configuration.password = reader.text(.etcdPassword)
        if let file = reader.secretFile(.etcdPassword) {
            configuration.readsPassword = { try? file.read() }
        }
        if let username = configuration.username, configuration.password == nil {
            reader.refuse(
                .etcdUsername, value: username,
                accepted: "only together with \(SettingName.etcdPassword.rawValue)")
        }
        if configuration.password != nil, configuration.username == nil {
            reader.refuse(
                ConfigurationError(
                    secret: SettingName.etcdPassword.rawValue,
                    accepted: "only together with \(SettingName.etcdUsername.rawValue)"))
        }
    }

    private static func readPool(
        into configuration: inout EtcdConfiguration, _ reader: SettingReader
    ) {
        let most = reader.integer(.etcdMaxConnections, default: 25, 1...1000)
        let idle = reader.integer(.etcdMaxIdleConnections, default: min(5, most), 0...1000)
        if idle > most, reader.areAccepted(.etcdMaxConnections, .etcdMaxIdleConnections) {
            reader.refuse(
                .etcdMaxIdleConnections, value: "\(idle)",
                accepted: "at most \(SettingName.etcdMaxConnections.rawValue) (\(most))")
        }
        configuration.maxConnections = most
        configuration.maxIdleConnections = idle
        configuration.maxWaitingRequests = reader.integer(
            .etcdMaxWaitingRequests, default: 256, 0...65_536)
        configuration.connectionMaxLifetime = reader.seconds(
            .etcdConnectionMaxLifetime, default: 3600, 1...604_800)
        configuration.connectionMaxIdleTime = reader.seconds(
            .etcdConnectionMaxIdleTime, default: 900, 1...604_800)
        configuration.requestTimeout = reader.milliseconds(
            .etcdRequestTimeout, default: 1000, 1...60_000)
        configuration.connectTimeout = reader.milliseconds(
            .etcdConnectTimeout, default: 500, 1...60_000)
    }
}

extension SettingReader {
    /// Refuses what cannot be used together: a certificate without its key, or with another's.
    func checkPair(
        _ certificateName: SettingName, _ keyName: SettingName, isServer: Bool
    ) {
        let certificate = pemFile(certificateName)
        let key = pemFile(keyName)
        // Each alone first, so that both are told where both are wrong.
        _ = accepted { () throws(ConfigurationError) in try certificate?.certificates() }
        _ = accepted { () throws(ConfigurationError) in try key?.privateKey() }
        guard let certificate, let key, areAccepted(certificateName, keyName) else { return }
        _ = accepted { () throws(ConfigurationError) in
            try CertificatePair(certificate: certificate, key: key, isServer: isServer)
        }
    }

    /// Refuses either of two settings that say something only with the other one.
    func requireTogether(_ first: SettingName, _ second: SettingName) {
        for (name, other) in [(first, second), (second, first)] {
            guard let value = text(name), text(other) == nil else { continue }
            refuse(name, value: value, accepted: "only together with \(other.rawValue)")
        }
    }
}
