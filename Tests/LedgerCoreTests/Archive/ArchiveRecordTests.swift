import LedgerCore
import Testing

@Suite("The archive's records")
struct ArchiveRecordTests {
    @Test("the record's stored form is the documented one, and is read back")
    func record() throws {
        let record = try ArchiveRecord(
            location: "s3://bucket/prefix", through: SequenceNumber(rawValue: 9_000),
            trimmed: SequenceNumber(rawValue: 8_192))
        let bytes = record.encodedJSON()
        let text =
            #"{"version":1,"location":"s3://bucket/prefix","through":9000,"trimmed":8192}"#
        #expect(bytes == Array(text.utf8))
        #expect(try ArchiveRecord(decodingJSON: bytes) == record)
        let spaced = #" {"trimmed" : 0, "through":0,"location":"file:///a", "version":1} "#
        #expect(
            try ArchiveRecord(decodingJSON: Array(spaced.utf8))
                == ArchiveRecord(location: "file:///a", through: .zero))
    }

    @Test(
        "a record that allows what is not safe is refused",
        arguments: [
            #"{"version":2,"location":"file:///a","through":1,"trimmed":0}"#,
            #"{"version":1,"location":"file:///a","through":4095,"trimmed":4096}"#,
            #"{"version":1,"location":"file:///a","through":9000,"trimmed":4097}"#,
            #"{"version":1,"location":"","through":1,"trimmed":0}"#,
            #"{"version":1,"location":"file:///a b","through":1,"trimmed":0}"#,
            #"{"version":1,"location":"file:///a","through":1}"#,
            #"{"version":1,"location":"file:///a","through":1,"trimmed":0,"more":1}"#,
            #"{"version":1,"location":"file:///a","through":9223372036854775808,"trimmed":0}"#,
            #"{"version":1,"location":"file:///a","through":-1,"trimmed":0}"#, "", "[]",
        ])
    func refused(text: String) {
        #expect(throws: FormatError.self) { try ArchiveRecord(decodingJSON: Array(text.utf8)) }
    }

    @Test("the digest of segments depends on each of them and on their order")
    func digest() throws {
        let one = SegmentsDigest.ofSegment([1])
        let two = SegmentsDigest.ofSegment([2])
        var digest = SegmentsDigest()
        digest.append(one)
        digest.append(two)
        // hashlib: d=bytes(32); for s in (b"\x01", b"\x02"): d=sha256(d+sha256(s).digest()).digest()
        #expect(
            digest.digest.hex
                == "ae54095e475d3928b223cf378f8aa1995a614c4d2a5b867436d5c988e02909ae")
        var swapped = SegmentsDigest()
        swapped.append(two)
        swapped.append(one)
        #expect(digest.count == 2)
        #expect(swapped.digest != digest.digest)
        #expect(try SegmentsDigest(decodingJSON: digest.encodedJSON()) == digest)
        let wrong = #"{"version":1,"segments":2,"digest":"00"}"#
        #expect(throws: FormatError.self) { try SegmentsDigest(decodingJSON: Array(wrong.utf8)) }
    }
}
