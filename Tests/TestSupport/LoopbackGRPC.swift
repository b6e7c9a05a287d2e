package import GRPCCore
package import GRPCNIOTransportHTTP2

/// A client that is connected over loopback to a server with these services.
package func withLoopbackClient<Result: Sendable>(
    to services: [any RegistrableRPCService], interceptors: [any ServerInterceptor] = [],
    _ body: (
        GRPCClient<HTTP2ClientTransport.Posix>, GRPCServer<HTTP2ServerTransport.Posix>
    ) async throws -> Result
) async throws -> Result {
    let transport = HTTP2ServerTransport.Posix(
        address: .ipv4(host: "127.0.0.1", port: 0), transportSecurity: .plaintext)
    return try await withGRPCServer(
        transport: transport, services: services, interceptors: interceptors
    ) { server in
        let port = try await transport.listeningAddress.ipv4?.port ?? 0
        return try await withGRPCClient(
            transport: HTTP2ClientTransport.Posix(
                target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: .plaintext)
        ) { client in
            try await body(client, server)
        }
    }
}
