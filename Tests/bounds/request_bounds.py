"""Bounds of what peers may send and hold open on the gRPC port."""

import contextlib
import gzip
import socket
import struct

import grpc

from measuring import (
    CALL_SECONDS, LARGE_PAYLOAD, Measured, Run, bound, code_and_reason, connected, wait_until,
)  # fmt: skip
from checking import expect, expect_equal
from stubs import messages, services
from wire import Wire, call_headers, message

MEBIBYTE = 1 << 20
SUBMIT = "/ledger.ImmutableLedger/SubmitEvent"
SUBMIT_STREAM = "/ledger.ImmutableLedger/SubmitEvents"
CHECK = "/grpc.health.v1.Health/Check"
REFUSED_STREAM = 7
MAX_CONNECTIONS, MAX_CONCURRENT_CALLS = 1_024, 1_024
CONNECTION_BYTES = 16 * MEBIBYTE
# What the allocator and the library hold beside what is counted, however large the bound is.
OVERHEAD = 3
MARGIN_MB = 64


def expect_memory(found: Measured, process_peak: float, allowed_bytes: int) -> None:
    """The peak is not far above what the bound allows."""
    grown, allowed = process_peak - found.service.before, allowed_bytes / MEBIBYTE
    expect(
        grown <= OVERHEAD * allowed + MARGIN_MB,
        f"the memory grew by {grown:.0f} MB, where {allowed:.0f} MB may be held",
    )


@bound("open connections", "`LEDGER_MAX_CONNECTIONS`", "1024", "`ledger_grpc_connections`")
def connections(run: Run) -> Measured:
    with run.service() as service, run.measured(service) as found:
        with contextlib.ExitStack() as stack:
            peers = []
            for _ in range(MAX_CONNECTIONS + 300):
                peer = stack.enter_context(
                    socket.create_connection(("127.0.0.1", service.port), timeout=CALL_SECONDS)
                )
                # A greeting: connections that say nothing at all are closed for that.
                with contextlib.suppress(OSError):
                    peer.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\4" + bytes(5))
                peers.append(peer)
            wait_until(lambda: sum(map(is_closed, peers)) >= 300, "connections are closed")
            expect(
                service.metric("ledger_grpc_connections") <= MAX_CONNECTIONS + 1,
                "more connections than the bound",
            )
            rejected = service.metric("ledger_grpc_connections_rejected_total")
            expect(rejected >= 299, f"the metric counts {rejected} rejected connections")
        found.pushed = f"{MAX_CONNECTIONS + 300} connections without a call"
        found.tell("the connection that has had no call for longest is closed")
    return found


def is_closed(peer: socket.socket) -> bool:
    """Whether the other side has ended a connection, whatever came before."""
    peer.setblocking(False)
    try:
        while part := peer.recv(65_536):
            # A GOAWAY is the beginning of the end.
            if part[3:4] == b"\7":
                return True
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


@bound("silent connections", "`LEDGER_REQUEST_TIMEOUT_MS`", "10000", "`ledger_grpc_connections`")
def silent(run: Run) -> Measured:
    with run.service(LEDGER_REQUEST_TIMEOUT_MS="2000") as service:
        with run.measured(service) as found, contextlib.ExitStack() as stack:
            peers = [
                stack.enter_context(
                    socket.create_connection(("127.0.0.1", service.port), timeout=CALL_SECONDS)
                )
                for _ in range(500)
            ]
            wait_until(lambda: all(map(is_closed, peers)), "silent connections are closed")
            found.pushed = "500 connections without a byte (bound set to 2000)"
            found.tell("the connection is closed")
    return found


def half_messages(wire: Wire, count: int, size: int) -> None:
    """Opens calls and sends all but the last byte of each one's message."""
    for number in range(count):
        stream = 2 * number + 1
        wire.open(stream, call_headers(SUBMIT_STREAM))
        wire.data(stream, struct.pack(">BI", 0, size) + bytes(size - 1), end=False)


@bound(
    "bytes of incomplete requests, one connection", "`LEDGER_MAX_CONNECTION_BYTES`", "16777216",
    '`ledger_grpc_request_bytes`, `ledger_grpc_refused_total{reason="connection_bytes"}`',
)  # fmt: skip
def connection_bytes(run: Run) -> Measured:
    with run.service() as service, run.measured(service) as found:
        with connected(service) as wire:
            # As large as an event may be: larger ones are not kept at all.
            half_messages(wire, 900, 49_000)
            half_messages_told(wire, found, 900)
        expect_memory(found, service.child.peak, CONNECTION_BYTES)
        found.pushed = "900 half-sent messages of 49 kB over one connection"
    return found


