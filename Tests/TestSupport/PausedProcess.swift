import Foundation
import Glibc

/// Stops a process without ending it (SIGSTOP), and returns when it has stopped: a process goes on for a while after the
/// signal was sent, on a busy machine for long enough to answer a request.
func pauseProcess(_ processID: Int32) {
    guard kill(processID, SIGSTOP) == 0 else { return }
    let tasks = "/proc/\(processID)/task"
    while let names = try? FileManager.default.contentsOfDirectory(atPath: tasks),
        names.contains(where: { isRunning("\(tasks)/\($0)/stat") })
    { usleep(1_000) }
}

/// Whether a thread may still do something. Its state stands behind its name, which is in parentheses.
private func isRunning(_ stat: String) -> Bool {
    guard let text = try? String(contentsOfFile: stat, encoding: .utf8),
        let state = text.split(separator: ") ").last?.first
    else { return false }
    return !"TtZX".contains(state)
}
