import GRPCCore
import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A port that cannot be listened on, in one line for the operator: the setting, and what to do.
package struct ListenError: Error, Sendable, CustomStringConvertible {
    /// The setting to change: the port's, or `LEDGER_BIND_ADDRESS`.
    package let setting: SettingName
    /// The line to print.
    package let description: String

    /// What a failed start of a port means.
    ///
    /// - Parameters:
    ///   - error: what listening threw; what lies below a gRPC error is looked at too.
    ///   - portSetting: the port's setting, such as `LEDGER_ADMIN_PORT`.
    ///   - port: its value.
    ///   - address: the IP address that was to be bound.
    /// - Returns: nil where the error is none that a setting is to blame for.
    package init?(
        _ error: any Error, portSetting: SettingName, port: Int, address: String
    ) {
        let port = "\(portSetting.rawValue)=\(port)"
        let host = "\(SettingName.bindAddress.rawValue)=\(address)"
        switch Self.number(error) {
        case EADDRINUSE:
            setting = portSetting
            description =
                "\(port) cannot be listened on at \(address): another process has the port. End it, or set "
                + "\(portSetting.rawValue) to a free one"
        case EACCES, EPERM:
            setting = portSetting
            description =
                "\(port) cannot be listened on: this user may not listen on it. Set "
                + "\(portSetting.rawValue) to 1024 or above"
        case EADDRNOTAVAIL:
            setting = .bindAddress
            description =
                "\(host) cannot be listened on: no interface of this machine has the address. Set "
                + "\(SettingName.bindAddress.rawValue) to one that it has, or leave it unset for all"
        case EAFNOSUPPORT:
            setting = .bindAddress
            description =
                "\(host) cannot be listened on: this machine has IPv6 switched off. Set "
                + "\(SettingName.bindAddress.rawValue) to an IPv4 address, or leave it unset for all"
        default: return nil
        }
    }

    /// The number that the system gave, however the error is wrapped.
    private static func number(_ error: any Error) -> Int32? {
        switch error {
        case let error as IOError: error.errnoCode
        case let error as RPCError: error.cause.flatMap(number)
        case let error as RuntimeError: error.cause.flatMap(number)
        default: nil
        }
    }
}
