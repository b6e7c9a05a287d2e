import Testing

@testable import HTTPTransport

@Suite("HTTPLocation")
struct HTTPLocationTests {
    @Test(
        "reads URLs, and writes them with their port",
        arguments: [
            ("https://witness.example.com", "https://witness.example.com:443"),
            ("http://127.0.0.1:8080/w/1", "http://127.0.0.1:8080/w/1"),
            ("HTTPS://[::1]:1/", "https://[::1]:1/"),
            ("http://a/%20/b~c", "http://a:80/%20/b~c"),
        ])
    func parses(text: String, description: String) {
        #expect(HTTPLocation(parsing: text)?.description == description)
    }

    @Test(
        "refuses what is no URL, or has parts that a setting may not have",
        arguments: [
            "", "a", "ftp://a/", "https:///x", "https://user:secret@a/", "https://a?x",
            "https://a/?x",
            "https://a/#x", "https://a/ b", "https://a/\u{7F}", "https://a/\r\nb", "https://a/ä",
            "https://a:0/", "https://a/{b}",
        ])
    func refuses(text: String) {
        #expect(HTTPLocation(parsing: text) == nil)
    }

    @Test(
        "knows the addresses of this machine, and takes no other host for one",
        arguments: [
            ("http://localhost", true), ("http://127.0.0.1", true), ("http://127.255.3.4:1", true),
            ("http://[::1]", true), ("http://127.0.0.1.example.com", false),
            ("http://127.0.0.256", false), ("http://127.1", false), ("http://localhost.a", false),
            ("http://10.0.0.1", false), ("http://[::2]", false), ("http://127.0.0.", false),
        ])
    func loopback(text: String, isLoopback: Bool) {
        #expect(HTTPLocation(parsing: text)?.origin.isLoopback == isLoopback)
    }

    @Test("time-outs are rounded up to whole milliseconds")
    func milliseconds() {
        #expect(Duration.milliseconds(1).wholeMilliseconds == 1)
        #expect(Duration.microseconds(1).wholeMilliseconds == 1)
        #expect(Duration.microseconds(1001).wholeMilliseconds == 2)
        #expect(Duration.seconds(3).wholeMilliseconds == 3000)
        #expect(Duration.zero.wholeMilliseconds == 0)
        #expect(Duration.milliseconds(-5).wholeMilliseconds == 0)
    }
}
