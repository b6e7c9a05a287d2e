package import EtcdGateway

/// Members of etcd as tests need them.
package enum EtcdSamples {
    /// A member on a loopback port.
    package static func endpoint(_ port: Int) -> EtcdEndpoint {
        EtcdEndpoint(scheme: .https, host: "127.0.0.1", port: port)
    }

    /// The answer of a healthy member.
    package static func status(
        of endpoint: EtcdEndpoint, version: String = "3.5.21", leader: UInt64 = 0xabc,
        errors: [String] = [], date: Int64? = 1_700_000_000, isLearner: Bool = false
    ) -> EtcdMemberStatus {
        EtcdMemberStatus(
            endpoint: endpoint, version: version, dbSize: 20_480, leader: leader, raftTerm: 7,
            raftIndex: 1234, memberID: UInt64(endpoint.port), clusterID: 99, revision: 55,
            errors: errors, date: date, isLearner: isLearner)
    }

    /// An error of a member that does not answer.
    package static func unreachable(_ code: EtcdErrorCode = .timeout) -> EtcdError {
        EtcdError(failureClass: .unknown, code: code, message: "secret detail")
    }
}
