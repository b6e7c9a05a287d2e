#!/usr/bin/env python3
"""Tests the traces of real services with a small collector: parent and child over a forward, what is sampled, what is in
no span, and that a collector that is slow, confused or away costs spans and nothing else.

    traces_test.py --bin FOLDER      where ledger-service is; --help tells of more
"""

import argparse
import contextlib
import pathlib
import secrets
import signal
import sys
import time

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Tests/python"), str(ROOT / "scripts")]

import checking  # noqa: E402
from checking import check, eventually, expect, expect_equal, run_checks  # noqa: E402
from collector import Collector, Span, running_collector  # noqa: E402
from ledger import Ledger  # noqa: E402
from processes import Service, running_cluster, running_service  # noqa: E402
from stubs import messages  # noqa: E402

SUBMIT = "ledger.ImmutableLedger/SubmitEvent"
STREAM = "ledger.ImmutableLedger/SubmitEvents"
SERVER, CLIENT = 2, 3
# Two processes date their spans by the same clock, which they read at different times.
CLOCKS = 5_000_000


class Context:
    def __init__(self, binaries: pathlib.Path, cluster):
        self.binaries = binaries
        self.cluster = cluster
        self._count = 0

    def prefix(self) -> str:
        self._count += 1
        return f"traces-{self._count}/"

    @contextlib.contextmanager
    def service(self, collector: Collector | None, **settings: str):
        """A service that sends its spans there soon; on a ledger of its own, unless a prefix is given."""
        if collector:
            settings.setdefault("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        settings.setdefault("OTEL_BSP_SCHEDULE_DELAY", "100")
        settings.setdefault("LEDGER_PREFIX", self.prefix())
        with running_service(self.binaries, self.cluster, **settings) as service:
            yield service

    @contextlib.contextmanager
    def pair(self, sealer: dict, follower: dict, **settings: str):
        """Two replicas of one ledger: the one that seals, and the one that forwards to it."""
        settings.setdefault("LEDGER_PREFIX", self.prefix())
        with running_service(self.binaries, self.cluster, **settings, **sealer) as first:
            eventually(lambda: first.metric("ledger_is_sealer") == 1, "the first one seals", 60)
            with running_service(self.binaries, self.cluster, **settings, **follower) as second:
                eventually(
                    lambda: first.metric("ledger_forwarding_peers") == 1, "the other one forwards", 60
                )
                yield first, second


class Caller:
    """A trace of the caller's, and what it sends for it."""

    def __init__(self, flags: str = "01"):
        self.trace = secrets.token_hex(16)
        self.span = secrets.token_hex(8)
        self.metadata = [("traceparent", f"00-{self.trace}-{self.span}-{flags}")]


def ledger_of(service: Service) -> Ledger:
    return Ledger(grpc.insecure_channel(service.address), service.admin, "")


def spans_of(collector: Collector, trace: str, names: list[str], seconds: float = 60) -> list[Span]:
    """The spans of a trace, once there are as many as names, which must be their names."""
    found = eventually(
        lambda: len(collector.trace(trace)) >= len(names) and collector.trace(trace),
        f"the spans {names} arrive",
        seconds,
    )
    expect_equal("the spans' names", sorted(span.name for span in found), sorted(names))
    expect_equal("different ids", len({span.id for span in found}), len(found))
    return found


def only(spans: list[Span], name: str, replica: str | None = None) -> Span:
    found = [span for span in spans if span.name == name and replica in (None, span.replica)]
    expect_equal(f"spans {name}", len(found), 1)
    return found[0]


def expect_within(inner: Span, outer: Span) -> None:
    """A child, of the time of its parent."""
    expect_equal(f"the parent of {inner}", inner.parent, outer.id)
    expect_equal("its trace", inner.trace, outer.trace)
    slack = 0 if inner.replica == outer.replica else CLOCKS
    expect(
        outer.start - slack <= inner.start <= inner.end <= outer.end + slack,
        f"{inner} {inner.start}...{inner.end} is not within {outer} {outer.start}...{outer.end}",
    )


def expect_server(spans: list[Span], caller: Caller, name: str) -> Span:
    server = only(spans, name)
    expect_equal("the caller's span is the parent", server.parent, caller.span)
    expect_equal("kind", server.kind, SERVER)
    expect_equal("rpc.system.name", server.attributes["rpc.system.name"], "grpc")
    expect_equal("rpc.method", server.attributes["rpc.method"], name)
    expect_equal("rpc.response.status_code", server.attributes["rpc.response.status_code"], "OK")
    return server


@check("an event sealed where it was submitted: receive, queue, commit in the call's span, on every way")
def alone(context: Context) -> None:
    for direct in ["on", "off"]:
        with running_collector() as collector:
            with context.service(
                collector,
                LEDGER_DIRECT_SUBMIT=direct,
                OTEL_SERVICE_NAME="ledger-under-test",
                OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=a%2Cb",
            ) as service:
                ledger = ledger_of(service)
                caller = Caller()
                event = ledger.event()
                sealed = ledger.stub.SubmitEvent(event, timeout=60, metadata=caller.metadata)
                spans = spans_of(collector, caller.trace, [SUBMIT, "receive", "queue", "commit"])
                server = expect_server(spans, caller, SUBMIT)
                receive, queue, commit = (only(spans, one) for one in ["receive", "queue", "commit"])
                for span in [receive, queue, commit]:
                    expect_within(span, server)
                expect(receive.end <= queue.start and queue.end <= commit.start, f"in order: {spans}")
                expect_equal("event_id", receive.attributes["ledger.event_id"], event.event_id)
                expect_equal("outcome", commit.attributes["ledger.outcome"], "sealed")
                number = commit.attributes["ledger.sequence_number"]
                expect_equal("number", number, sealed.sequence_number)
                expect_equal("batch", commit.attributes["ledger.batch.events"], 1)
                expect_equal("status", [span.status for span in spans], [0] * 4)
                resource = server.resource
                expect_equal("service.name", resource["service.name"], "ledger-under-test")
                expect_equal("resource", resource["deployment.environment.name"], "a,b")
                expect_equal("paths", collector.paths, {"/v1/traces"})

                streamed = Caller()
                events = [ledger.event() for _ in range(3)]
                answers = ledger.stub.SubmitEvents(
                    iter(events), timeout=60, metadata=streamed.metadata
                )
                expect_equal("answers", len(list(answers)), 3)
                spans = spans_of(
                    collector, streamed.trace, [STREAM] + 3 * ["receive", "queue", "commit"]
                )
                server = expect_server(spans, streamed, STREAM)
                for span in spans:
                    if span is not server:
                        expect_within(span, server)
                named = {span.attributes.get("ledger.event_id") for span in spans} - {None}
                expect_equal("events", named, {event.event_id for event in events})

                read = Caller()
                ledger.stub.GetEvent(
                    messages.GetEventRequest(sequence_number=1), timeout=60, metadata=read.metadata
                )
                spans = spans_of(collector, read.trace, ["ledger.ImmutableLedger/GetEvent"])
                expect_server(spans, read, "ledger.ImmutableLedger/GetEvent")
                expect(service.metric("ledger_spans_exported_total") >= 15, "spans are counted")
                expect_equal("spans lost", service.metric("ledger_spans_dropped_total"), 0)


@check("a forwarded event is one trace: what the sealing replica does is the child of the forward")
def forwarded(context: Context) -> None:
    for direct in ["on", "off"]:
        with running_collector() as collector:
            to = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.endpoint + "/own"}
            with context.pair(
                to, to, OTEL_BSP_SCHEDULE_DELAY="100", LEDGER_DIRECT_SUBMIT=direct
            ) as (_, follower):
                ledger = ledger_of(follower)
                caller = Caller()
                sealed = ledger.stub.SubmitEvent(
                    ledger.event(), timeout=60, metadata=caller.metadata
                )
                spans = spans_of(
                    collector,
                    caller.trace,
                    [SUBMIT, "receive", "queue", "forward", "queue", "commit"],
                )
                server = expect_server(spans, caller, SUBMIT)
                forward = only(spans, "forward")
                for name in ["receive", "queue", "forward"]:
                    expect_within(only(spans, name, server.replica), server)
                expect_equal("kind", forward.kind, CLIENT)
                replicas = {span.replica for span in spans}
                expect_equal("replicas", len(replicas), 2)
                (sealer,) = replicas - {server.replica}
                queue, commit = only(spans, "queue", sealer), only(spans, "commit", sealer)
                for span in [queue, commit]:
                    expect_within(span, forward)
                expect(queue.end <= commit.start, "the batch comes after the queue")
                for span in [forward, commit]:
                    expect_equal("outcome", span.attributes["ledger.outcome"], "sealed")
                    number = span.attributes["ledger.sequence_number"]
                    expect_equal("number", number, sealed.sequence_number)
                expect_equal("paths", collector.paths, {"/own"})

                streamed = Caller()
                events = [ledger.event() for _ in range(5)]
                answers = ledger.stub.SubmitEvents(
                    iter(events), timeout=60, metadata=streamed.metadata
                )
                expect_equal("answers", len(list(answers)), 5)
                names = 5 * ["receive", "queue", "forward", "queue", "commit"]
                spans = spans_of(collector, streamed.trace, [STREAM] + names)
                forwards = {span.id: span for span in spans if span.name == "forward"}
                commits = [span for span in spans if span.name == "commit"]
                expect_equal("each its own", {span.parent for span in commits}, set(forwards))
                for span in commits:
                    expect_within(span, forwards[span.parent])


