import Synchronization

/// What a transport shows its peers, and whom it believes: PEM texts that may be replaced while it works.
///
/// A request that begins after a replacement goes over a connection that was made with the new texts, for libcurl keeps
/// connections apart by them. Requests that are under way end on the connections that they have.
package final class TransportCredentials: Sendable {
    /// Whoever replaces them has read them first: what libcurl cannot use fails every request.
    package struct Texts: Hashable, Sendable {
        /// Certificates of the only authorities that may have signed a peer's certificate; nil believes the system's.
        package var authorities: [UInt8]?
        /// This client's certificate, and what stands above it; nil shows none.
        package var certificate: [UInt8]?
        /// The key that belongs to it; without a pass phrase.
        package var key: [UInt8]?

        package init(
            authorities: [UInt8]? = nil, certificate: [UInt8]? = nil, key: [UInt8]? = nil
        ) {
            self.authorities = authorities
            self.certificate = certificate
            self.key = key
        }
    }

    private let held: Mutex<CredentialBlobs>

    package init(_ texts: Texts) {
        held = Mutex(CredentialBlobs(texts))
    }

    /// From now on new requests use these.
    package func replace(with texts: Texts) {
        let blobs = CredentialBlobs(texts)
        held.withLock { $0 = blobs }
    }

    var current: CredentialBlobs { held.withLock { $0 } }
}

/// The texts in memory that libcurl is given pointers to, which every handle shares: a copy for each would be as large as
/// the file of authorities times the handles.
@safe final class CredentialBlobs: Sendable {
    let authorities: CredentialBlob?
    let certificate: CredentialBlob?
    let key: CredentialBlob?

    init(_ texts: TransportCredentials.Texts) {
        authorities = texts.authorities.map(CredentialBlob.init)
        certificate = texts.certificate.map(CredentialBlob.init)
        key = texts.key.map(CredentialBlob.init)
    }
}

/// Bytes that stay where they are and do not change for as long as this object is there.
///
/// Sendable although it holds a pointer: nobody writes there between `init` and `deinit`.
@safe final class CredentialBlob: @unchecked Sendable {
    /// Valid as long as this object is.
    let bytes: UnsafeRawBufferPointer

    init(_ content: [UInt8]) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: content.count, alignment: 1)
        unsafe memory.copyBytes(from: content)
        unsafe bytes = UnsafeRawBufferPointer(memory)
    }

    deinit {
        unsafe bytes.deallocate()
    }
}
