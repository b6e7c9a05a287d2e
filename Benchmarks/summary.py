"""What the project is judged by, of all that was measured."""

from collections.abc import Callable

from report import markdown
from results import LATENCIES, Results

MEMORY_PEAKS = ("service.peak_mb", "restart.service_peak_mb")
# Growth that is no leak: the id index (at most 20 bytes an event), and what allocators keep.
INDEX_BYTES = 20
SLACK_MB = 10


def _beside(scenario: str, other: str) -> Callable[[Results], str]:
    def say(results: Results) -> str:
        speed, *latencies = results.ratios(scenario, other)
        named = [f"{part} {text}" for part, text in zip(LATENCIES, latencies, strict=True)]
        return f"{speed} events/s; " + ", ".join(named)

    return say


def _open_500(results: Results) -> str:
    p50, of_unary = (results.series(one, "latency_ms.p50") for one in ("open-500", "unary-1"))
    p99 = results.text("open-500", "latency_ms.p99", ".2f", " ms")
    return f"p50 {p50.over(of_unary).text('.2f', 'x')}; p99 {p99}"


def _service_cpu(results: Results) -> str:
    path = "service.cpu_us_per_event"
    return "; ".join(results.text(one, path, ".0f", " us") for one in ("unary-64", "streams"))


def _three_replicas(results: Results) -> str:
    path = "latency_ms.p99"
    three, one = results.series("3-open-2000", path), results.series("open-2000", path)
    return f"{three.over(one).text('.2f', 'x')}; {three.text('.2f', ' ms')}"


def _speed(scenario: str, other: str) -> Callable[[Results], str]:
    return lambda results: f"{results.ratios(scenario, other)[0]} events/s"


def _ten_replicas(results: Results) -> str:
    sealed = results.share_sealed("10-open-2000").text(".2%")
    speed = results.text("10-open-2000", "events_per_second", ",.0f", " events/s")
    doubts = results.total("10-open-2000", "doubts")
    return f"{sealed} sealed, {speed}; {doubts:,.0f} doubts"


def _memory(results: Results) -> str:
    peaks = [results.series("million", path) for path in MEMORY_PEAKS]
    return max(peaks, key=lambda one: one.median).text(".1f", " MB")


def _growth(results: Results) -> str:
    """From a fifth of the events on: the first ones fill caches and the allocator's arenas."""
    events, mb = (
        [results.series("million", f"marks.{i}.{name}").median for i in (2, -1)]
        for name in ("events", "service_mb")
    )
    index_mb = (events[1] - events[0]) * INDEX_BYTES / 1e6
    return f"{mb[1] - mb[0]:+.1f} MB (at most {index_mb + SLACK_MB:.0f} MB expected)"


def _ready(results: Results) -> str:
    return results.text("million", "restart.ready_seconds", ".2f", " s")


# What is said, the scenarios that it needs, and how it is said.
SUMMARY = [
    ("unary, 1 in flight, beside naive", ("unary-1", "naive"), _beside("unary-1", "naive")),
    ("open loop 500/s: p50 beside unary-1's p50; p99", ("open-500", "unary-1"), _open_500),
    ("unary, 64 in flight, beside naive", ("unary-64", "naive"), _beside("unary-64", "naive")),
    ("unary, 64 in flight, beside PostgreSQL's 64 clients", ("unary-64", "postgres-64"),
     _beside("unary-64", "postgres-64")),
    ("streams, beside naive", ("streams", "naive"), _beside("streams", "naive")),
    ("service CPU for a unary event (64 in flight); for a streamed one", ("unary-64", "streams"),
     _service_cpu),
    ("3 replicas, 2,000/s: p99 beside one replica's", ("3-open-2000", "open-2000"),
     _three_replicas),
    ("3 replicas, streams, beside one", ("3-streams", "streams"), _speed("3-streams", "streams")),
    ("10 replicas, streams, beside one", ("10-streams", "streams"),
     _speed("10-streams", "streams")),
    ("10 replicas, open loop 2,000/s: sealed; doubts of a sealer that was alive",
     ("10-open-2000",), _ten_replicas),
    ("many events: service memory, peak", ("million",), _memory),
    ("many events: growth of the service's memory", ("million",), _growth),
    ("many events: ready after a restart", ("million",), _ready),
]  # fmt: skip


def summary_table(builds: dict[str, Results]) -> str:
    """A row for everything whose scenarios were measured."""
    body = []
    for what, needed, say in SUMMARY:
        cells = [
            say(results) if all(name in results for name in needed) else ""
            for results in builds.values()
        ]
        if any(cells):
            body.append([what, *cells])
    return markdown(["summary", *(name or "measured" for name in builds)], body)
