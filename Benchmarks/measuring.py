"""Runs a load generator, and watches the processors and the memory meanwhile."""

import json
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from processes import Failure, Footprint, Supervisor, busy_seconds, clean_environment

SAMPLE_SECONDS = 0.2


@dataclass
class Watch:
    """What is watched during a run: the groups of processes, by name."""

    groups: dict[str, list[Footprint]]
    samples: list[tuple[float, dict[str, float]]] = field(default_factory=list)

    def reset_peaks(self) -> None:
        for processes in self.groups.values():
            for process in processes:
                process.reset_peak()

    def sample(self) -> None:
        cpu = {
            name: sum(process.cpu_seconds() for process in processes)
            for name, processes in self.groups.items()
        }
        own = os.times()
        cpu["bench.py"] = own.user + own.system
        cpu["machine"] = busy_seconds()
        self.samples.append((time.monotonic(), cpu))

    def cpu_seconds(self, name: str, begin: float, end: float) -> float:
        """Processor seconds between two times, interpolated between the samples."""
        return self._at(name, end) - self._at(name, begin)

    def peak_bytes(self, name: str) -> list[int]:
        """The most resident memory of each process since `reset_peaks`."""
        return [process.memory()[1] for process in self.groups[name]]

    def _at(self, name: str, moment: float) -> float:
        before = self.samples[0]
        for after in self.samples:
            if after[0] >= moment:
                break
            before = after
        span = after[0] - before[0]
        part = min(1.0, (moment - before[0]) / span) if span > 0 else 0.0
        return before[1][name] + part * (after[1][name] - before[1][name])


def run_load(
    supervisor: Supervisor,
    command: list[str],
    watch: Watch,
    tick: Callable[[], None],
    read: Callable[[str], dict] = json.loads,
) -> dict:
    """Runs a load generator until it prints, at the very end of what it measures, and adds what
    was watched. `read` makes the report of what it printed, one line of JSON.

    Processor seconds are those of the measured time, without the warm-up; peaks of memory include
    the warm-up.
    """
    watch.samples.clear()
    watch.reset_peaks()
    watch.sample()
    load = supervisor.start("load", command, clean_environment(), captured=True)
    try:
        while not select.select([load.popen.stdout], [], [], SAMPLE_SECONDS)[0]:
            watch.sample()
            tick()
        end = time.monotonic()
        watch.sample()
        output = load.popen.stdout.read().decode()
        load.popen.wait()
    finally:
        load.stop()
        load.popen.stdout.close()
    try:
        report = read(output)
    except ValueError:
        raise Failure(f"{' '.join(command)} gave no report: {output.strip()}") from None
    if report.get("failure") or load.popen.returncode != 0:
        why = report.get("failure") or f"status {load.popen.returncode}"
        raise Failure(f"{' '.join(command)}: {why}")
    add_processes(report, watch, end - report["duration_s"], end)
    return report


def add_processes(report: dict, watch: Watch, begin: float, end: float) -> None:
    events = max(1, report["outcomes"].get("sealed", 0))
    known = report["client_cpu_seconds"] + watch.cpu_seconds("bench.py", begin, end)
    for name in watch.groups:
        seconds = watch.cpu_seconds(name, begin, end)
        known += seconds
        peaks = watch.peak_bytes(name)
        report[name] = {
            "cpu_seconds": round(seconds, 2),
            "cpu_us_per_event": round(seconds * 1e6 / events, 1),
            "peak_mb": round(max(peaks) / 1e6, 1),
            "peak_mb_all": round(sum(peaks) / 1e6, 1),
        }
    # What others took, and what the kernel did for the network and booked on nobody.
    others = watch.cpu_seconds("machine", begin, end) - known
    report["other_cores"] = round(max(0.0, others) / max(0.001, end - begin), 2)
