package import Foundation

/// Certificates of two sets of authorities, of which links show now the one and now the other, as a volume of Kubernetes
/// does: all files of a folder change in one moment.
package struct RotatedCertificates: Sendable {
    /// One set of authorities with all that they sign; the names are the same in both.
    package enum Side: String, CaseIterable, Sendable {
        case old
        case new
    }

    /// What the service has: whom it believes, and what it shows.
    package struct Stage: Hashable, Sendable {
        package let trusts: [Side]
        package let shows: Side

        package init(trusts: [Side], shows: Side) {
            self.trusts = trusts
            self.shows = shows
        }

        var name: String {
            "trusts-\(trusts.map(\.rawValue).joined(separator: "-"))-shows-\(shows)"
        }
    }

    /// The way of docs/operations.md from the old authorities to the new ones. Every step changes either whom the service
    /// believes or what it shows, never both.
    package static let forward = [
        Stage(trusts: [.old], shows: .old), Stage(trusts: [.old, .new], shows: .old),
        Stage(trusts: [.old, .new], shows: .new), Stage(trusts: [.new], shows: .new),
    ]

    private static let authorities = ["ca", "replica-ca", "service-ca"]
    private static let leaves = ["etcd-client", "ledger-replica", "ledger-service"]

    private let folder: URL

    /// Makes all of them in a folder.
    package init(in folder: URL) async throws {
        self.folder = folder
        for side in Side.allCases { _ = try await EtcdCluster.certificates(in: self.side(side)) }
        for stage in Self.forward { try make(stage) }
        for side in Side.allCases {
            // Members read their own certificates for every handshake, but whom they believe at the start only.
            let members = folder.appending(path: "members-\(side)")
            try FileManager.default.copyItem(at: self.side(side), to: members)
            try bundle([side, side == .old ? .new : .old], "ca", in: members)
            // Among one another they go on with what they have.
            for name in ["peer-ca", "etcd-peer"] {
                try copy(name, of: .old, to: members)
            }
        }
        try turn(to: Self.forward[0])
        try turnMembers(to: .old)
    }

    /// All that an authority of this side has signed.
    package func side(_ side: Side) -> URL { folder.appending(path: side.rawValue) }

    /// What the members of etcd have.
    package var members: URL { folder.appending(path: "members") }

    /// A file that callers check the service with; both sides are in it.
    package var trustedByCallers: String { folder.appending(path: "callers.pem").path }

    /// The settings that have the service use what the link leads to.
    package var settings: [String: String] {
        func file(_ name: String) -> String { folder.appending(path: "live/\(name).pem").path }
        return [
            "LEDGER_TLS_CERT": file("ledger-service"), "LEDGER_TLS_KEY": file("ledger-service-key"),
            "LEDGER_TLS_CLIENT_CA": file("service-ca"),
            "LEDGER_INTERNAL_TLS_CERT": file("ledger-replica"),
            "LEDGER_INTERNAL_TLS_KEY": file("ledger-replica-key"),
            "LEDGER_INTERNAL_TLS_CA": file("replica-ca"), "ETCD_CA_CERT": file("ca"),
            "ETCD_CLIENT_CERT": file("etcd-client"), "ETCD_CLIENT_KEY": file("etcd-client-key"),
        ]
    }

    /// From now on the service finds these files.
    package func turn(to stage: Stage) throws {
        try turn("live", to: stage.name)
    }

    /// From now on the members of etcd show this side's certificate.
    package func turnMembers(to side: Side) throws {
        try turn("members", to: "members-\(side)")
    }

    private func turn(_ link: String, to target: String) throws {
        let next = folder.appending(path: "\(link).next").path
        try FileManager.default.createSymbolicLink(atPath: next, withDestinationPath: target)
        guard rename(next, folder.appending(path: link).path) == 0 else {
            throw TestFailure("the link \(link) could not be turned to \(target)")
        }
    }

    private func make(_ stage: Stage) throws {
        let place = folder.appending(path: stage.name)
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: false)
        for name in Self.authorities { try bundle(stage.trusts, name, in: place) }
        for name in Self.leaves { try copy(name, of: stage.shows, to: place) }
        let callers = folder.appending(path: "callers.pem")
        try bundle(Side.allCases, "service-ca", in: folder)
        try? FileManager.default.removeItem(at: callers)
        try FileManager.default.moveItem(
            at: folder.appending(path: "service-ca.pem"), to: callers)
    }

    private func bundle(_ sides: [Side], _ name: String, in place: URL) throws {
        var content = Data()
        for side in sides {
            content += try Data(contentsOf: self.side(side).appending(path: "\(name).pem"))
        }
        try content.write(to: place.appending(path: "\(name).pem"))
    }

    private func copy(_ name: String, of side: Side, to place: URL) throws {
        for file in ["\(name).pem", "\(name)-key.pem"] {
            let target = place.appending(path: file)
            try? FileManager.default.removeItem(at: target)
            try FileManager.default.copyItem(at: self.side(side).appending(path: file), to: target)
        }
    }
}
