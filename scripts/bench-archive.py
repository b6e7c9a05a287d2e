#!/usr/bin/env -S python3 -B
"""Measures a ledger whose old events leave etcd: a small quota, and minutes of sealing at a rate.

First without an archive, then with one into a folder, with the same load, quota and maintenance. Prints
what etcd's database, the archive's lag and the service's memory are every ten seconds, and a table
with p50, p90 and p99 of sealing as ratios to those without an archive. The figures go to
.local/bench/archive.json. Needs the programs of `swift build -c release`; `make bench-archive` makes
them.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Benchmarks"))

from archiving import Archiving  # noqa: E402
from etcd_cluster import EtcdFailure  # noqa: E402
from processes import Supervisor  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / ".build/release")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--baseline-seconds", type=int, default=60)
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
            without = measuring.run(
                "without", quota=8 << 30, seconds=options.baseline_seconds, retain=None, **load
            )
            archived = measuring.run(
                "with", quota=options.quota, seconds=options.seconds, retain=options.retain, **load
            )
        except EtcdFailure as failure:
            print(f"bench-archive: {failure}\n{supervisor.show_logs()}", file=sys.stderr)
            return 1
    figures = {"options": vars(options) | {"bin": str(options.bin)}, "without": without, "with": archived}
    (folder.parent / "archive.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(table(without, archived, options.quota))
    return 0


def table(without: dict, archived: dict, quota: int) -> str:
    lines = ["| | p50 | p90 | p99 | events/s |", "|---|---:|---:|---:|---:|"]
    for name, one in (("without an archive", without), ("with an archive", archived)):
        latency = one["latency_ms"]
        cells = " | ".join(f"{latency[part]} ms" for part in ("p50", "p90", "p99"))
        lines.append(f"| {name} | {cells} | {one['events_per_second']:,.0f} |")
    ratios = [
        f"{archived['latency_ms'][part] / without['latency_ms'][part]:.2f}"
        for part in ("p50", "p90", "p99")
    ]
    rate = archived["events_per_second"] / without["events_per_second"]
    lines.append(f"| ratio | {' | '.join(ratios)} | {rate:.2f} |")
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
