import EtcdGateway

extension ServiceConfiguration {
    /// Everything that etcd's client needs, from the `ETCD_` variables.
    static func etcdConfiguration(
        _ reader: SettingReader
    ) throws(ConfigurationError) -> EtcdConfiguration {
        let endpoints = try endpoints(reader)
        var result = EtcdConfiguration(endpoints: endpoints)
        result.caCertificatePath = try reader.pemFile(.etcdCACert)
        result.clientCertificatePath = try reader.pemFile(.etcdClientCert)
        result.clientKeyPath = try reader.pemFile(.etcdClientKey)
        try checkCertificates(of: result, reader)
        try readUser(into: &result, reader)
        try readPool(into: &result, reader)
        return result
    }

    /// Several addresses of one scheme.
    private static func endpoints(
        _ reader: SettingReader
    ) throws(ConfigurationError) -> [EtcdEndpoint] {
        let texts = try reader.list(.etcdEndpoints)
        var endpoints: [EtcdEndpoint] = []
        for text in texts.isEmpty ? ["http://localhost:2379"] : texts {
            do {
                endpoints.append(try EtcdEndpoint(parsing: text))
            } catch {
                // A part with an @ may hold a password, so it is not repeated.
                let shown = text.contains("@") ? "(not shown)" : text
                throw ConfigurationError(
                    SettingName.etcdEndpoints.rawValue, value: shown,
                    accepted: "comma-separated http://host:port or https://host:port, without "
                        + "user, path and query")
            }
        }
        let shown = endpoints.map(\.description).joined(separator: ",")
        guard endpoints.count <= 16, Set(endpoints).count == endpoints.count else {
            throw ConfigurationError(
                SettingName.etcdEndpoints.rawValue, value: shown,
                accepted: "at most 16 different endpoints")
        }
        guard Set(endpoints.map(\.scheme)).count == 1 else {
            throw ConfigurationError(
                SettingName.etcdEndpoints.rawValue, value: shown,
                accepted: "either http or https for all endpoints")
        }
        return endpoints
    }

    /// https needs all three files. With http they would have no effect, and who set them believes
    /// that the connection is encrypted.
    private static func checkCertificates(
        of configuration: EtcdConfiguration, _ reader: SettingReader
    ) throws(ConfigurationError) {
        let isSecure = configuration.endpoints.first?.scheme == .https
        let files: [(SettingName, String?)] = [
            (.etcdCACert, configuration.caCertificatePath),
            (.etcdClientCert, configuration.clientCertificatePath),
            (.etcdClientKey, configuration.clientKeyPath),
        ]
        for (name, path) in files {
            if isSecure, path == nil {
                throw ConfigurationError(
                    missing: name.rawValue,
                    accepted: "https endpoints in \(SettingName.etcdEndpoints.rawValue) need the "
                        + "path of a PEM file")
            }
            if !isSecure, let path {
                throw ConfigurationError(
                    name.rawValue, value: path,
                    accepted: "only together with https endpoints in "
                        + SettingName.etcdEndpoints.rawValue)
            }
        }
    }

    private static func readUser(
        into configuration: inout EtcdConfiguration, _ reader: SettingReader
    ) throws(ConfigurationError) {
        configuration.username = reader.text(.etcdUsername)
        configuration.password = reader.text(.etcdPassword)
        if let username = configuration.username, configuration.password == nil {
            throw ConfigurationError(
                SettingName.etcdUsername.rawValue, value: username,
                accepted: "only together with \(SettingName.etcdPassword.rawValue)")
        }
        if configuration.password != nil, configuration.username == nil {
            throw ConfigurationError(
                secret: SettingName.etcdPassword.rawValue,
                accepted: "only together with \(SettingName.etcdUsername.rawValue)")
        }
    }

    private static func readPool(
        into configuration: inout EtcdConfiguration, _ reader: SettingReader
    ) throws(ConfigurationError) {
        let most = try reader.integer(.etcdMaxConnections, default: 25, 1...1000)
        let idle = try reader.integer(.etcdMaxIdleConnections, default: min(5, most), 0...1000)
        guard idle <= most else {
            throw ConfigurationError(
                SettingName.etcdMaxIdleConnections.rawValue, value: "\(idle)",
                accepted: "at most \(SettingName.etcdMaxConnections.rawValue) (\(most))")
        }
        configuration.maxConnections = most
        configuration.maxIdleConnections = idle
        configuration.connectionMaxLifetime = try reader.seconds(
            .etcdConnectionMaxLifetime, default: 3600, 1...604_800)
        configuration.connectionMaxIdleTime = try reader.seconds(
            .etcdConnectionMaxIdleTime, default: 900, 1...604_800)
        configuration.requestTimeout = try reader.milliseconds(
            .etcdRequestTimeout, default: 1000, 1...60_000)
        configuration.connectTimeout = try reader.milliseconds(
            .etcdConnectTimeout, default: 500, 1...60_000)
    }
}