@check("replicas of which only one traces serve each other, whichever it is")
def half(context: Context) -> None:
    for traced in ["sealer", "follower"]:
        with running_collector() as collector:
            to = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
                "OTEL_BSP_SCHEDULE_DELAY": "100",
            }
            settings = ({}, to) if traced == "follower" else (to, {})
            with context.pair(*settings) as (sealer, follower):
                caller = Caller()
                ledger = ledger_of(follower)
                ledger.stub.SubmitEvent(ledger.event(), timeout=60, metadata=caller.metadata)
                if traced == "follower":
                    spans_of(collector, caller.trace, [SUBMIT, "receive", "queue", "forward"])
                else:
                    # The one that was called says nothing of a trace, so that there is none.
                    marker = Caller()
                    other = ledger_of(sealer)
                    other.stub.SubmitEvent(other.event(), timeout=60, metadata=marker.metadata)
                    spans_of(collector, marker.trace, [SUBMIT, "receive", "queue", "commit"])
                    expect_equal("spans", collector.trace(caller.trace), [])


@check("what the caller does not record is not recorded; what nobody has decided goes by the sampler")
def sampled(context: Context) -> None:
    with running_collector() as collector:
        to = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        with context.pair(
            to, to, OTEL_BSP_SCHEDULE_DELAY="100", OTEL_TRACES_SAMPLER="parentbased_always_off"
        ) as (_, follower):
            ledger = ledger_of(follower)
            unsampled = Caller("00")
            ledger.stub.SubmitEvent(ledger.event(), timeout=60, metadata=unsampled.metadata)
            ledger.stub.SubmitEvent(ledger.event(), timeout=60)
            marker = Caller()
            ledger.stub.SubmitEvent(ledger.event(), timeout=60, metadata=marker.metadata)
            names = [SUBMIT, "receive", "queue", "forward", "queue", "commit"]
            spans_of(collector, marker.trace, names)
            expect_equal("traces", {span.trace for span in collector.spans}, {marker.trace})
    with running_collector() as collector:
        with context.service(
            collector, OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.5"
        ) as service:
            ledger = ledger_of(service)
            for _ in range(60):
                ledger.seal()
            eventually(lambda: len(collector.spans) >= 4, "some are recorded")
            expect_equal("exit status", service.stop(), 0)
            traces = {span.trace for span in collector.spans}
            # One in 2^59 that this fails for a sampler that is right.
            expect(1 <= len(traces) < 60, f"{len(traces)} of 60 traces are recorded")
            for trace in traces:
                spans = spans_of(collector, trace, [SUBMIT, "receive", "queue", "commit"])
                expect_equal("the first has no parent", only(spans, SUBMIT).parent, "")


