import Foundation
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Memory, CPU time and age of this process, read from /proc/self at every scrape.
package enum ProcessMetrics {
    /// Adds the `process_` metrics under their usual names.
    package static func register(in registry: PrometheusRegistry) {
        registry.sampled(
            "process_resident_memory_bytes", .gauge, help: "Resident memory size in bytes."
        ) { residentMemoryBytes() }
        registry.sampled(
            "process_cpu_seconds_total", .counter,
            help: "User and system CPU time spent in seconds."
        ) { cpuSeconds() }
        let start = startTimeSeconds()
        registry.sampled(
            "process_start_time_seconds", .gauge,
            help: "Start time of the process since the Unix epoch in seconds."
        ) { start }
        registry.sampled(
            "process_open_fds", .gauge, help: "Number of open file descriptors."
        ) { openFileDescriptors() }
        registry.sampled(
            "process_max_fds", .gauge, help: "Maximum number of open file descriptors."
        ) { maxFileDescriptors() }
        registry.sampled(
            "process_virtual_memory_bytes", .gauge, help: "Virtual memory size in bytes."
        ) { statFields()?[23] }
        registry.sampled(
            "process_threads", .gauge, help: "Number of OS threads in the process."
        ) { statFields()?[20] }
    }

    /// The soft limit; nothing where there is none.
    static func maxFileDescriptors() -> Double? {
        guard let text = read("/proc/self/limits") else { return nil }
        let name = "Max open files"
        let line = text.split(separator: "\n").first { $0.hasPrefix(name) }
        return line?.dropFirst(name.count).split(whereSeparator: \.isWhitespace).first
            .flatMap { Double($0) }
    }

    /// The second field of statm, in pages.
    static func residentMemoryBytes() -> Double? {
        guard let fields = read("/proc/self/statm")?.split(separator: " "), fields.count > 1,
            let pages = Double(fields[1])
        else { return nil }
        return pages * Double(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// The fields utime and stime of stat.
    static func cpuSeconds() -> Double? {
        guard let fields = statFields(), let user = fields[14], let system = fields[15] else {
            return nil
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// The field starttime of stat, which counts from boot.
    static func startTimeSeconds() -> Double? {
        guard let fields = statFields(), let sinceBoot = fields[22],
            let stat = read("/proc/stat"),
            let line = stat.split(separator: "\n").first(where: { $0.hasPrefix("btime ") }),
            let boot = Double(line.dropFirst("btime ".count))
        else { return nil }
        return boot + sinceBoot / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    static func openFileDescriptors() -> Double? {
        let entries = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        return entries.map { Double($0.count) }
    }

    /// The fields of /proc/self/stat by their number in proc(5); the name in parentheses, which may
    /// hold anything, is number 2.
    private static func statFields() -> [Int: Double]? {
        guard let text = read("/proc/self/stat"),
            let end = text.lastIndex(of: ")")
        else { return nil }
        let rest = text[text.index(after: end)...].split(whereSeparator: \.isWhitespace)
        var fields: [Int: Double] = [:]
        for (offset, field) in rest.enumerated() {
            fields[offset + 3] = Double(field)
        }
        return fields
    }

    private static func read(_ path: String) -> String? {
        // Files in /proc have no size, so they are read to their end.
        guard let handle = FileHandle(forReadingAtPath: path) else { return nil }
        defer { try? handle.close() }
        guard let data = try? handle.readToEnd() else { return nil }
        return String(decoding: data, as: UTF8.self)
    }
}
