import Testing
import TextFormats

@Suite("JSONReader")
struct JSONReaderTests {
    private func skipping(_ text: String) throws {
        var reader = JSONReader(Array(text.utf8))
        try reader.skip()
        try reader.end()
    }

    @Test(
        "skips every form of value",
        arguments: [
            "0", "-0", "12", "-1.5e+10", "1E5", "1e-7", "0.5", "true", "false", "null", "\"\"",
            #""a\"\\\/\b\f\n\r\t\u0041\uD83D\uDE00é""#, "[]", "[1, 2 ,[3]]", "{}",
            #"{"a":1,"b":{"c":[null]}}"#, " \t\r\n{ } \n",
        ])
    func skipsValues(text: String) throws {
        try skipping(text)
    }

    @Test(
        "refuses what is not JSON",
        arguments: [
            "", " ", "01", "-", "1.", ".5", "1e", "1e+", "+1", "0x1", "tru", "True", "nul", "\"",
            "\"a", #""\x""#, #""\u12""#, #""\u12G4""#, #""\uD83D""#, #""\uD83Dx""#, #""\uDE00""#,
            #""\uD83D\u0041""#, "\"\u{01}\"", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{",
            "{\"a\"",
            "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}", "{1:1}", "{\"a\" 1}",
            "{\"a\":1 \"b\":2}", "1 2", "{} x", "[]]", "\"a\"\"b\"", #"{"a":1,"a":2}"#,
            #"{"a":1,"\u0061":2}"#,
        ])
    func refuses(text: String) {
        #expect(throws: JSONFailure.self) { try skipping(text) }
    }

    @Test(
        "refuses strings that are not UTF-8",
        arguments: [
            [0x22, 0xFF, 0x22], [0x22, 0xC3, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22],
            [0x22, 0x5C, 0x6E, 0xC3, 0x22],
        ] as [[UInt8]])
    func refusesInvalidUTF8(bytes: [UInt8]) {
        #expect(throws: JSONFailure.self) {
            var reader = JSONReader(bytes)
            try reader.skip()
        }
    }

    @Test("refuses what is nested without end, and does not fall over it")
    func refusesDeepNesting() {
        #expect(throws: JSONFailure.self) {
            try skipping(String(repeating: "[", count: 100_000))
        }
        #expect(throws: JSONFailure.self) {
            try skipping(String(repeating: "{\"a\":", count: 100_000))
        }
    }

    @Test("reads 64-bit integers in quotes, and nothing else as such")
    func quotedIntegers() throws {
        func read(_ text: String) throws -> Int64 {
            var reader = JSONReader(Array(text.utf8))
            return try reader.quotedInteger()
        }
        #expect(try read("\"0\"") == 0)
        #expect(try read(" \"9223372036854775807\"") == .max)
        #expect(try read("\"-9223372036854775808\"") == .min)
        for wrong in [
            "0", "\"\"", "\"-\"", "\"-0\"", "\"00\"", "\"01\"", "\"+1\"", "\" 1\"", "\"1 \"",
            "\"1.0\"", "\"1e3\"", "\"9223372036854775808\"", "\"1", "null", "\"٣\"",
        ] {
            #expect(throws: JSONFailure.self, "\(wrong)") { try read(wrong) }
        }
        var unsigned = JSONReader(Array("\"18446744073709551615\"".utf8))
        let largest: UInt64 = try unsigned.quotedInteger()
        #expect(largest == .max)
        #expect(throws: JSONFailure.self) {
            var negative = JSONReader(Array("\"-1\"".utf8))
            _ = try negative.quotedInteger() as UInt64
        }
    }

    @Test("reads plain integers, and no other numbers")
    func plainIntegers() throws {
        func read(_ text: String) throws -> Int64 {
            var reader = JSONReader(Array(text.utf8))
            return try reader.integer()
        }
        #expect(try read("14") == 14)
        #expect(try read(" -7,") == -7)
        for wrong in ["\"1\"", "1.0", "1e2", "01", "", "-", "99999999999999999999"] {
            #expect(throws: JSONFailure.self, "\(wrong)") { try read(wrong) }
        }
    }

    @Test("unescapes strings")
    func strings() throws {
        var reader = JSONReader(Array(#""a\"\\\/\b\f\n\r\t\u0041\uD83D\uDE00é""#.utf8))
        let text = try reader.string()
        #expect(text == "a\"\\/\u{08}\u{0C}\n\r\tA😀é")
    }

    @Test("reads plain strings where nothing else may stand for them")
    func plainStrings() throws {
        func read(_ text: String) throws -> String {
            try JSONReader.whole(Array(text.utf8), strings: .plain) {
                reader throws(JSONFailure) in try reader.string()
            }
        }
        #expect(try read("\"a ~/\"") == "a ~/")
        for wrong in [#""\u0061""#, #""\/""#, "\"é\"", "\"\u{7F}\"", "\"\u{1F}\"", "\"a"] {
            #expect(throws: JSONFailure.self, "\(wrong)") { try read(wrong) }
        }
        #expect(throws: JSONFailure.self) {
            var reader = JSONReader(Array(#"{"\u0061":1}"#.utf8), strings: .plain)
            try reader.skip()
        }
    }

    @Test("a name that comes twice is found among few and among many")
    func doubleNames() {
        for count in [1, 2, 15, 16, 17, 40] {
            let names = (0..<count).map { "n\($0)" }
            for name in [names[0], names[count - 1]] {
                let members = (names + [name]).map { "\"\($0)\":0" }.joined(separator: ",")
                let error = #expect(throws: JSONFailure.self) { try skipping("{\(members)}") }
                #expect(error?.reason == "the name \"\(name)\" comes twice")
            }
        }
    }
}
