internal import CCurlShims

extension CurlTransfer {
    /// Sets how peers are verified, and with files also what is shown and believed.
    func setUpTLS(_ settings: TransportSettings) -> Bool {
        var isSet =
            set(CURLOPT_SSL_VERIFYPEER, 1) && set(CURLOPT_SSL_VERIFYHOST, 2)
            && set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        // By default the authorities would be kept for a day after their file was replaced.
        isSet = isSet && set(CURLOPT_CA_CACHE_TIMEOUT, 300)
        // Without a pass phrase OpenSSL asks for one at the terminal, and holds up every request meanwhile. With
        // an empty one an encrypted key is a file that cannot be used.
        isSet = isSet && set(CURLOPT_KEYPASSWD, "")
        // With credentials every request says for itself what counts (`takeCredentials`).
        guard settings.credentials == nil else { return isSet }
        if let path = settings.caCertificatePath {
            // Debian's libcurl would go on believing the authorities in the system's folder beside those of the file.
            isSet = isSet && set(CURLOPT_CAINFO, path) && clear(CURLOPT_CAPATH)
        }
        if let path = settings.clientCertificatePath {
            isSet = isSet && set(CURLOPT_SSLCERT, path)
        }
        if let path = settings.clientKeyPath { isSet = isSet && set(CURLOPT_SSLKEY, path) }
        return isSet
    }

    /// Gives the handle what is to be shown and believed now. The handle is in no multi handle: nothing reads what it
    /// pointed to before.
    func takeCredentials() -> Bool {
        guard let credentials else { return true }
        let latest = credentials.current
        guard latest !== blobs else { return true }
        blobs = nil
        guard
            // Debian's libcurl would go on believing the authorities in the system's folder beside these.
            latest.authorities == nil || clear(CURLOPT_CAPATH),
            set(CURLOPT_CAINFO_BLOB, latest.authorities),
            set(CURLOPT_SSLCERT_BLOB, latest.certificate), set(CURLOPT_SSLKEY_BLOB, latest.key)
        else { return false }
        blobs = latest
        return true
    }

    private func set(_ option: CURLoption, _ blob: CredentialBlob?) -> Bool {
        unsafe ledger_curl_set_blob(
            easy, option, blob?.bytes.baseAddress, blob?.bytes.count ?? 0) == CURLE_OK
    }
}
