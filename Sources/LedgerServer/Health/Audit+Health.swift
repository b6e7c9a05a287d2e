package import LedgerAPI
import LedgerCore
package import LedgerTransparency
import SwiftProtobuf

extension AuditReport {
    /// The stored events, as the detailed view of health shows what the audit knows of them.
    package var dependency: Ledger_DependencyHealth {
        .with {
            $0.name = "audit"
            $0.type = .database
            // Sealing goes on: what was changed is before it.
            $0.isCritical = false
            $0.metadata = [
                "pass": "\(pass)", "position": "\(position)", "verified": "\(verified)",
                "findings": "\(found)",
            ]
            if let finding = firstFinding {
                $0.status = .degraded
                $0.message = "\(finding)"
                $0.error = finding.kind.rawValue
            } else {
                $0.status = .healthy
                $0.message =
                    isFailing
                    ? "stored events cannot be read at the moment; verified up to \(verified)"
                    : "stored events are verified up to \(verified)"
            }
        }
    }

    /// What the service's own message says of it; nil where nothing was found.
    package var alarm: String? {
        firstFinding.map {
            "the stored ledger was changed: \($0.kind.rawValue) at number \($0.sequenceNumber)"
        }
    }
}
