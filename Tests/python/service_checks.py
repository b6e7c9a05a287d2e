"""Health in its three forms, server reflection, receipts and proofs."""

import base64
import datetime
import hashlib

import grpc
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

import formats
from checking import Unexpected, check, eventually, expect, expect_equal
from ledger import RPC_SECONDS, Ledger
from stubs import messages

SERVING = health_pb2.HealthCheckResponse.SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
# The messages of both versions are the same on the wire.
REFLECTION_VERSIONS = ("v1", "v1alpha")


@check("HealthCheck is healthy, SERVING, and knows the last number")
def health_check(ledger: Ledger) -> None:
    head = ledger.seal().sequence_number
    answer = ledger.stub.HealthCheck(messages.HealthCheckRequest(), timeout=RPC_SECONDS)
    expect(answer.healthy, "not healthy")
    expect_equal("status", answer.status, "SERVING")
    expect_equal("last_sequence_number", answer.last_sequence_number, head)


def moment(text: str) -> datetime.datetime:
    """Reads an RFC 3339 time."""
    try:
        parsed = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise Unexpected(f"{text!r} is no RFC 3339 time") from None
    expect(parsed.tzinfo is not None and "T" in text, f"{text!r} is no RFC 3339 time")
    return parsed


@check("ledger.Health tells of every etcd member")
def get_health(ledger: Ledger) -> None:
    def healthy():
        answer = ledger.health.GetHealth(messages.GetHealthRequest(), timeout=RPC_SECONDS)
        return answer if answer.status == messages.HEALTHY else None

    answer = eventually(healthy, "the service is not HEALTHY")
    moment(answer.checked_at)
    expect(answer.message, "no message")
    expect(answer.check_duration_ms >= 0, "check_duration_ms is negative")
    others = ("archive", "audit", "storage")
    members = [one for one in answer.dependencies if one.name not in others]
    audits = [one.status for one in answer.dependencies if one.name == "audit"]
    expect_equal("the audit", audits, [messages.HEALTHY])
    expect(members, "no member of etcd")
    for dependency in members:
        config = dependency.config
        expect_equal("the name", dependency.name, f"etcd/{config.hostname}:{config.port}")
        expect_equal("the type", dependency.type, messages.DATABASE)
        expect_equal(f"the status of {dependency.name}", dependency.status, messages.HEALTHY)
        expect_equal("the error", dependency.error, "")
        expect(config.protocol, "no protocol")
        expect(config.pool_info.max_connections > 0, "no pool information")
        expect(dependency.response_time_ms >= 0, "response_time_ms is negative")
        moment(dependency.last_check)


@check("ledger.Health is alive, and its uptime does not go back")
def get_liveness(ledger: Ledger) -> None:
    answers = [
        ledger.health.GetLiveness(messages.GetLivenessRequest(), timeout=RPC_SECONDS)
        for _ in range(2)
    ]
    expect(all(answer.alive for answer in answers), "not alive")
    expect(0 <= answers[0].uptime_seconds <= answers[1].uptime_seconds, "the uptime is wrong")


@check("grpc.health.v1 Check: both names are SERVING, another is NOT_FOUND")
def standard_check(ledger: Ledger) -> None:
    stub = health_pb2_grpc.HealthStub(ledger.channel)
    for name in ("", "ledger.ImmutableLedger"):
        request = health_pb2.HealthCheckRequest(service=name)
        expect_equal(repr(name), stub.Check(request, timeout=RPC_SECONDS).status, SERVING)
    request = health_pb2.HealthCheckRequest(service="ledger.Unknown")
    failure = ledger.failure(stub.Check, request, timeout=RPC_SECONDS)
    expect_equal("the code", failure.code, grpc.StatusCode.NOT_FOUND)


@check("grpc.health.v1 Watch: the status at once, SERVICE_UNKNOWN for another name")
def standard_watch(ledger: Ledger) -> None:
    stub = health_pb2_grpc.HealthStub(ledger.channel)
    expected = {"": SERVING, "ledger.ImmutableLedger": SERVING, "ledger.Unknown": SERVICE_UNKNOWN}
    for name, status in expected.items():
        request = health_pb2.HealthCheckRequest(service=name)
        call = stub.Watch(request, timeout=RPC_SECONDS)
        expect_equal(repr(name), next(call).status, status)
        call.cancel()


@check("grpc.health.v1 List: both names")
def standard_list(ledger: Ledger) -> None:
    stub = health_pb2_grpc.HealthStub(ledger.channel)
    statuses = stub.List(health_pb2.HealthListRequest(), timeout=RPC_SECONDS).statuses
    for name in ("", "ledger.ImmutableLedger"):
        expect(name in statuses, f"{name!r} is missing")
        expect_equal(repr(name), statuses[name].status, SERVING)


def reflect(ledger: Ledger, version: str, *requests) -> list:
    """Sends the requests in one stream and returns the answers."""
    call = ledger.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    answers = list(call(iter(requests), timeout=RPC_SECONDS))
    expect_equal("the number of answers", len(answers), len(requests))
    return answers


def files(answer) -> "list[descriptor_pb2.FileDescriptorProto]":
    """The files in an answer."""
    kind = answer.WhichOneof("message_response")
    expect_equal("the answer", kind, "file_descriptor_response")
    encoded = answer.file_descriptor_response.file_descriptor_proto
    return [descriptor_pb2.FileDescriptorProto.FromString(file) for file in encoded]


