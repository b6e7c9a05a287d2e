/// An alarm that is raised in the cluster until an operator disarms it.
package struct EtcdAlarm: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// A member is over its quota: etcd takes only reads and deletes.
        case noSpace
        /// A member's data differs from the others'.
        case corrupt
        /// A kind that this program does not know.
        case other(String)
    }

    package var memberID: UInt64
    package var kind: Kind

    package init(memberID: UInt64, kind: Kind) {
        self.memberID = memberID
        self.kind = kind
    }
}
