import Foundation
import LedgerAPI
import LedgerCore
import NIOCore
import SwiftProtobuf

extension SwiftProtobuf.Message {
    /// The encoded message.
    var bytes: [UInt8] {
        do {
            return try serializedBytes()
        } catch {
            preconditionFailure("a message without required fields always has a serialized form")
        }
    }

    /// Appends the message as gRPC sends it.
    func writeFramed(to buffer: inout ByteBuffer) {
        let bytes = bytes
        SealedEventBytes.writePrefix(bytes.count, to: &buffer)
        buffer.writeBytes(bytes)
    }
}

/// The messages between replicas and what they mean to the state machines.
extension Ledger_Internal_ForwardAnswer {
    init(_ token: UInt64, _ outcome: ForwardOutcome) {
        self = .with {
            $0.token = token
            switch outcome {
            case .sealed(let seal): $0.sealed = Ledger_Internal_Sealed(seal)
            case .duplicate(let number): $0.duplicateOf = number.rawValue
            case .conflicting(let number, let differs):
                $0.conflictsWith = number.rawValue
                $0.differs = differs.rawValue
            case .notSealed(let reason): $0.notSealed = Ledger_Internal_Rejection(reason)
            case .refused: $0.refused = .init()
            case .unknown: $0.unknown = .init()
            }
        }
    }

    /// What the sealer says; an answer that makes no sense says nothing, so it is unknown.
    var forwardOutcome: ForwardOutcome {
        switch outcome {
        case .sealed(let sealed): sealed.seal.map { .sealed($0) } ?? .unknown
        case .duplicateOf(let number): .duplicate(of: SequenceNumber(rawValue: number))
        case .conflictsWith(let number):
            .conflicting(
                with: SequenceNumber(rawValue: number),
                differs: ContentDifference(rawValue: differs).intersection(.known))
        case .notSealed(let rejection): rejection.notSealedReason.map { .notSealed($0) } ?? .unknown
        case .refused: .refused
        case .unknown, nil: .unknown
        }
    }
}

extension Ledger_Internal_Sealed {
    init(_ seal: Seal) {
        self = .with {
            $0.sequenceNumber = seal.sequenceNumber.rawValue
            $0.eventHash = Data(seal.eventHash.bytes)
            $0.previousHash = Data(seal.previousHash.bytes)
            $0.sealedTimestamp = seal.sealedTimestamp
        }
    }

    var seal: Seal? {
        guard let eventHash = EventHash(bytes: Array(eventHash)),
            let previousHash = EventHash(bytes: Array(previousHash))
        else { return nil }
        return Seal(
            sequenceNumber: SequenceNumber(rawValue: sequenceNumber), eventHash: eventHash,
            previousHash: previousHash, sealedTimestamp: sealedTimestamp)
    }
}

extension Ledger_Internal_Rejection {
    init(_ reason: NotSealedReason) {
        self = .with {
            switch reason {
            case .overloaded(let retryAfter):
                $0.reason = .overloaded
                $0.retryAfter = retryAfter.count
            case .storageFull: $0.reason = .storageFull
            case .deadlineExceeded: $0.reason = .deadlineExceeded
            case .storeUnavailable: $0.reason = .storeUnavailable
            case .starting: $0.reason = .starting
            // `refused` says it, without a reason.
            case .notSealing: $0.reason = .unspecified
            case .stopping: $0.reason = .stopping
            case .clockUntrusted: $0.reason = .clockUntrusted
            case .lookupFailed: $0.reason = .lookupFailed
            case .rolledBack: $0.reason = .rolledBack
            case .noQuorum: $0.reason = .noQuorum
            case .clockUnsampled: $0.reason = .clockUnsampled
            case .releaseRefused: $0.reason = .releaseRefused
            case .unknownFormat: $0.reason = .unknownFormat
            }
        }
    }

    /// Nil for a reason that this version does not know.
    var notSealedReason: NotSealedReason? {
        switch reason {
        case .overloaded: .overloaded(retryAfter: Nanoseconds(retryAfter))
        case .storageFull: .storageFull
        case .deadlineExceeded: .deadlineExceeded
        case .storeUnavailable: .storeUnavailable
        case .starting: .starting
        case .stopping: .stopping
        case .clockUntrusted: .clockUntrusted
        case .lookupFailed: .lookupFailed
        case .rolledBack: .rolledBack
        case .noQuorum: .noQuorum
        case .clockUnsampled: .clockUnsampled
        case .releaseRefused: .releaseRefused
        case .unknownFormat: .unknownFormat
        case .unspecified, .UNRECOGNIZED: nil
        }
    }
}
