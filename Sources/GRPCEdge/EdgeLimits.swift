/// What one port takes from its peers. Every bound is a setting.
package struct EdgeLimits: Sendable, Hashable {
    /// `LEDGER_MAX_CONNECTIONS`: open connections of the port.
    package var maxConnections = 1_024
    /// `LEDGER_MAX_CALLS`: open calls of all its connections.
    package var maxCalls = 8_192
    /// `LEDGER_MAX_CONCURRENT_CALLS`: open calls of one connection.
    package var maxConcurrentCalls = 1_024
    /// `LEDGER_MAX_RESETS`: calls that one connection may reset in 30 seconds; then it is closed.
    package var maxResets = 20_000
    /// `LEDGER_MAX_CONNECTION_BYTES`: bytes of requests that one connection has sent and that the service has not taken.
    package var maxConnectionBytes = 16 << 20
    /// `LEDGER_MAX_REQUEST_BYTES`: the same of all connections together.
    package var maxRequestBytes = 128 << 20
    /// `LEDGER_MAX_METADATA_BYTES`: a call's headers, counted as HTTP/2 does (names, values and 32 bytes each).
    package var maxMetadataBytes = 16_384
    /// Up to here a message that is too large for an event is one bad event among good ones; a longer one ends the call.
    package var maxSkippedBytes = 4 << 20
    /// `LEDGER_REQUEST_TIMEOUT_MS`: how long a peer may take for a TLS handshake and the HTTP/2 preface, and a
    /// caller from a message's first byte to its last.
    package var requestTimeout = Duration.seconds(10)
    /// `LEDGER_CONNECTION_MAX_AGE`: older connections are told to go; nil: never.
    package var maxAge: Duration? = .seconds(1_800)
    /// `LEDGER_CONNECTION_MAX_AGE_GRACE`: how long calls that are open then may go on.
    package var ageGrace = Duration.seconds(60)

    /// What a connection's peer is allowed to send as headers before the connection itself is at fault: several times
    /// what a call may have, so that a call with too much can be told so.
    package var maxHeaderListBytes: Int { max(65_536, maxMetadataBytes * 4) }

    package init() {}
}
