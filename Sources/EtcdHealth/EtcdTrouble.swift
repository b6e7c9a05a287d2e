package import EtcdGateway

/// Something that etcd refuses for how it or this service is set up: it does not pass by itself, and somebody has to do
/// something about it.
package struct EtcdTrouble: Hashable, Sendable {
    /// What it is.
    package enum Kind: String, Hashable, Sendable {
        /// The user name or the password is refused.
        case wrongPassword = "wrong_password"
        /// etcd has users, and this service names none.
        case noUser = "no_user"
        /// The client certificate has a CommonName, which etcd's gateway takes for a user.
        case certificateWithName = "certificate_with_common_name"
        /// The user's role allows no reading of the ledger's keys.
        case mayNotRead = "may_not_read"
        /// It allows no writing.
        case mayNotWrite = "may_not_write"
        /// The database has reached its quota.
        case noSpace = "no_space"
        /// The members' data contradict each other.
        case corrupt
        /// No TLS connection can be made.
        case certificates = "tls"
    }

    package let kind: Kind
    /// What etcd says; nil where the text would be of this machine.
    package let sentence: String?

    package init(_ kind: Kind, sentence: String? = nil) {
        self.kind = kind
        self.sentence = sentence
    }

    /// Nil for a failure that may pass by itself.
    ///
    /// - Parameter hasUser: whether `ETCD_USERNAME` is set. Where it is not, etcd may take the gateway's own certificate
    ///   for the user, and find that user without permission.
    package init?(_ error: EtcdError, of access: EtcdAccess, hasUser: Bool = true) {
        switch error.code {
        case .permissionDenied where !hasUser: self.init(.noUser, sentence: error.message)
        case .unauthenticated where error.message.hasPrefix("CommonName"):
            self.init(.certificateWithName, sentence: error.message)
        case .unauthenticated where error.message.contains("user name is empty"):
            self.init(.noUser, sentence: error.message)
        case .unauthenticated where error.message.contains("authentication failed"):
            self.init(.wrongPassword, sentence: error.message)
        case .permissionDenied:
            self.init(access == .write ? .mayNotWrite : .mayNotRead, sentence: error.message)
        case .noSpace: self.init(.noSpace, sentence: error.message)
        case .tls: self.init(.certificates)
        default: return nil
        }
    }

    /// The trouble of a member that has raised an alarm; nil for words that are not known here.
    package init?(alarm words: String) {
        if words.contains("NOSPACE") {
            self.init(.noSpace, sentence: "alarm:NOSPACE")
        } else if words.contains("CORRUPT") {
            self.init(.corrupt, sentence: "alarm:CORRUPT")
        } else {
            return nil
        }
    }

    /// Whether nothing at all is done for who is refused so, neither reading nor writing.
    var concernsEverything: Bool {
        switch kind {
        case .wrongPassword, .noUser, .certificateWithName, .certificates: true
        case .mayNotRead, .mayNotWrite, .noSpace, .corrupt: false
        }
    }

    private var problem: String {
        switch kind {
        case .wrongPassword: "etcd refuses the user name or the password"
        case .noUser: "etcd asks for a user name and a password"
        case .certificateWithName: "etcd refuses the client certificate, for it has a CommonName"
        case .mayNotRead: "etcd's user may not read the ledger's keys"
        case .mayNotWrite: "etcd's user may not write the ledger's keys"
        case .noSpace: "etcd has no space left"
        case .corrupt: "the data of etcd's members contradict each other"
        case .certificates: "no TLS connection can be made with etcd"
        }
    }

    private var remedy: String {
        switch kind {
        case .wrongPassword: "correct ETCD_USERNAME and ETCD_PASSWORD"
        case .noUser: "set ETCD_USERNAME and ETCD_PASSWORD"
        case .certificateWithName:
            "give the service one with a SAN and without a CommonName (ETCD_CLIENT_CERT)"
        case .mayNotRead, .mayNotWrite:
            "grant the role of ETCD_USERNAME readwrite below LEDGER_PREFIX"
        case .noSpace:
            "raise --quota-backend-bytes, or compact and defragment, then disarm the alarm"
        case .corrupt: "find out which member is wrong before anything is written"
        case .certificates:
            "check ETCD_CA_CERT, ETCD_CLIENT_CERT and ETCD_CLIENT_KEY, and the members' certificates"
        }
    }
}

extension EtcdTrouble: CustomStringConvertible {
    /// One sentence: what it is, what etcd says, what to do.
    package var description: String {
        let said = sentence.map { " (\"\($0)\")" } ?? ""
        return "\(problem)\(said): \(remedy)"
    }
}
