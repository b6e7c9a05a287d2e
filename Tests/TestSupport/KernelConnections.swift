import Foundation
import Glibc

/// TCP connections of a process as the kernel shows them.
package enum KernelConnections {
    /// How many sockets of the process are connected, or being connected, to one of these ports.
    ///
    /// - Throws: where /proc cannot be read.
    package static func count(of process: Int32, to ports: Set<Int>) throws -> Int {
        let own = try inodes(of: process)
        var count = 0
        for table in ["tcp", "tcp6"] {
            let file = try FileHandle(
                forReadingFrom: URL(fileURLWithPath: "/proc/\(process)/net/\(table)"))
            // To its end: the system says of such a file that it has no bytes.
            let text = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
            try file.close()
            for line in text.split(separator: "\n").dropFirst() {
                let fields = line.split(separator: " ", omittingEmptySubsequences: true)
                // Local address, remote address, state and inode.
                guard fields.count > 9, let colon = fields[2].lastIndex(of: ":"),
                    let port = Int(fields[2][fields[2].index(after: colon)...], radix: 16),
                    ports.contains(port), own.contains(String(fields[9]))
                else { continue }
                count += 1
            }
        }
        return count
    }

    private static func inodes(of process: Int32) throws -> Set<String> {
        let folder = "/proc/\(process)/fd"
        let files = try FileManager.default.contentsOfDirectory(atPath: folder)
        return Set(
            files.compactMap { file -> String? in
                var target = [CChar](repeating: 0, count: 64)
                // One may be closed meanwhile.
                let count = readlink("\(folder)/\(file)", &target, target.count)
                guard count > 0 else { return nil }
                let name = String(
                    decoding: target.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
                guard name.hasPrefix("socket:[") else { return nil }
                return String(name.dropFirst("socket:[".count).dropLast())
            })
    }
}
