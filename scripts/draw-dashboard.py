#!/usr/bin/env -S python3 -B
"""Draws k8s/monitoring/dashboard.json as SVG, from what a Prometheus has scraped.

    scripts/draw-dashboard.py --bin FOLDER docs/dashboard.svg     a cluster, replicas, load and Prometheus of its own
    scripts/draw-dashboard.py --prometheus URL FILE               what that one has

With --bin it starts three members of etcd, two replicas and Prometheus, submits events for --seconds, kills the replica
that seals half-way and starts it again, and repeats and contradicts some events. It is not Grafana that draws: the panels'
queries, titles and order are the dashboard's, the strokes are this script's.
"""

import argparse
import contextlib
import html
import json
import math
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "Tests/python"), str(ROOT / "scripts")]

from prometheus import tool  # noqa: E402

WIDTH, UNIT = 1440, 34
POINTS = 60
MOST_SERIES = 6
COLORS = ["#3274d9", "#e0752d", "#37872d", "#c4162a", "#8f3bb8", "#5195ce"]
GOOD, BAD = "#37872d", "#c4162a"


class Prometheus:
    """Answers queries."""

    def __init__(self, url: str):
        self._url = url.rstrip("/")

    def query(self, expression: str, start: float, end: float) -> list[tuple[dict, list]]:
        """Labels and points of every series, at POINTS times."""
        step = max(1, math.ceil((end - start) / POINTS))
        asked = urllib.parse.urlencode(
            {"query": expression, "start": start, "end": end, "step": step}
        )
        with urllib.request.urlopen(f"{self._url}/api/v1/query_range?{asked}", timeout=30) as page:
            result = json.load(page)["data"]["result"]
        return [
            (one["metric"], [(at, float(value)) for at, value in one["values"]]) for one in result
        ]


def shown(value: float, unit: str) -> str:
    """A value with its unit, short."""
    if math.isnan(value):
        return "–"
    if unit == "s" and abs(value) < 1:
        return f"{value * 1000:.3g} ms"
    if unit == "s" and abs(value) >= 172_800:
        return f"{value / 86_400:.0f} d"
    for size, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if unit == "bytes" and abs(value) >= size:
            return f"{value / size:.3g} {name}"
    suffix = {"s": " s", "ops": "/s", "bytes": " B"}.get(unit, "")
    return f"{value:,.0f}{suffix}" if abs(value) >= 1_000 else f"{value:.3g}{suffix}"


