import GRPCEdge

extension ServiceConfiguration {
    /// Reads every setting from the environment and from the working directory's `.env` file.
    ///
    /// - Parameters:
    ///   - environment: names and values; they override the file's. An empty value is an unset one.
    ///   - workingDirectory: where `.env` is looked for.
    /// - Throws: Every value that does not parse, is out of bounds or contradicts another.
    package static func load(
        environment: [String: String], workingDirectory: String
    ) throws(ConfigurationErrors) -> ServiceConfiguration {
        let (configuration, errors) = try read(
            environment: environment, workingDirectory: workingDirectory)
        guard errors.isEmpty else { throw ConfigurationErrors(errors: errors) }
        return configuration
    }

    /// The same, for who wants to know of the other settings too where some are not accepted: with a default in the
    /// place of each of these.
    ///
    /// - Throws: A `.env` file that cannot be read. What it was to set is unknown then.
    package static func read(
        environment: [String: String], workingDirectory: String
    ) throws(ConfigurationErrors) -> (ServiceConfiguration, errors: [ConfigurationError]) {
        let file: [String: String]
        do throws(ConfigurationError) {
            file = try DotEnvFile.load(workingDirectory: workingDirectory)
        } catch {
            throw ConfigurationErrors(errors: [error])
        }
        let reader = SettingReader(environment: environment, file: file)
        var result = ServiceConfiguration(etcd: etcdConfiguration(reader))
        result.readHealthChecks(reader)
        result.readAddresses(reader)
        result.readLimits(reader)
        result.readKeys(reader)
        result.readOutside(reader)
        result.readArchive(reader)
        result.readLogging(reader)
        result.readTraces(reader)
        result.warnings += UnknownSettings.warnings(environment: environment, file: file)
        return (result, reader.errors)
    }

    private mutating func readHealthChecks(_ reader: SettingReader) {
        etcdHealthCheckInterval = reader.seconds(
            .etcdHealthCheckInterval, default: 30, 1...3600)
        etcdPingTimeout = reader.seconds(.etcdPingTimeout, default: 5, 1...60)
        etcdQuotaBytes = reader.integer(.etcdQuotaBytes, default: 0, 0...(1 << 50), unit: "bytes")
        storageReserve = reader.integer(
            .storageReserve, default: storageReserve, 0...50, unit: "per cent")
    }

    private mutating func readAddresses(_ reader: SettingReader) {
        port = reader.integer(.port, default: port, 0...65_535)
        internalPort = reader.integer(.internalPort, default: internalPort, 0...65_535)
        adminPort = reader.integer(.adminPort, default: adminPort, 0...65_535)
        if reader.text(.tilesPort) != nil {
            tilesPort = reader.integer(.tilesPort, default: 0, 0...65_535)
        }
        servesEntries = reader.isOn(.tilesEntries) ?? servesEntries
        checkPortsDiffer(reader)
        bindAddress = reader.host(.bindAddress)
        advertiseAddress =
            reader.host(.advertiseAddress) ?? reader.host(.podIP) ?? advertiseAddress
        readInternalToken(reader)
    }

    private func checkPortsDiffer(_ reader: SettingReader) {
        let named: [(SettingName, Int)] = [
            (.port, port), (.internalPort, internalPort), (.adminPort, adminPort),
            (.tilesPort, tilesPort ?? 0),
        ]
        guard reader.areAccepted(.port, .internalPort, .adminPort, .tilesPort) else { return }
        for (index, (name, value)) in named.enumerated() where value != 0 {
            if let earlier = named[..<index].first(where: { $0.1 == value }) {
                reader.refuse(
                    name, value: "\(value)",
                    accepted: "a port other than that of \(earlier.0.rawValue), or 0")
            }
        }
    }

    private mutating func readInternalToken(_ reader: SettingReader) {
        internalToken = reader.text(.internalToken)
        guard let token = internalToken else { return }
        guard token.utf8.count <= 1024, token.utf8.allSatisfy({ (33...126).contains($0) }) else {
            reader.refuse(
                ConfigurationError(
                    secret: SettingName.internalToken.rawValue,
                    accepted: "1...1024 printable ASCII characters without spaces"))
            return
        }
        if token.utf8.count < 16 {
            warnings.append(
                "\(SettingName.internalToken.rawValue) has fewer than 16 characters: easy to guess")
        }
    }

    private mutating func readLimits(_ reader: SettingReader) {
        servesDirectly = reader.isOn(.directSubmit) ?? servesDirectly
        prefix = Self.prefix(reader) ?? prefix
        commitDeadline = reader.milliseconds(.commitDeadline, default: 50, 1...60_000)
        readResolveDeadline(reader)
        maxPayloadBytes = reader.integer(
            .maxPayloadBytes, default: maxPayloadBytes, 1...65_000, unit: "bytes")
        maxClockSkew = reader.milliseconds(.maxClockSkew, default: 5000, 1...3_600_000)
        if maxClockSkew < .milliseconds(1000) {
            warnings.append(
                "\(SettingName.maxClockSkew.rawValue) is below a second, but etcd tells its time "
                    + "in whole seconds")
        }
        maxBatchEvents = reader.integer(
            .maxBatchEvents, default: maxBatchEvents, 1...1024, unit: "events")
        maxQueuedEvents = reader.integer(
            .maxQueuedEvents, default: max(maxQueuedEvents, maxBatchEvents), 1...1_048_576,
            unit: "events")
        if maxQueuedEvents < maxBatchEvents, reader.areAccepted(.maxQueuedEvents, .maxBatchEvents) {
            reader.refuse(
                .maxQueuedEvents, value: "\(maxQueuedEvents)",
                accepted: "at least \(SettingName.maxBatchEvents.rawValue) (\(maxBatchEvents))")
        }
        readBounds(reader)
    }

