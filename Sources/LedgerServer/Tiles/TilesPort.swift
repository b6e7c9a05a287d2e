import Logging
import PrometheusExposition

extension HTTPPort {
    /// The port for tiles, with its metrics.
    static func tiles(
        _ pages: TilesPages, bindAddress: String, port: Int, registry: PrometheusRegistry,
        logger: Logger
    ) -> HTTPPort {
        let metrics = TilesMetrics(registry: registry)
        let port = HTTPPort(
            name: "the tiles port", setting: .tilesPort, bindAddress: bindAddress, port: port,
            limits: TilesPages.portLimits, logger: logger, answered: metrics.count(status:),
            pages: { path, _ in await pages.pageOfOwnPort(path) })
        TilesMetrics.observe(port.connections, in: registry)
        return port
    }
}
