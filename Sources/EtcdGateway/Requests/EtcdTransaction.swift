/// If all comparisons hold, do the operations of `success`, else those of `failure`, at once.
///
/// etcd takes up to 128 entries in each of the three lists, and up to 1.5 MiB in all.
package struct EtcdTransaction: Hashable, Sendable {
    package var compares: [EtcdCompare]
    package var success: [EtcdOperation]
    package var failure: [EtcdOperation]

    package init(
        compares: [EtcdCompare] = [], success: [EtcdOperation] = [],
        failure: [EtcdOperation] = []
    ) {
        self.compares = compares
        self.success = success
        self.failure = failure
    }
}
