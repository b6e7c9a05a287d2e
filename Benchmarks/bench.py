"""Measures the ledger against a three-member etcd cluster of its own; scripts/bench.sh calls it.

Every scenario has three new etcd members (mutual TLS, users and roles) and a new ledger-service
with an empty ledger, so that none depends on those before it. Callers use plaintext gRPC on
loopback. All run on this machine and share its cores and its disk with the load generator.

Two baselines run beside it with their data at the same place: `naive`, the protocol that the ledger
replaces, with the same etcd; and `postgres-N`, a hash chain in PostgreSQL with N clients and one
event a transaction, where PostgreSQL is installed. That is one node without replication, where the
ledger's etcd has three members.

Latencies are the caller's. For streams and unary calls they count from handing over an event, for
the open loop from when it was due. "over 50 ms" counts sealed events that broke the commit
contract, by the commit latency in the service's own answers. Processor seconds are those of the
measured time; etcd's of all three members. Peaks of memory are resident bytes, the warm-up
included; etcd's is that of the largest member.

N-NAME is the scenario NAME with N replicas of the service on one ledger, and the callers spread
over all of them. One replica seals and the others forward to it; in the scenarios `rivals` every
one seals for itself (LEDGER_FORWARDING=off). "lost races" counts the transactions whose
compare-and-swap failed in the measured time, "elections" every change of part that a replica went
through, "doubts" those in which one took the sealer for dead, "sealed by" the replicas that sent
any transaction. The service's processor time is that of all replicas, its memory that of the
largest.

Ratios are taken within one round and then their median, so that they hold on a machine whose speed
drifts; --beside measures the programs of another folder in the same rounds.
"""

import argparse
import datetime
import json
import pathlib
import shutil
import signal
import sys
import tempfile

import machine
import postgres
import report
import scenarios
from processes import EtcdFailure, Failure, Supervisor
from results import Results
from running import Bench, Settings
from scenarios import Kind, Scenario
from summary import summary_table

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / ".local/bench"
MEMORY = pathlib.Path("/dev/shm")
BYTES_PER_EVENT = 3000
NOISE_CORES = 0.3
# The name of what both builds share, and of the only one.
BOTH = ""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    names, counts = ", ".join(scenarios.BY_NAME), ", ".join(scenarios.REPLICATED)
    add("--bin", metavar="FOLDER", required=True, type=pathlib.Path, help="the release programs")
    add("--beside", metavar="FOLDER", type=pathlib.Path, help="others, measured in the same rounds")
    add("--only", metavar="NAME,NAME", type=lambda text: text.split(","), default=scenarios.USUAL,
        help=f"these scenarios: {names}; and N-NAME")  # fmt: skip
    add("--replicas", metavar="N,N", type=lambda text: [int(part) for part in text.split(",")],
        help=f"so many replicas each; without --only of {counts}")  # fmt: skip
    add("--quick", action="store_true", help="3 s a scenario, and 100,000 events for `million`")
    add("--repeat", metavar="N", type=int, default=1, help="rounds; medians and spread are shown")
    add("--duration", metavar="S", type=float, help="seconds to measure each scenario (10)")
    add("--warmup", metavar="S", type=float, help="seconds before that (3)")
    add("--events", metavar="N", type=int, help="events of `million` (1,000,000)")
    add("--payload-bytes", metavar="N", type=int, default=256, help="bytes of each payload (256)")
    add("--set", metavar="NAME=VALUE", action="append", default=[], dest="settings",
        help="a setting of ledger-service other than the default")  # fmt: skip
    add("--no-roles", action="store_true", help="without etcd's users and roles (naive never has)")
    add("--memory", action="store_true", help="data in memory (/dev/shm), not below .local/bench")
    add("--keep", action="store_true", help="keep logs and the last scenario's etcd data")
    options = parser.parse_args()
    if options.repeat < 1 or any("=" not in setting for setting in options.settings):
        parser.error("--repeat needs a positive number, and --set NAME=VALUE")
    if options.replicas:
        kinds = scenarios.REPLICATED if options.only is scenarios.USUAL else options.only
        options.only = [f"{count}-{kind}" for kind in kinds for count in options.replicas]
    try:
        options.chosen = list(dict.fromkeys(scenarios.find(name) for name in options.only))
    except KeyError as unknown:
        parser.error(f"no scenario {unknown}; there are {names}, and N-NAME for 1 to 20 replicas")
    options.duration = options.duration or (3 if options.quick else 10)
    options.warmup = (1 if options.quick else 3) if options.warmup is None else options.warmup
    options.events = options.events or (100_000 if options.quick else 1_000_000)
    return options


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
    needed = 2e9
    if any(one.kind is Kind.MILLION for one in options.chosen):
        needed += options.events * BYTES_PER_EVENT
    RESULTS.mkdir(parents=True, exist_ok=True)
    place = MEMORY if options.memory else RESULTS
    if shutil.disk_usage(place).free < needed:
        raise Failure(f"{place} has less than {needed / 1e9:.0f} GB left")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ledger-bench-", dir=place))
    # PostgreSQL's own user has a folder in it.
    folder.chmod(0o711)
    return folder


