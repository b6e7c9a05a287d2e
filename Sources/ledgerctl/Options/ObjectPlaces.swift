internal import ObjectStorage

/// Where objects are, as the service's own variables say it.
enum ObjectPlaces {
    /// Opens a folder or a bucket; nothing is asked of it yet.
    static func open(
        _ location: String, environment: [String: String]
    ) throws(ObjectStoreError) -> any ObjectStore {
        switch try ObjectLocation(parsing: location) {
        case .folder(let path): return FolderStore(path: path)
        case .s3: throw ObjectStoreError(.configuration, "a bucket cannot be opened here yet")
        }
    }
}
