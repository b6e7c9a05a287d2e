import LedgerAPI
import ServiceLifecycle
import SwiftProtobuf
import Synchronization

/// Something that is made of PEM files, and is made anew when they change.
protocol ReloadedSource: Sendable {
    /// Takes over what the files hold now, where it has changed and can be used.
    func look()
    var reports: [ReloadReport] { get }
}

/// Looks again and again whether the files of certificates, keys and authorities have changed: one place for those of the
/// ports, of the links between replicas, and of what libcurl shows and believes.
final class PEMReloader: Service {
    /// How often the files are looked at. What is found twice counts, so a change does after twice this at the latest.
    static let interval = Duration.milliseconds(250)

    private let sources = Mutex<[any ReloadedSource]>([])

    /// Looks after one more from now on.
    func add(_ source: any ReloadedSource) {
        sources.withLock { $0.append(source) }
    }

    /// One for each set of files.
    var reports: [ReloadReport] { sources.withLock { $0 }.flatMap(\.reports) }

    func run() async {
        // Ends by being cancelled, which is no failure.
        try? await cancelWhenGracefulShutdown {
            while true {
                try await Task.sleep(for: Self.interval)
                for source in self.sources.withLock({ $0 }) { source.look() }
            }
        }
    }

    /// What the detailed view of health says: nothing while every file can be used.
    var dependencies: [Ledger_DependencyHealth] {
        let unused = reports.filter { $0.problem != nil }
        guard !unused.isEmpty else { return [] }
        return [
            .with {
                $0.name = "certificates"
                // Those before are still used.
                $0.isCritical = false
                $0.status = .degraded
                $0.message =
                    "the new files of \(unused.map(\.setting.rawValue).joined(separator: ", ")) "
                    + "cannot be used; those before still are"
                $0.error = "reload_failed"
            }
        ]
    }
}
