internal import ArgumentParser
internal import LedgerClient

struct GetCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Read an event by its number or its id.")

    @OptionGroup var options: GlobalOptions

    @Argument(help: "The event's number.")
    var number: UInt64?

    @Option(name: .long, help: "The event's id.")
    var id: String?

    mutating func validate() throws {
        guard (number == nil) != (id == nil) else {
            throw ValidationError("Give either a number or --id.")
        }
    }

    func run() async throws {
        try await withClient { client in
            if let number {
                try write(try await client.get(number))
            } else if let id {
                try write(try await client.get(id: id))
            }
        }
    }
}

struct ListCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Read a range of events, checking how they are linked.")

    @OptionGroup var options: GlobalOptions

    @Option(name: .long, help: "The first number; 0 means 1.")
    var first: UInt64 = 0

    @Option(name: .long, help: "The last number; 0 means the last event there is.")
    var last: UInt64 = 0

    func run() async throws {
        try await withClient { client in
            for try await event in client.list(first: first, last: last) {
                try writeLine(event)
            }
        }
    }
}

struct TailCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Read the last events, then new ones as they are sealed, until interrupted.")

    @OptionGroup var options: GlobalOptions

    @Option(name: [.customShort("n"), .long], help: "How many events to begin with.")
    var lines: UInt64 = 10

    func run() async throws {
        try await withClient { client in
            let head = try await client.head()?.sequenceNumber ?? 0
            let first = head - min(lines, head) + 1
            for try await event in client.list(first: first, follow: true) {
                try writeLine(event)
            }
        }
    }
}

struct HeadCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "head", abstract: "Read the last event.")

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await withClient { client in
            guard let head = try await client.head() else {
                if options.output == .text { Console.note("The ledger is empty.") }
                throw ExitCode(ExitCodes.notFound)
            }
            try write(head)
        }
    }
}