@check("a traceparent that is none fails no call and begins a trace of the service's own")
def hostile(context: Context) -> None:
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    bad = [
        "", "00", "garbage", f"00-{trace}-{span}", f"00-{trace}-{span}-01-x", f"ff-{trace}-{span}-01",
        f"00-{'0' * 32}-{span}-01", f"00-{trace}-{'0' * 16}-01", f"00-{trace.upper()}G-{span}-01",
        f"00-{trace}-{span}-1", f"00-{trace}-{span}-zz", f"0x-{trace}-{span}-01", "-" * 55,
        f"00-{trace}-{span}-01" + "-" + "a" * 300, "a" * 4_000, f"00-{trace}-{span}-01,00-{trace}-{span}-01",
        "00-" + "\"'\\;--" * 8,
    ]  # fmt: skip
    with running_collector() as collector, context.service(collector) as service:
        ledger = ledger_of(service)
        for text in bad:
            ledger.stub.SubmitEvent(
                ledger.event(),
                timeout=60,
                metadata=[("traceparent", text), ("tracestate", "a=" + "b" * 1_000)],
            )
        servers = eventually(
            lambda: [one for one in collector.spans if one.name == SUBMIT][len(bad) - 1 :]
            and [one for one in collector.spans if one.name == SUBMIT],
            "all calls have a span",
            60,
        )
        expect_equal("spans", len(servers), len(bad))
        expect_equal("parents", {one.parent for one in servers}, {""})
        expect_equal("traces", len({one.trace for one in servers}), len(servers))
        expect(trace not in {one.trace for one in servers}, "the trace that is none is not taken")
        # A later version may say more.
        later = Caller()
        header = f"cc-{later.trace}-{later.span}-01-what-else"
        ledger.stub.SubmitEvent(
            ledger.event(), timeout=60, metadata=[("traceparent", header)]
        )
        spans_of(collector, later.trace, [SUBMIT, "receive", "queue", "commit"])