def leave_out(options: argparse.Namespace) -> str | None:
    """Leaves PostgreSQL out where it is not installed, and says so."""
    lacking = postgres.missing()
    if not lacking or all(one.kind is not Kind.POSTGRES for one in options.chosen):
        return None
    options.chosen = [one for one in options.chosen if one.kind is not Kind.POSTGRES]
    return (
        f"PostgreSQL's hash chain was left out: {', '.join(lacking)} not installed"
        " (Debian: postgresql, postgresql-contrib)."
    )


def measure(options: argparse.Namespace, folder: pathlib.Path) -> dict[str, dict[str, list[dict]]]:
    """The results of all rounds, by the build's name and the scenario's."""
    settings = Settings(
        certificates=folder / "certs",
        data=folder,
        seconds=options.duration,
        warmup=options.warmup,
        events=options.events,
        payload_bytes=options.payload_bytes,
        service=dict(setting.split("=", 1) for setting in options.settings),
        has_roles=not options.no_roles,
    )
    turns = plan(options)
    runs: dict[str, dict[str, list[dict]]] = {}
    progress = Progress()
    with Supervisor(folder) as supervisor:
        bench = Bench(settings, supervisor, progress.say)
        try:
            for number, (scenario, build, binaries) in enumerate(turns, 1):
                title = f"{scenario.title} ({build})" if build else scenario.title
                progress.begin(f"[{number}/{len(turns)}] {title}")
                result = bench.run(scenario, binaries)
                runs.setdefault(build, {}).setdefault(scenario.name, []).append(result)
                latency = result["latency_ms"]
                progress.end(
                    f"{result['events_per_second']:,.0f} events/s,"
                    f" p50 {latency['p50']:.2f} ms, p99 {latency['p99']:.2f} ms"
                )
        except EtcdFailure:
            progress.end("failed")
            print(supervisor.show_logs(), file=sys.stderr)
            raise
    return runs


def plan(options: argparse.Namespace) -> list[tuple[Scenario, str, pathlib.Path]]:
    """What runs after what: round by round, and in every second one the other build first."""
    shared = [(BOTH, options.bin)]
    builds = [("new", options.bin), ("old", options.beside)] if options.beside else shared
    return [
        (scenario, build, binaries)
        for turn in range(options.repeat)
        for scenario in options.chosen
        for build, binaries in (shared if scenario.is_baseline else builds[:: 1 - turn % 2 * 2])
    ]


def present(options: argparse.Namespace, runs: dict[str, dict[str, list[dict]]]) -> list[str]:
    """The tables, and what has to be known to read them."""
    chosen = options.chosen
    baselines = {one.name: runs[BOTH][one.name] for one in chosen if one.is_baseline}
    names = ["new", "old"] if options.beside else [BOTH]
    builds = {name: Results(baselines | runs.get(name, {})) for name in names}
    first = builds[names[0]]
    parts = [report.figure_table(chosen, builds), report.cost_table(chosen, builds)]
    if "naive" in first:
        parts.append(report.naive_table(chosen, builds))
    if options.beside:
        parts.append(report.build_table(chosen, builds["new"], builds["old"]))
    if "million" in first:
        parts += [report.million_table(results) for results in builds.values()]
    parts.append(summary_table(builds))
    noisy = {
        name for of_build in runs.values() for name, of_one in of_build.items()
        if any(one.get("other_cores", 0) > NOISE_CORES for one in of_one)
    }  # fmt: skip
    if noisy:
        parts.append(
            f"This machine was not quiet: other programs used more than {NOISE_CORES} cores"
            f" during {', '.join(sorted(noisy))}."
        )
    return parts


def describe(options: argparse.Namespace, about: dict, disk: dict) -> str:
    databases = f"etcd {about['etcd']} with three members"
    if any(one.kind is Kind.POSTGRES for one in options.chosen):
        databases += (
            f"; PostgreSQL {postgres.version()}, one node without replication,"
            f" {' '.join(postgres.FLAGS)}"
        )
    text = (
        f"{about['cores']} cores, {about['cpu']}, {about['memory_gb']} GB, Linux {about['kernel']},"
        f" commit {about['commit']}. {databases}. Data in {disk['folder']} ({disk['filesystem']}):"
        f" {machine.PROBE_BYTES} bytes are durable after p50 {disk['fsync_p50_ms']:.2f} ms,"
        f" p99 {disk['fsync_p99_ms']:.2f} ms."
        f" {options.payload_bytes}-byte payloads, {options.duration:g} s after {options.warmup:g} s"
        " of warm-up"
    )
    if options.repeat > 1:
        text += f"; medians of {options.repeat} rounds (least to most), counts of all rounds"
    return text + "."


def save(record: dict) -> None:
    now = datetime.datetime.now(datetime.UTC)
    path = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps({"at": now.isoformat(), **record}, indent=2, default=str) + "\n")
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
        left_out = leave_out(options)
        folder = make_data_folder(options)
        about, disk = machine.describe(), machine.describe_disk(folder)
        runs = measure(options, folder)
        parts = [describe(options, about, disk), *present(options, runs), left_out]
        print("\n\n".join(part for part in parts if part))
        save({"machine": about, "disk": disk, "options": vars(options), "runs": runs})
    except EtcdFailure as failure:
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