    private mutating func readBounds(_ reader: SettingReader) {
        maxQueuedBytes = reader.integer(
            .maxQueuedBytes, default: maxQueuedBytes, 65_536...1 << 30, unit: "bytes")
        maxLookUps = reader.integer(
            .maxLookUps, default: maxLookUps, 1...1_024, unit: "look-ups")
        maxStreamEvents = reader.integer(
            .maxStreamEvents, default: maxStreamEvents, 1...65_536, unit: "events")
        maxStreamBytes = reader.integer(
            .maxStreamBytes, default: maxStreamBytes, 131_072...1 << 30, unit: "bytes")
        maxAnswerBytes = reader.integer(
            .maxAnswerBytes, default: maxAnswerBytes, 1_048_576...1 << 36, unit: "bytes")
        cacheBytes = reader.integer(
            .cacheBytes, default: cacheBytes, 0...1 << 30, unit: "bytes")
        readReadingBounds(reader)
        readEdge(reader)
    }

    /// What the gRPC ports take from their peers.
    private mutating func readEdge(_ reader: SettingReader) {
        edge.maxConnections = reader.integer(
            .maxConnections, default: edge.maxConnections, 1...65_536, unit: "connections")
        edge.maxCalls = reader.integer(
            .maxCalls, default: edge.maxCalls, 1...1_048_576, unit: "calls")
        edge.maxConcurrentCalls = reader.integer(
            .maxConcurrentCalls, default: edge.maxConcurrentCalls, 1...65_536, unit: "calls")
        edge.maxResets = reader.integer(
            .maxResets, default: edge.maxResets, 100...1_048_576, unit: "calls")
        edge.maxConnectionBytes = reader.integer(
            .maxConnectionBytes, default: edge.maxConnectionBytes, 262_144...1 << 30,
            unit: "bytes")
        edge.maxRequestBytes = reader.integer(
            .maxRequestBytes, default: edge.maxRequestBytes, 262_144...1 << 36, unit: "bytes")
        edge.maxMetadataBytes = reader.integer(
            .maxMetadataBytes, default: edge.maxMetadataBytes, 1_024...1 << 20, unit: "bytes")
        edge.requestTimeout = reader.milliseconds(.requestTimeout, default: 10_000, 100...600_000)
        let maxAge = reader.seconds(.connectionMaxAge, default: 1_800, 0...86_400)
        edge.maxAge = maxAge > .zero ? maxAge : nil
        edge.ageGrace = reader.seconds(.connectionMaxAgeGrace, default: 60, 1...3_600)
        connectionMaxIdle = reader.seconds(.connectionMaxIdle, default: 1_800, 1...86_400)
    }

    /// How much is read from etcd, and kept of it.
    private mutating func readReadingBounds(_ reader: SettingReader) {
        maxBulkReads = reader.integer(
            .maxBulkReads, default: maxBulkReads, 1...64, unit: "reads")
        maxBlockReads = reader.integer(
            .maxBlockReads, default: maxBlockReads, 1...1_024, unit: "reads")
        maxWaitingReads = reader.integer(
            .maxWaitingReads, default: maxWaitingReads, 1...1_048_576, unit: "reads")
        maxListingBytes = reader.integer(
            .maxListingBytes, default: maxListingBytes, 1 << 20...1 << 34, unit: "bytes")
        followBytes = reader.integer(
            .followBytes, default: followBytes, 0...1 << 30, unit: "bytes")
        auditEventsPerSecond = reader.integer(
            .auditRate, default: auditEventsPerSecond, 0...1_000_000, unit: "events")
        auditInterval = reader.seconds(.auditInterval, default: 60, 1...86_400)
        outsideCheckInterval = reader.seconds(.outsideCheckInterval, default: 60, 1...3_600)
    }

    /// Where only the commit deadline is set, above the default of the resolve deadline, twice the
    /// contract is meant.
    private mutating func readResolveDeadline(_ reader: SettingReader) {
        let commit = commitDeadline / .milliseconds(1)
        let fallback = commit > 100 ? min(Int(commit) * 2, 60_000) : 100
        resolveDeadline = reader.milliseconds(
            .resolveDeadline, default: fallback, 1...60_000)
        if resolveDeadline < commitDeadline, reader.areAccepted(.resolveDeadline, .commitDeadline) {
            reader.refuse(
                .resolveDeadline, value: reader.text(.resolveDeadline) ?? "",
                accepted: "at least \(SettingName.commitDeadline.rawValue) (\(Int(commit)))")
        }
    }

    private static func prefix(_ reader: SettingReader) -> String? {
        guard let text = reader.text(.prefix) else { return nil }
        guard text.utf8.count <= 256, text.utf8.allSatisfy({ (33...126).contains($0) }) else {
            reader.refuse(
                .prefix, value: text,
                accepted: "1...256 printable ASCII characters without spaces")
            return nil
        }
        return text
    }

    private mutating func readLogging(_ reader: SettingReader) {
        logLevel = reader.choice(.logLevel, default: logLevel)
        logFormat = reader.choice(.logFormat, default: logFormat)
        auditLog = reader.text(.auditLog).flatMap { AuditDestination($0) }
        if let auditLog, !auditLog.hasFolder {
            reader.refuse(
                .auditLog, value: auditLog.text, accepted: AuditDestination.accepted)
        }
    }
}
