import Testing

@testable import EtcdHealth

@Suite("Releases of etcd")
struct EtcdVersionTests {
    @Test(
        "3.5.0 to 3.5.2 can lose committed transactions",
        arguments: [
            ("3.4.23", false), ("3.5.0", true), ("3.5.0-rc.1", true), ("3.5.1", true),
            ("3.5.2", true), ("3.5.2+git", true), ("3.5.3", false), ("3.5.34", false),
            ("3.6.0", false), ("4.5.1", false),
        ])
    func unsafeReleases(_ text: String, _ canLoseData: Bool) {
        #expect(EtcdVersion(text)?.canLoseData == canLoseData)
    }

    @Test(
        "What is no version is none", arguments: ["", "3.5", "3.5.x", "a.b.c", "3.5.1.2", "3..1"])
    func malformed(_ text: String) {
        #expect(EtcdVersion(text) == nil)
    }

    @Test("Versions are ordered by number")
    func order() throws {
        let older = try #require(EtcdVersion("3.4.23"))
        let newer = try #require(EtcdVersion("3.5.3"))
        #expect(older < newer)
    }
}
