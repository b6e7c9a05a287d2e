internal import Foundation

/// What a path leads to; a link is itself, and never followed.
enum PathEntry {
    case nothing
    case file
    case folder
    /// A link, a device, or anything else.
    case other

    /// - Throws: `FileError` where it cannot be told.
    static func at(_ path: String) throws(FileError) -> PathEntry {
        do {
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            return switch attributes[.type] as? FileAttributeType {
            case .typeRegular: .file
            case .typeDirectory: .folder
            default: .other
            }
        } catch let error as CocoaError where error.code == .fileReadNoSuchFile {
            return .nothing
        } catch let error as CocoaError {
            let reason = error.underlying as? POSIXError
            if reason?.code == .ENOENT || reason?.code == .ENOTDIR { return .nothing }
            throw FileError("\(path) cannot be read: \(error.localizedDescription)")
        } catch {
            throw FileError("\(path) cannot be read: \(error)")
        }
    }
}
