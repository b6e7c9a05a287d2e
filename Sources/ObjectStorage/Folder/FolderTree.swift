import Glibc
import Synchronization

/// The files below a folder; every function blocks.
///
/// Each call walks from the root part by part and follows no link, so that whatever somebody else puts there, nothing
/// outside of the folder is read or written.
final class FolderTree: Sendable {
    let root: String
    private let lastCleaning = Mutex<ContinuousClock.Instant?>(nil)

    /// How often a write begins again because its folder was removed meanwhile, which happens where somebody else
    /// removes the last object in it.
    private static let maxWalks = 8
    /// Where files are until they have all their bytes. No object has this name, because of its first letter.
    static let temporaryFolder = "~put"
    /// What a killed process left there is removed when it is this old, in seconds.
    static let leftoverAge = 3600
    /// How often it is looked for.
    private static let cleaningInterval = Duration.seconds(3600)

    init(root: String) {
        self.root = root
    }

    func read(_ name: ObjectName, maximum: Int) throws(ObjectStoreError) -> [UInt8]? {
        guard let folder = try folders(of: name, makingThem: false)?.last else { return nil }
        // Strings are passed as pointers that live for the call. A pipe must not hold the thread up.
        let number = unsafe openat(
            folder.number, name.file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        guard let file = Descriptor(number) else {
            if errno == ENOENT { return nil }
            throw .system(name.text, errno)
        }
        var status = stat()
        // The pointer is to a local variable.
        guard unsafe fstat(file.number, &status) == 0 else { throw .system(name.text, errno) }
        if status.st_mode & S_IFMT == S_IFDIR { return nil }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ObjectStoreError(.notAllowed, "\(name) is not a file")
        }
        guard status.st_size <= maximum else { throw .tooLarge(name, maximum: maximum) }
        return try file.readAll(name, size: Int(status.st_size), maximum: maximum)
    }

    func write(
        _ name: ObjectName, _ bytes: [UInt8], replacing: Bool
    ) throws(ObjectStoreError) -> PutResult {
        for _ in 0..<Self.maxWalks {
            if let result = try writeOnce(name, bytes, replacing: replacing) { return result }
        }
        throw ObjectStoreError(.unavailable, "the folder of \(name) is removed again and again")
    }

    func remove(_ name: ObjectName) throws(ObjectStoreError) {
        guard let folders = try folders(of: name, makingThem: false), let folder = folders.last
        else { return }
        // Where a folder has that name, it is not an object.
        if try mode(of: name.file, in: folder) == S_IFDIR { return }
        // Strings are passed as pointers that live for the call.
        guard unsafe unlinkat(folder.number, name.file, 0) == 0 || errno == ENOENT else {
            throw .system(name.text, errno)
        }
        try folder.syncFolder(name)
        // The folders that are empty now go as well; the system refuses that for all others.
        for (parent, part) in zip(folders, name.parts.dropLast()).reversed() {
            guard unsafe unlinkat(parent.number, String(part), AT_REMOVEDIR) == 0 else { return }
        }
    }
}

// MARK: Writing

extension FolderTree {
    /// - Returns: Nil where the folder vanished.
    private func writeOnce(
        _ name: ObjectName, _ bytes: [UInt8], replacing: Bool
    ) throws(ObjectStoreError) -> PutResult? {
        guard let folders = try folders(of: name, makingThem: true), let folder = folders.last
        else { return nil }
        if !replacing, let mode = try mode(of: name.file, in: folder) {
            guard mode != S_IFDIR else { throw .system(name.text, EISDIR) }
            try sync(folders, name)
            return .exists
        }
        guard let temporaries = try temporaryFolder(in: folders[0]) else { return nil }
        removeLeftovers(temporaries)
        let temporary = "\(getpid())-\(UInt64.random(in: .min ... .max))"
        // Strings are passed as pointers that live for the call, here and below.
        let number = unsafe openat(
            temporaries.number, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
            0o644)
        guard let file = Descriptor(number) else {
            if errno == ENOENT { return nil }
            throw .system(name.text, errno)
        }
        defer { _ = unsafe unlinkat(temporaries.number, temporary, 0) }
        try file.writeAll(bytes, name)
        let result =
            unsafe replacing
            ? renameat(temporaries.number, temporary, folder.number, name.file)
            : linkat(temporaries.number, temporary, folder.number, name.file, 0)
        switch result == 0 ? 0 : errno {
        case 0:
            try sync(folders, name)
            return .created
        case EEXIST where !replacing:
            try sync(folders, name)
            return .exists
        case ENOENT: return nil
        case EPERM, ENOTSUP, EXDEV:
            throw ObjectStoreError(
                .configuration, "the file system of \(root) has no hard links, which archives need")
        case let code: throw .system(name.text, code)
        }
    }

