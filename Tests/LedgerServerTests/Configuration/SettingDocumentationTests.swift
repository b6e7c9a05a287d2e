import Foundation
import Testing

@testable import LedgerServer

@Suite("Settings and their documentation")
struct SettingDocumentationTests {
    @Test("README.md names every setting")
    func documented() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        for name in SettingName.allCases {
            #expect(readme.contains("`\(name.rawValue)`"), "\(name.rawValue)")
        }
    }
}
