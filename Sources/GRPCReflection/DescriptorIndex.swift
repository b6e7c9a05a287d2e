import Foundation
import SwiftProtobuf

/// The compiled protos of this server by file name and by symbol.
package struct DescriptorIndex: Sendable {
    private struct File {
        let bytes: [UInt8]
        let dependencies: [String]
    }

    private var files: [String: File] = [:]
    private var fileOfSymbol: [String: String] = [:]
    private var messages: Set<String> = []
    private var services: [String] = []

    /// Reads a google.protobuf.FileDescriptorSet in base64.
    package init(base64: String) throws(DescriptorError) {
        guard let data = Data(base64Encoded: base64, options: .ignoreUnknownCharacters) else {
            throw DescriptorError(message: "no base64")
        }
        do {
            let set = try Google_Protobuf_FileDescriptorSet(serializedBytes: data)
            for file in set.file {
                try add(file)
            }
        } catch {
            throw DescriptorError(message: "\(error)")
        }
        guard !services.isEmpty else { throw DescriptorError(message: "no services") }
        services.sort()
    }

    /// Answers a question by the rules of grpc.reflection.
    package func answer(_ question: ReflectionQuestion) -> ReflectionAnswer {
        switch question {
        case .fileByName(let name):
            return withDependencies(name) ?? Self.notFound("file", name)
        case .fileContainingSymbol(let symbol):
            let file = fileOfSymbol[Self.withoutLeadingDot(symbol)]
            return file.flatMap(withDependencies) ?? Self.notFound("symbol", symbol)
        case .fileContainingExtension(let type, let number):
            // proto3 files have no extensions but those of options, and these have none.
            return Self.notFound("extension \(number) of", type)
        case .allExtensionNumbers(let type):
            let name = Self.withoutLeadingDot(type)
            return messages.contains(name)
                ? .extensionNumbers(type: name, []) : Self.notFound("message", type)
        case .listServices:
            return .services(services)
        case .none:
            return .error(code: 3, message: "the request holds no question that is known here")
        }
    }

    /// The file and, each once, all files that it needs.
    private func withDependencies(_ name: String) -> ReflectionAnswer? {
        guard files[name] != nil else { return nil }
        var order = [name]
        var seen: Set = [name]
        var next = 0
        while next < order.count {
            for dependency in files[order[next]]?.dependencies ?? []
            where seen.insert(dependency).inserted {
                order.append(dependency)
            }
            next += 1
        }
        return .files(order.compactMap { files[$0]?.bytes })
    }

    private static func notFound(_ what: String, _ name: String) -> ReflectionAnswer {
        .error(code: 5, message: "\(what) \(name.prefix(256)) not found")
    }

    private static func withoutLeadingDot(_ name: String) -> String {
        name.hasPrefix(".") ? String(name.dropFirst()) : name
    }
}

extension DescriptorIndex {
    private mutating func add(_ file: Google_Protobuf_FileDescriptorProto) throws {
        files[file.name] = File(
            bytes: try file.serializedBytes(), dependencies: file.dependency)
        for message in file.messageType {
            add(message, in: file.package, file.name)
        }
        for enumeration in file.enumType {
            add(enumeration, in: file.package, file.name)
        }
        for service in file.service {
            let name = Self.joined(file.package, service.name)
            services.append(name)
            fileOfSymbol[name] = file.name
            for method in service.method {
                fileOfSymbol[Self.joined(name, method.name)] = file.name
            }
        }
        for field in file.extension {
            fileOfSymbol[Self.joined(file.package, field.name)] = file.name
        }
    }

    private mutating func add(
        _ message: Google_Protobuf_DescriptorProto, in scope: String, _ file: String
    ) {
        let name = Self.joined(scope, message.name)
        messages.insert(name)
        fileOfSymbol[name] = file
        for member in message.field.map(\.name) + message.oneofDecl.map(\.name) {
            fileOfSymbol[Self.joined(name, member)] = file
        }
        for nested in message.nestedType {
            add(nested, in: name, file)
        }
        for enumeration in message.enumType {
            add(enumeration, in: name, file)
        }
    }

    /// The values of an enum are siblings of the enum, not members of it.
    private mutating func add(
        _ enumeration: Google_Protobuf_EnumDescriptorProto, in scope: String, _ file: String
    ) {
        fileOfSymbol[Self.joined(scope, enumeration.name)] = file
        for value in enumeration.value {
            fileOfSymbol[Self.joined(scope, value.name)] = file
        }
    }

    private static func joined(_ scope: String, _ name: String) -> String {
        scope.isEmpty ? name : "\(scope).\(name)"
    }
}
