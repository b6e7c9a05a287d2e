/// Decides when files that have changed are taken over: once two looks in a row have found the same in them.
///
/// A file that is written in place is short for a moment, and a bundle that is cut between two certificates is a valid
/// one. Of two files that belong together one is replaced first. So what is there for one look only is left alone.
/// Contents are compared, not dates: a link that is turned elsewhere, as Kubernetes does with secrets, is a change like
/// any other, and two writes within one tick of the file system's clock are two.
struct SettledFiles: Sendable {
    /// What a look has found.
    enum Look: Hashable, Sendable {
        /// Of each file what it holds, in their order.
        case contents([[UInt8]])
        /// The first file that could not be read.
        case unreadable(ConfigurationError)
    }

    /// What was taken over, or tried, last.
    private var settled: Look
    /// What the last look has found, where that is something else.
    private var candidate: Look?

    /// - Parameter contents: what is used from the start.
    init(_ contents: [[UInt8]]) {
        settled = .contents(contents)
    }

    /// - Returns: what is to be tried now; nil where nothing has changed for good since the last time.
    mutating func note(_ look: Look) -> Look? {
        guard look != settled else {
            candidate = nil
            return nil
        }
        guard look == candidate else {
            candidate = look
            return nil
        }
        settled = look
        candidate = nil
        return look
    }
}
