import TestSupport
import Testing

@testable import ObjectStorage

@Suite("The XML of S3's answers")
struct XMLNodeTests {
    private func parse(_ text: String) -> XMLNode? { XMLNode(parsing: Array(text.utf8)) }

    @Test("elements, text, entities and attributes are read")
    func reading() throws {
        let node = try #require(
            parse(
                """
                <?xml version='1.0' encoding="UTF-8"?>
                <a xmlns="http://s3.amazonaws.com/doc/2006-03-01/" b = 'c>'>
                  <d>x&amp;&lt;&gt;&quot;&apos;&#228;&#x20AC;ä</d><e/><d >second</d\t>
                </a>

                """))
        #expect(node.name == "a")
        #expect(node.children.map(\.name) == ["d", "e", "d"])
        #expect(node.text(of: "d") == "x&<>\"'ä€ä")
        #expect(node.text(of: "e") == "")
        #expect(node.text(of: "f") == nil)
    }

    @Test(
        "anything else is no answer",
        arguments: [
            "", " ", "a", "<a>", "<a", "<a></b>", "<a/><b/>", "<a/>x", "<a><b></a></b>",
            "<a>&b;</a>",
            "<a>&#0x;</a>", "<a>&#xD800;</a>", "<a>&#99999999;</a>", "<a b></a>", "<a b=c></a>",
            "<a b='c></a>", "<!DOCTYPE a><a/>", "<a><!-- b --></a>", "<a><![CDATA[b]]></a>",
            "<a><?b?></a>", "<?xml", "<a>\u{0}</a", "</a>", "<>x</>", "<a>&amp</a>",
        ])
    func refused(text: String) {
        #expect(parse(text) == nil)
    }

    @Test("a text that is no UTF-8 is no answer")
    func encoding() {
        #expect(XMLNode(parsing: Array("<a>".utf8) + [0xC3, 0x28] + Array("</a>".utf8)) == nil)
    }

    @Test("depth and number of elements are bounded")
    func bounds() {
        func nested(_ depth: Int) -> String {
            String(repeating: "<a>", count: depth) + String(repeating: "</a>", count: depth)
        }
        #expect(parse(nested(XMLNode.maxDepth)) != nil)
        #expect(parse(nested(XMLNode.maxDepth + 1)) == nil)
        #expect(parse(nested(100_000)) == nil)
        func wide(_ count: Int) -> String {
            "<a>" + String(repeating: "<b/>", count: count - 1) + "</a>"
        }
        #expect(parse(wide(XMLNode.maxCount)) != nil)
        #expect(parse(wide(XMLNode.maxCount + 1)) == nil)
    }

    @Test("whatever bytes come, reading ends")
    func mutations() {
        var random = ReplayableRandom()
        let seed = random.note
        let whole = Array(
            "<?xml version='1.0'?><a b=\"c\"><d>x&amp;&#xe4;</d><e/><f><g>h</g></f></a>".utf8)
        #expect(XMLNode(parsing: whole) != nil)
        let letters = Array("<>/&;#x\"'=? a\u{0}".utf8)
        var refusedCount = 0
        for _ in 0..<20_000 {
            var bytes = Array(whole.prefix(Int.random(in: 0...whole.count, using: &random)))
            for _ in 0..<Int.random(in: 0...3, using: &random) where !bytes.isEmpty {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                bytes[index] = letters.randomElement(using: &random) ?? 0
            }
            if XMLNode(parsing: bytes) == nil { refusedCount += 1 }
        }
        #expect(refusedCount > 10_000, "\(seed)")
    }

    @Test("a listing that is not one is an error, and never an empty one")
    func listings() throws {
        func listing(_ text: String, limit: Int = 9) throws -> S3Listing {
            try S3Listing(parsing: Array(text.utf8), limit: limit)
        }
        let entry = "<Contents><Key>a%2Fb+c</Key></Contents>"
        let encoded = "<EncodingType>url</EncodingType>"
        let end = "<IsTruncated>false</IsTruncated>"
        #expect(
            try listing("<ListBucketResult>\(encoded)\(entry)\(end)</ListBucketResult>").keys
                == ["a/b c"])
        #expect(
            try listing("<ListBucketResult>\(entry)\(end)</ListBucketResult>").keys == ["a%2Fb+c"])
        for text in [
            "", "<ListBucketResult/>", "<Error><Code>SlowDown</Code></Error>",
            "<ListBucketResult>\(entry)</ListBucketResult>",
            "<ListBucketResult>\(entry)<IsTruncated>true</IsTruncated></ListBucketResult>",
            "<ListBucketResult><Contents/>\(end)</ListBucketResult>",
            "<ListBucketResult>\(encoded)<Contents><Key>%4</Key></Contents>\(end)</ListBucketResult>",
            "<ListBucketResult>\(entry)\(entry)\(end)</ListBucketResult",
        ] {
            #expect(throws: ObjectStoreError.self, "\(text)") { try listing(text) }
        }
        #expect(throws: ObjectStoreError.self) {
            try listing("<ListBucketResult>\(entry)\(entry)\(end)</ListBucketResult>", limit: 1)
        }
    }
}