@check("no payload, signature, metadata, header or secret is in a span, and no header of the exporter in a log")
def canaries(context: Context) -> None:
    hidden = {
        "a payload": "canary-payload",
        "a signature": "canary-signature",
        "a key of metadata": "canary-key",
        "a value of metadata": "canary-value",
        "a header": "canary-header",
        "the tracestate": "canary-state",
        "the token of replicas": "canary-token-canary-token",
        "the exporter's header": "canary-exporter",
    }
    with running_collector() as collector:
        to = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        with context.pair(
            to,
            to,
            OTEL_BSP_SCHEDULE_DELAY="100",
            OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer%20{hidden['the exporter' + chr(39) + 's header']}",
            LEDGER_INTERNAL_TOKEN=hidden["the token of replicas"],
            LOG_LEVEL="trace",
        ) as replicas:
            for service in replicas:
                ledger = ledger_of(service)
                caller = Caller()
                metadata = caller.metadata + [
                    ("authorization", hidden["a header"]),
                    ("tracestate", f"a={hidden['the tracestate']}"),
                ]
                event = ledger.event(
                    payload=hidden["a payload"].encode(),
                    veps_signature=hidden["a signature"],
                    metadata={hidden["a key of metadata"]: hidden["a value of metadata"]},
                )
                ledger.stub.SubmitEvent(event, timeout=60, metadata=metadata)
                # Duplicate, conflicting, invalid: what is said of them quotes nothing either.
                for other in [event, ledger.event(event_id=event.event_id), ledger.event(event_id="x" * 300)]:
                    with contextlib.suppress(grpc.RpcError):
                        ledger.stub.SubmitEvent(other, timeout=60, metadata=metadata)
                eventually(
                    lambda: len([one for one in collector.trace(caller.trace) if one.name == SUBMIT]) == 4,
                    "the four calls are recorded",
                    60,
                )
            collector.answer = (500, {}, b"canary-answer")
            ledger_of(replicas[0]).seal()
            eventually(
                lambda: replicas[0].metric("ledger_spans_dropped_total") >= 1, "spans are refused", 60
            )
            sent = b"".join(collector.bodies).decode()
            for what, secret in hidden.items():
                expect(secret not in sent, f"{what} is in a span")
            for service in replicas:
                log = service.child.log.read_text(errors="replace")
                for what in ["the exporter's header", "a payload", "the token of replicas"]:
                    expect(hidden[what] not in log, f"{what} is in a log")
                expect("canary-answer" not in log, "a collector's text is in a log")
            authorizations = {one.get("authorization") for one in collector.headers}
            expect_equal("the header that is sent", authorizations, {"Bearer canary-exporter"})


@check("a collector that never answers holds up no submission; spans are dropped and counted")
def hanging(context: Context) -> None:
    with running_collector() as collector:
        collector.answer = None
        with context.service(
            collector,
            OTEL_BSP_MAX_QUEUE_SIZE="16",
            OTEL_BSP_MAX_EXPORT_BATCH_SIZE="8",
            # Longer than all that follows.
            OTEL_EXPORTER_OTLP_TIMEOUT="60000",
        ) as service:
            ledger = ledger_of(service)
            ledger.seal()
            eventually(lambda: collector.requests == 1, "the exporter waits for its answer")
            for _ in range(50):
                ledger.seal()
            expect_equal("requests", collector.requests, 1)
            dropped = service.metric("ledger_spans_dropped_total")
            expect(dropped >= 4 * 50 - 16, f"{dropped} spans were dropped")
            expect(service.metric("ledger_spans_queued") <= 16 + 8, "no more than may wait")
            expect_equal("exported", service.metric("ledger_spans_exported_total"), 0)
            begin = time.monotonic()
            expect_equal("exit status", service.stop(), 0)
            # The request is cut off, long before its own time is over.
            expect(time.monotonic() - begin < 40, "the stop waited for the collector")


