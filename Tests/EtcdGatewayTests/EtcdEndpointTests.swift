import Testing

@testable import EtcdGateway

@Suite("EtcdEndpoint")
struct EtcdEndpointTests {
    @Test(
        "reads addresses and writes them again",
        arguments: [
            ("https://127.0.0.1:2379", "https://127.0.0.1:2379", "127.0.0.1:2379"),
            ("http://localhost:2379", "http://localhost:2379", "localhost:2379"),
            ("HTTPS://etcd-0.etcd:12379/", "https://etcd-0.etcd:12379", "etcd-0.etcd:12379"),
            ("https://etcd", "https://etcd:2379", "etcd:2379"),
            ("https://[::1]:2380", "https://[::1]:2380", "[::1]:2380"),
            ("https://[fe80::1]", "https://[fe80::1]:2379", "[fe80::1]:2379"),
        ])
    func parses(text: String, description: String, hostPort: String) throws {
        let endpoint = try EtcdEndpoint(parsing: text)
        #expect(endpoint.description == description)
        #expect(endpoint.hostPort == hostPort)
        #expect(try EtcdEndpoint(parsing: endpoint.description) == endpoint)
    }

    @Test(
        "refuses everything else",
        arguments: [
            "", "localhost:2379", "ftp://a:1", "https://", "https://:2379", "https://a:",
            "https://a:0",
            "https://a:65536", "https://a:-1", "https://a:+1", "https://a:1:2", "https://a:1/path",
            "https://a/v3", "https://user@a:1", "https://a:1?x", "https://a b:1",
            "https://::1:2379",
            "https://[::1", "https://[]:1", "https://[a]:1", "https://[::1]x", "https://a:١",
            "https://a\r\nb:1", "https://a:1,https://b:1",
        ])
    func refuses(text: String) {
        do throws(EtcdError) {
            _ = try EtcdEndpoint(parsing: text)
            Issue.record("\(text) was taken for an endpoint")
        } catch {
            #expect(error.code == .configuration)
            #expect(error.failureClass == .notSent)
        }
    }
}
