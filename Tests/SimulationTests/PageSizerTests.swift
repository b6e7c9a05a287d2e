import LedgerStore
import Testing

@Suite("Sizes of pages")
struct PageSizerTests {
    @Test("pages grow at most twofold, up to so many keys as fit")
    func growth() {
        var sizer = PageSizer()
        var limits: [Int] = []
        for _ in 0..<10 {
            limits.append(sizer.limit)
            sizer.succeeded(keys: sizer.limit, bytes: sizer.limit * 49_000)
        }
        #expect(limits == [4, 8, 16, 21, 21, 21, 21, 21, 21, 21])
    }

    @Test("keys of one size are asked for by that size from the first page on")
    func knownSize() {
        #expect(PageSizer(unitBytes: 8_192).limit == 128)
        #expect(PageSizer(unitBytes: 1 << 30).limit == 1)
        #expect(PageSizer(unitBytes: 1).limit == PageSizer.largestLimit)
    }

    @Test("a page that came shorter than asked for does not make the next one jump")
    func shortPage() {
        var sizer = PageSizer(unitBytes: 100)
        sizer.succeeded(keys: 3, bytes: 300)
        #expect(sizer.limit == 6)
    }

    @Test(
        "what failed is halved until it comes, and never asked for again in the whole walk",
        arguments: [1, 2, 3, 5, 8, 13, 20])
    func failing(bearable: Int) {
        var sizer = PageSizer()
        var failed: [Int] = []
        var came: [Int] = []
        for _ in 0..<200 {
            if sizer.limit > bearable {
                failed.append(sizer.limit)
                _ = sizer.failed()
            } else {
                came.append(sizer.limit)
                sizer.succeeded(keys: sizer.limit, bytes: sizer.limit * 70_000)
            }
        }
        #expect(failed.count <= 4, "\(failed)")
        #expect(failed == failed.sorted(by: >), "never again as large as one that failed")
        #expect(came.allSatisfy { $0 >= 1 && $0 <= bearable })
        #expect(came.suffix(100).allSatisfy { $0 == came.last })
    }

    @Test("a single key that fails is a failure")
    func singleKey() {
        var sizer = PageSizer()
        var hadSmaller: [Bool] = []
        for _ in 0..<4 { hadSmaller.append(sizer.failed()) }
        #expect(hadSmaller == [true, true, false, false])
        #expect(sizer.limit == 1)
    }

    @Test("small keys after a failure are asked for by the bytes that came, not by their number")
    func bytesCount() {
        var sizer = PageSizer()
        sizer.succeeded(keys: 4, bytes: 4 * 250_000)
        _ = sizer.failed()
        sizer.succeeded(keys: 2, bytes: 2 * 250_000)
        #expect(sizer.limit == 2)
        for _ in 0..<10 { sizer.succeeded(keys: sizer.limit, bytes: sizer.limit * 1_000) }
        #expect(sizer.limit == 500)
    }
}
