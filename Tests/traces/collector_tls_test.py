#!/usr/bin/env python3
"""Spans that go to a collector by TLS: whom a replica believes, what it shows, and that nothing of it holds up an event.

    collector_tls_test.py --bin FOLDER      where ledger-service is

Certificates are openssl's, and TLS at the collector's end is that of Python.
"""

import argparse
import contextlib
import os
import pathlib
import secrets
import sys
import tempfile
import time

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Tests/python"), str(ROOT / "scripts")]

from authority import Authority, Pair  # noqa: E402
from checking import check, eventually, expect, expect_equal, run_checks  # noqa: E402
from collector import Collector, running_collector  # noqa: E402
from ledger import Ledger  # noqa: E402
from processes import Service, running_cluster, running_service  # noqa: E402
from tls_front import TLSFront, running_front  # noqa: E402

NAMES = ["DNS:localhost", "IP:127.0.0.1"]
CERTIFICATE = "OTEL_EXPORTER_OTLP_CERTIFICATE"
CLIENT_CERTIFICATE, CLIENT_KEY = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_KEY"


class Context:
    def __init__(self, binaries: pathlib.Path, folder: pathlib.Path, cluster):
        self.binaries, self.folder, self.cluster = binaries, folder, cluster
        # Both have the same name.
        self.first, self.second = Authority(folder, "first"), Authority(folder, "second")
        self.shown = self.first.server("collector", *NAMES)
        self._count = 0

    @contextlib.contextmanager
    def service(self, front: TLSFront, **settings: "str | pathlib.Path"):
        self._count += 1
        settings = {name: str(value) for name, value in settings.items()}
        with running_service(
            self.binaries, self.cluster, OTEL_EXPORTER_OTLP_ENDPOINT=f"https://localhost:{front.port}",
            OTEL_BSP_SCHEDULE_DELAY="100", LEDGER_PREFIX=f"collector-{self._count}/", **settings,
        ) as service:  # fmt: skip
            yield service

    @contextlib.contextmanager
    def collector(self, pair: Pair | None = None, callers: pathlib.Path | None = None):
        """A collector, and what stands in front of it."""
        with running_collector() as collector:
            with running_front(collector.server.server_port, pair or self.shown, callers) as front:
                yield collector, front


def seal(service: Service) -> str:
    """Seals an event, and returns the trace that its call belongs to."""
    with grpc.insecure_channel(service.address) as channel:
        ledger = Ledger(channel, service.admin, "")
        trace = secrets.token_hex(16)
        metadata = [("traceparent", f"00-{trace}-{secrets.token_hex(8)}-01")]
        began = time.monotonic()
        ledger.stub.SubmitEvent(ledger.event(), timeout=60, metadata=metadata)
        expect(time.monotonic() - began < 30, "sealing waits for the collector")
        return trace


def expect_traced(service: Service, collector: Collector) -> None:
    trace = seal(service)
    eventually(lambda: len(collector.trace(trace)) >= 4, "the event's spans arrive", 60)


