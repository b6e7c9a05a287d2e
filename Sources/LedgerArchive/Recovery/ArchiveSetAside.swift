package import LedgerCore
package import LedgerStore
package import ObjectStorage

/// Moves away what lies in an archive and belongs to no log: objects of events behind the signed checkpoint.
///
/// An archiver writes objects before the checkpoint that covers them. Where it is killed in between, and etcd is restored
/// from a snapshot that lacks those events, the numbers are given to other ones, whose objects have the same names and
/// other bytes. What a checkpoint covers, or etcd records as archived, is never touched; and nothing is destroyed.
package struct ArchiveSetAside: Sendable {
    /// So many objects are moved at most; the same command goes on.
    package static let mostObjects = 65_536
    private static let page = 1_000
    /// After so many objects it is looked again whether anybody has published or sealed meanwhile.
    private static let part = 64

    package struct Plan: Sendable {
        /// Events up to this number are in the archive for good.
        package let size: UInt64
        /// What no log of that size has, in the order of the names.
        package let names: [ObjectName]
    }

    private let objects: any ObjectStore
    private let keys: [NoteVerifier]
    private let store: LedgerStore

    /// - Parameters:
    ///   - keys: the ledger's; one of them must have signed the archive's checkpoint.
    ///   - store: the ledger's etcd, of which no replica may seal meanwhile.
    package init(_ objects: any ObjectStore, keys: [NoteVerifier], store: LedgerStore) {
        self.objects = objects
        self.keys = keys
        self.store = store
    }

    /// Does it.
    ///
    /// - Parameters:
    ///   - folder: what the new names begin with, behind `aside/`: one that was never used.
    ///   - waiting: called while a replica holds the hint, or did until a moment ago.
    ///   - confirm: asked before anything is moved, where there is anything; false: nothing is.
    /// - Returns: what was moved; nil where it was not confirmed.
    /// - Throws: `archiveChanged` where the log has grown since it was planned: what was left over may be part of it now.
    package func run(
        into folder: String, waiting: (String) -> Void, confirm: (Plan) throws -> Bool
    ) async throws -> Plan? {
        _ = try await store.observeWithoutSealer(waiting)
        let plan = try await plan()
        guard !plan.names.isEmpty else { return plan }
        guard try confirm(plan) else { return nil }
        // Whoever was asked may have taken his time.
        _ = try await store.observeWithoutSealer(waiting)
        for (place, name) in plan.names.enumerated() {
            if place.isMultiple(of: Self.part), try await size() != plan.size {
                throw RecoveryError.archiveChanged("the archive's size")
            }
            try await move(name, to: "aside/\(folder)/\(name)")
        }
        return plan
    }

    private func plan() async throws(RecoveryError) -> Plan {
        let size = try await size()
        do throws(ArchiveFinding) {
            return Plan(size: size, names: try await leftovers(behind: size))
        } catch {
            throw .archive(error)
        }
    }

    /// Events up to this number are in the archive for good.
    private func size() async throws(RecoveryError) -> UInt64 {
        let record: ArchiveRecord?
        do throws(LedgerStoreError) {
            record = try await store.archive()?.record
        } catch {
            throw .store(error)
        }
        if let record, record.location != objects.location { throw .otherArchive(record.location) }
        do throws(ArchiveFinding) {
            let note = try await ArchiveVerification(objects, keys: keys).checkpoint()
            // An archiver that was late may have put back a smaller checkpoint: what is recorded was read back.
            return max(note.checkpoint.size, record?.through.rawValue ?? 0)
        } catch {
            throw .archive(error)
        }
    }

    private func leftovers(behind size: UInt64) async throws(ArchiveFinding) -> [ObjectName] {
        var found: [ObjectName] = []
        for prefix in ["ids/", "tile/"] {
            var last: ObjectName?
            while found.count < Self.mostObjects {
                let names: [ObjectName]
                do throws(ObjectStoreError) {
                    names = try await objects.list(prefix: prefix, after: last, limit: Self.page)
                } catch {
                    throw .storage(error)
                }
                found += names.filter { ArchiveObject($0)?.isBehind(size) ?? false }
                guard names.count == Self.page else { break }
                last = names.last
            }
        }
        return Array(found.prefix(Self.mostObjects))
    }

    /// Copies an object, reads the copy back, and only then removes the object.
    private func move(_ name: ObjectName, to text: String) async throws(RecoveryError) {
        let maximum = ArchiveObject(name)?.maxByteCount ?? 0
        do throws(ObjectStoreError) {
            let target = try ObjectName(text)
            guard let bytes = try await objects.read(name, maximum: maximum) else { return }
            _ = try await objects.putIfAbsent(target, bytes)
            guard try await objects.read(target, maximum: maximum) == bytes else {
                throw ObjectStoreError(.invalidAnswer, "\(target) was written, and is not there")
            }
            try await objects.remove(name)
        } catch {
            throw .archive(.storage(error))
        }
    }
}

extension ArchiveObject {
    /// Whether it has anything of an event behind a number: then no log of that size has it.
    package func isBehind(_ size: UInt64) -> Bool {
        switch self {
        case .checkpoint: return false
        case .segment(let number): return number >= size / UInt64(IdSegment.width)
        case .tile(let path):
            let level =
                switch path.kind {
                case .hashes(let level): level
                case .entries: 0
                }
            let count = TileStack.hashCount(size: size, level: level)
            let width = UInt64(TileID.width)
            return path.index > count / width
                || (path.index == count / width && UInt64(path.width) > count % width)
        }
    }
}
