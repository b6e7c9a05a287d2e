package import GRPCCore
package import LedgerAPI

/// `ledger.Health`: the detailed view.
package struct HealthService: Ledger_Health.SimpleServiceProtocol {
    private let reporter: HealthReporter

    /// Answers from `reporter`.
    package init(reporter: HealthReporter) {
        self.reporter = reporter
    }

    package func getHealth(
        request: Ledger_GetHealthRequest, context: ServerContext
    ) async throws -> Ledger_GetHealthResponse {
        await reporter.health()
    }

    package func getLiveness(
        request: Ledger_GetLivenessRequest, context: ServerContext
    ) async throws -> Ledger_GetLivenessResponse {
        reporter.liveness()
    }
}
