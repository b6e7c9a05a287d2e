import Logging
import Synchronization

/// What PEM files hold that belong together: read at the start, and taken over anew when they change.
///
/// Where the new contents cannot be used, the last good ones stay in use, and that is reported until the files are
/// mended.
final class ReloadedFiles<Value: Sendable>: Sendable {
    /// A file, and the setting that names it.
    typealias File = (setting: SettingName, path: String)

    private struct State: Sendable {
        var files: SettledFiles
        var value: Value
        var report: ReloadReport
    }

    private let files: [File]
    private let parse: @Sendable ([PEMFile]) throws(ConfigurationError) -> Value
    private let logger: Logger
    private let state: Mutex<State>

    /// Reads the files.
    ///
    /// - Parameters:
    ///   - files: at least one; the first one's setting is what metrics and the log call them.
    ///   - parse: makes something of them that can be used without a further look, or refuses them.
    /// - Throws: the setting whose file cannot be used.
    init(
        _ files: [File], logger: Logger,
        parse: @escaping @Sendable ([PEMFile]) throws(ConfigurationError) -> Value
    ) throws(ConfigurationError) {
        precondition(!files.isEmpty, "there is nothing to read")
        self.files = files
        self.parse = parse
        self.logger = logger
        let contents = try Self.contents(of: files)
        state = Mutex(
            State(
                files: SettledFiles(contents), value: try parse(Self.pem(files, contents)),
                report: ReloadReport(setting: files[0].setting)))
    }

    /// What counts now.
    var value: Value { state.withLock(\.value) }

    var report: ReloadReport { state.withLock(\.report) }

    /// Looks whether the files have changed for good.
    ///
    /// - Returns: whether `value` was replaced.
    func look() -> Bool {
        let look: SettledFiles.Look
        do throws(ConfigurationError) {
            look = .contents(try Self.contents(of: files))
        } catch {
            look = .unreadable(error)
        }
        guard let settled = state.withLock({ $0.files.note(look) }) else { return false }
        do throws(ConfigurationError) {
            let contents: [[UInt8]]
            switch settled {
            case .contents(let found): contents = found
            case .unreadable(let error): throw error
            }
            let value = try parse(Self.pem(files, contents))
            state.withLock { state in
                state.value = value
                state.report.count += 1
                state.report.problem = nil
            }
            logger.notice("a certificate was read again", metadata: metadata)
            return true
        } catch {
            state.withLock { $0.report.problem = error.message }
            var metadata = metadata
            // A reason, not an error: the log does not hold back a second one that soon follows the first.
            metadata["reason"] = "\(error.message)"
            logger.warning(
                "a certificate could not be read again; the one before is still used",
                metadata: metadata)
            return false
        }
    }

    private var metadata: Logger.Metadata {
        ["setting": "\(files[0].setting.rawValue)", "path": "\(files[0].path)"]
    }

    private static func contents(of files: [File]) throws(ConfigurationError) -> [[UInt8]] {
        var contents: [[UInt8]] = []
        for file in files { contents.append(try PEMFile.read(file.path, of: file.setting)) }
        return contents
    }

    private static func pem(
        _ files: [File], _ contents: [[UInt8]]
    ) throws(ConfigurationError) -> [PEMFile] {
        var pem: [PEMFile] = []
        for (file, content) in zip(files, contents) {
            pem.append(try PEMFile(content, at: file.path, of: file.setting))
        }
        return pem
    }
}

/// How it goes with files that are read again.
struct ReloadReport: Hashable, Sendable {
    /// The setting that names the first of them.
    let setting: SettingName
    /// How often new contents were taken over since the start.
    var count = 0
    /// Why the contents of now are not used, but those before them; nil where they are.
    var problem: String?
}