    /// All of them: another process may have made one, or the object itself, and not have synced it yet.
    private func sync(
        _ folders: [Descriptor], _ name: ObjectName
    ) throws(ObjectStoreError) {
        for folder in folders.reversed() { try folder.syncFolder(name) }
    }

    private func temporaryFolder(in root: Descriptor) throws(ObjectStoreError) -> Descriptor? {
        try open(Self.temporaryFolder, in: root, makingIt: true)
    }

    /// Removes what processes left that were killed while they wrote.
    private func removeLeftovers(_ temporaries: Descriptor) {
        let isDue = lastCleaning.withLock { last in
            if let last, .now - last < Self.cleaningInterval { return false }
            last = .now
            return true
        }
        guard isDue, let entries = try? FolderEntry.all(in: temporaries, Self.temporaryFolder)
        else { return }
        for entry in entries where !entry.isFolder {
            var status = stat()
            // The pointer is to a local variable.
            guard
                unsafe fstatat(
                    temporaries.number, entry.name, &status, AT_SYMLINK_NOFOLLOW) == 0,
                time(nil) - status.st_mtim.tv_sec > Self.leftoverAge
            else { continue }
            _ = unsafe unlinkat(temporaries.number, entry.name, 0)
        }
    }
}

// MARK: Folders

extension FolderTree {
    /// Opens the folders on the way to an object, the root first.
    ///
    /// - Returns: Nil where one does not exist, or was removed right after it was made.
    private func folders(
        of name: ObjectName, makingThem: Bool
    ) throws(ObjectStoreError) -> [Descriptor]? {
        var folders = [try openRoot()]
        for part in name.parts.dropLast() {
            guard
                let folder = try open(
                    String(part), in: folders[folders.count - 1], makingIt: makingThem)
            else { return nil }
            folders.append(folder)
        }
        return folders
    }

    func openRoot() throws(ObjectStoreError) -> Descriptor {
        // Strings are passed as pointers that live for the call.
        let number = unsafe Glibc.open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard let folder = Descriptor(number) else {
            if errno == ENOENT || errno == ENOTDIR {
                throw ObjectStoreError(
                    .noSuchBucket, "\(root) is no folder: make it, or mount what belongs there")
            }
            throw .system(root, errno)
        }
        return folder
    }

    /// - Returns: Nil where it does not exist.
    func open(
        _ part: String, in folder: Descriptor, makingIt: Bool = false
    ) throws(ObjectStoreError) -> Descriptor? {
        // Strings are passed as pointers that live for the call.
        if makingIt, unsafe mkdirat(folder.number, part, 0o755) != 0, errno != EEXIST {
            if errno == ENOENT { return nil }
            throw .system(part, errno)
        }
        let number = unsafe openat(
            folder.number, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        if let child = Descriptor(number) { return child }
        if errno == ENOENT { return nil }
        let code = errno
        // Where an object has the name of a folder, there is nothing in that folder.
        if code == ENOTDIR, !makingIt, try mode(of: part, in: folder) == S_IFREG { return nil }
        throw .system(part, code)
    }

    /// What has a name in a folder: `S_IFREG` and so on; nil where nothing has.
    private func mode(
        of part: String, in folder: Descriptor
    ) throws(ObjectStoreError) -> mode_t? {
        var status = stat()
        // The pointer is to a local variable.
        guard unsafe fstatat(folder.number, part, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            if errno == ENOENT { return nil }
            throw .system(part, errno)
        }
        return status.st_mode & S_IFMT
    }
}

extension ObjectName {
    /// The last part.
    fileprivate var file: String { String(parts.last ?? "") }
}
