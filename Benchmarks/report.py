"""Tables, aims, and the median of several runs."""

import statistics
from dataclasses import dataclass

# What adds up over several runs instead of being averaged: each single one matters.
TOTALS = {
    "contract_violations",
    "service_contract_violations",
    "outcomes",
    "service_outcomes",
    "lost_races",
    "elections",
}
# Growth that is no leak: the id index (at most 20 bytes an event), and what allocators keep.
INDEX_BYTES = 20
SLACK_MB = 10


@dataclass(frozen=True)
class Aim:
    """One promise of the project, and what was measured."""

    text: str
    aim: str
    measured: str
    is_met: bool


def median_of(runs: list[dict]) -> dict:
    """One result from several of the same scenario: each number its median, or its total."""
    return runs[0] if len(runs) == 1 else _merge(runs, is_total=False)


def _merge(values: list, is_total: bool):
    first = values[0]
    if isinstance(first, dict):
        keys = dict.fromkeys(key for value in values for key in value)
        return {
            key: _merge([value.get(key, 0) for value in values], is_total or key in TOTALS)
            for key in keys
        }
    if isinstance(first, list) and len({len(value) for value in values}) == 1:
        return [_merge(list(items), is_total) for items in zip(*values, strict=True)]
    if isinstance(first, (int, float)) and not isinstance(first, bool):
        return sum(values) if is_total else statistics.median(values)
    return first


def aims(results: dict[str, dict], events: int) -> list[Aim]:
    """The aims of which everything was measured."""
    found = []

    def speed(name: str, what: str, least: float) -> None:
        if name in results:
            value = results[name]["events_per_second"]
            text = f"{value:,.0f} events/s"
            found.append(Aim(what, f"at least {least:,.0f} events/s", text, value >= least))

    def latency(name: str, what: str, part: str, below: float) -> None:
        if name in results:
            value = results[name]["latency_ms"][part]
            text = f"{value:.2f} ms"
            found.append(Aim(f"{what}, {part}", f"below {below:g} ms", text, value < below))

    speed("streams", "streams", 10_000)
    if "streams" in results and "naive" in results:
        naive = results["naive"]["events_per_second"]
        ratio = results["streams"]["events_per_second"] / naive
        found.append(Aim("streams / naive", "at least 25", f"{ratio:.1f}", ratio >= 25))
    speed("unary-64", "unary, 64 in flight", 3_000)
    latency("open-2000", "open loop, 2,000 events/s", "p99", 50)
    latency("unary-1", "unary, 1 in flight", "p50", 4)
    if "million" in results:
        found += _million_aims(results["million"], events)
    return found


def _million_aims(million: dict, events: int) -> list[Aim]:
    restart, held = million["restart"], f"with {events:,} events"
    peak = max(million["service"]["peak_mb"], restart["service_peak_mb"])
    # From a fifth of the events on: the first ones fill caches and the allocator's arenas.
    early, late = million["marks"][2], million["marks"][-1]
    index_mb = (late["events"] - early["events"]) * INDEX_BYTES / 1e6
    growth = late["service_mb"] - early["service_mb"]
    span = f"from {early['events']:,} to {late['events']:,} events"
    ready = restart["ready_seconds"]
    return [
        Aim(f"service memory {held}, peak", "below 100 MB", f"{peak:.1f} MB", peak < 100),
        Aim(
            f"growth {span}",
            f"at most {index_mb + SLACK_MB:.0f} MB",
            f"{growth:+.1f} MB",
            growth <= index_mb + SLACK_MB,
        ),
        Aim(f"ready {held}", "within 3 s", f"{ready:.2f} s", ready <= 3),
    ]