class Drawing:
    """The panels as SVG."""

    def __init__(self, prometheus: Prometheus, start: float, end: float):
        self._prometheus = prometheus
        self._start, self._end = start, end
        self._parts: list[str] = []

    def draw(self, dashboard: dict) -> str:
        height = 0.0
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            x, y = place["x"] * WIDTH / 24, place["y"] * UNIT
            w, h = place["w"] * WIDTH / 24, place["h"] * UNIT
            height = max(height, y + h)
            if panel["type"] == "row":
                self._text(x + 8, y + 23, panel["title"], 16, weight="bold")
                continue
            self._parts.append(
                f'<rect x="{x + 3:.0f}" y="{y + 3:.0f}" width="{w - 6:.0f}" height="{h - 6:.0f}" '
                'rx="3" fill="#fff" stroke="#d8d9da"/>'
            )
            self._text(x + 12, y + 22, panel["title"], 12, weight="bold")
            series = self._series(panel)
            if panel["type"] == "stat":
                self._stat(panel, series, x, y, w, h)
            else:
                self._graph(panel, series, x + 12, y + 32, w - 24, h - 40)
        minutes = round((self._end - self._start) / 60)
        self._text(12, height + 18, f"{minutes} minutes, ending {self._clock(self._end)} UTC", 11)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height + 30:.0f}" '
            'font-family="sans-serif" fill="#24292e">'
        )
        return f'{head}<rect width="100%" height="100%" fill="#f4f5f5"/>{"".join(self._parts)}</svg>\n'

    def _series(self, panel: dict) -> list[tuple[str, list]]:
        found = []
        for target in panel["targets"]:
            expression = target["expr"].replace("$namespace", ".*")
            for labels, points in self._prometheus.query(expression, self._start, self._end):
                name = target["legendFormat"]
                for key, value in labels.items():
                    name = name.replace("{{" + key + "}}", value)
                found.append((name, points))
        found.sort(key=lambda one: -max((v for _, v in one[1] if math.isfinite(v)), default=0))
        return found

    def _text(self, x: float, y: float, text: str, size: int, color="", weight="", anchor="") -> None:
        more = "".join(
            f' {key}="{value}"'
            for key, value in (("fill", color), ("font-weight", weight), ("text-anchor", anchor))
            if value
        )
        self._parts.append(
            f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}"{more}>{html.escape(text)}</text>'
        )

    def _stat(self, panel: dict, series: list, x: float, y: float, w: float, h: float) -> None:
        defaults = panel["fieldConfig"]["defaults"]
        value = series[0][1][-1][1] if series else math.nan
        color = ""
        for step in defaults.get("thresholds", {}).get("steps", []):
            if step["value"] is None or value >= step["value"]:
                color = GOOD if step["color"] == "green" else BAD
        text = shown(value, defaults["unit"])
        self._text(x + w / 2, y + h / 2 + 22, text, 30, color or COLORS[0], "bold", "middle")

    def _graph(self, panel: dict, series: list, x: float, y: float, w: float, h: float) -> None:
        defaults = panel["fieldConfig"]["defaults"]
        rows = math.ceil(min(len(series), MOST_SERIES) / 2)
        plot = h - 16 - 14 * rows
        limits = [step["value"] for step in defaults.get("thresholds", {}).get("steps", []) if step["value"]]
        values = [v for _, points in series for _, v in points if math.isfinite(v)]
        top = max([*values, *limits], default=0) * 1.08 or 1
        left = x + 52

        def at(time_: float, value: float) -> str:
            across = (time_ - self._start) / (self._end - self._start)
            return f"{left + across * (w - 56):.1f},{y + plot - value / top * plot:.1f}"

        for part in range(3):
            level = y + plot - plot * part / 2
            self._parts.append(
                f'<path d="M{left:.0f} {level:.0f}h{w - 56:.0f}" stroke="#e6e6e6" fill="none"/>'
            )
            self._text(left - 5, level + 4, shown(top * part / 2, defaults["unit"]), 10, "#666", "", "end")
        for limit in limits:
            level = y + plot - limit / top * plot
            self._parts.append(
                f'<path d="M{left:.0f} {level:.1f}h{w - 56:.0f}" stroke="{BAD}" stroke-dasharray="5 3" fill="none"/>'
            )
        for index, (name, points) in enumerate(series[:MOST_SERIES]):
            color = COLORS[index % len(COLORS)]
            for run in self._runs(points):
                line = " ".join(at(when, value) for when, value in run)
                self._parts.append(
                    f'<polyline points="{line}" stroke="{color}" stroke-width="1.4" fill="none"/>'
                )
            column, row = index % 2, index // 2
            place = x + column * w / 2, y + plot + 24 + 14 * row
            self._parts.append(
                f'<rect x="{place[0]:.0f}" y="{place[1] - 8:.0f}" width="9" height="4" fill="{color}"/>'
            )
            room = int(w / 2 / 6.2) - 3
            self._text(place[0] + 13, place[1], name if len(name) <= room else name[: room - 1] + "…", 10)
        if not series:
            self._text(x + w / 2, y + plot / 2, "nothing in this time", 11, "#888", "", "middle")
        for when in (self._start, self._end):
            self._text(
                left if when == self._start else x + w - 4, y + plot + 12, self._clock(when), 9, "#666", "",
                "start" if when == self._start else "end",
            )  # fmt: skip

    @staticmethod
    def _runs(points: list) -> Iterator[list]:
        """Points without gaps: what is not a number ends a line."""
        run: list = []
        for when, value in points:
            if math.isfinite(value):
                run.append((when, value))
            elif run:
                yield run
                run = []
        if run:
            yield run

    @staticmethod
    def _clock(when: float) -> str:
        return time.strftime("%H:%M", time.gmtime(when))


