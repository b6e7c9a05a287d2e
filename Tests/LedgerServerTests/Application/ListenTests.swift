import Foundation
import GRPCCore
import Logging
import NIOCore
import ServiceLifecycle
import Testing

@testable import LedgerServer

@Suite("Addresses and ports that are listened on")
struct ListenTests {
    @Test("Without a setting every address, IPv6 too where a socket can serve both")
    func everyAddress() throws {
        #expect(try ListenAddress.resolve(nil, servesBoth: true) == "::")
        #expect(try ListenAddress.resolve(nil, servesBoth: false) == "0.0.0.0")
    }

    @Test("An address is taken as it is, a name at its first IPv4 address")
    func names() throws {
        #expect(try ListenAddress.resolve("0.0.0.0") == "0.0.0.0")
        #expect(try ListenAddress.resolve("::1") == "::1")
        #expect(try ListenAddress.resolve("localhost") == "127.0.0.1")
        let error = #expect(throws: ConfigurationError.self) {
            try ListenAddress.resolve("no-such-host.invalid")
        }
        #expect(error?.variable == "LEDGER_BIND_ADDRESS")
    }

    @Test(
        "Each failure names the setting to change",
        arguments: [
            (EADDRINUSE, "LEDGER_ADMIN_PORT"), (EACCES, "LEDGER_ADMIN_PORT"),
            (EADDRNOTAVAIL, "LEDGER_BIND_ADDRESS"), (EAFNOSUPPORT, "LEDGER_BIND_ADDRESS"),
        ])
    func failures(number: Int32, setting: String) throws {
        let error = IOError(errnoCode: number, reason: "bind")
        let wrapped = RPCError(code: .unavailable, message: "", cause: error)
        for error in [error, wrapped] as [any Error] {
            let listenError = try #require(
                ListenError(error, portSetting: .adminPort, port: 80, address: "10.9.8.7"))
            #expect(listenError.setting.rawValue == setting)
            #expect(listenError.description.hasPrefix("\(setting)="))
            #expect(!listenError.description.contains("\n"))
        }
        #expect(
            ListenError(
                IOError(errnoCode: ENOMEM, reason: "bind"), portSetting: .adminPort, port: 80,
                address: "::") == nil)
    }

    private func server(_ address: String, _ port: Int) -> HTTPPort {
        HTTPPort(
            name: "the admin port", setting: .adminPort, bindAddress: address, port: port,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { _, _ in Page(line: "alive") }
    }

    @Test("An admin port that is taken, or an address of another machine, is said so")
    func adminPort() async throws {
        let first = server("127.0.0.1", 0)
        let group = ServiceGroup(
            configuration: .init(
                services: [first], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            let port = try #require(await first.boundPort())
            let taken = await #expect(throws: ListenError.self) {
                try await server("127.0.0.1", port).run()
            }
            #expect(taken?.setting == .adminPort)
            let foreign = await #expect(throws: ListenError.self) {
                try await server("192.0.2.1", 0).run()
            }
            #expect(foreign?.setting == .bindAddress)
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    @Test("Bound to every address, IPv4 and IPv6 reach it where the machine has both")
    func bothFamilies() async throws {
        let server = server(try ListenAddress.resolve(nil), 0)
        let group = ServiceGroup(
            configuration: .init(
                services: [server], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        )
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            let port = try #require(await server.boundPort())
            // Where IPv6 is switched off, that leaves IPv4.
            for host in ["127.0.0.1"] + (ListenAddress.servesBoth ? ["[::1]"] : []) {
                let url = try #require(URL(string: "http://\(host):\(port)/livez"))
                try KeyFiles.run(
                    "curl --silent --fail --noproxy '*' '\(url)'", in: URL(fileURLWithPath: "/"))
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }
}