def replace(path: pathlib.Path, content: bytes) -> None:
    """Puts another file in place in one moment."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    os.replace(beside, path)


@check("spans go to a collector whose certificate is of the authority that is named, and has its name")
def trusted(context: Context) -> None:
    with context.collector() as (collector, front):
        with context.service(front, **{CERTIFICATE: context.first.path}) as service:
            expect_traced(service, collector)
            expect_equal("handshakes that failed", front.refused, 0)
            expect_equal("the path", collector.paths, {"/v1/traces"})
            expiry = f'ledger_certificate_expiry_timestamp_seconds{{setting="{CERTIFICATE}"}}'
            expect(service.metric(expiry) > 1.7e9, "the end of the authority's certificate is not told")


@check("to no other: another authority of the same name, the system's, another host's; events are sealed, spans are lost")
def refused(context: Context) -> None:
    elsewhere = context.first.server("elsewhere", "DNS:collector.example", "IP:127.0.0.2")
    wrong = {
        "of another authority": (context.shown, {CERTIFICATE: context.second.path}),
        "of an authority that the system does not know": (context.shown, {}),
        "of another host": (elsewhere, {CERTIFICATE: context.first.path}),
    }
    with contextlib.ExitStack() as stack:
        running = {}
        for what, (pair, settings) in wrong.items():
            collector, front = stack.enter_context(context.collector(pair))
            service = stack.enter_context(context.service(front, **settings))
            running[what] = collector, front, service
            seal(service)
        for what, (collector, front, service) in running.items():
            eventually(lambda: front.attempts >= 3, f"{what}: the exporter tries again", 90)
            seal(service)
            lost = 'ledger_spans_dropped_total{reason="undelivered"}'
            eventually(lambda: service.metric(lost) >= 4, f"{what}: the spans are given up", 120)
            eventually(lambda: "spans were lost" in service.child.log.read_text(), what, 15)
            (line,) = [one for one in service.child.log.read_text().splitlines() if "spans were lost" in one][:1]
            expect("tls" in line, f"{what}: {line}")
            expect_equal(f"{what}: bytes for the collector", front.received, 0)
            expect_equal(f"{what}: requests", collector.requests, 0)
            expect_equal(f"{what}: exported spans", service.metric("ledger_spans_exported_total"), 0)
            seal(service)
            service.expect_alive()


@check("a collector that asks for a certificate is shown the one that is set; without one it gets nothing")
def shown(context: Context) -> None:
    caller = context.second.caller("replica")
    trust = {CERTIFICATE: context.first.path}
    with context.collector(callers=context.second.path) as (collector, front):
        files = {CLIENT_CERTIFICATE: caller.path, CLIENT_KEY: caller.key}
        with context.service(front, **trust, **files) as service:
            expect_traced(service, collector)
            expect_equal("handshakes that failed", front.refused, 0)
    with context.collector(callers=context.second.path) as (collector, front):
        with context.service(front, **trust) as service:
            seal(service)
            eventually(lambda: front.refused >= 2, "the exporter tries again", 60)
            expect_equal("requests", collector.requests, 0)
            seal(service)


@check("the collector's authority and the replica's certificate are replaced without a restart and without a lost span")
def replaced(context: Context) -> None:
    old, new = context.first.path.read_bytes(), context.second.path.read_bytes()
    authorities = context.folder / "authorities.pem"
    authorities.write_bytes(old)
    caller, later = context.first.caller("before"), context.second.caller("after")
    certificate, key = context.folder / "shown.pem", context.folder / "shown-key.pem"
    replace(certificate, caller.path.read_bytes())
    replace(key, caller.key.read_bytes())
    both = context.folder / "both.pem"
    both.write_bytes(old + new)
    other = context.second.server("collector-2", *NAMES)
    with context.collector(callers=both) as (collector, front):
        settings = {CERTIFICATE: authorities, CLIENT_CERTIFICATE: certificate, CLIENT_KEY: key}
        with context.service(front, **settings) as service:

            def taken_over(count: int) -> None:
                reloads = "ledger_tls_reloads_total"
                eventually(lambda: service.metric(reloads) == count, f"{count} changes count", 60)
                expect_traced(service, collector)

            expect_traced(service, collector)
            replace(authorities, old + new)
            taken_over(1)
            front.show(other, both)
            front.cut()
            expect_traced(service, collector)
            replace(key, later.key.read_bytes())
            replace(certificate, later.path.read_bytes())
            taken_over(2)
            # Nobody believes the first one any more.
            front.show(other, context.second.path)
            replace(authorities, new)
            taken_over(3)
            expect_equal("the last connection's", front.accepted[-1], "collector-2")
            expect_equal("lost spans", service.metric("ledger_spans_dropped_total"), 0)
            # And now the other way round: what counted before is refused.
            before = front.refused
            front.show(context.shown)
            front.cut()
            seal(service)
            eventually(lambda: front.refused > before, "the old authority's certificate is refused", 60)
            # A file that cannot be used changes nothing.
            front.show(other, context.second.path)
            replace(authorities, b"nothing")
            failed = f'ledger_tls_reload_failed{{setting="{CERTIFICATE}"}}'
            eventually(lambda: service.metric(failed) == 1, "the bad file is told", 60)
            expect_traced(service, collector)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="collector-") as name, running_cluster(1) as cluster:
        return run_checks(Context(options.bin, pathlib.Path(name), cluster))


if __name__ == "__main__":
    sys.exit(main())
