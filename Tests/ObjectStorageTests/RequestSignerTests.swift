import Testing

@testable import ObjectStorage

/// AWS's published examples: those of the S3 documentation ("Signature calculations for the authorization header",
/// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html), and those of the Signature Version 4
/// test suite as awslabs/aws-c-auth keeps it (tests/aws-signing-test-suite/v4/NAME/header-signed-request.txt).
@Suite("RequestSigner")
struct RequestSignerTests {
    private static let emptyHash =
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    private func signature(
        _ request: RequestSigner.Request, _ signer: RequestSigner, _ credentials: S3Credentials,
        _ seconds: Int64
    ) -> String {
        let value = signer.authorization(
            request, credentials, at: SigningTime(secondsSince1970: seconds))
        return String(value.split(separator: "=").last ?? "")
    }

    struct S3Example: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var method = "GET"
        var path = "/"
        var query: [(String, String)] = []
        var fields: [(String, String)] = []
        var body = ""
        var signature: String
    }

    @Test(
        "the examples of S3's documentation",
        arguments: [
            S3Example(
                testDescription: "GET Object", path: "/test.txt", fields: [("range", "bytes=0-9")],
                signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            S3Example(
                testDescription: "PUT Object", method: "PUT", path: "/test%24file.text",
                fields: [
                    ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ], body: "Welcome to Amazon S3.",
                signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
            S3Example(
                testDescription: "GET Bucket lifecycle", query: [("lifecycle", "")],
                signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            S3Example(
                testDescription: "GET Bucket (List Objects)",
                query: [("prefix", "J"), ("max-keys", "2")],
                signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ])
    func s3Examples(_ example: S3Example) {
        let hash = RequestSigner.hash(Array(example.body.utf8))
        let request = RequestSigner.Request(
            method: example.method, path: example.path,
            query: example.query.map { (name: $0.0, value: $0.1) },
            fields: ([
                ("host", "examplebucket.s3.amazonaws.com"), ("x-amz-content-sha256", hash),
                ("x-amz-date", "20130524T000000Z"),
            ] + example.fields).map { (name: $0.0, value: $0.1) }, payloadHash: hash)
        let credentials = S3Credentials(
            accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
        )
        let signed = signature(
            request, RequestSigner(region: "us-east-1"), credentials, 1_369_353_600)
        #expect(signed == example.signature)
    }

    struct SuiteExample: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var method = "GET"
        var path = "/"
        var query: [(String, String)] = []
        var fields: [(String, String)] = []
        var body = ""
        var signature: String
    }

    @Test(
        "the examples of AWS's test suite",
        arguments: [
            SuiteExample(
                testDescription: "get-vanilla-query-order-key-case",
                query: [("Param2", "value2"), ("Param1", "value1")],
                signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
            SuiteExample(
                testDescription: "get-vanilla-query-order-encoded",
                query: [("Param-3", "Value3"), ("Param", "Value2"), ("\u{1234}", "Value1")],
                signature: "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"),
            SuiteExample(
                testDescription: "get-vanilla-utf8-query", query: [("\u{1234}", "bar")],
                signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
            SuiteExample(
                testDescription: "get-vanilla-query-unreserved",
                query: [
                    (
                        "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
                        "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                    )
                ], signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
            SuiteExample(
                testDescription: "get-unreserved",
                path: "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
                signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
            SuiteExample(
                testDescription: "get-header-value-trim",
                fields: [("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
                signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
            SuiteExample(
                testDescription: "get-vanilla-with-session-token",
                fields: [
                    (
                        "x-amz-security-token",
                        "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
                    )
                ], signature: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"),
            SuiteExample(
                testDescription: "post-vanilla-query", method: "POST",
                query: [("Param1", "value1")],
                signature: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
            SuiteExample(
                testDescription: "post-x-www-form-urlencoded", method: "POST",
                fields: [
                    ("content-type", "application/x-www-form-urlencoded"), ("content-length", "13"),
                    (
                        "x-amz-content-sha256",
                        "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"
                    ),
                ], body: "Param1=value1",
                signature: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"),
        ])
    func suiteExamples(_ example: SuiteExample) {
        let request = RequestSigner.Request(
            method: example.method, path: example.path,
            query: example.query.map { (name: $0.0, value: $0.1) },
            fields: ([("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")]
                + example.fields).map { (name: $0.0, value: $0.1) },
            payloadHash: RequestSigner.hash(Array(example.body.utf8)))
        let credentials = S3Credentials(
            accessKey: "AKIDEXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
        let signed = signature(
            request, RequestSigner(region: "us-east-1", service: "service"), credentials,
            1_440_938_160)
        #expect(signed == example.signature)
    }

    @Test(
        "a moment is written in UTC",
        arguments: [
            (0, "19700101T000000Z"), (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"), (1_709_251_199, "20240229T235959Z"),
            (1_709_251_200, "20240301T000000Z"), (4_107_542_399, "21000228T235959Z"),
            (4_107_542_400, "21000301T000000Z"), (1_735_689_599, "20241231T235959Z"),
        ] as [(Int64, String)])
    func moments(seconds: Int64, text: String) {
        #expect(SigningTime(secondsSince1970: seconds).text == text)
        #expect(SigningTime(secondsSince1970: seconds).date == text.prefix(8))
    }
}
