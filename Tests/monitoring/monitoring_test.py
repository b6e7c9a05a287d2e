#!/usr/bin/env python3
"""Tests what is measured and what is made of it: the exposition of running services, alerts, dashboard and runbook.

    monitoring_test.py --bin FOLDER     where ledger-service is

The exposition is read by promtool and by the parsers of Prometheus' Python client, which know nothing of this project.
Alerts and dashboard may name only what services and etcd's members really expose.
"""

import argparse
import copy
import importlib.util
import pathlib
import socket
import struct
import subprocess
import sys
import urllib.request

import grpc
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Tests/python"), str(ROOT / "Tests/fuzz"), str(ROOT / "scripts")]

from checking import check, eventually, expect, expect_equal, run_checks  # noqa: E402
from ledger import Ledger  # noqa: E402
from processes import running_cluster, running_service  # noqa: E402
from prometheus import tool  # noqa: E402
from wire import RST_STREAM, Wire, call_headers, frame, message  # noqa: E402

FOLDER = ROOT / "k8s/monitoring"
OPEN = "application/openmetrics-text"


def load_check_monitoring():
    """scripts/check-monitoring.py as a module: its name is none."""
    spec = importlib.util.spec_from_file_location("check_monitoring", ROOT / "scripts/check-monitoring.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


monitoring = load_check_monitoring()


def page(url: str, accept: str = "") -> tuple[str, str]:
    """The content type and the text of a page."""
    request = urllib.request.Request(url, headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def promtool(*arguments: str, text: str | None = None) -> str:
    """What promtool prints; fails where it finds something."""
    done = subprocess.run(
        [tool("promtool"), *arguments], input=text, capture_output=True, text=True, cwd=FOLDER
    )
    expect(done.returncode == 0, f"promtool {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class Context:
    """Two replicas on one cluster, with something of everything in their metrics."""

    def __init__(self, cluster, services):
        self.cluster = cluster
        self.services = services
        self.ledger = Ledger(grpc.insecure_channel(services[0].address), services[0].admin, "")

    def use(self) -> None:
        """Seals, repeats, contradicts and asks for what is not there."""
        event = self.ledger.event()
        self.ledger.seal(event)
        self.ledger.refused(event)
        other = copy.deepcopy(event)
        other.payload = b"another"
        self.ledger.refused(other)
        self.ledger.refused(self.ledger.event(event_id=""))
        self.ledger.failure(self.ledger.get, 10_000)
        for index in range(5):
            call = self.ledger.channel.unary_unary(f"/nobody/Method{index}", bytes, bytes)
            self.ledger.failure(call, b"", timeout=15)

    def text(self, index: int = 0) -> str:
        return page(f"http://{self.services[index].admin}/metrics")[1]

    def families(self, index: int = 0) -> dict:
        return {family.name: family for family in text_string_to_metric_families(self.text(index))}

    def calls(self, index: int = 0) -> dict[tuple[str, str], float]:
        """How many calls have ended, by method and code."""
        return {
            (sample.labels["rpc_method"], sample.labels["rpc_response_status_code"]): sample.value
            for sample in self.families(index)["rpc_server_call_duration_seconds"].samples
            if sample.name.endswith("_count")
        }


@check("alerts are rules that promtool reads, and its tests of them pass")
def rules(context: Context) -> None:
    promtool("check", "rules", "alerts.yaml")
    promtool("test", "rules", "alerts-test.yaml")


@check("promtool finds nothing to say of the exposition")
def lint(context: Context) -> None:
    for index in range(len(context.services)):
        said = promtool("check", "metrics", text=context.text(index)).strip()
        expect_equal("what promtool says", said, "")


@check("who names OpenMetrics gets it, and its own parser reads it; who does not gets the text")
def formats(context: Context) -> None:
    url = f"http://{context.services[0].admin}/metrics"
    prometheus = f"{OPEN};version=1.0.0,{OPEN};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    kind, text = page(url, prometheus)
    expect(kind.startswith(f"{OPEN}; version=1.0.0"), kind)
    expect(text.endswith("# EOF\n"), text[-100:])
    opened = {family.name: family for family in openmetrics.text_string_to_metric_families(text)}
    kind, plain = page(url)
    expect(kind.startswith("text/plain; version=0.0.4"), kind)
    expect("# EOF" not in plain, "the text format has no EOF")
    read = {family.name: family for family in text_string_to_metric_families(plain)}
    expect_equal("the families of both", sorted(opened), sorted(read))
    for name, family in read.items():
        expect_equal(f"the type of {name}", opened[name].type, family.type)
        there = sorted({sample.name for sample in opened[name].samples})
        expect_equal(f"the samples of {name}", there, sorted({sample.name for sample in family.samples}))


@check("every metric that api.md promises is there, and buckets show 50 ms")
def promised(context: Context) -> None:
    there = monitoring.exposed([context.text()])
    for name in """
        ledger_submissions_total ledger_commit_seconds_bucket ledger_contract_violations_total
        ledger_head_sequence_number ledger_lost_races_total ledger_queue_events ledger_batch_events_bucket
        ledger_is_sealer ledger_verified_events ledger_findings_total ledger_etcd_requests_total
        ledger_etcd_request_seconds_bucket ledger_etcd_connections process_resident_memory_bytes
        process_cpu_seconds_total process_open_fds process_start_time_seconds ledger_build_info
        """.split():
        expect(name in there, f"{name} is not exposed")
    for name in ["ledger_commit_seconds", "ledger_commit_stage_seconds", "rpc_server_call_duration_seconds"]:
        expect(f'{name}_bucket{{' in context.text() and 'le="0.05"' in context.text(), name)


@check("submissions are counted by outcome, and calls by method and code, with one name for all unknown methods")
def counted(context: Context) -> None:
    families = context.families()
    outcomes = {
        sample.labels["outcome"]: sample.value for sample in families["ledger_submissions"].samples
    }
    for outcome in ["sealed", "duplicate", "conflicting", "invalid"]:
        expect(outcomes[outcome] >= 1, f"{outcome}: {outcomes}")
    expect_equal("unknown outcomes", outcomes["unknown"], 0)
    calls = context.calls()
    submit = "ledger.ImmutableLedger/SubmitEvent"
    expect(calls[submit, "OK"] >= 1, f"{calls}")
    expect_equal("refused duplicates and conflicts", calls[submit, "ALREADY_EXISTS"], 2)
    expect_equal("invalid events", calls[submit, "INVALID_ARGUMENT"], 1)
    expect_equal("reads of nothing", calls["ledger.ImmutableLedger/GetEvent", "NOT_FOUND"], 1)
    expect_equal("unknown methods", calls["_OTHER", "UNIMPLEMENTED"], 5)
    expect(not any("nobody" in method for method, _ in calls), f"{calls}")


def reset(wire: Wire) -> None:
    wire.send(frame(RST_STREAM, 0, 1, struct.pack(">I", 8)))
    expect(wire.ping(), "the connection is closed with the call")


def vanish(wire: Wire) -> None:
    """Closes the connection with a reset of TCP."""
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.socket.close()


def hang_up(wire: Wire) -> None:
    wire.socket.close()


@check("callers who leave in the middle of a request are counted as CANCELLED, wherever they were and however they left")
def left(context: Context) -> None:
    half = message(b"x" * 100)[:50]
    methods = [f"ledger.ImmutableLedger/{name}" for name in ["SubmitEvent", "SubmitEvents", "GetEvent", "ListEvents"]]
    # The second replica: on the first one calls were counted before.
    port, before = context.services[1].port, context.calls(1)
    ways = [(leave, sent) for leave in [reset, vanish, hang_up] for sent in [b"", half[:3], half]]
    for method in methods:
        for leave, sent in ways:
            with Wire(port) as wire:
                wire.open(1, call_headers(f"/{method}"))
                wire.data(1, sent, end=False)
                expect(wire.ping(), "the service reads")
                expect(not wire.answer(1).over, f"{method}: {wire.answer(1)}")
                leave(wire)

    def ended() -> dict:
        return {key: count - before.get(key, 0) for key, count in context.calls(1).items() if key[0] in methods}

    eventually(lambda: sum(ended().values()) >= len(methods) * len(ways), "every call has ended", 60)
    expect_equal("calls by code", {key: count for key, count in ended().items() if count},
                 {(method, "CANCELLED"): len(ways) for method in methods})  # fmt: skip


@check("queue and commit are measured, the newest seal has a time, certificates an end")
def figures(context: Context) -> None:
    service = context.services[0]
    sealing = max(context.services, key=lambda one: one.metric("ledger_is_sealer"))
    for name in ["ledger_commit_stage_seconds_count", "ledger_batch_events_count"]:
        expect(sealing.metric(name) > 0, f"{name} is 0 where events were sealed")
    expect(service.metric("ledger_last_seal_timestamp_seconds") > 1.7e9, "no time of the newest seal")
    expect_equal("indexed events", service.metric("ledger_id_index_events"), 1)
    expect(service.metric("ledger_id_index_bytes") > 10_000, "the index takes memory")
    expect(service.metric("ledger_certificate_expiry_timestamp_seconds") > 1.7e9, "no certificate")
    expect_equal("members that are well", service.metric("ledger_etcd_member_up"), 3)
    expect_equal("members with a leader", service.metric("ledger_etcd_member_has_leader"), 3)
    expect_equal("the trusted clock", service.metric("ledger_clock_trusted"), 1)
    expect_equal("states", service.metric("ledger_state"), 1)


@check("alerts, tests, runbook, dashboard and monitors fit one another and what is exposed")
def complete(context: Context) -> None:
    texts = [context.text(index) for index in range(len(context.services))]
    texts += [page(f"{member.metrics}/metrics")[1] for member in context.cluster.members]
    expect_equal("findings", monitoring.Monitoring().findings(texts), [])


@check("the check finds what does not fit: an alert without test or runbook, a metric that nobody exposes, and more")
def broken(context: Context) -> None:
    texts = [context.text()] + [page(f"{one.metrics}/metrics")[1] for one in context.cluster.members]

    def alert(change):
        def apply(it):
            change(it.alerts[0])

        return apply

    def rename(it):
        it.alerts[0]["alert"] = "LedgerRenamed"

    def forget_section(it):
        it.runbook = it.runbook.replace("### LedgerFinding\n", "")

    def forget_part(it):
        it.runbook = it.runbook.replace("**Now.**", "**Later.**", 1)

    def no_quiet_test(it):
        it.tests["tests"] = [one for one in it.tests["tests"] if one["name"] != "LedgerFenced does not fire"]

    def no_firing_test(it):
        it.tests["tests"] = [one for one in it.tests["tests"] if one["name"] != "LedgerFenced fires"]

    def wrong_panel(it):
        it.dashboard["panels"][1]["targets"][0]["expr"] = "sum(ledger_nothing)"

    changes = {
        "docs/runbook.md has no section": rename,
        "LedgerFinding: docs/runbook.md has no section": forget_section,
        "does not say 'Now'": forget_part,
        "no test sees that it does not fire": no_quiet_test,
        "no test fires it": no_firing_test,
        "nobody exposes ledger_nothing": wrong_panel,
        "nobody exposes ledger_no_such": alert(lambda one: one.update(expr="ledger_no_such > 1")),
        "severity is none of": alert(lambda one: one["labels"].update(severity="loud")),
        "has no summary": alert(lambda one: one["annotations"].pop("summary")),
        "its runbook is not": alert(lambda one: one["annotations"].update(runbook="elsewhere")),
        "is not what alerts.yaml says": alert(lambda one: one.update(expr="ledger_ready == 2")),
    }
    for text, change in changes.items():
        broken = monitoring.Monitoring()
        change(broken)
        found = broken.findings(texts)
        expect(any(text in finding for finding in found), f"{text!r} is not in {found}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    binaries = parser.parse_args().bin
    with running_cluster() as cluster, running_service(binaries, cluster) as one:
        with running_service(binaries, cluster) as other:
            context = Context(cluster, [one, other])
            context.use()
            return run_checks(context)


if __name__ == "__main__":
    sys.exit(main())
