import EtcdGateway

/// However the settings are printed, the token and etcd's password are not among them.
extension ServiceConfiguration: CustomStringConvertible, CustomReflectable {
    package var description: String {
        customMirror.children.map { "\($0.label ?? "")=\($0.value)" }.joined(separator: " ")
    }

    package var customMirror: Mirror {
        let endpoints = etcd.endpoints.map(\.description).joined(separator: ",")
        return Mirror(
            self,
            children: [
                "etcd": endpoints, "etcdUser": etcd.username ?? "", "port": port,
                "internalPort": internalPort, "adminPort": adminPort,
                "tilesPort": tilesPort.map { "\($0)" } ?? "none", "servesEntries": servesEntries,
                "bindAddress": bindAddress ?? "::",
                "advertiseAddress": advertiseAddress, "prefix": prefix, "origin": origin,
                "hasInternalToken": internalToken != nil, "hasTLS": tls != nil,
                "hasClientCA": tls?.clientCAPath != nil, "hasSigningKey": !signers.isEmpty,
                "archive": archive.map { "\($0.location)" } ?? "none",
                "vepsPublicKeys": vepsPublicKeyPaths.count,
                "allowedSubmitters": allowedSubmitters.count,
            ])
    }
}
