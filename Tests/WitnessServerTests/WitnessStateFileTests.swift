import Foundation
import LedgerCore
import TestSupport
import Testing

@testable import WitnessServer

/// What Tests/python/witness_test.py does not reach from outside.
@Suite("WitnessStateFile")
struct WitnessStateFileTests {
    private let register = WitnessRegister(entries: [
        "b.example/2": .init(size: 7, root: Digest.sha256([2])),
        "a.example/1": .init(size: .max, root: Digest.sha256([1])),
        "c.example/ü": .init(size: 0, root: MerkleTree.emptyRoot),
    ])

    @Test("what is written is read, and one register has one text")
    func roundTrip() {
        for register in [register, WitnessRegister()] {
            let bytes = WitnessStateFile.encode(register)
            #expect(WitnessStateFile.decode(bytes) == register)
        }
    }

    @Test("every changed, missing or further byte is found")
    func damaged() {
        let bytes = WitnessStateFile.encode(register)
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1
            #expect(WitnessStateFile.decode(changed) == nil)
            changed = bytes
            changed.remove(at: index)
            #expect(WitnessStateFile.decode(changed) == nil)
            #expect(WitnessStateFile.decode(Array(bytes[..<index])) == nil)
            #expect(WitnessStateFile.decode(Array(bytes[...index]) + bytes) == nil)
        }
        #expect(WitnessStateFile.decode(bytes + [0x0A]) == nil)
    }

    @Test("a file that was damaged with its sum made to fit is refused all the same")
    func forged() {
        let good = String(decoding: WitnessStateFile.encode(register), as: UTF8.self)
        let lines = good.split(separator: "\n").dropLast().map { String($0) }
        let root = lines[1].split(separator: " ")[1]
        let forgeries = [
            // Out of order, twice, other decimals, no root, a space in the origin, no header.
            [lines[0], lines[2], lines[1], lines[3]], [lines[0], lines[1], lines[1]],
            [lines[0], "07 \(root) x"], [lines[0], "7 \(root)"], [lines[0], "7 x y"],
            [lines[0], "7 \(root) x y"], [lines[0], "-7 \(root) x"], [lines[0], ""],
            Array(lines[1...]), ["immutable-ledger witness 2", lines[1]],
        ]
        for forgery in forgeries {
            let text = Array((forgery.joined(separator: "\n") + "\n").utf8)
            let sum = Array("\(Digest.sha256(text).hex)\n".utf8)
            #expect(WitnessStateFile.decode(text + sum) == nil, "\(forgery)")
        }
        let text = Array((lines[0] + "\n" + lines[1] + "\n").utf8)
        #expect(WitnessStateFile.decode(text + Array("\(Digest.sha256(text).hex)\n".utf8)) != nil)
    }

    @Test("one state has one process, and is free again when that is gone")
    func lock() throws {
        let path = FileManager.default.temporaryDirectory
            .appending(path: "witness-\(UUID().uuidString)").path
        defer {
            for end in ["", ".lock", ".new"] {
                try? FileManager.default.removeItem(atPath: path + end)
            }
        }
        do {
            let first = try WitnessStateFile(path)
            #expect(throws: WitnessStateError.self) { _ = try WitnessStateFile(path) }
            #expect(try first.read() == nil)
            try first.write(register)
            #expect(try first.read() == register)
        }
        #expect(try WitnessStateFile(path).read() == register)
    }
}
