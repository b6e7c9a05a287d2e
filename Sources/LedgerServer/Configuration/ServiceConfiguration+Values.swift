import EtcdGateway
import GRPCEdge
import HTTPTransport
import LedgerCore
import LedgerTransparency
import Logging
import OTLPExport

extension ServiceConfiguration {
    /// What a setting is in force with.
    package enum Value: Sendable, Hashable {
        /// What the variable would be set to; nil where there is no value.
        case text(String?)
        /// A secret, of which only this is told.
        case secret(isSet: Bool)
    }

    /// Every setting with what is in force, the defaults included, in the order of `SettingName`. Variables that are
    /// only another one's default are not among them.
    package var values: [(name: SettingName, value: Value)] {
        SettingName.allCases.compactMap { name in value(of: name).map { (name, $0) } }
    }

    // Without a default, so that a setting which is forgotten here does not compile.
    private func value(of name: SettingName) -> Value? {
        switch name {
        case .etcdEndpoints: .text(etcd.endpoints.map(\.description).joined(separator: ","))
        case .etcdCACert: .text(etcd.caCertificatePath)
        case .etcdClientCert: .text(etcd.clientCertificatePath)
        case .etcdClientKey: .text(etcd.clientKeyPath)
        case .etcdUsername: .text(etcd.username)
        case .etcdPassword: .secret(isSet: etcd.password != nil)
        case .etcdMaxConnections: .number(etcd.maxConnections)
        case .etcdMaxIdleConnections: .number(etcd.maxIdleConnections)
        case .etcdMaxWaitingRequests: .number(etcd.maxWaitingRequests)
        case .etcdConnectionMaxLifetime: .seconds(etcd.connectionMaxLifetime)
        case .etcdConnectionMaxIdleTime: .seconds(etcd.connectionMaxIdleTime)
        case .etcdRequestTimeout: .milliseconds(etcd.requestTimeout)
        case .etcdConnectTimeout: .milliseconds(etcd.connectTimeout)
        case .etcdHealthCheckInterval: .seconds(etcdHealthCheckInterval)
        case .etcdPingTimeout: .seconds(etcdPingTimeout)
        case .port: .number(port)
        case .internalPort: .number(internalPort)
        case .adminPort: .number(adminPort)
        case .tilesPort: .text(tilesPort.map { "\($0)" })
        case .tilesEntries: .text(servesEntries ? "on" : "off")
        case .bindAddress: .text(bindAddress)
        case .advertiseAddress: .text(advertiseAddress)
        case .internalToken: .secret(isSet: internalToken != nil)
        case .internalTLSCert: .text(internalTLS?.certificatePath)
        case .internalTLSKey: .text(internalTLS?.keyPath)
        case .internalTLSCA: .text(internalTLS?.clientCAPath)
        case .internalTLSName: .text(internalTLSName)
        case .forwarding: .text(isForwarding ? "on" : "off")
        case .directSubmit: .text(servesDirectly ? "on" : "off")
        case .prefix: .text(prefix)
        case .commitDeadline: .milliseconds(commitDeadline)
        case .resolveDeadline: .milliseconds(resolveDeadline)
        case .maxPayloadBytes: .number(maxPayloadBytes)
        case .maxClockSkew: .milliseconds(maxClockSkew)
        case .maxBatchEvents: .number(maxBatchEvents)
        case .maxQueuedEvents: .number(maxQueuedEvents)
        case .maxQueuedBytes: .number(maxQueuedBytes)
        case .maxLookUps: .number(maxLookUps)
        case .maxStreamEvents: .number(maxStreamEvents)
        case .maxStreamBytes: .number(maxStreamBytes)
        case .maxAnswerBytes: .number(maxAnswerBytes)
        case .maxConnections: .number(edge.maxConnections)
        case .maxCalls: .number(edge.maxCalls)
        case .maxConcurrentCalls: .number(edge.maxConcurrentCalls)
        case .maxResets: .number(edge.maxResets)
        case .maxConnectionBytes: .number(edge.maxConnectionBytes)
        case .maxRequestBytes: .number(edge.maxRequestBytes)
        case .maxMetadataBytes: .number(edge.maxMetadataBytes)
        case .requestTimeout: .milliseconds(edge.requestTimeout)
        case .connectionMaxAge: .seconds(edge.maxAge ?? .zero)
        case .connectionMaxAgeGrace: .seconds(edge.ageGrace)
        case .connectionMaxIdle: .seconds(connectionMaxIdle)
        case .cacheBytes: .number(cacheBytes)
        case .maxBulkReads: .number(maxBulkReads)
        case .maxBlockReads: .number(maxBlockReads)
        case .maxWaitingReads: .number(maxWaitingReads)
        case .maxListingBytes: .number(maxListingBytes)
        case .followBytes: .number(followBytes)
        case .etcdQuotaBytes: .number(etcdQuotaBytes)
        case .storageReserve: .number(storageReserve)
        case .auditRate: .number(auditEventsPerSecond)
        case .outsideCheckInterval: .seconds(outsideCheckInterval)
        case .auditInterval: .seconds(auditInterval)
        case .origin: .text(origin)
        case .signingKey: .list(signingKeyPaths)
        case .formerKeys: .list(formerKeys.map(\.verifierKey))
        case .witnesses: .list(witnesses.map(\.description))
        case .witnessCACert: .text(witnessCAPath)
        case .externalCheckpoint: .text(externalCheckpoint?.description)
        case .archive: .text(archive.map { "\($0.location)" })
        case .archiveEndpoint: .text(archive?.endpoint.map { "\($0)" })
        case .archiveRegion: .text(archive?.bucketRegion)
        case .archiveCACert: .text(archive?.caCertificatePath)
        case .archiveAddressing: .text(archive?.bucketAddressing)
        case .archiveConditionalPut: .text(archive?.bucketConditionalPut)
        case .archiveAccessKey: .secret(isSet: archive?.accessKey?.isValue == true)
        case .archiveAccessKeyFile: .text(archive?.accessKey?.path)
        case .archiveSecretKey: .secret(isSet: archive?.secretKey?.isValue == true)
        case .archiveSecretKeyFile: .text(archive?.secretKey?.path)
        case .archiveSessionToken: .secret(isSet: archive?.sessionToken?.isValue == true)
        case .archiveSessionTokenFile: .text(archive?.sessionToken?.path)
        case .archiveInterval: .seconds(archiveInterval)
        case .archiveRetain: .text("\(archiveRetention)")
        case .tlsCert: .text(tls?.certificatePath)
        case .tlsKey: .text(tls?.keyPath)
        case .tlsClientCA: .text(tls?.clientCAPath)
        case .allowedSubmitters: .list(allowedSubmitters.map(\.description))
        case .allowedReaders: .list(allowedReaders.map(\.description))
        case .rateLimit: .text(rateLimit?.description)
        case .rateLimitPerSubmitter: .text(rateLimitPerSubmitter?.description)
        case .vepsPublicKeys: .list(vepsPublicKeyPaths)
        case .logLevel: .text(logLevel.rawValue)
        case .logFormat: .text(logFormat.rawValue)
        case .auditLog: .text(auditLog?.text ?? "off")
        case .tracesEndpoint: .text(traces.ownEndpoint?.description)
        case .traceEndpoint: .text(traces.commonEndpoint?.description)
        case .traceHeaders: .secret(isSet: !traces.headers.isEmpty)
        case .traceCACert: .text(traces.caCertificatePath)
        case .traceClientCert: .text(traces.clientCertificatePath)
        case .traceClientKey: .text(traces.clientKeyPath)
        case .traceTimeout: .milliseconds(traces.timeout)
        case .tracesSampler: .text(traces.sampler.name)
        case .tracesSamplerArgument: .text("\(traces.samplerArgument)")
        case .traceDelay: .milliseconds(traces.delay)
        case .traceQueue: .number(traces.bounds.spans)
        case .traceBatch: .number(traces.bounds.batchSpans)
        case .traceService: .text(traces.serviceName)
        case .traceResource: .text(traces.resourceText)
        case .podIP: nil
        }
    }
}

extension ServiceConfiguration.Value {
    fileprivate static func number(_ number: Int) -> Self { .text("\(number)") }

    fileprivate static func seconds(_ duration: Duration) -> Self {
        .text("\(duration.components.seconds)")
    }

    fileprivate static func milliseconds(_ duration: Duration) -> Self {
        .number(Int(duration / .milliseconds(1)))
    }

    fileprivate static func list(_ parts: [String]) -> Self {
        .text(parts.isEmpty ? nil : parts.joined(separator: ","))
    }
}
