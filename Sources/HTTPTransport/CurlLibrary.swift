internal import CCurlShims
import Glibc

/// The library as a whole, initialised once and before any thread uses it.
enum CurlLibrary {
    /// Nil when the library is usable, otherwise why it is not.
    static let problem: String? = {
        // libcurl looks for this variable once, while it starts, and would write the secrets of every connection
        // to the file that it names. Nobody else reads the environment here: this is before the first thread.
        unsafe unsetenv("SSLKEYLOGFILE")
        guard curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK else {
            return "libcurl does not start"
        }
        guard let version = unsafe ledger_curl_version() else {
            return "libcurl has no version"
        }
        let features = unsafe version.pointee.features
        guard features & CURL_VERSION_SSL != 0, features & CURL_VERSION_HTTP2 != 0 else {
            return "libcurl is built without TLS or HTTP/2"
        }
        // 7.87 brought QUICK_EXIT, the youngest option used here.
        guard unsafe version.pointee.version_num >= 0x075700 else {
            return "libcurl is older than 7.87"
        }
        return nil
    }()
}