@check("busy, confused and absent collectors: submissions go on, and spans arrive when one is there again")
def troubled(context: Context) -> None:
    answers = [
        (503, {"retry-after": "0"}, b"busy"),
        (429, {"retry-after": "soon"}, b"\x00\xff" * 100),
        (200, {"content-type": "text/html"}, b"<html>" + b"a" * 100),
        (302, {"location": "http://127.0.0.1:1/"}, b""),
        (200, {}, b"x" * (1 << 20)),
    ]
    with running_collector() as collector, context.service(collector) as service:
        ledger = ledger_of(service)
        for answer in answers:
            collector.answer = answer
            before = collector.requests
            for _ in range(5):
                ledger.seal()
            eventually(lambda: collector.requests > before, "the exporter asks", 60)
        collector.answer = (200, {}, b"{}")
        caller = Caller()
        ledger.stub.SubmitEvent(ledger.event(), timeout=60, metadata=caller.metadata)
        spans_of(collector, caller.trace, [SUBMIT, "receive", "queue", "commit"])
        service.expect_alive()
    with context.service(None, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1") as service:
        ledger = ledger_of(service)
        for _ in range(20):
            ledger.seal()
        expect_equal("exit status", service.stop(), 0)


@check("what waits when the service stops is sent before it ends")
def stopping(context: Context) -> None:
    with running_collector() as collector:
        with context.service(collector, OTEL_BSP_SCHEDULE_DELAY="60000") as service:
            ledger = ledger_of(service)
            caller = Caller()
            ledger.stub.SubmitEvent(ledger.event(), timeout=60, metadata=caller.metadata)
            expect_equal("spans before the stop", collector.spans, [])
            expect_equal("exit status", service.stop(), 0)
            spans_of(collector, caller.trace, [SUBMIT, "receive", "queue", "commit"], 1)


@check("an outcome that etcd does not tell: resolve within commit, and what the caller was told")
def resolved(context: Context) -> None:
    with running_collector() as collector, running_cluster(1) as cluster:
        with running_service(
            context.binaries,
            cluster,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
            OTEL_BSP_SCHEDULE_DELAY="100",
            LEDGER_COMMIT_DEADLINE_MS="500",
            LEDGER_RESOLVE_DEADLINE_MS="3000",
        ) as service:
            ledger = ledger_of(service)
            ledger.seal()
            caller = Caller()
            with cluster.paused():
                failure = ledger.failure(
                    ledger.stub.SubmitEvent, ledger.event(), timeout=60, metadata=caller.metadata
                )
            expect_equal("the answer", failure.reason, "OUTCOME_UNKNOWN")
            spans = spans_of(
                collector, caller.trace, [SUBMIT, "receive", "queue", "commit", "resolve"]
            )
            commit, resolve = only(spans, "commit"), only(spans, "resolve")
            expect_within(resolve, commit)
            for span in [commit, resolve]:
                expect_equal("outcome", span.attributes["ledger.outcome"], "unknown")
                expect_equal("status", span.status, 2)
            server = only(spans, SUBMIT)
            code = server.attributes["rpc.response.status_code"]
            expect_equal("code", code, "DEADLINE_EXCEEDED")
            expect_equal("status of the call", server.status, 2)


@check("a sealing replica that falls silent: resolve within forward, while the ledger is asked instead")
def silent_sealer(context: Context) -> None:
    with running_collector() as collector:
        to = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        with context.pair(to, to, OTEL_BSP_SCHEDULE_DELAY="100") as (sealer, follower):
            ledger = ledger_of(follower)
            ledger.seal()
            caller = Caller()
            sealer.child.send(signal.SIGSTOP)
            try:
                failure = ledger.failure(
                    ledger.stub.SubmitEvent, ledger.event(), timeout=60, metadata=caller.metadata
                )
                expect_equal("the answer", failure.reason, "OUTCOME_UNKNOWN")
                spans = spans_of(
                    collector, caller.trace, [SUBMIT, "receive", "queue", "forward", "resolve"]
                )
            finally:
                sealer.child.send(signal.SIGCONT)
            forward, resolve = only(spans, "forward"), only(spans, "resolve")
            expect_within(resolve, forward)
            for span in [forward, resolve]:
                expect_equal("outcome", span.attributes["ledger.outcome"], "unknown")


@check("without a collector nothing is traced, and the metrics are there")
def off(context: Context) -> None:
    with context.service(None) as service:
        ledger = ledger_of(service)
        ledger.stub.SubmitEvent(ledger.event(), timeout=60, metadata=Caller().metadata)
        for name in ["exported_total", "dropped_total", "queued"]:
            expect_equal(name, service.metric(f"ledger_spans_{name}"), 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--only", default="", help="checks with this word in their sentence")
    options = parser.parse_args()
    checking._checks[:] = [one for one in checking._checks if options.only in one[0]]
    with running_cluster(1) as cluster:
        return run_checks(Context(options.bin, cluster))


if __name__ == "__main__":
    sys.exit(main())
