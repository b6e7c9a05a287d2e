package import EtcdGateway
import LedgerCore
package import LedgerStore
package import Logging
import PrometheusExposition

/// Wires what reads are made of: the connections for them, what is kept in memory, and the bounds of both.
package struct Reading: Sendable {
    /// How much longer than an ordinary request a page or block may take.
    private static let patience = 3

    /// The client with the connections that nothing but large reads uses.
    package let client: EtcdClient
    package let store: LedgerStore
    package let blocks: BlockReader
    package let pages: PageReader
    package let memory: ListingMemory

    /// - Parameters:
    ///   - client: what seals; it lends its login.
    ///   - members: what is known of its members.
    ///   - archived: where events are that have left etcd.
    package init(
        configuration: ServiceConfiguration, client: EtcdClient, members: EtcdMembers,
        archived: (any ArchivedPast)?, observer: any EtcdRequestObserver, metrics: LedgerMetrics,
        logger: Logger
    ) throws(EtcdError) {
        self.client = try EtcdClient(
            sharingLoginOf: client, configuration: Self.etcd(configuration), logger: logger,
            observer: observer)
        let bulk = BulkReads(
            store: self.client, maxPages: configuration.maxBulkReads,
            maxBlocks: configuration.maxBlockReads, maxWaiting: configuration.maxWaitingReads)
        store = LedgerStore(
            store: client, keys: LedgerKeys(prefix: configuration.prefix), members: members,
            bulk: bulk, archived: archived)
        let newest = NewestBlocks(maxBytes: configuration.followBytes)
        blocks = BlockReader(
            store: store, cacheBytes: configuration.blockCacheBytes, newest: newest)
        pages = PageReader(store: store)
        memory = ListingMemory(maxBytes: configuration.maxListingBytes)
        Self.register(in: metrics.registry, bulk, newest, memory)
    }

    private static func etcd(_ configuration: ServiceConfiguration) -> EtcdConfiguration {
        var etcd = configuration.etcd
        etcd.requestTimeout *= patience
        // A page that takes too long may be too large: it is asked for again in a smaller piece.
        etcd.asksOthersAfterTimeout = false
        // HTTP/2 carries many reads over one connection; over HTTP/1.1 each needs its own.
        etcd.maxConnections = configuration.maxBulkReads + 1 + configuration.maxBlockReads
        etcd.maxIdleConnections = min(etcd.maxIdleConnections, etcd.maxConnections)
        return etcd
    }

    // MARK: Metrics

    private static func register(
        in registry: PrometheusRegistry, _ bulk: BulkReads, _ newest: NewestBlocks,
        _ memory: ListingMemory
    ) {
        for (kind, places) in [("page", bulk.pages), ("block", bulk.blocks)] {
            let kind = PrometheusLabel("kind", kind)
            let states: [(String, @Sendable (Places.Statistics) -> Int)] = [
                ("active", { $0.taken }), ("waiting", { $0.waiting }),
            ]
            for (state, value) in states {
                registry.sampled(
                    "ledger_reads", .gauge, help: "Reads of pages and single blocks by state.",
                    labels: [kind, PrometheusLabel("state", state)]
                ) { Double(value(places.statistics)) }
            }
            registry.sampled(
                "ledger_reads_refused_total", .counter,
                help: "Reads that were refused because too many waited, or waited too long.",
                labels: [kind]
            ) { Double(places.statistics.refused) }
        }
        registry.sampled("ledger_listings", .gauge, help: "Open listings.") {
            Double(memory.listingCount)
        }
        registry.sampled(
            "ledger_listing_bytes", .gauge,
            help: "Bytes of stored blocks that open listings hold for their callers."
        ) { Double(memory.byteCount) }
        registry.sampled(
            "ledger_follow_bytes", .gauge,
            help: "Memory that the newest blocks take, which all who follow share."
        ) { Double(newest.byteCount) }
    }
}
