import Foundation
import Testing

@testable import LedgerServer

@Suite("The .env file")
struct DotEnvFileTests {
    @Test(
        "A line gives its value",
        arguments: [
            ("A=b", "b"), ("A = b ", "b"), ("A=", ""), ("export A=b", "b"), ("A=b c", "b c"),
            ("A=b # c", "b"), ("A=b#c", "b#c"), ("A=#c", ""), ("A=\"b # c\" # d", "b # c"),
            ("A='b \\n \" c'", "b \\n \" c"), ("A=\"b\\n\\\"c\\\"\\\\\\$\"", "b\n\"c\"\\$"),
            ("A=b=c", "b=c"), ("A=''", ""), ("A=b\"c", "b\"c"), ("\u{FEFF}A=b", "b"),
            ("A=1\nA=2", "2"), ("A=b\r", "b"), ("A=\"b\\q\"", "b\\q"),
        ])
    func values(_ line: String, _ value: String) throws {
        #expect(try DotEnvFile.parse(line) == ["A": value])
    }

    @Test("Comments and empty lines are skipped, whatever ends a line")
    func comments() throws {
        let text = "# first\r\n\r\nA=1\r\n   # indented\nB=2\n"
        #expect(try DotEnvFile.parse(text) == ["A": "1", "B": "2"])
    }

    @Test(
        "A line that is no assignment is refused by its number, without its content",
        arguments: ["hunter2", "=b", "A-B=hunter2", "A='hunter2", "A=\"hunter2\\", "A='b' hunter2"])
    func malformed(_ line: String) throws {
        let error = #expect(throws: ConfigurationError.self) {
            try DotEnvFile.parse("# comment\n\(line)\nB=1")
        }
        #expect(error?.message.contains("line 2") == true)
        #expect(error?.message.contains("hunter2") == false)
    }

    @Test("An absent file is empty")
    func absent() throws {
        try withTemporaryDirectory { directory in
            let values = try DotEnvFile.load(workingDirectory: directory)
            #expect(values.isEmpty)
        }
    }

    @Test("A directory of that name, or bytes that are no UTF-8, stop the start")
    func unreadable() throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/.env"
            try Data([0x41, 0x3D, 0xFF]).write(to: URL(fileURLWithPath: path))
            #expect(throws: ConfigurationError.self) {
                try DotEnvFile.load(workingDirectory: directory)
            }
            try FileManager.default.removeItem(atPath: path)
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: false)
            #expect(throws: ConfigurationError.self) {
                try DotEnvFile.load(workingDirectory: directory)
            }
        }
    }
}
