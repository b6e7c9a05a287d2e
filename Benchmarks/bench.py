"""Measures the ledger against a three-member etcd cluster of its own; scripts/bench.sh calls it.

Every scenario has three new etcd members (mutual TLS, users and roles, data in memory) and a new
ledger-service with an empty ledger, so that none depends on those before it. Callers use plaintext
gRPC on loopback. All run on this machine and share its cores with the load generator.

Latencies are the caller's. For streams and unary calls they count from handing over an event, for
the open loop from when it was due. "over 50 ms" counts sealed events that broke the commit
contract, by the commit latency in the service's own answers. Processor seconds are those of the
measured time; etcd's of all three members. Peaks of memory are resident bytes, the warm-up
included; etcd's is that of the largest member.

With --replicas other scenarios run: so many replicas serve one ledger, and the callers are spread
over all of them. One replica seals and the others forward to it; in the scenarios `rivals` every
one seals for itself (LEDGER_FORWARDING=off). "lost races" counts the transactions whose
compare-and-swap failed in the measured time, "elections" every change of part that a replica went
through, "sealed by" the replicas that sent any transaction. The service's processor time is that of
all replicas, its memory that of the largest.
"""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import machine
import replicas
import report
from processes import Failure, Supervisor
from scenarios import SCENARIOS, Bench, Settings

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / ".local/bench"
MEMORY = pathlib.Path("/dev/shm")
BYTES_PER_EVENT = 3000
NOISE_CORES = 0.3


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--bin", metavar="FOLDER", required=True, help="where the release programs are")
    add("--quick", action="store_true", help="3 s a scenario, and 100,000 events for `million`")
    names = [scenario.name for scenario in SCENARIOS]
    replicated = [load.name for load in replicas.LOADS]
    add("--replicas", metavar="N,N", type=replica_counts, help="measure so many replicas each")
    add("--scenario", metavar="NAME", action="append", dest="names",
        help=f"only this one; may be given several times: {', '.join(names)};"
        f" with --replicas: {', '.join(replicated)}")  # fmt: skip
    add("--repeat", metavar="N", type=int, default=1, help="runs of each; medians are shown")
    add("--duration", metavar="S", type=float, help="seconds to measure each scenario (10)")
    add("--warmup", metavar="S", type=float, help="seconds before that (3)")
    add("--events", metavar="N", type=int, help="events of `million` (1,000,000)")
    add("--payload-bytes", metavar="N", type=int, default=256, help="bytes of each payload (256)")
    add("--set", metavar="NAME=VALUE", action="append", default=[], dest="settings",
        help="a setting of ledger-service other than the default")  # fmt: skip
    add("--no-roles", action="store_true", help="without etcd's users and roles (naive never has)")
    add("--disk", action="store_true", help="etcd's data on disk, below .local/bench")
    add("--keep", action="store_true", help="keep logs and the last scenario's etcd data")
    options = parser.parse_args()
    if options.repeat < 1 or any("=" not in setting for setting in options.settings):
        parser.error("--repeat needs a positive number, and --set NAME=VALUE")
    known = replicated if options.replicas else names
    if unknown := set(options.names or []) - set(known):
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(known)}")
    options.duration = options.duration or (3 if options.quick else 10)
    options.warmup = (1 if options.quick else 3) if options.warmup is None else options.warmup
    options.events = options.events or (100_000 if options.quick else 1_000_000)
    return options


def replica_counts(text: str) -> list[int]:
    counts = [int(part) for part in text.split(",")]
    if not all(1 <= count <= 20 for count in counts):
        raise ValueError(text)
    return counts


