"""Checks of a running ledger with grpcio and its default settings, as those of the other languages.

    python_client.py HOST:PORT ANOTHER_SERVER REFUSED

Where the service has to be stopped or started it prints "ask" and what, and waits for a line.
"""

import pathlib
import sys
import time

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

import checking  # noqa: E402
from checking import check, expect, expect_equal  # noqa: E402
from ledger import Failure, Ledger  # noqa: E402
from stubs import messages, services  # noqa: E402

CALL_SECONDS = 30
DEADLINE_SECONDS = 0.7
MEBIBYTE = 1 << 20
LISTED_EVENTS = 6_000
Code = grpc.StatusCode


def ask(what: str) -> None:
    """Has the service stopped or started, and returns when that is done."""
    print(f"ask {what}", flush=True)
    if not sys.stdin.readline():
        sys.exit(2)


def report(what: str, error: grpc.RpcError) -> None:
    """Says which code this library reports; the caller of this program makes a table of it."""
    print(f"status {what}: {error.code().name} {Failure.of(error).reason}", flush=True)


def failure_of(call) -> grpc.RpcError:
    """Makes a call that must fail, and returns how it did."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise checking.Unexpected("the call is OK")


def stream(ledger: Ledger, events, **options) -> list[str]:
    """Sends all in one stream; what was answered, and at the end the code of a failure."""
    said = []
    try:
        for result in ledger.stub.SubmitEvents(iter(events), timeout=CALL_SECONDS, **options):
            said.append(result.rejection.reason or "sealed")
    except grpc.RpcError as error:
        said.append(error.code().name)
    return said


@check("an event is sealed, its repetition is a duplicate with the original")
def duplicate(ledger: Ledger) -> None:
    event = ledger.event()
    sealed = ledger.seal(event)
    failure = ledger.refused(event)
    failure.expect(Code.ALREADY_EXISTS, "DUPLICATE_EVENT")
    expect_equal("the number", failure.original.sequence_number, sealed.sequence_number)


@check("other content under the same id is conflicting, and says which fields differ")
def conflicting(ledger: Ledger) -> None:
    event = ledger.event(metadata={"k": "1"})
    ledger.seal(event)
    for change, names in (
        (dict(payload=b"other"), "payload"),
        (dict(veps_timestamp=7), "veps_timestamp"),
        (dict(metadata={"k": "2"}), "metadata"),
        (dict(payload=b"other", metadata={"k": "2"}), "payload,metadata"),
    ):
        other = messages.CertifiedEvent()
        other.CopyFrom(event)
        other.MergeFrom(messages.CertifiedEvent(**change))
        failure = ledger.refused(other)
        failure.expect(Code.ALREADY_EXISTS, "CONFLICTING_EVENT")
        expect_equal("differs", failure.metadata.get("differs"), names)


for _size in (49_153, 200_000, 3 * MEBIBYTE):

    @check(f"a payload of {_size} bytes is INVALID_EVENT")
    def too_large(ledger: Ledger, size=_size) -> None:
        failure = ledger.refused(ledger.event(payload=bytes(size)))
        failure.expect(Code.INVALID_ARGUMENT, "INVALID_EVENT")

    @check(f"a payload of {_size} bytes in a stream is refused alone")
    def too_large_in_stream(ledger: Ledger, size=_size) -> None:
        events = [ledger.event(), ledger.event(payload=bytes(size)), ledger.event()]
        expect_equal("the answers", stream(ledger, events), ["sealed", "INVALID_EVENT", "sealed"])


@check("a message of 5 MiB is RESOURCE_EXHAUSTED with a reason")
def beyond(ledger: Ledger) -> None:
    ledger.refused(ledger.event(payload=bytes(5 * MEBIBYTE))).expect(Code.RESOURCE_EXHAUSTED)


@check("a message of 5 MiB ends its stream, and earlier answers stand")
def beyond_in_stream(ledger: Ledger) -> None:
    def events():
        yield ledger.event()
        # The first is answered before the second is sent.
        checking.eventually(lambda: said, "the first event is not answered")
        yield ledger.event(payload=bytes(5 * MEBIBYTE))

    said: list[str] = []
    call = ledger.stub.SubmitEvents(events(), timeout=CALL_SECONDS)
    try:
        for result in call:
            said.append(result.rejection.reason or "sealed")
    except grpc.RpcError as error:
        said.append(error.code().name)
    expect_equal("the answers", said, ["sealed", "RESOURCE_EXHAUSTED"])


for _name, _compression in (
    ("gzip", grpc.Compression.Gzip), ("deflate", grpc.Compression.Deflate)
):  # fmt: skip

    @check(f"events compressed with {_name} are sealed")
    def compressed(ledger: Ledger, compression=_compression) -> None:
        event = ledger.event(payload=bytes(1_000))
        ledger.stub.SubmitEvent(event, timeout=CALL_SECONDS, compression=compression)
        events = [ledger.event(), ledger.event(payload=bytes(200_000))]
        said = stream(ledger, events, compression=compression)
        expect_equal("the answers", said, ["sealed", "INVALID_EVENT"])


@check("17 kB of metadata fail their call, and no other")
def long_metadata(ledger: Ledger) -> None:
    follow = ledger.stub.ListEvents(messages.ListEventsRequest(follow=True), timeout=CALL_SECONDS)
    ledger.seal()
    next(follow)
    long = [("x-long", "a" * 17_000)]
    failure_of(
        lambda: ledger.stub.SubmitEvent(ledger.event(), timeout=CALL_SECONDS, metadata=long)
    )
    last = ledger.seal()
    while next(follow).sequence_number < last.sequence_number:
        pass
    follow.cancel()


def open_calls(ledger: Ledger) -> dict:
    """The calls that stay open, each to be begun with a deadline or without one."""
    health = health_pb2_grpc.HealthStub(ledger.channel)
    return {
        "SubmitEvents": lambda **o: ledger.stub.SubmitEvents(waiting(), **o),
        "ListEvents that follows": lambda **o: ledger.stub.ListEvents(
            messages.ListEventsRequest(follow=True), **o
        ),
        "Watch": lambda **o: health.Watch(health_pb2.HealthCheckRequest(), **o),
    }


def waiting():
    """A stream of requests that has none, and does not end for longer than any call here."""
    time.sleep(2 * DEADLINE_SECONDS)
    return
    yield


for _name in ("SubmitEvents", "ListEvents that follows", "Watch"):

    @check(f"the deadline of an open {_name} is DEADLINE_EXCEEDED")
    def deadline(ledger: Ledger, name=_name) -> None:
        for _ in range(3):
            call = open_calls(ledger)[name](timeout=DEADLINE_SECONDS)
            expect_equal("the code", failure_of(lambda: list(call)).code(), Code.DEADLINE_EXCEEDED)

    @check(f"an open {_name} that is cancelled is CANCELLED")
    def cancelled(ledger: Ledger, name=_name) -> None:
        call = open_calls(ledger)[name](timeout=CALL_SECONDS)
        call.cancel()
        expect_equal("the code", failure_of(lambda: list(call)).code(), Code.CANCELLED)


@check("400 cancelled calls do no harm to a stream beside them")
def many_cancelled(ledger: Ledger) -> None:
    beside = following(ledger, CALL_SECONDS)
    for _ in range(400):
        following_one = ledger.stub.ListEvents(
            messages.ListEventsRequest(follow=True), timeout=CALL_SECONDS
        )
        next(following_one)
        following_one.cancel()
    last = ledger.seal()
    while next(beside).sequence_number < last.sequence_number:
        pass
    beside.cancel()


@check("400 calls whose deadline passes do no harm to a stream beside them")
def many_expired(ledger: Ledger) -> None:
    beside = following(ledger, CALL_SECONDS)
    request = messages.ListEventsRequest(follow=True)
    calls = [ledger.stub.ListEvents(request, timeout=DEADLINE_SECONDS) for _ in range(400)]
    for call in calls:
        expect_equal("the code", failure_of(lambda: list(call)).code(), Code.DEADLINE_EXCEEDED)
    last = ledger.seal()
    while next(beside).sequence_number < last.sequence_number:
        pass
    beside.cancel()


@check("a long list that is read slowly comes whole")
def slow_reader(ledger: Ledger) -> None:
    first = ledger.seal().sequence_number
    events = [ledger.event(payload=bytes(1_000)) for _ in range(LISTED_EVENTS)]
    stream(ledger, events)
    request = messages.ListEventsRequest(first=first)
    number = first
    for event in ledger.stub.ListEvents(request, timeout=3 * CALL_SECONDS):
        expect_equal("the number", event.sequence_number, number)
        number += 1
        # The reader's own slowness, which is what is tried here.
        time.sleep(0.001)
    expect(number > first + LISTED_EVENTS // 2, f"only up to {number}")


@check("a generic client resolves the messages of the details through reflection")
def reflection(ledger: Ledger) -> None:
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(ledger.channel))
    for name, field in (
        ("google.rpc.ErrorInfo", "reason"),
        ("google.rpc.BadRequest", "field_violations"),
        ("google.rpc.RetryInfo", "retry_delay"),
        ("ledger.SealedEvent", "sequence_number"),
    ):
        try:
            found = pool.FindMessageTypeByName(name)
        except KeyError:
            raise checking.Unexpected(f"{name} is not known") from None
        expect(field in found.fields_by_name, f"{name} has no {field}")


@check("the library reports a status for each of its own failures")
def statuses(ledger: Ledger) -> None:
    _, other, refused = sys.argv[1:]
    limited = [("grpc.max_receive_message_length", 1), ("grpc.max_send_message_length", 1_000)]
    request = messages.HealthCheckRequest()
    large = ledger.event(payload=bytes(5 * MEBIBYTE))

    def raw(path: str, content: bytes):
        call = ledger.channel.unary_unary(path, lambda b: b, lambda b: b)
        return failure_of(lambda: call(content, timeout=CALL_SECONDS))

    def at(address: str, call, options=()):
        with grpc.insecure_channel(address, options) as channel:
            return failure_of(lambda: call(services.ImmutableLedgerStub(channel)))

    report("an unknown method", raw("/ledger.ImmutableLedger/Nothing", b""))
    report(
        "an answer larger than the client takes",
        at(sys.argv[1], lambda s: s.HealthCheck(request, timeout=CALL_SECONDS), limited),
    )
    report(
        "a request of 5 MiB",
        failure_of(lambda: ledger.stub.SubmitEvent(large, timeout=CALL_SECONDS)),
    )
    report(
        "a request larger than the client sends",
        at(sys.argv[1], lambda s: s.SubmitEvent(large, timeout=CALL_SECONDS), limited),
    )
    report("a request that does not decode", raw("/ledger.ImmutableLedger/GetEvent", b"\x0a\x011"))
    for what, address in (("a refused connection", refused), ("a server that is not gRPC", other)):
        report(what, at(address, lambda s: s.HealthCheck(request, timeout=CALL_SECONDS)))


def following(ledger: Ledger, seconds: float = 4 * CALL_SECONDS):
    """A list that follows and has given its first event."""
    ledger.seal()
    request = messages.ListEventsRequest(follow=True)
    call = ledger.stub.ListEvents(request, timeout=seconds)
    next(call)
    return call


@check("a client finds the service again after a restart, without a new channel")
def restart(ledger: Ledger) -> None:
    event = ledger.event()
    ledger.seal(event)
    call = following(ledger)
    ask("stop")
    error = failure_of(lambda: list(call))
    report("a stream when the replica stops", error)
    ask("start")

    def submitted() -> bool:
        try:
            return bool(ledger.stub.SubmitEvent(ledger.event(), timeout=CALL_SECONDS))
        except grpc.RpcError:
            return False

    checking.eventually(submitted, "no event is sealed after the restart", 3 * CALL_SECONDS)
    ledger.refused(event).expect(Code.ALREADY_EXISTS, "DUPLICATE_EVENT")
    Failure.of(error).expect(Code.UNAVAILABLE, "STOPPING")


@check("a stream whose connection is cut ends UNAVAILABLE")
def cut(ledger: Ledger) -> None:
    call = following(ledger)
    ask("kill")
    error = failure_of(lambda: list(call))
    ask("start")
    report("a connection that is cut in the middle", error)
    expect_equal("the code", error.code(), Code.UNAVAILABLE)


if __name__ == "__main__":
    with grpc.insecure_channel(sys.argv[1]) as opened:
        sys.exit(checking.run_checks(Ledger(opened, "", "")))