def half_messages_told(wire: Wire, found: Measured, count: int) -> None:
    """Some calls were refused for their bytes."""
    streams = range(1, 2 * count, 2)
    wire.pump(1, lambda: False)
    told = {code_and_reason(wire.answer(stream)) for stream in streams}
    expect("RESOURCE_EXHAUSTED/`OVERLOADED`" in told, f"told {told}")
    found.tell("RESOURCE_EXHAUSTED/`OVERLOADED`")


def push_large_halves(run: Run, count: int) -> Measured:
    """Sends all but the last byte of messages that are too large for an event."""
    with run.service() as service, run.measured(service) as found:
        with connected(service) as wire:
            half_messages(wire, count, MEBIBYTE)
            wire.pump(0.5, lambda: False)
            expect_memory(found, service.child.peak, CONNECTION_BYTES)
            for number in range(count):
                wire.data(2 * number + 1, b"\0")
            for number in range(count):
                wire.wait(2 * number + 1)
                answer = wire.answer(2 * number + 1)
                # Where sending all of them takes longer, the first ones' time is over.
                is_late = answer.reason == "NOT_SEALED"
                expect(b"INVALID_EVENT" in answer.data or is_late, f"told {answer}")
        found.pushed = f"{count} half-sent messages of 1 MiB over one connection"
        found.tell("for each that becomes whole INVALID_ARGUMENT/`INVALID_EVENT`")
    return found


LARGE_HALVES = ("half-sent large messages", "none of it is kept", "",
                "`ledger_grpc_request_bytes`")  # fmt: skip


@bound(*LARGE_HALVES)
def few_large_halves(run: Run) -> Measured:
    return push_large_halves(run, 60)


@bound(*LARGE_HALVES, quick=False)
def large_halves(run: Run) -> Measured:
    return push_large_halves(run, 300)


@bound(
    "bytes of incomplete requests, all connections", "`LEDGER_MAX_REQUEST_BYTES`", "134217728",
    '`ledger_grpc_request_bytes`, `ledger_grpc_refused_total{reason="request_bytes"}`',
)  # fmt: skip
def request_bytes(run: Run) -> Measured:
    limit = 64 * MEBIBYTE
    with run.service(LEDGER_MAX_REQUEST_BYTES=str(limit)) as service:
        # Others share this bound: they are told the same, and served again after it.
        with run.measured(service, beside=False) as found, contextlib.ExitStack() as stack:
            wires = [stack.enter_context(connected(service)) for _ in range(8)]
            for wire in wires:
                half_messages(wire, 300, 49_000)
            for wire in wires:
                wire.pump(0.2, lambda: False)
            told = {code_and_reason(answer) for wire in wires for answer in wire.answers.values()}
            expect("RESOURCE_EXHAUSTED/`OVERLOADED`" in told, f"told {told}")
            found.tell("RESOURCE_EXHAUSTED/`OVERLOADED`")
            expect_memory(found, service.child.peak, limit)
            found.pushed = "2,400 half-sent messages over 8 connections (bound set to 67108864)"
    return found


@bound("an incomplete request's time", "`LEDGER_REQUEST_TIMEOUT_MS`", "10000",
       '`ledger_grpc_refused_total{reason="request_timeout"}`')  # fmt: skip
def request_time(run: Run) -> Measured:
    with run.service(LEDGER_REQUEST_TIMEOUT_MS="2000") as service:
        with run.measured(service) as found, connected(service) as wire:
            half_messages(wire, 100, 49_000)
            for stream in range(1, 200, 2):
                answer = wire.wait(stream, CALL_SECONDS)
                expect(answer.status is not None, f"told nothing: {answer}")
                found.tell(code_and_reason(answer))
            found.pushed = "100 half-sent messages (bound set to 2000)"
    return found


