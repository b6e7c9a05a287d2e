import Foundation
package import LedgerCore

/// A witness: cosigns checkpoints that continue what it has cosigned before, and remembers them first (C2SP
/// tlog-witness).
///
/// Looking at a request, storing and signing are one step, one request after another: of two checkpoints that contradict
/// each other at most one is ever cosigned.
package actor Witness {
    enum Answer: Hashable, Sendable {
        /// The cosignature, as a line of the note.
        case cosigned(SignedNote.Signature)
        case refused(WitnessRegister.Verdict)
        /// The state could not be stored: nothing was signed.
        case notStored(String)
    }

    package nonisolated let verifier: CosignatureVerifier
    package nonisolated let logs: [String: WitnessedLog]
    private let signer: CosignatureSigner
    private let file: WitnessStateFile
    private let now: @Sendable () -> UInt64
    private var register: WitnessRegister

    /// Takes the state's file for this process, and reads it or makes it.
    ///
    /// - Parameters:
    ///   - now: seconds since 1970.
    /// - Throws: where another process has the file, or it is damaged.
    package init(
        signer: CosignatureSigner, logs: [WitnessedLog], stateFile: String,
        now: @escaping @Sendable () -> UInt64 = { UInt64(max(0, Date().timeIntervalSince1970)) }
    ) throws(WitnessStateError) {
        self.signer = signer
        verifier = signer.verifier
        self.logs = Dictionary(logs.map { ($0.origin, $0) }, uniquingKeysWith: { one, _ in one })
        self.now = now
        file = try WitnessStateFile(stateFile)
        if let stored = try file.read() {
            register = stored
        } else {
            register = WitnessRegister()
            // A folder that cannot be written to is found out before the first checkpoint.
            try file.write(register)
        }
    }

    func add(_ request: AddCheckpointRequest) -> Answer {
        let verdict = register.judge(request, logs: logs)
        guard case .acceptable(let entry) = verdict else { return .refused(verdict) }
        // Made first, so that nothing is stored which cannot be signed; handed out only once it is stored.
        guard let signature = try? signer.cosign(request.note.text, at: now()) else {
            return .notStored("the key cannot sign")
        }
        var next = register
        next.entries[request.checkpoint.origin] = entry
        guard next != register else { return .cosigned(signature) }
        do throws(WitnessStateError) {
            try file.write(next)
        } catch {
            if error.isReplaced { register = next }
            return .notStored(error.description)
        }
        register = next
        return .cosigned(signature)
    }
}
