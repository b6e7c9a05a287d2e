import GRPCEdge

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The files and sockets that the process may have open.
package enum OpenFiles {
    /// Raises the limit to what the system allows this process: every caller's connection is one.
    ///
    /// - Returns: a warning where it does not suffice for as many connections as the settings allow.
    package static func raiseLimit(for configuration: ServiceConfiguration) -> String? {
        let connections = configuration.edge.maxConnections
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return nil
        }
        if limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        // Both gRPC ports, and some for etcd, files and the two HTTP ports.
        let needed = 2 * connections + 1_024
        guard limit.rlim_cur < rlim_t(needed) else { return nil }
        return
            "only \(limit.rlim_cur) files may be open, but LEDGER_MAX_CONNECTIONS=\(connections) may need \(needed): raise "
            + "the limit (ulimit -n) or lower the setting, or callers will wait to be accepted"
    }
}
