package import LedgerCore
package import Logging
import TaskCoordination

/// All those who have seen something of the ledger outside of etcd, asked at the same time: who does not answer in time
/// is left out, and hides nothing of what the others say.
package struct OutsideSources: Sendable {
    /// One of them.
    package struct Source: Sendable {
        let name: String
        let ask: @Sendable () async -> [OutsideRecord]

        /// - Parameters:
        ///   - name: for the log.
        ///   - ask: nothing where it cannot be asked.
        package init(_ name: String, ask: @escaping @Sendable () async -> [OutsideRecord]) {
            self.name = name
            self.ask = ask
        }
    }

    private let sources: [Source]
    private let limit: Duration
    private let logger: Logger

    /// - Parameter limit: how long each may take: the first event waits for the slowest.
    package init(_ sources: [Source], limit: Duration = .seconds(2), logger: Logger) {
        self.sources = sources
        self.limit = limit
        self.logger = logger
    }

    package func records() async -> [OutsideRecord] {
        await withTaskGroup(of: [OutsideRecord].self) { group in
            for source in sources {
                group.addTask { await records(of: source) }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
    }

    private func records(of source: Source) async -> [OutsideRecord] {
        if let records = await first(within: limit, source.ask) { return records }
        if !Task.isCancelled {
            logger.warning(
                "the ledger could not be compared in time with what is recorded outside",
                metadata: ["place": "\(source.name)", "limit": "\(limit)"])
        }
        return []
    }
}
