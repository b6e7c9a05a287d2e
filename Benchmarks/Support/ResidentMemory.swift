import Foundation

/// The memory of this process, as Linux shows it in /proc.
package enum ResidentMemory {
    /// Bytes that are in memory now.
    package static var bytes: Int { field("VmRSS:") }

    /// The most bytes that were in memory at any time.
    package static var peakBytes: Int { field("VmHWM:") }

    private static func field(_ name: String) -> Int {
        guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else {
            return 0
        }
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            return line.split(separator: " ").compactMap { Int($0) }.first.map { $0 << 10 } ?? 0
        }
        return 0
    }
}
