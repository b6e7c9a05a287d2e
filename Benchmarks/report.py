"""The tables, as Markdown. `builds` is what was measured of each build, by its name."""

from collections.abc import Callable

from results import LATENCIES, Results
from scenarios import Scenario

PARTS = ("service", "etcd")


def figure_table(chosen: list[Scenario], builds: dict[str, Results]) -> str:
    """What callers saw."""
    head = "scenario|events/s|p50 ms|p90|p99|p99.9|max|over 50 ms|not sealed".split("|")

    def row(results: Results, name: str) -> list[str]:
        cells = [results.text(name, "events_per_second", ",.0f")]
        parts = (*LATENCIES, "p99_9", "max")
        cells += [results.text(name, f"latency_ms.{part}", ".2f") for part in parts]
        cells.append(f"{results.total(name, 'contract_violations'):,.0f}")
        return [*cells, f"{1 - results.share_sealed(name).median:.2%}"]

    return markdown(head, rows(chosen, builds, row))


def cost_table(chosen: list[Scenario], builds: dict[str, Results]) -> str:
    """What it took, and which replicas did it."""
    head = "scenario|service CPU us/event|etcd CPU us/event|service peak MB|etcd peak MB"
    head += "|events/batch|lost races|elections|doubts|sealed by"

    def row(results: Results, name: str) -> list[str]:
        cells = [results.text(name, f"{part}.cpu_us_per_event", ",.0f") for part in PARTS]
        cells += [results.text(name, f"{part}.peak_mb", ".1f") for part in PARTS]
        cells.append(results.text(name, "events_per_batch", ".1f"))
        counted = ("lost_races", "elections", "doubts")
        is_ledger = results.series(name, "doubts") is not None
        cells += [f"{results.total(name, one):,.0f}" if is_ledger else "" for one in counted]
        return [*cells, results.words(name, "sealed_by")]

    return markdown(head.split("|"), rows(chosen, builds, row))


def naive_table(chosen: list[Scenario], builds: dict[str, Results]) -> str:
    """Every scenario beside the naive baseline of the same round."""
    head = ["beside the naive protocol", "events/s", "p50", "p90", "p99"]
    others = [scenario for scenario in chosen if scenario.name != "naive"]
    return markdown(head, rows(others, builds, lambda results, name: results.ratios(name, "naive")))


def build_table(chosen: list[Scenario], new: Results, old: Results) -> str:
    """One build beside the other, round by round."""
    head = ["new beside old", "events/s", "p50", "p90", "p99", "service CPU", "etcd CPU"]
    body = []
    for scenario in chosen:
        name = scenario.name
        if not scenario.is_baseline:
            paths = [f"{part}.cpu_us_per_event" for part in PARTS]
            pairs = [(new.series(name, path), old.series(name, path)) for path in paths]
            cells = new.ratios(name, name, old) + [a.over(b).text(".2f", "x") for a, b in pairs]
            body.append([scenario.title, *cells])
    return markdown(head, body)


def million_table(results: Results) -> str:
    """One build's memory while events are sealed, and the restart."""

    def mb(path: str) -> str:
        return results.text("million", path, ".1f", " MB")

    def seconds(path: str) -> str:
        return results.text("million", f"restart.{path}", ".2f", " s")

    marks = []
    while events := results.text("million", f"marks.{len(marks)}.events", ",.0f"):
        marks.append([events, mb(f"marks.{len(marks)}.service_mb")])
    body = [
        ["stopped after", seconds("stop_seconds")],
        ["ready after", seconds("ready_seconds")],
        ["first event sealed after", seconds("sealing_seconds")],
        ["service CPU until then", seconds("cpu_seconds")],
        ["service memory when ready", mb("restart.service_mb")],
        ["service memory, peak while starting", mb("restart.service_peak_mb")],
        ["etcd's database", mb("etcd_database_mb")],
    ]
    events = results.text("million", "restart.events", ",.0f")
    restart = markdown([f"restart with {events} events", ""], body)
    return f"{markdown(['events sealed', 'service memory'], marks)}\n\n{restart}"


def rows(
    chosen: list[Scenario], builds: dict[str, Results], row: Callable[[Results, str], list[str]]
) -> list[list[str]]:
    """A row for each scenario of each build that has its figures; baselines have no build."""
    body = []
    for scenario in chosen:
        for build, results in list(builds.items())[: 1 if scenario.is_baseline else None]:
            is_named = build and not scenario.is_baseline
            title = f"{scenario.title} ({build})" if is_named else scenario.title
            if any(cells := row(results, scenario.name)):
                body.append([title, *cells])
    return body


def markdown(head: list[str], body: list[list[str]]) -> str:
    """A table that reads well as plain text too: first column to the left, others to the right.
    Nothing without rows."""
    if not body:
        return ""
    widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]

    def line(cells: list[str]) -> str:
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * widths[0]] + ["-" * max(1, width - 1) + ":" for width in widths[1:]]
    return "\n".join([line(head), "| " + " | ".join(rule) + " |", *map(line, body)])