class Progress:
    """One line on standard error that is written over; plain lines where that is no terminal."""

    def __init__(self):
        self._title = ""
        self._is_terminal = sys.stderr.isatty()

    def begin(self, title: str) -> None:
        self._title = title
        if not self._is_terminal:
            print(title, file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        if self._is_terminal:
            print(f"\r\033[K{self._title}: {text}", end="", file=sys.stderr, flush=True)

    def end(self, text: str) -> None:
        start = f"\r\033[K{self._title}: " if self._is_terminal else "    "
        print(start + text, file=sys.stderr, flush=True)


def make_data_folder(options: argparse.Namespace) -> pathlib.Path:
    needed = options.events * BYTES_PER_EVENT + 2e9
    if options.replicas or (options.names and "million" not in options.names):
        needed = 2e9
    RESULTS.mkdir(parents=True, exist_ok=True)
    place = RESULTS if options.disk else MEMORY
    if shutil.disk_usage(place).free < needed:
        advice = "free some" if options.disk else "use --disk"
        raise Failure(f"{place} has less than {needed / 1e9:.0f} GB left; {advice}")
    return pathlib.Path(tempfile.mkdtemp(prefix="ledger-bench-", dir=place))


def measure(options: argparse.Namespace, folder: pathlib.Path) -> dict[str, list[dict]]:
    """All runs by the scenario's name; the repetitions go round, so that none has a worse time."""
    certificates = folder / "certs"
    subprocess.run(
        [ROOT / "certs/make-certs.sh", certificates], check=True, stdout=subprocess.DEVNULL
    )
    settings = Settings(
        binaries=pathlib.Path(options.bin).resolve(),
        certificates=certificates,
        data=folder,
        seconds=options.duration,
        warmup=options.warmup,
        events=options.events,
        payload_bytes=options.payload_bytes,
        service=dict(setting.split("=", 1) for setting in options.settings),
        has_roles=not options.no_roles,
    )
    chosen = choose(options)
    runs: dict[str, list[dict]] = {one.name: [] for one in chosen}
    progress = Progress()
    with Supervisor(folder) as supervisor:
        kind = replicas.ReplicaBench if options.replicas else Bench
        bench = kind(settings, supervisor, progress.say)
        try:
            for turn in range(options.repeat * len(chosen)):
                scenario = chosen[turn % len(chosen)]
                place = f"[{turn + 1}/{options.repeat * len(chosen)}]"
                progress.begin(f"{place} {scenario.title}")
                result = bench.run(scenario)
                runs[scenario.name].append(result)
                progress.end(
                    f"{result['events_per_second']:,.0f} events/s,"
                    f" p99 {result['latency_ms']['p99']:.2f} ms"
                )
        except Failure:
            progress.end("failed")
            print(supervisor.show_logs(), file=sys.stderr)
            raise
    return runs


def choose(options: argparse.Namespace) -> list:
    if options.replicas:
        return replicas.scenarios(options.replicas, options.names)
    return [one for one in SCENARIOS if not options.names or one.name in options.names]


def present(options: argparse.Namespace, runs: dict[str, list[dict]], about: dict) -> None:
    results = {name: report.median_of(of_one) for name, of_one in runs.items()}
    titles = {scenario.name: scenario.title for scenario in choose(options)}
    titles["million"] = f"{options.events:,} events through streams"
    if options.replicas:
        found = report.replica_aims(results)
    else:
        found = report.aims(results, options.events)
    parts = [
        f"{about['cores']} cores, {about['cpu']}, {about['memory_gb']} GB, Linux {about['kernel']},"
        f" etcd {about['etcd']} x3 with data {'on disk' if options.disk else 'in memory'},"
        f" commit {about['commit']}; {options.payload_bytes}-byte payloads,"
        f" {options.duration:g} s after {options.warmup:g} s of warm-up"
        + (f", medians of {options.repeat} runs" if options.repeat > 1 else ""),
        report.scenario_table(titles, results),
    ]
    if "million" in results:
        parts.append(report.million_table(results["million"]))
    if found:
        parts.append(report.aim_table(found))
    noisy = [name for name, one in results.items() if one["other_cores"] > NOISE_CORES]
    if noisy:
        parts.append(
            f"This machine was not quiet: other programs used more than {NOISE_CORES} cores"
            f" during {', '.join(noisy)}."
        )
    print("\n\n".join(parts))
    save(options, {"machine": about, "options": vars(options), "results": results, "runs": runs,
                   "aims": [vars(aim) for aim in found]})  # fmt: skip


def save(options: argparse.Namespace, record: dict) -> None:
    now = datetime.datetime.now(datetime.UTC)
    path = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps({"at": now.isoformat(), **record}, indent=2) + "\n")
    latest = RESULTS / "latest.json"
    latest.unlink(missing_ok=True)
    latest.symlink_to(path.name)
    print(f"written to {path}", file=sys.stderr)


def stop_on_signals() -> None:
    """Every signal that asks to stop ends the run through its clean-up, once."""

    def leave(number, _frame):
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, leave)


def main() -> int:
    options = parse_arguments()
    stop_on_signals()
    folder = None
    try:
        folder = make_data_folder(options)
        about = machine.describe()
        runs = measure(options, folder)
        present(options, runs, about)
    except Failure as failure:
        print(f"bench.sh: {failure}", file=sys.stderr)
        return 1
    finally:
        if folder and options.keep:
            print(f"kept {folder}", file=sys.stderr)
        elif folder:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
