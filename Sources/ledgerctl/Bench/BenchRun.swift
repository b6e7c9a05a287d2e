internal import LedgerAPI
internal import LedgerClient
internal import NIOCore
internal import SwiftProtobuf
internal import Synchronization

/// One run: who may still submit, what is measured, and the events to submit.
///
/// Only events that begin after the warm-up, and before the end, are measured.
final class BenchRun: Sendable {
    let plan: BenchPlan
    private let prefix: String
    private let nextNumber = Atomic<UInt64>(0)
    private let measured = Atomic<Int>(0)
    private let isStopped = Atomic(false)
    private let template: Ledger_CertifiedEvent
    private let idStart: [UInt8]
    /// The encoded template, which has no id.
    private let encodedTemplate: [UInt8]

    /// When measuring begins and ends, in the clock's microseconds.
    let measureFrom: UInt64
    let measureUntil: UInt64

    init(plan: BenchPlan) {
        self.plan = plan
        prefix = "bench-" + String(UInt64.random(in: 0...UInt64.max), radix: 36) + "-"
        let event = CertifiedEvent(
            eventID: "", payload: Self.payload(plan.payloadBytes),
            vepsTimestamp: Timestamps.nowMilliseconds)
        template = Ledger_CertifiedEvent(event)
        idStart = Array(prefix.utf8)
        do {
            encodedTemplate = try template.serializedBytes()
        } catch {
            preconditionFailure("a message without required fields always has a serialized form")
        }
        measureFrom = BenchClock.microseconds + UInt64(plan.warmupSeconds * 1e6)
        measureUntil = measureFrom + UInt64(plan.durationSeconds * 1e6)
    }

    /// Whether another event may begin now.
    var mayGoOn: Bool {
        BenchClock.microseconds < measureUntil && !isStopped.load(ordering: .relaxed)
    }

    /// The next event, under an id that was never used.
    func nextEvent() -> Ledger_CertifiedEvent {
        let number = nextNumber.wrappingAdd(1, ordering: .relaxed).newValue
        var event = template
        event.eventID = prefix + String(number)
        return event
    }

    /// The next event's id alone, in UTF-8.
    func nextID() -> [UInt8] {
        let number = nextNumber.wrappingAdd(1, ordering: .relaxed).newValue
        return idStart + String(number).utf8
    }

    /// Writes the event with an id as a gRPC message: not compressed, its length, and the fields in any order.
    func write(_ id: [UInt8], to messages: inout ByteBuffer) {
        messages.writeInteger(UInt8(0))
        messages.writeInteger(UInt32(2 + id.count + encodedTemplate.count))
        // Field 1, `event_id`; an id of the generator's has fewer than 128 bytes.
        messages.writeInteger(UInt8(0x0A))
        messages.writeInteger(UInt8(id.count))
        messages.writeBytes(id)
        messages.writeBytes(encodedTemplate)
    }

    /// Whether an event that began at a time is measured; it counts towards the plan's number.
    func isMeasured(beganAt time: UInt64) -> Bool {
        guard time >= measureFrom else { return false }
        guard let limit = plan.events else { return true }
        let count = measured.wrappingAdd(1, ordering: .relaxed).newValue
        if count >= limit { isStopped.store(true, ordering: .relaxed) }
        return count <= limit
    }

    /// Text that no compression on the way could shorten much.
    private static func payload(_ count: Int) -> [UInt8] {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz0123456789".utf8)
        return (0..<count).map { _ in alphabet[Int.random(in: 0..<alphabet.count)] }
    }
}
