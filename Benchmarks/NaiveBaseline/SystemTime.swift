internal import Foundation

/// The time of day and the processor time of this process.
enum SystemTime {
    /// Milliseconds since 1970.
    static var epochMilliseconds: Int64 { Int64(Date().timeIntervalSince1970 * 1000) }

    /// Processor seconds that this process has used.
    static var processorSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
