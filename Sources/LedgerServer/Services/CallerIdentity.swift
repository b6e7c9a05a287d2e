package import GRPCCore
import GRPCNIOTransportHTTP2
import NIOCore
import NIOSSL
import SwiftASN1
import X509

/// Who calls, as the caller's certificate says.
package struct CallerIdentity: Hashable, Sendable {
    /// The certificate's subject alternative names, as bare values: URIs first, then DNS names.
    package let names: [String]
    /// The address that the connection comes from, for the audit log; may be a proxy's.
    package private(set) var address = ""

    /// What is sealed as `submitter`: the first URI name, else the first DNS name, else nothing.
    package var submitter: [UInt8] { Array((names.first ?? "").utf8) }

    package init(names: [String]) {
        self.names = names
    }

    /// The identity that the transport has authenticated; without a client certificate it has no names.
    package init(_ context: ServerContext) {
        guard let transport = context.transportSpecific as? HTTP2ServerTransport.Posix.Context,
            let certificate = transport.peerCertificate
        else {
            self.init(names: [])
            address = Self.address(context.remotePeer)
            return
        }
        self.init(certificate)
        address = Self.address(context.remotePeer)
    }

    /// What the gRPC library writes `ipv4:127.0.0.1:1234`.
    private static func address(_ peer: String) -> String {
        peer.hasPrefix("ipv4:") || peer.hasPrefix("ipv6:") ? String(peer.dropFirst(5)) : peer
    }

    private static func address(_ socket: NIOCore.SocketAddress?) -> String {
        guard let host = socket?.ipAddress, let port = socket?.port else { return "" }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// The same, asked of the connection; to be called on its event loop, after the handshake.
    init(of connection: any Channel) {
        let pipeline = connection.pipeline.syncOperations
        guard let certificate = try? pipeline.nioSSL_peerCertificate(),
            let bytes = try? certificate.toDERBytes(),
            let parsed = try? Certificate(derEncoded: bytes)
        else {
            self.init(names: [])
            address = Self.address(connection.remoteAddress)
            return
        }
        self.init(parsed)
        address = Self.address(connection.remoteAddress)
    }

    private init(_ certificate: Certificate) {
        guard let alternatives = try? certificate.extensions.subjectAlternativeNames
        else {
            self.init(names: [])
            return
        }
        var uris: [String] = []
        var hosts: [String] = []
        for name in alternatives {
            switch name {
            case .uniformResourceIdentifier(let uri): uris.append(uri)
            case .dnsName(let host): hosts.append(host)
            default: break
            }
        }
        self.init(names: uris + hosts)
    }
}
