/// What one member says of itself.
package struct EtcdMemberStatus: Hashable, Sendable {
    package var endpoint: EtcdEndpoint
    /// For example `3.5.21`.
    package var version: String
    /// The size of the database file in bytes.
    package var dbSize: Int64
    /// How much of it is in use, in bytes; the rest is free for what comes. Zero where the member does not say it.
    package var dbSizeInUse: Int64 = 0
    /// The size at which etcd refuses to write, in bytes; zero where the member does not say it, as before 3.6.
    package var dbSizeQuota: Int64 = 0
    /// The member that this one takes for the leader; zero: none.
    package var leader: UInt64
    package var raftTerm: UInt64
    package var raftIndex: UInt64
    package var memberID: UInt64
    package var clusterID: UInt64
    /// The store's revision at this member.
    package var revision: Int64
    /// What is wrong with the member in its own words: alarms, a corrupt index.
    package var errors: [String]
    /// The member's clock in whole seconds since 1970, from the answer's `Date` header.
    package var date: Int64?
    package var isLearner: Bool

    /// Whether the member is the leader in its own eyes.
    package var isLeader: Bool { leader != 0 && leader == memberID }

    package init(
        endpoint: EtcdEndpoint, version: String, dbSize: Int64, leader: UInt64, raftTerm: UInt64,
        raftIndex: UInt64, memberID: UInt64, clusterID: UInt64, revision: Int64,
        errors: [String], date: Int64?, isLearner: Bool
    ) {
        self.endpoint = endpoint
        self.version = version
        self.dbSize = dbSize
        self.leader = leader
        self.raftTerm = raftTerm
        self.raftIndex = raftIndex
        self.memberID = memberID
        self.clusterID = clusterID
        self.revision = revision
        self.errors = errors
        self.date = date
        self.isLearner = isLearner
    }
}
