import Foundation
import LedgerAPI
import SwiftProtobuf
import Testing

@testable import LedgerServer

@Suite("JSON of GetHealth")
struct HealthJSONTests {
    private let health = Ledger_GetHealthResponse.with {
        $0.status = .degraded
        $0.message = "one \"member\"\n"
        $0.dependencies = [
            .with {
                $0.name = "etcd/127.0.0.1:2379"
                $0.type = .database
                $0.status = .unhealthy
                $0.isCritical = true
                $0.message = "m"
                $0.error = "timeout"
                $0.config.hostname = "127.0.0.1"
                $0.config.port = 2379
                $0.config.protocol = "https"
                $0.config.poolInfo.maxConnections = 25
                $0.config.poolInfo.activeConnections = 1
                $0.config.poolInfo.idleConnections = 2
                $0.config.poolInfo.waitCount = 9_007_199_254_740_993
                $0.metadata = ["version": "3.5.21"]
                $0.lastCheck = "2023-11-14T22:13:20.000Z"
                $0.responseTimeMs = 12
            }
        ]
        $0.checkedAt = "2023-11-14T22:13:21.000Z"
        $0.checkDurationMs = 34
    }

    @Test("It is exactly this")
    func exact() {
        #expect(
            HealthJSON.encode(health) == #"{"status":"DEGRADED","message":"one \"member\"\n","#
                + #""dependencies":[{"name":"etcd/127.0.0.1:2379","type":"DATABASE","#
                + #""status":"UNHEALTHY","is_critical":true,"message":"m","error":"timeout","#
                + #""config":{"hostname":"127.0.0.1","port":2379,"protocol":"https","#
                + #""pool_info":{"max_connections":25,"active_connections":1,"idle_connections":2,"#
                + #""wait_count":9007199254740993}},"metadata":{"version":"3.5.21"},"#
                + #""last_check":"2023-11-14T22:13:20.000Z","response_time_ms":12}],"#
                + #""checked_at":"2023-11-14T22:13:21.000Z","check_duration_ms":34}"#)
    }

    @Test("Every field of the proto is there, under its own name, and reads back the same")
    func readsBack() throws {
        // protobuf's reader takes the proto's field names and numbers for 64-bit integers.
        let read = try Ledger_GetHealthResponse(jsonString: HealthJSON.encode(health))
        #expect(read == health)
    }

    @Test("Empty fields are written too")
    func empty() throws {
        let text = HealthJSON.encode(.with { $0.dependencies = [.init()] })
        for field in [
            "status", "message", "dependencies", "checked_at", "check_duration_ms", "name", "type",
            "is_critical", "error", "config", "metadata", "last_check", "response_time_ms",
            "hostname", "port", "protocol", "pool_info", "max_connections", "active_connections",
            "idle_connections", "wait_count",
        ] {
            #expect(text.contains("\"\(field)\":"))
        }
    }
}