@bound("open calls, one connection", "`LEDGER_MAX_CONCURRENT_CALLS`", "1024", "`ledger_grpc_calls`")
def concurrent_calls(run: Run) -> Measured:
    with run.service() as service, run.measured(service) as found, connected(service) as wire:
        for number in range(MAX_CONCURRENT_CALLS + 200):
            wire.open(2 * number + 1, call_headers(SUBMIT_STREAM))
        wire.pump(1, lambda: False)
        held = service.metric("ledger_grpc_calls")
        expect(held <= MAX_CONCURRENT_CALLS + 10, f"{held} calls are open")
        # A peer that knows the bound and does not keep to it breaks the protocol.
        resets = {answer.reset for answer in wire.answers.values() if answer.reset is not None}
        expect(wire.goaway is not None or resets == {REFUSED_STREAM}, f"resets {resets}")
        found.pushed = f"{MAX_CONCURRENT_CALLS + 200} open SubmitEvents over one connection"
        found.tell("nothing: a library waits with the call; a peer that does not is closed")
    return found


def open_many(run: Run, limit: int, settings: dict) -> Measured:
    """Opens more calls than all connections together may have."""
    with run.service(**settings) as service:
        with run.measured(service, beside=False) as found, contextlib.ExitStack() as stack:
            left = limit + 300
            wires = []
            while left > 0:
                wire = stack.enter_context(connected(service))
                wires.append(wire)
                for number in range(min(left, MAX_CONCURRENT_CALLS - 24)):
                    wire.open(2 * number + 1, call_headers(SUBMIT_STREAM))
                left -= MAX_CONCURRENT_CALLS - 24
                wire.pump(0.05, lambda: False)
            wires[-1].pump(CALL_SECONDS, lambda: wires[-1].answer(1).over or len(wires) < 2)
            for wire in wires:
                wire.pump(0.2, lambda: False)
            answers = [a for wire in wires for a in wire.answers.values() if a.status is not None]
            expect(answers, "every call was taken")
            for answer in answers:
                expect(answer.reason is not None, f"told {answer}")
                found.tell(code_and_reason(answer))
            # Those that were refused stay a moment: their callers have not ended them.
            wait_until(
                lambda: service.metric("ledger_grpc_calls") <= limit + 10, "no more calls are open"
            )
            found.pushed = f"{limit + 300} open SubmitEvents over {len(wires)} connections"
    return found


@bound("open calls, all connections", "`LEDGER_MAX_CALLS`", "8192",
       '`ledger_grpc_calls`, `ledger_grpc_refused_total{reason="calls"}`')  # fmt: skip
def calls(run: Run) -> Measured:
    found = open_many(run, 3_000, {"LEDGER_MAX_CALLS": "3000"})
    found.pushed += " (bound set to 3000)"
    return found


@bound("open calls, all connections", "`LEDGER_MAX_CALLS`", "8192",
       '`ledger_grpc_calls`, `ledger_grpc_refused_total{reason="calls"}`', quick=False)  # fmt: skip
def all_calls(run: Run) -> Measured:
    return open_many(run, 8_192, {})


@bound("events of a stream whose answers are not read", "`LEDGER_MAX_STREAM_BYTES`,"
       " `LEDGER_MAX_STREAM_EVENTS`", "4194304, 4096", "`ledger_grpc_request_bytes`")  # fmt: skip
def unread_answers(run: Run) -> Measured:
    with run.service() as service:
        # Duplicates: each answer carries its whole original.
        event = messages.CertifiedEvent(event_id="unread", payload=bytes(LARGE_PAYLOAD))
        with grpc.insecure_channel(service.address) as channel:
            services.ImmutableLedgerStub(channel).SubmitEvent(event, timeout=CALL_SECONDS)
        with run.measured(service) as found, contextlib.ExitStack() as stack:
            wires = [stack.enter_context(connected(service)) for _ in range(8)]
            sent = 0
            for wire in wires:
                wire.updates_windows = False
                wire.open(1, call_headers(SUBMIT_STREAM))
                content = message(event.SerializeToString())
                for _ in range(1_000):
                    # No more than the windows allow: closed windows are the answer looked for.
                    if wire.room(1) < len(content) and not wire.pump(
                        0.5, lambda w=wire: w.room(1) >= len(content)
                    ):
                        break
                    wire.data(1, content, end=False)
                    sent += 1
            expect(sent < 8_000, "every event was taken")
            expect_memory(found, service.child.peak, 8 * 4 * MEBIBYTE)
            found.pushed = f"8 streams of 49 kB duplicates that read nothing: {sent} events taken"
            found.tell("nothing: HTTP/2's windows stay closed until answers are read")
    return found


