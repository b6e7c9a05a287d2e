import Foundation
package import LedgerAPI
import SwiftProtobuf

extension Ledger_CertifiedEvent {
    /// An event whose content follows from its id, so that it can be submitted again as it was.
    package static func sample(_ id: String, payloadBytes: Int = 64) -> Self {
        .with {
            $0.eventID = id
            let pattern = Array("payload of \(id);".utf8)
            $0.payload = Data((0..<payloadBytes).map { pattern[$0 % pattern.count] })
            $0.vepsSignature = "signature of \(id)"
            $0.vepsTimestamp = 1_700_000_000_000 + Int64(id.utf8.count)
            $0.metadata = ["kind": "sample", "a": "ä"]
        }
    }

    /// So many events with ids of one prefix.
    package static func samples(
        _ prefix: String, count: Int, payloadBytes: Int = 64
    ) -> [Self] {
        (1...count).map { .sample("\(prefix)-\($0)", payloadBytes: payloadBytes) }
    }
}
