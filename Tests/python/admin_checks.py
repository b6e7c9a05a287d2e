"""The admin port: probes, the detailed health as JSON, and metrics in Prometheus' text format."""

import json
import re
import urllib.error
import urllib.request

from checking import check, eventually, expect, expect_equal
from ledger import RPC_SECONDS, Ledger

OUTCOMES = "sealed duplicate conflicting invalid overloaded not_sealed unknown denied".split()
HISTOGRAMS = ("ledger_commit_seconds", "ledger_batch_events", "ledger_etcd_request_seconds")
METRICS = (
    "ledger_submissions_total",
    "ledger_contract_violations_total",
    "ledger_head_sequence_number",
    "ledger_lost_races_total",
    "ledger_queue_events",
    "ledger_is_sealer",
    "ledger_verified_events",
    "ledger_findings_total",
    "ledger_etcd_requests_total",
    "ledger_audit_findings",
    "ledger_audit_running",
    "ledger_audit_pass",
    "ledger_audit_pass_seconds",
    "ledger_etcd_connections",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
)
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?|Inf)|NaN"
SAMPLE = re.compile(
    rf"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{((?:{LABEL}(?:,{LABEL})*,?)?)\}})? ({NUMBER})"
)


def fetch(ledger: Ledger, path: str) -> tuple[int, str, str]:
    """The status, the content type and the text of a page."""
    try:
        with urllib.request.urlopen(f"http://{ledger.admin}{path}", timeout=RPC_SECONDS) as page:
            return page.status, page.headers.get("Content-Type", ""), page.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("Content-Type", ""), error.read().decode()


class Metrics:
    """The samples of one answer of /metrics."""

    def __init__(self, text: str):
        self.samples: dict[str, dict[str, float]] = {}
        expect(text.endswith("\n"), "the last line of /metrics does not end")
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            match = SAMPLE.fullmatch(line)
            expect(match, f"no sample of the text format: {line!r}")
            name, labels, value = match.groups()
            series = self.samples.setdefault(name, {})
            expect((labels or "") not in series, f"twice the same series: {line!r}")
            series[labels or ""] = float(value)

    def value(self, name: str, label: str = "") -> float:
        """The sum of a metric's series that carry the label, 0 where there is none."""
        series = self.samples.get(name, {})
        return sum(value for labels, value in series.items() if label in labels)


def metrics(ledger: Ledger) -> Metrics:
    """What /metrics holds now."""
    status, content_type, text = fetch(ledger, "/metrics")
    expect_equal("the status", status, 200)
    expect(content_type.startswith("text/plain"), f"the content type is {content_type}")
    return Metrics(text)


@check("/livez and /readyz are 200 with one line of text")
def probes(ledger: Ledger) -> None:
    for path in ("/livez", "/readyz"):
        status, _, text = fetch(ledger, path)
        expect_equal(f"the status of {path}", status, 200)
        expect_equal(f"the number of lines of {path}", len(text.splitlines()), 1)


@check("/health is the detailed health as JSON")
def health(ledger: Ledger) -> None:
    def healthy():
        status, content_type, text = fetch(ledger, "/health")
        expect("json" in content_type, f"the content type is {content_type}")
        found = json.loads(text)
        return found if (status, found["status"]) == (200, "HEALTHY") else None

    found = eventually(healthy, "/health is not HEALTHY")
    for name, kind in {"message": str, "checked_at": str, "check_duration_ms": int}.items():
        expect(isinstance(found[name], kind), f"{name} is {found[name]!r}")
    known = ("archive", "audit", "storage")
    others = [one["name"] for one in found["dependencies"] if one["name"] in known]
    members = [one for one in found["dependencies"] if one["name"] not in others]
    expect(members, "no member of etcd")
    expect("audit" in others and len(set(others)) == len(others), f"there are also {others}")
    for dependency in members:
        config = dependency["config"]
        expect_equal("the name", dependency["name"], f"etcd/{config['hostname']}:{config['port']}")
        expect_equal("the type", dependency["type"], "DATABASE")
        expect_equal("the status", dependency["status"], "HEALTHY")
        expect(isinstance(dependency["is_critical"], bool), "is_critical is no bool")
        expect(isinstance(dependency["response_time_ms"], int), "response_time_ms is no integer")
        expect(isinstance(config["pool_info"]["max_connections"], int), "no pool information")


@check("/metrics holds every metric that alerts rely on")
def names(ledger: Ledger) -> None:
    ledger.seal()
    found = metrics(ledger).samples
    for name in METRICS:
        expect(name in found, f"{name} is missing")
    for name in HISTOGRAMS:
        for suffix in ("_bucket", "_sum", "_count"):
            expect(name + suffix in found, f"{name}{suffix} is missing")
    buckets = found["ledger_commit_seconds_bucket"]
    expect(any('le="0.05"' in labels for labels in buckets), "no bucket of 0.05 s")


@check("/metrics has every outcome's series, and counts them")
def outcomes(ledger: Ledger) -> None:
    before = metrics(ledger)
    for outcome in OUTCOMES:
        series = before.samples.get("ledger_submissions_total", {})
        expect(f'outcome="{outcome}"' in series, f"no series for {outcome} in {sorted(series)}")
    event = ledger.event()
    sealed = ledger.seal(event)
    ledger.refused(event)
    ledger.refused(ledger.event(event_id=event.event_id, payload=b"other"))
    ledger.refused(ledger.event(veps_signature="s" * 1025))
    for outcome in ("sealed", "duplicate", "conflicting", "invalid"):
        label = f'outcome="{outcome}"'
        old = before.value("ledger_submissions_total", label)
        eventually(
            lambda: metrics(ledger).value("ledger_submissions_total", label) == old + 1,
            f"{outcome} did not grow by one",
        )
    eventually(
        lambda: metrics(ledger).value("ledger_head_sequence_number") == sealed.sequence_number,
        "ledger_head_sequence_number is not the head",
    )


@check("the admin port answers 404 for a page that is not there")
def unknown_page(ledger: Ledger) -> None:
    expect_equal("the status", fetch(ledger, "/nothing")[0], 404)
