#!/usr/bin/env -S python3 -B
"""Measures a ledger whose old events leave etcd: a small quota, and minutes of sealing at a rate.

With an archive into a folder, and before and after that without one, with the same load and maintenance. Prints
what etcd's database, the archive's lag and the service's memory are every ten seconds, and a table
with p50, p90 and p99 of sealing as ratios to the mean of both runs without an archive: minutes lie between
them, in which a shared machine becomes faster or slower. How long it takes to hash the same bytes tells of that. The
figures go to .local/bench/archive.json. Needs the programs of `swift build -c release`; `make bench-archive` makes
them.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Benchmarks"))

from archiving import Archiving  # noqa: E402
from etcd_cluster import EtcdFailure  # noqa: E402
from processes import Supervisor  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / ".build/release")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--baseline-seconds", type=int, default=90, help="of each run without an archive")
    parser.add_argument("--rate", type=int, default=2_000, help="events a second")
    parser.add_argument("--retain", type=int, default=50_000, help="LEDGER_ARCHIVE_RETAIN_EVENTS")
    parser.add_argument("--interval", type=int, default=30, help="LEDGER_ARCHIVE_INTERVAL")
    parser.add_argument(
        "--maintenance", type=int, default=20, help="seconds between compacting and defragmenting"
    )
    parser.add_argument("--quota", type=int, default=200_000_000, help="etcd's, in bytes")
    options = parser.parse_args()
    folder = ROOT / ".local/bench/archive"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    key = folder / "signing-key.pem"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)], check=True
    )

    def progress(text: str) -> None:
        print(f"bench-archive: {text}", file=sys.stderr, flush=True)

    with Supervisor(folder) as supervisor:
        try:
            measuring = Archiving(
                options.bin.resolve(), folder, ROOT / "certs/dev", supervisor, key, progress,
                options.maintenance,
            )
            load = {"rate": options.rate, "interval": options.interval}
            baseline = {"quota": 8 << 30, "seconds": options.baseline_seconds, "retain": None, **load}
            before = measuring.run("before", **baseline)
            archived = measuring.run(
                "with", quota=options.quota, seconds=options.seconds, retain=options.retain, **load
            )
            after = measuring.run("after", **baseline)
        except EtcdFailure as failure:
            print(f"bench-archive: {failure}\n{supervisor.show_logs()}", file=sys.stderr)
            return 1
    figures = {
        "options": vars(options) | {"bin": str(options.bin)},
        "before": before, "with": archived, "after": after,
    }  # fmt: skip
    (folder.parent / "archive.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(table(before, archived, after, options.quota))
    return 0


def table(before: dict, archived: dict, after: dict, quota: int) -> str:
    lines = ["| | p50 | p90 | p99 | events/s | 4 MiB hashed |", "|---|---:|---:|---:|---:|---:|"]
    runs = (
        ("without an archive, before", before),
        ("with an archive", archived),
        ("without an archive, after", after),
    )
    for name, one in runs:
        latency = one["latency_ms"]
        cells = " | ".join(f"{latency[part]} ms" for part in ("p50", "p90", "p99"))
        lines.append(f"| {name} | {cells} | {one['events_per_second']:,.0f} | {one['hashing_ms']} ms |")

    def ratio(figure: Callable[[dict], float]) -> str:
        return f"{figure(archived) / statistics.mean((figure(before), figure(after))):.2f}"

    ratios = [ratio(lambda one, part=part: one["latency_ms"][part]) for part in ("p50", "p90", "p99")]
    ratios += [ratio(lambda one: one["events_per_second"]), ratio(lambda one: one["hashing_ms"])]
    lines.append(f"| ratio | {' | '.join(ratios)} |")
    first, last = archived["memory_mib"]
    lines += [
        "",
        f"largest database {archived['largest_database_mib']} MiB of a quota of {quota / (1 << 20):.0f} MiB; "
        f"lag at most {archived['largest_lag_seconds']} s, median {archived['median_lag_seconds']} s; "
        f"memory from {first} to {last} MiB; archive {archived['archive_bytes'] / (1 << 20):.0f} MiB",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
