import Glibc

/// A file or folder in a folder.
struct FolderEntry {
    var name: String
    var isFolder: Bool

    /// More than so many in one folder are not listed.
    private static let maxCount = 1_000_000

    /// Reads a folder; what is neither a file nor a folder is left out.
    static func all(
        in folder: Descriptor, _ path: String
    ) throws(ObjectStoreError) -> [FolderEntry] {
        // The stream has a descriptor of its own, with its own position.
        let number = unsafe openat(folder.number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw .system(path, errno) }
        guard let stream = unsafe fdopendir(number) else {
            let code = errno
            close(number)
            throw .system(path, code)
        }
        defer { unsafe closedir(stream) }
        var entries: [FolderEntry] = []
        while true {
            errno = 0
            // Valid until the next call for this stream, and the name ends with a zero byte.
            guard let found = unsafe readdir(stream) else {
                guard errno == 0 else { throw .system(path, errno) }
                return entries
            }
            let name = unsafe withUnsafePointer(to: &found.pointee.d_name) { pointer in
                unsafe String(
                    cString: UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self))
            }
            guard name != ".", name != "..",
                let isFolder = unsafe isFolder(name, Int32(found.pointee.d_type), in: folder)
            else { continue }
            guard entries.count < maxCount else {
                throw ObjectStoreError(.tooLarge, "\(path) has more than \(maxCount) entries")
            }
            entries.append(FolderEntry(name: name, isFolder: isFolder))
        }
    }

    /// Nil for what is neither a file nor a folder.
    private static func isFolder(_ name: String, _ type: Int32, in folder: Descriptor) -> Bool? {
        switch type {
        case Int32(DT_DIR): return true
        case Int32(DT_REG): return false
        case Int32(DT_UNKNOWN):
            var status = stat()
            // The pointer is to a local variable.
            guard unsafe fstatat(folder.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                return nil
            }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: return true
            case S_IFREG: return false
            default: return nil
            }
        default: return nil
        }
    }
}

/// What a listing asks for and has found.
private struct Listing {
    let prefix: String
    let after: String?
    let limit: Int
    var names: [ObjectName] = []

    var isFull: Bool { names.count >= limit }

    /// Whether an object, or any below a folder, may belong to the listing.
    ///
    /// - Parameter text: Its name; a folder's ends with a slash.
    func admits(_ text: String, isFolder: Bool) -> Bool {
        guard text.hasPrefix(prefix) || isFolder && prefix.hasPrefix(text) else { return false }
        guard let after else { return true }
        return after.utf8.lexicographicallyPrecedes(text.utf8) || isFolder && after.hasPrefix(text)
    }
}

extension FolderTree {
    func list(
        prefix: String, after: ObjectName?, limit: Int
    ) throws(ObjectStoreError) -> [ObjectName] {
        precondition(limit >= 1, "a listing has a limit of 1 or more")
        guard ObjectName.isPrefix(prefix) else {
            throw ObjectStoreError(.invalidName, "no object's name begins like that")
        }
        var listing = Listing(prefix: prefix, after: after?.text, limit: limit)
        try visit(try openRoot(), path: "", &listing)
        return listing.names
    }

    /// - Parameter path: What the names in the folder begin with.
    private func visit(
        _ folder: Descriptor, path: String, _ listing: inout Listing
    ) throws(ObjectStoreError) {
        // A folder's slash takes part in the order: `a.b` comes before what is in the folder `a`.
        let found = try FolderEntry.all(in: folder, path.isEmpty ? root : path)
            .filter { ObjectName.isPart(Substring($0.name)) }
            .map { (text: path + $0.name + ($0.isFolder ? "/" : ""), entry: $0) }
            .filter { listing.admits($0.text, isFolder: $0.entry.isFolder) }
            .sorted { $0.text.utf8.lexicographicallyPrecedes($1.text.utf8) }
        for (text, entry) in found {
            guard !listing.isFull else { return }
            if entry.isFolder {
                // It may have been removed since, and it ends where no object's name can be that long.
                guard text.utf8.count < ObjectName.maxByteCount,
                    let child = try open(entry.name, in: folder)
                else { continue }
                try visit(child, path: text, &listing)
            } else if let name = try? ObjectName(text) {
                listing.names.append(name)
            }
        }
    }
}