def replica_aims(results: dict[str, dict]) -> list[Aim]:
    """The aims for several replicas of which everything was measured."""
    found = []
    if (one := results.get("3-open-2000")) is not None:
        what, p99, races = "3 replicas, 2,000 events/s", one["latency_ms"]["p99"], one["lost_races"]
        found.append(Aim(f"{what}, p99", "below 50 ms", f"{p99:.2f} ms", p99 < 50))
        found.append(Aim(f"{what}, lost races", "none", f"{races:,.0f}", races == 0))
    if {"1-open-500", "10-open-500"} <= results.keys():
        one, ten = (results[f"{n}-open-500"]["latency_ms"]["p99"] for n in (1, 10))
        text, what = f"{ten / one:.1f} times", "10 replicas, 500 events/s, p99 beside one replica's"
        found.append(Aim(what, "at most twice", text, ten <= 2 * one))
    for name, title in (("unary-64", "unary, 64 in flight"), ("streams", "streams")):
        if {f"1-{name}", f"3-{name}"} <= results.keys():
            one, three = (results[f"{n}-{name}"]["events_per_second"] for n in (1, 3))
            what, share = f"3 replicas, {title}, beside one replica", three / one
            found.append(Aim(what, "at least 85 %", f"{100 * share:.0f} %", share >= 0.85))
    return found


COLUMNS = (
    "scenario|events/s|p50 ms|p90|p99|p99.9|max|over 50 ms|not sealed|service CPU s|us/event|"
    "etcd CPU s|us/event|service peak MB|etcd peak MB"
).split("|")
# Where a table of several replicas has more columns.
RACES_AT = COLUMNS.index("not sealed") + 1


def scenario_table(titles: dict[str, str], results: dict[str, dict]) -> str:
    rows = [_scenario_row(titles[name], result) for name, result in results.items()]
    if not any("replicas" in result for result in results.values()):
        return markdown(COLUMNS, rows)
    for row, result in zip(rows, results.values(), strict=True):
        view = result["replicas"]
        cells = [f"{result['lost_races']:,.0f}", f"{view['elections']:,.0f}", view["sealed_by"]]
        row[RACES_AT:RACES_AT] = cells
    more = ["lost races", "elections", "sealed by"]
    return markdown(COLUMNS[:RACES_AT] + more + COLUMNS[RACES_AT:], rows)


def _scenario_row(title: str, result: dict) -> list[str]:
    latency = result["latency_ms"]
    not_sealed = sum(n for name, n in result["outcomes"].items() if name != "sealed")
    cells = [title, f"{result['events_per_second']:,.0f}"]
    cells += [f"{latency[part]:.2f}" for part in ("p50", "p90", "p99", "p99_9", "max")]
    cells += [f"{result['contract_violations']:,.0f}", f"{not_sealed:,.0f}"]
    for name in ("service", "etcd"):
        part = result.get(name)
        both = ("cpu_seconds", ".2f"), ("cpu_us_per_event", ".0f")
        cells += [format(part[key], form) if part else "" for key, form in both]
    for name in ("service", "etcd"):
        cells.append(f"{result[name]['peak_mb']:.1f}" if name in result else "")
    return cells


def million_table(million: dict) -> str:
    """Memory while events are sealed, and the restart."""
    restart = million["restart"]
    marks = [[f"{one['events']:,.0f}", f"{one['service_mb']:.1f}"] for one in million["marks"]]
    rows = [
        ["stopped after", f"{restart['stop_seconds']:.2f} s"],
        ["ready after", f"{restart['ready_seconds']:.2f} s"],
        ["first event sealed after", f"{restart['sealing_seconds']:.2f} s"],
        ["service CPU until then", f"{restart['cpu_seconds']:.2f} s"],
        ["service memory when ready", f"{restart['service_mb']:.1f} MB"],
        ["service memory, peak while starting", f"{restart['service_peak_mb']:.1f} MB"],
        ["etcd's database", f"{million['etcd_database_mb']:,.0f} MB"],
    ]
    seal_table = markdown(["events sealed", "service memory MB"], marks)
    restart_table = markdown([f"restart with {restart['events']:,.0f} events", ""], rows)
    return f"{seal_table}\n\n{restart_table}"


def aim_table(found: list[Aim]) -> str:
    rows = [[one.text, one.aim, one.measured, "met" if one.is_met else "MISSED"] for one in found]
    return markdown(["aim", "", "measured", ""], rows)


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table that reads well as plain text too: first column to the left, others to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def line(cells: list[str]) -> str:
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * widths[0]] + ["-" * max(1, width - 1) + ":" for width in widths[1:]]
    return "\n".join([line(head), "| " + " | ".join(rule) + " |", *map(line, rows)])
