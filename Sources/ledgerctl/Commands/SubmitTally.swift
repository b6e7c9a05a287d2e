internal import LedgerClient

/// Counts what became of the events of a file.
struct SubmitTally: Encodable, Equatable {
    var sealed = 0
    var duplicate = 0
    var rejected = 0
    var unknown = 0
    var badLines = 0
    private var codes: Set<Int32> = []

    private enum CodingKeys: String, CodingKey {
        case sealed, duplicate, rejected, unknown
        case badLines = "bad_lines"
    }

    /// All events that have a result.
    var total: Int { sealed + duplicate + rejected + unknown }

    /// The exit code that says it all.
    var exitCode: Int32 {
        badLines == 0 ? ExitCodes.worst(codes) : ExitCodes.worst(codes.union([ExitCodes.notSealed]))
    }

    /// Takes in a result.
    mutating func add(_ result: SubmissionResult) {
        switch result.result {
        case .success:
            sealed += 1
        case .failure(let error):
            codes.insert(ExitCodes.code(for: error))
            switch error.sealed {
            case .yes: duplicate += 1
            case .no, nil: rejected += 1
            case .unknown: unknown += 1
            }
        }
    }

    /// The counts for people.
    var text: String {
        var parts = ["\(sealed) sealed"]
        if duplicate > 0 { parts.append("\(duplicate) sealed before") }
        if rejected > 0 { parts.append("\(rejected) rejected") }
        if unknown > 0 { parts.append("\(unknown) unknown: run it again with --resolve") }
        if badLines > 0 { parts.append("\(badLines) bad lines") }
        return parts.joined(separator: ", ")
    }
}

/// The result of one event of a file, for programs.
struct SubmissionJSON: Encodable {
    private let line: Int
    private let eventID: String
    private let outcome: String
    private let sealed: String
    private let sequenceNumber: UInt64?
    private let eventHash: String?
    private let message: String?
    private let differs: [String]?
    private let attempts: Int

    init(_ result: SubmissionResult, line: Int) {
        self.line = line
        eventID = result.eventID
        attempts = result.attempts
        switch result.result {
        case .success(let event):
            outcome = "sealed"
            sealed = SealedState.yes.rawValue
            sequenceNumber = event.sequenceNumber
            eventHash = event.eventHash
            message = nil
            differs = nil
        case .failure(let error):
            outcome = error.name
            sealed = (error.sealed ?? .no).rawValue
            differs = error.differingFields.isEmpty ? nil : error.differingFields
            if case .duplicate(let original) = error.kind {
                sequenceNumber = original.sequenceNumber
                eventHash = original.eventHash
                message = nil
            } else {
                sequenceNumber = nil
                eventHash = nil
                message = error.description
            }
        }
    }

    private enum CodingKeys: String, CodingKey {
        case line, outcome, sealed, message, attempts, differs
        case eventID = "event_id"
        case sequenceNumber = "sequence_number"
        case eventHash = "event_hash"
    }
}
