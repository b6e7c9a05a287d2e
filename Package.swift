// swift-tools-version: 6.2

import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// For the targets that touch C: every unsafe expression is spelled out.
let strictMemory: [SwiftSetting] = strict + [.strictMemorySafety()]

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP2: Target.Dependency = .product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioHPACK: Target.Dependency = .product(name: "NIOHPACK", package: "swift-nio-http2")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let grpcCore: Target.Dependency = .product(name: "GRPCCore", package: "grpc-swift-2")
let grpcTransport: Target.Dependency = .product(
    name: "GRPCNIOTransportHTTP2", package: "grpc-swift-nio-transport")
let grpcProtobuf: Target.Dependency = .product(
    name: "GRPCProtobuf", package: "grpc-swift-protobuf")
let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let lifecycle: Target.Dependency = .product(
    name: "ServiceLifecycle", package: "swift-service-lifecycle")
let configuration: Target.Dependency = .product(
    name: "Configuration", package: "swift-configuration")
let tracing: Target.Dependency = .product(
    name: "Tracing", package: "swift-distributed-tracing")
let arguments: Target.Dependency = .product(
    name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "immutable-ledger",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "ledger-service", targets: ["ledger-service"]),
        .executable(name: "ledgerctl", targets: ["ledgerctl"]),
        .library(name: "LedgerClient", targets: ["LedgerClient"]),
        .library(name: "LedgerVerify", targets: ["LedgerVerify"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-configuration.git", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-http2.git", from: "1.46.0"),
        .package(url: "https://github.com/grpc/grpc-swift-2.git", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport.git", from: "2.9.2"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf.git", from: "2.4.1"),
        .package(url: "https://github.com/apple/swift-distributed-tracing.git", from: "1.7.3"),
        .package(
            url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
    ],
    targets: [
        .systemLibrary(name: "CLibcurl", pkgConfig: "libcurl"),
        .target(name: "CCurlShims", dependencies: ["CLibcurl"]),
        .target(name: "TextFormats", swiftSettings: strictMemory),
        .target(
            name: "HTTPTransport", dependencies: ["CCurlShims"], swiftSettings: strictMemory),
        .target(
            name: "ObjectStorage", dependencies: ["HTTPTransport", crypto],
            swiftSettings: strictMemory),
        .target(
            name: "OTLPExport",
            dependencies: ["HTTPTransport", "TextFormats", lifecycle, logging, tracing],
            swiftSettings: strict),
        .target(
            name: "EtcdGateway", dependencies: ["HTTPTransport", "TextFormats", logging],
            swiftSettings: strictMemory),
        .target(
            name: "EtcdHealth",
            dependencies: ["EtcdGateway", "TaskCoordination", lifecycle, logging],
            swiftSettings: strict),
        .target(name: "EventLoopTasks", dependencies: [nioCore, nioPosix], swiftSettings: strict),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib"),
        .target(
            name: "GRPCEdge",
            dependencies: ["CZlib", "EventLoopTasks", nioCore, nioHTTP2, nioHPACK],
            swiftSettings: strictMemory),
        .target(
            name: "LedgerCore", dependencies: ["TextFormats", crypto], swiftSettings: strict),
        .target(
            name: "LedgerStore", dependencies: ["EtcdGateway", "LedgerCore", logging],
            swiftSettings: strict),
        .target(
            name: "LedgerReplica", dependencies: ["LedgerCore", "LedgerStore", lifecycle, logging],
            swiftSettings: strict),
        .target(
            name: "LedgerTransparency",
            dependencies: [
                "HTTPTransport", "LedgerCore", "LedgerReplica", "LedgerStore", "TaskCoordination",
                "TextFormats", crypto, lifecycle, logging,
            ],
            swiftSettings: strict),
        .target(
            name: "LedgerArchive",
            dependencies: [
                "LedgerCore", "LedgerReplica", "LedgerStore", "LedgerTransparency",
                "ObjectStorage", "TextFormats", crypto, lifecycle, logging,
            ],
            swiftSettings: strict),
        .target(
            name: "LedgerVerify", dependencies: ["LedgerCore", "TextFormats"],
            swiftSettings: strict),
        .target(
            name: "LedgerAPI", dependencies: [grpcCore, grpcProtobuf, protobuf],
            swiftSettings: strict),
        .target(name: "PrometheusExposition", swiftSettings: strict),
        .target(name: "TaskCoordination", swiftSettings: strict),
        .target(
            name: "GRPCReflection", dependencies: ["LedgerAPI", grpcCore, grpcProtobuf, protobuf],
            swiftSettings: strict),
        .target(
            name: "LedgerServer",
            dependencies: [
                "LedgerAPI", "LedgerArchive", "LedgerCore", "LedgerReplica", "LedgerStore",
                "LedgerTransparency", "ObjectStorage",
                "EtcdGateway", "EtcdHealth", "EventLoopTasks", "GRPCEdge", "GRPCReflection",
                "HTTPTransport", "OTLPExport", "PrometheusExposition", "TaskCoordination",
                "TextFormats", crypto, nioCore,
                nioPosix, nioHTTP2, nioHPACK,
                grpcCore, grpcTransport, grpcProtobuf, protobuf, lifecycle, configuration, logging,
                tracing,
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "NIOCertificateReloading", package: "swift-nio-extras"),
            ],
            swiftSettings: strict),
        .target(
            name: "LedgerClient",
            dependencies: [
                "LedgerAPI", "LedgerVerify", "TaskCoordination", nioPosix, grpcCore, grpcTransport,
                grpcProtobuf, protobuf,
            ],
            swiftSettings: strict),
        .target(
            name: "WitnessServer",
            dependencies: [
                "LedgerCore", "TextFormats", nioCore, lifecycle, logging,
                .product(name: "Hummingbird", package: "hummingbird"),
            ],
            swiftSettings: strict),
        .target(
            name: "CommandLineSupport", dependencies: [arguments], swiftSettings: strict),
        .executableTarget(
            name: "ledger-service",
            dependencies: [
                "CommandLineSupport", "LedgerServer", arguments, logging,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "ledgerctl",
            dependencies: [
                "CommandLineSupport", "LedgerClient", "LedgerVerify", "LedgerAPI", "LedgerCore",
                "LedgerArchive", "ObjectStorage", "LedgerStore", "EtcdGateway", "EventLoopTasks",
                "TaskCoordination", "TextFormats",
                "WitnessServer", nioCore, nioPosix, nioHPACK, nioHTTP2, grpcCore, grpcTransport,
                protobuf, arguments, crypto, logging,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "naive-baseline",
            dependencies: ["EtcdGateway", "LedgerCore", arguments, logging],
            path: "Benchmarks/NaiveBaseline", swiftSettings: strict),
        .executableTarget(
            name: "verify-bench", dependencies: ["LedgerCore", arguments],
            path: "Benchmarks/VerifyBench", swiftSettings: strict),
        .target(name: "BenchSupport", path: "Benchmarks/Support", swiftSettings: strict),
        .executableTarget(
            name: "index-bench", dependencies: ["BenchSupport", "LedgerCore", arguments],
            path: "Benchmarks/IndexBench", swiftSettings: strict),
        .executableTarget(
            name: "loading-bench",
            dependencies: [
                "BenchSupport", "EtcdGateway", "LedgerCore", "LedgerStore", "ObjectStorage",
                arguments,
            ],
            path: "Benchmarks/LoadingBench", swiftSettings: strict),
        .target(
            name: "TestSupport",
            dependencies: [
                "EtcdGateway", "LedgerAPI", "LedgerCore", "ObjectStorage", grpcCore, grpcTransport,
                grpcProtobuf, protobuf, logging,
            ],
            path: "Tests/TestSupport", swiftSettings: strict),
        .testTarget(
            name: "GRPCEdgeTests",
            dependencies: [
                "GRPCEdge", "CZlib", nioCore, nioHTTP2, nioHPACK,
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ], swiftSettings: strict),
        .testTarget(
            name: "TextFormatsTests", dependencies: ["TestSupport", "TextFormats"],
            swiftSettings: strict),
        .testTarget(
            name: "HTTPTransportTests", dependencies: ["HTTPTransport", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "ObjectStorageTests",
            dependencies: ["HTTPTransport", "ObjectStorage", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "OTLPExportTests",
            dependencies: ["HTTPTransport", "OTLPExport", "TestSupport", tracing, logging],
            swiftSettings: strict),
        .testTarget(
            name: "EtcdGatewayTests",
            dependencies: ["EtcdGateway", "HTTPTransport", "TestSupport", "TextFormats", logging],
            swiftSettings: strict),
        .testTarget(
            name: "EtcdHealthTests",
            dependencies: ["EtcdGateway", "EtcdHealth", "TestSupport", lifecycle, logging],
            swiftSettings: strict),
        .testTarget(
            name: "LedgerCoreTests",
            dependencies: ["LedgerCore", "TestSupport", "TextFormats", crypto],
            swiftSettings: strict),
        .testTarget(
            name: "SimulationTests",
            dependencies: [
                "EtcdGateway", "LedgerArchive", "LedgerCore", "LedgerReplica", "LedgerStore",
                "LedgerTransparency", "ObjectStorage", logging,
                .product(
                    name: "ServiceLifecycleTestKit", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "LedgerTransparencyTests",
            dependencies: [
                "EtcdGateway", "HTTPTransport", "LedgerCore", "LedgerReplica", "LedgerStore",
                "LedgerTransparency", "TaskCoordination", "TestSupport", "TextFormats", crypto,
                logging,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "LedgerArchiveTests",
            dependencies: [
                "EtcdGateway", "LedgerAPI", "LedgerArchive", "LedgerCore", "LedgerReplica",
                "LedgerStore",
                "LedgerTransparency", "LedgerVerify", "ObjectStorage", "TestSupport", "TextFormats",
                "ledgerctl", crypto, logging,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "LedgerVerifyTests",
            dependencies: ["LedgerVerify", "TestSupport", "TextFormats", crypto],
            swiftSettings: strict),
        .testTarget(
            name: "WitnessServerTests",
            dependencies: ["LedgerCore", "TestSupport", "TextFormats", "WitnessServer"],
            swiftSettings: strict),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "TestSupport", "EtcdGateway", "LedgerAPI", "LedgerArchive", "LedgerCore",
                "LedgerReplica", "LedgerStore", "LedgerTransparency", "ObjectStorage", grpcCore,
                grpcTransport, grpcProtobuf, protobuf, logging,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "TaskCoordinationTests", dependencies: ["TaskCoordination"],
            swiftSettings: strict),
        .testTarget(
            name: "PrometheusExpositionTests", dependencies: ["PrometheusExposition"],
            swiftSettings: strict),
        .testTarget(
            name: "GRPCReflectionTests",
            dependencies: [
                "GRPCReflection", "LedgerAPI", "TestSupport", grpcCore, grpcTransport,
                grpcProtobuf, protobuf,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "LedgerServerTests",
            dependencies: [
                "LedgerServer", "GRPCReflection", "PrometheusExposition", "TestSupport",
                "LedgerAPI", "LedgerCore", "LedgerReplica", "LedgerStore", "LedgerTransparency",
                "EtcdGateway", "EtcdHealth", "EventLoopTasks", "GRPCEdge", "HTTPTransport",
                "OTLPExport", "TaskCoordination", nioCore, grpcCore,
                grpcTransport, grpcProtobuf,
                protobuf, lifecycle, logging, tracing,
                .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "LedgerClientTests",
            dependencies: [
                "LedgerClient", "LedgerVerify", "LedgerAPI", "TestSupport", grpcCore, grpcTransport,
                grpcProtobuf, protobuf,
                .product(name: "GRPCInProcessTransport", package: "grpc-swift-2"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "LedgerctlTests",
            dependencies: [
                "ledgerctl", "CommandLineSupport", "LedgerClient", "LedgerCore", "LedgerVerify",
                "LedgerAPI", "TestSupport", nioCore, nioHPACK, grpcCore, grpcProtobuf, protobuf,
                arguments,
            ],
            swiftSettings: strict),
    ]
)