@contextlib.contextmanager
def scraping(folder: pathlib.Path, replicas: list[str], members: list[str]) -> Iterator[str]:
    """A Prometheus that scrapes, with the alerts of the project."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    jobs = [
        {"job_name": "ledger-service", "static_configs": [{"targets": replicas, "labels": {"namespace": "local"}}]},
        {"job_name": "etcd", "static_configs": [{"targets": members, "labels": {"namespace": "local"}}]},
    ]
    settings = {
        "global": {"scrape_interval": "2s", "evaluation_interval": "5s"},
        "rule_files": [str(ROOT / "k8s/monitoring/alerts.yaml")],
        "scrape_configs": jobs,
    }
    path = folder / "prometheus.yaml"
    path.write_text(json.dumps(settings))
    command = [
        "setpriv", "--pdeathsig", "KILL", tool("prometheus"), f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}", "--log.level=warn",
    ]  # fmt: skip
    with open(folder / "prometheus.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def busy(binaries: pathlib.Path, services: list, seconds: float, rate: int) -> None:
    """Load on all replicas; the one that seals is killed half-way and started again."""
    import grpc
    from ledger import Ledger

    one, other = services
    bench = [
        binaries / "ledgerctl", "bench", "--server", one.address, "--also", other.address,
        "--mode", "open-loop", "--rate", str(rate), "--duration", str(int(seconds)), "--warmup", "1",
    ]  # fmt: skip
    process = subprocess.Popen(list(map(str, bench)), stdout=subprocess.DEVNULL)
    over = threading.Event()

    def others() -> None:
        """Repeats and contradicts, reads and verifies."""
        ledger = Ledger(grpc.insecure_channel(other.address), other.admin, "")
        while not over.wait(0.5):
            with contextlib.suppress(Exception):
                event = ledger.event()
                ledger.seal(event)
                ledger.refused(event)
                event.payload = b"another"
                ledger.refused(event)
                ledger.get(1)
                ledger.refused(ledger.event(event_id=""))

    thread = threading.Thread(target=others)
    thread.start()
    try:
        time.sleep(seconds / 2)
        if one.metric("ledger_is_sealer"):
            one.child.kill()
            time.sleep(5)
            one.start()
        process.wait()
        time.sleep(4)
    finally:
        over.set()
        thread.join()
        process.kill()


def measured(binaries: pathlib.Path, seconds: float, rate: int, dashboard: dict) -> str:
    from processes import running_cluster, running_service

    with tempfile.TemporaryDirectory() as folder, running_cluster() as cluster:
        place = pathlib.Path(folder)
        contract = {"LEDGER_COMMIT_DEADLINE_MS": "50", "LEDGER_RESOLVE_DEADLINE_MS": "100"}
        with running_service(binaries, cluster, **contract) as one:
            with running_service(binaries, cluster, **contract) as other:
                services = [one, other]
                members = [member.metrics.removeprefix("http://") for member in cluster.members]
                with scraping(place, [each.admin for each in services], members) as url:
                    start = time.time()
                    busy(binaries, services, seconds, rate)
                    return Drawing(Prometheus(url), start, time.time()).draw(dashboard)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--bin", type=pathlib.Path, help="where ledger-service and ledgerctl are")
    parser.add_argument("--prometheus", metavar="URL")
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--rate", type=int, default=200, help="events a second")
    options = parser.parse_args()
    dashboard = json.loads((ROOT / "k8s/monitoring/dashboard.json").read_text())
    if options.prometheus:
        end = time.time()
        drawing = Drawing(Prometheus(options.prometheus), end - options.seconds, end).draw(dashboard)
    elif options.bin:
        drawing = measured(options.bin, options.seconds, options.rate, dashboard)
    else:
        parser.error("--bin or --prometheus is needed")
    options.output.write_text(drawing)
    print(f"{options.output}: {len(drawing) // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