@bound("a call's metadata", "`LEDGER_MAX_METADATA_BYTES`", "16384",
       '`ledger_grpc_refused_total{reason="metadata_bytes"}`')  # fmt: skip
def metadata(run: Run) -> Measured:
    with run.service() as service, run.measured(service) as found, connected(service) as wire:
        for number in range(500):
            fields = call_headers(CHECK, ("x-long", "a" * 17_000))
            wire.open(2 * number + 1, fields)
            wire.data(2 * number + 1, message(b""))
            answer = wire.wait(2 * number + 1)
            expect(answer.status is not None, f"told nothing: {answer}")
            found.tell(code_and_reason(answer))
        expect_equal("the next call", wire.call(2_001, CHECK).status, 0)
        found.pushed = "500 calls with 17 kB over one connection"
    return found


@bound("a connection's table of header fields", "none: 4096 (HPACK)", "", "")
def header_table(run: Run) -> Measured:
    with run.service() as service, run.measured(service) as found:
        # A peer that allows a table of 4 GiB, and makes every answer's fields differ.
        with connected(service, struct.pack(">HI", 1, 0xFFFFFFFF)) as wire:
            for number in range(3_000):
                path = f"/a{number}" + "x" * 4_000 + "/b"
                expect(wire.call(2 * number + 1, path).over, "no answer")
            expect_memory(found, service.child.peak, 4_096)
        found.pushed = "3,000 unknown methods of 4 kB over one connection that allows 4 GiB"
        found.tell("UNIMPLEMENTED")
    return found


@bound("a compressed message", "`LEDGER_MAX_PAYLOAD_BYTES`", "49152",
       '`ledger_grpc_refused_total{reason="message_bytes"}`')  # fmt: skip
def compression(run: Run) -> Measured:
    size = 64 * MEBIBYTE
    bomb = gzip.compress(b"\x0a\x01x\x12" + b"\x80\x80\x80\x20" + bytes(size))
    with run.service() as service, run.measured(service) as found, connected(service) as wire:
        for number in range(100):
            stream = 2 * number + 1
            wire.open(stream, call_headers(SUBMIT, ("grpc-encoding", "gzip")))
            wire.data(stream, message(bomb, flag=1))
        for number in range(100):
            answer = wire.wait(2 * number + 1, CALL_SECONDS)
            expect(answer.status in (3, 8), f"told {answer}")
            found.tell(code_and_reason(answer))
        expect_memory(found, service.child.peak, CONNECTION_BYTES)
        found.pushed = "100 messages of 64 kB that are 64 MiB decompressed"
    return found


@bound("events that wait", "`LEDGER_MAX_QUEUED_EVENTS`, `LEDGER_MAX_QUEUED_BYTES`",
       "16384, 33554432", "`ledger_queue_events`")  # fmt: skip
def queue(run: Run) -> Measured:
    with run.service(LEDGER_MAX_QUEUED_EVENTS="256", LEDGER_MAX_BATCH_EVENTS="64") as service:
        # The queue is everybody's: others are told the same.
        with run.measured(service, beside=False) as found, contextlib.ExitStack() as stack:
            wires = [stack.enter_context(connected(service)) for _ in range(4)]
            streams = range(1, 2_000, 2)
            told: dict[str, int] = {}
            with run.cluster.paused():
                for number, wire in enumerate(wires):
                    for stream in streams:
                        event = messages.CertifiedEvent(event_id=f"queue-{number}-{stream}")
                        wire.open(stream, call_headers(SUBMIT))
                        wire.data(stream, message(event.SerializeToString()))
                for wire in wires:
                    for stream in streams:
                        said = code_and_reason(wire.wait(stream, CALL_SECONDS))
                        told[said] = told.get(said, 0) + 1
            overloaded = told.get("RESOURCE_EXHAUSTED/`OVERLOADED`", 0)
            expect(overloaded >= 4_000 - 2 * 256, f"told {told}")
            expect(all("/" in said for said in told), f"told {told}")
            found.tell("RESOURCE_EXHAUSTED/`OVERLOADED` with RetryInfo")
            found.pushed = "4,000 events while etcd does not answer (bound set to 256)"
    return found
