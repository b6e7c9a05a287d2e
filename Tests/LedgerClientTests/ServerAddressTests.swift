import LedgerClient
import Testing

@Suite("Addresses of services")
struct ServerAddressTests {
    @Test(
        "Addresses that are understood",
        arguments: [
            ("ledger", "ledger", 50051), ("ledger:1", "ledger", 1),
            ("127.0.0.1:65535", "127.0.0.1", 65535), ("[::1]:7", "::1", 7), ("[::1]", "::1", 50051),
            ("ledger.example.com:50051", "ledger.example.com", 50051),
        ])
    func valid(text: String, host: String, port: Int) {
        #expect(ServerAddress(parsing: text) == ServerAddress(host: host, port: port))
    }

    @Test(
        "Addresses that are none",
        arguments: [
            "", ":1", "a:", "a:0", "a:65536", "a:-1", "a:b", "::1", "[::1", "[]:1", "[::1]x",
            "http://a:1", "a b:1",
        ])
    func invalid(text: String) {
        #expect(ServerAddress(parsing: text) == nil)
    }

    @Test("A description is understood again")
    func roundTrip() {
        for text in ["ledger:1", "[::1]:7"] {
            #expect(ServerAddress(parsing: text)?.description == text)
        }
    }

    @Test("Numbers in dots are an IPv4 address only where they are four small ones")
    func hostKinds() {
        #expect(ServerAddress(host: "127.0.0.1").hostKind == .ipv4)
        #expect(ServerAddress(host: "1.2.3.400").hostKind == .name)
        #expect(ServerAddress(host: "1.2.3").hostKind == .name)
        #expect(ServerAddress(host: "::1").hostKind == .ipv6)
        #expect(ServerAddress(host: "localhost").hostKind == .name)
    }
}
