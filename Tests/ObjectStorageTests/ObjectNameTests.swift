import ObjectStorage
import Testing

@Suite("Names and locations of objects")
struct ObjectNameTests {
    @Test(
        "a name is parts between slashes",
        arguments: ["checkpoint", "tile/entries/x001/234.p/5", "ids/7", "a..b", "...", "A-_.z"])
    func names(text: String) throws {
        #expect(try ObjectName(text).text == text)
    }

    @Test(
        "what could leave a folder or be encoded is no name",
        arguments: [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a b", "a%2fb", "ä",
            "a\u{0}", "a\\b", "a~", String(repeating: "a", count: 256),
            String(repeating: "a/", count: 256) + "a",
        ])
    func noNames(text: String) {
        #expect(throws: ObjectStoreError.self) { try ObjectName(text) }
    }

    @Test("names are in the order of their bytes")
    func order() throws {
        let texts = ["a-b", "a.b", "a/b", "a0", "aB", "a_", "ab"]
        let names = try texts.map { try ObjectName($0) }
        #expect(names.shuffled().sorted() == names)
    }

    @Test("a location is the same when it is written and read again")
    func locations() throws {
        #expect(try ObjectLocation(parsing: "s3://a.b-1") == .s3(bucket: "a.b-1", prefix: ""))
        #expect(
            try ObjectLocation(parsing: "s3://bucket/x/y/") == .s3(bucket: "bucket", prefix: "x/y"))
        #expect(try ObjectLocation(parsing: "file:///srv/a/") == .folder("/srv/a"))
        for text in ["s3://bucket", "s3://bucket/x/y", "file:///srv/a"] {
            #expect(try ObjectLocation(parsing: text).description == text)
        }
    }

    @Test(
        "what is no location is a setting's error",
        arguments: [
            "", "bucket", "S3://bucket", "s3://", "s3://ab", "s3://Bucket", "s3://-ab", "s3://a..b",
            "s3://bucket/a//b", "s3://bucket/../b", "s3://bucket/a?b", "s3://key:secret@bucket",
            "file://", "file:///", "file://host/folder", "file://folder", "file:///a/../b",
            "file:///a%20b", "file:///a b", "https://bucket",
        ])
    func noLocations(text: String) {
        let error = #expect(throws: ObjectStoreError.self) { try ObjectLocation(parsing: text) }
        #expect(error?.kind == .configuration)
    }
}
