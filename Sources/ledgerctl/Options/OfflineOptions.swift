internal import ArgumentParser

/// The options of commands that ask no service.
struct OfflineOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "How results are written: text or json.")
    var output = OutputFormat.text
}
