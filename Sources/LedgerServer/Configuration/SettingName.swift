/// Every environment variable of the service, by its exact name.
package enum SettingName: String, Sendable, CaseIterable {
    case etcdEndpoints = "ETCD_ENDPOINTS"
    case etcdCACert = "ETCD_CA_CERT"
    case etcdClientCert = "ETCD_CLIENT_CERT"
    case etcdClientKey = "ETCD_CLIENT_KEY"
    case etcdUsername = "ETCD_USERNAME"
    case etcdPassword = "ETCD_PASSWORD"
    case etcdMaxConnections = "ETCD_MAX_CONNECTIONS"
    case etcdMaxIdleConnections = "ETCD_MAX_IDLE_CONNECTIONS"
    case etcdMaxWaitingRequests = "ETCD_MAX_WAITING_REQUESTS"
    case etcdConnectionMaxLifetime = "ETCD_CONNECTION_MAX_LIFETIME"
    case etcdConnectionMaxIdleTime = "ETCD_CONNECTION_MAX_IDLE_TIME"
    case etcdRequestTimeout = "ETCD_REQUEST_TIMEOUT_MS"
    case etcdConnectTimeout = "ETCD_CONNECT_TIMEOUT_MS"
    case etcdHealthCheckInterval = "ETCD_HEALTH_CHECK_INTERVAL"
    case etcdPingTimeout = "ETCD_PING_TIMEOUT"
    case port = "LEDGER_PORT"
    case internalPort = "LEDGER_INTERNAL_PORT"
    case adminPort = "LEDGER_ADMIN_PORT"
    case tilesPort = "LEDGER_TILES_PORT"
    case tilesEntries = "LEDGER_TILES_ENTRIES"
    case bindAddress = "LEDGER_BIND_ADDRESS"
    case advertiseAddress = "LEDGER_ADVERTISE_ADDRESS"
    case internalToken = "LEDGER_INTERNAL_TOKEN"
    case internalTLSCert = "LEDGER_INTERNAL_TLS_CERT"
    case internalTLSKey = "LEDGER_INTERNAL_TLS_KEY"
    case internalTLSCA = "LEDGER_INTERNAL_TLS_CA"
    case internalTLSName = "LEDGER_INTERNAL_TLS_NAME"
    case forwarding = "LEDGER_FORWARDING"
    case directSubmit = "LEDGER_DIRECT_SUBMIT"
    case prefix = "LEDGER_PREFIX"
    case commitDeadline = "LEDGER_COMMIT_DEADLINE_MS"
    case resolveDeadline = "LEDGER_RESOLVE_DEADLINE_MS"
    case maxPayloadBytes = "LEDGER_MAX_PAYLOAD_BYTES"
    case maxClockSkew = "LEDGER_MAX_CLOCK_SKEW_MS"
    case maxBatchEvents = "LEDGER_MAX_BATCH_EVENTS"
    case maxQueuedEvents = "LEDGER_MAX_QUEUED_EVENTS"
    case maxQueuedBytes = "LEDGER_MAX_QUEUED_BYTES"
    case maxLookUps = "LEDGER_MAX_LOOKUPS"
    case maxStreamEvents = "LEDGER_MAX_STREAM_EVENTS"
    case maxStreamBytes = "LEDGER_MAX_STREAM_BYTES"
    case maxAnswerBytes = "LEDGER_MAX_ANSWER_BYTES"
    case maxConnections = "LEDGER_MAX_CONNECTIONS"
    case maxCalls = "LEDGER_MAX_CALLS"
    case maxConcurrentCalls = "LEDGER_MAX_CONCURRENT_CALLS"
    case maxResets = "LEDGER_MAX_RESETS"
    case maxConnectionBytes = "LEDGER_MAX_CONNECTION_BYTES"
    case maxRequestBytes = "LEDGER_MAX_REQUEST_BYTES"
    case maxMetadataBytes = "LEDGER_MAX_METADATA_BYTES"
    case requestTimeout = "LEDGER_REQUEST_TIMEOUT_MS"
    case connectionMaxAge = "LEDGER_CONNECTION_MAX_AGE"
    case connectionMaxAgeGrace = "LEDGER_CONNECTION_MAX_AGE_GRACE"
    case connectionMaxIdle = "LEDGER_CONNECTION_MAX_IDLE"
    case cacheBytes = "LEDGER_CACHE_BYTES"
    case maxBulkReads = "LEDGER_MAX_BULK_READS"
    case maxBlockReads = "LEDGER_MAX_BLOCK_READS"
    case maxWaitingReads = "LEDGER_MAX_WAITING_READS"
    case maxListingBytes = "LEDGER_MAX_LISTING_BYTES"
    case followBytes = "LEDGER_FOLLOW_BYTES"
    case etcdQuotaBytes = "LEDGER_ETCD_QUOTA_BYTES"
    case storageReserve = "LEDGER_STORAGE_RESERVE"
    case outsideCheckInterval = "LEDGER_OUTSIDE_CHECK_INTERVAL"
    case auditRate = "LEDGER_AUDIT_EVENTS_PER_SECOND"
    case auditInterval = "LEDGER_AUDIT_INTERVAL"
    case origin = "LEDGER_ORIGIN"
    case signingKey = "LEDGER_SIGNING_KEY"
    case formerKeys = "LEDGER_FORMER_KEYS"
    case witnesses = "LEDGER_WITNESSES"
    case witnessCACert = "LEDGER_WITNESS_CA_CERT"
    case externalCheckpoint = "LEDGER_EXTERNAL_CHECKPOINT"
    case archive = "LEDGER_ARCHIVE"
    case archiveEndpoint = "LEDGER_ARCHIVE_ENDPOINT"
    case archiveRegion = "LEDGER_ARCHIVE_REGION"
    case archiveCACert = "LEDGER_ARCHIVE_CA_CERT"
    case archiveAddressing = "LEDGER_ARCHIVE_ADDRESSING"
    case archiveConditionalPut = "LEDGER_ARCHIVE_CONDITIONAL_PUT"
    case archiveAccessKey = "LEDGER_ARCHIVE_ACCESS_KEY"
    case archiveAccessKeyFile = "LEDGER_ARCHIVE_ACCESS_KEY_FILE"
    case archiveSecretKey = "LEDGER_ARCHIVE_SECRET_KEY"
    case archiveSecretKeyFile = "LEDGER_ARCHIVE_SECRET_KEY_FILE"
    case archiveSessionToken = "LEDGER_ARCHIVE_SESSION_TOKEN"
    case archiveSessionTokenFile = "LEDGER_ARCHIVE_SESSION_TOKEN_FILE"
    case archiveInterval = "LEDGER_ARCHIVE_INTERVAL"
    case archiveRetain = "LEDGER_ARCHIVE_RETAIN_EVENTS"
    case tlsCert = "LEDGER_TLS_CERT"
    case tlsKey = "LEDGER_TLS_KEY"
    case tlsClientCA = "LEDGER_TLS_CLIENT_CA"
    case allowedSubmitters = "LEDGER_ALLOWED_SUBMITTERS"
    case allowedReaders = "LEDGER_ALLOWED_READERS"
    case rateLimit = "LEDGER_RATE_LIMIT"
    case rateLimitPerSubmitter = "LEDGER_RATE_LIMIT_PER_SUBMITTER"
    case vepsPublicKeys = "LEDGER_VEPS_PUBLIC_KEYS"
    case logLevel = "LOG_LEVEL"
    case logFormat = "LOG_FORMAT"
    case auditLog = "LEDGER_AUDIT_LOG"
    case tracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
    case traceEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
    case traceHeaders = "OTEL_EXPORTER_OTLP_HEADERS"
    case traceCACert = "OTEL_EXPORTER_OTLP_CERTIFICATE"
    case traceTimeout = "OTEL_EXPORTER_OTLP_TIMEOUT"
    case tracesSampler = "OTEL_TRACES_SAMPLER"
    case tracesSamplerArgument = "OTEL_TRACES_SAMPLER_ARG"
    case traceDelay = "OTEL_BSP_SCHEDULE_DELAY"
    case traceQueue = "OTEL_BSP_MAX_QUEUE_SIZE"
    case traceBatch = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"
    case traceService = "OTEL_SERVICE_NAME"
    case traceResource = "OTEL_RESOURCE_ATTRIBUTES"
    /// Not a setting of its own: the default of `LEDGER_ADVERTISE_ADDRESS`.
    case podIP = "POD_IP"

    /// Whether the value may never be shown.
    package var isSecret: Bool {
        switch self {
        case .etcdPassword, .internalToken, .archiveAccessKey, .archiveSecretKey,
            .archiveSessionToken, .traceHeaders:
            true
        default: false
        }
    }

    /// The variable that names a file with the secret instead; nil where there is none, or it is a setting of its own.
    package var fileVariant: String? {
        switch self {
        case .etcdPassword, .internalToken, .traceHeaders: rawValue + "_FILE"
        default: nil
        }
    }
}

extension ServiceConfiguration {
    /// What the names of all settings begin with.
    package static let namePrefixes = ["ETCD_", "LEDGER_", "LOG_", "OTEL_", "POD_IP"]
}