def shape(file) -> tuple:
    """What two compilers must agree on: services, methods, messages, fields, numbers, types."""
    found_services = {
        service.name: [
            (m.name, m.input_type, m.output_type, m.client_streaming, m.server_streaming)
            for m in service.method
        ]
        for service in file.service
    }
    found_messages = {
        message.name: [(f.name, f.number, f.type, f.label, f.type_name) for f in message.field]
        for message in file.message_type
    }
    return file.package, found_services, found_messages


def reflection_check(version: str) -> None:
    """Registers the checks of one version of the reflection service."""
    request = reflection_pb2.ServerReflectionRequest

    @check(f"grpc.reflection.{version} lists the services")
    def list_services(ledger: Ledger) -> None:
        (answer,) = reflect(ledger, version, request(list_services=""))
        names = {service.name for service in answer.list_services_response.service}
        for name in (
            "ledger.ImmutableLedger",
            "ledger.Health",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
        ):
            expect(name in names, f"{name} is not among {sorted(names)}")

    @check(f"grpc.reflection.{version} gives the file of a service, message, method and name")
    def file_of_symbol(ledger: Ledger) -> None:
        own = descriptor_pb2.FileDescriptorProto()
        messages.DESCRIPTOR.CopyToProto(own)
        answers = reflect(
            ledger,
            version,
            request(file_containing_symbol="ledger.ImmutableLedger"),
            request(file_containing_symbol="ledger.SealedEvent"),
            request(file_containing_symbol="ledger.ImmutableLedger.SubmitEvent"),
            request(file_by_filename="ledger.proto"),
        )
        for answer in answers:
            matching = [file for file in files(answer) if file.name == "ledger.proto"]
            expect(matching, "ledger.proto is not in the answer")
            expect_equal("the contract", shape(matching[0]), shape(own))
        (answer,) = reflect(
            ledger, version, request(file_containing_symbol="grpc.health.v1.Health")
        )
        expect_equal("the package", files(answer)[0].package, "grpc.health.v1")

    @check(f"grpc.reflection.{version} answers NOT_FOUND for what is not there")
    def unknown_symbol(ledger: Ledger) -> None:
        answers = reflect(
            ledger,
            version,
            request(file_containing_symbol="ledger.Nothing"),
            request(file_by_filename="nothing.proto"),
        )
        for answer in answers:
            kind = answer.WhichOneof("message_response")
            expect_equal("the answer", kind, "error_response")
            code = answer.error_response.error_code
            expect_equal("the code", code, grpc.StatusCode.NOT_FOUND.value[0])


for _version in REFLECTION_VERSIONS:
    reflection_check(_version)


def root_of(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Where an inclusion path leads (RFC 9162, section 2.1.3.2)."""
    last, root = size - 1, leaf
    for sibling in path:
        left = index % 2 == 1 or index == last
        pair = sibling + root if left else root + sibling
        root = hashlib.sha256(b"\x01" + pair).digest()
        while left and index % 2 == 0 and index != 0:
            index, last = index >> 1, last >> 1
        index, last = index >> 1, last >> 1
    expect_equal("what is left of the path", last, 0)
    return root


@check("a receipt leads from the event's bytes to the root of the checkpoint in it")
def receipt(ledger: Ledger) -> None:
    sealed = ledger.seal()
    number = sealed.sequence_number
    request = messages.GetReceiptRequest(sequence_number=number, wait_ms=5_000)
    answer = ledger.stub.GetReceipt(request, timeout=RPC_SECONDS)
    expect_equal("the entry", answer.entry, formats.entry_bytes(sealed))
    proof, _, note = answer.receipt.partition("\n\n")
    lines = proof.split("\n")
    expect_equal("the header", lines[:2], ["c2sp.org/tlog-proof@v1", f"index {number - 1}"])
    _, size, root, *_ = note.split("\n")
    leaf = hashlib.sha256(b"\x00" + answer.entry).digest()
    path = [base64.b64decode(line, validate=True) for line in lines[2:]]
    expect_equal(
        "the root", root_of(leaf, number - 1, int(size), path), base64.b64decode(root)
    )


@check("proofs of a size and of two sizes agree, and with the checkpoint")
def proofs(ledger: Ledger) -> None:
    first = ledger.seal().sequence_number
    second = ledger.seal().sequence_number
    size = messages.GetInclusionProofRequest(sequence_number=first, tree_size=second)
    inclusion = ledger.stub.GetInclusionProof(size, timeout=RPC_SECONDS)
    expect_equal(
        "the root",
        root_of(inclusion.leaf_hash, first - 1, second, list(inclusion.path)),
        inclusion.root_hash,
    )
    sizes = messages.GetConsistencyProofRequest(first_size=first, second_size=second)
    consistency = ledger.stub.GetConsistencyProof(sizes, timeout=RPC_SECONDS)
    expect_equal("the second root", consistency.second_root, inclusion.root_hash)
    beyond = messages.GetInclusionProofRequest(sequence_number=1, tree_size=2**64 - 1)
    ledger.failure(ledger.stub.GetInclusionProof, beyond, timeout=RPC_SECONDS).expect(
        grpc.StatusCode.OUT_OF_RANGE
    )
    note = ledger.stub.GetCheckpoint(messages.GetCheckpointRequest(), timeout=RPC_SECONDS).note
    expect("\n\n\u2014 " in note, "the checkpoint has no signature")
