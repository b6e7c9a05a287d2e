import LedgerCore
import Testing

@Suite("TilePath")
struct TilePathTests {
    @Test(
        "paths lead to their tile and back",
        arguments: [
            ("0/000", TilePath(kind: .hashes(level: 0), index: 0)),
            ("2/x001/x234/067", TilePath(kind: .hashes(level: 2), index: 1_234_067)),
            ("0/x001/000.p/8", TilePath(kind: .hashes(level: 0), index: 1000, width: 8)),
            ("entries/999.p/255", TilePath(kind: .entries, index: 999, width: 255)),
            ("entries/x001/x234/067", TilePath(kind: .entries, index: 1_234_067)),
        ])
    func known(_ text: String, _ path: TilePath) {
        #expect(TilePath(text) == path)
        #expect(path.text == text)
    }

    @Test(
        "other texts are no paths",
        arguments: [
            "", "0", "0/", "/000", "0/0", "0/00", "0/0000", "00/000", "64/000", "-1/000",
            "0/x000/000",
            "0/001/002", "0/x001", "0/x001/x002", "0/y001/002", "0/000.p/0", "0/000.p/256",
            "0/000.p/01",
            "0/000.p/", "0/000.p", "0/000.p/8/", "0/000/.p/8", "0/+12", "0/ 12", "data/000",
            "0/٠٠٠",
            "0/x018/x446/x744/x073/x709/x551/616", "0/x1/x1/x1/x1/x1/x1/x1/x1/x1/x1/001",
        ])
    func refused(_ text: String) {
        #expect(TilePath(text) == nil)
    }

    @Test("the largest index has a path")
    func largest() {
        let path = TilePath(kind: .hashes(level: 63), index: .max)
        #expect(path.text == "63/x018/x446/x744/x073/x709/x551/615")
        #expect(TilePath(path.text) == path)
    }
}
