#!/usr/bin/env -S python3 -B
"""Measures verification: its speed, and what audit, checkpoints, receipts and proofs cost.

Every figure stands beside a baseline of the same run: SHA-256 over the same bytes, sealing without
audit, checkpoints and tiles, submitting alone, reading an event. Starts an etcd cluster of three
members on this machine and stops it. The figures go to standard output as a table and to
.local/bench/verify.json. Needs the programs of `swift build -c release` and .local/venv
(./setup-env.sh); `make bench-verify` makes both.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Benchmarks"))

from etcd_cluster import EtcdFailure  # noqa: E402
from processes import Supervisor  # noqa: E402
from verifying import Verifying  # noqa: E402

PARTS = ("rate", "cost", "receipts", "proofs")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / ".build/release")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--rounds", type=int, default=5, help="of the sealing path")
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement there")
    parser.add_argument("--events", type=int, default=1_000_000, help="sealed before proofs")
    parser.add_argument("--samples", type=int, default=2_000, help="proofs of each kind")
    parser.add_argument("--receipts", type=int, default=200, help="receipts")
    options = parser.parse_args()
    parts = options.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    folder = ROOT / ".local/bench/verify"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    key = folder / "signing-key.pem"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)], check=True
    )
    figures: dict[str, dict] = {}

    def progress(text: str) -> None:
        print(f"bench-verify: {text}", file=sys.stderr, flush=True)

    with Supervisor(folder) as supervisor:
        try:
            measuring = Verifying(
                options.bin.resolve(), folder, ROOT / "certs/dev", supervisor, key, progress
            )
            if "rate" in parts:
                figures["rate"] = measuring.rate(40)
            if set(parts) - {"rate"}:
                with measuring:
                    if "cost" in parts:
                        figures["cost"] = measuring.cost(options.rounds, options.seconds)
                    if "receipts" in parts:
                        figures["receipts"] = measuring.receipts(options.receipts)
                    if "proofs" in parts:
                        figures["proofs"] = measuring.proofs(options.events, options.samples)
        except EtcdFailure as failure:
            print(f"bench-verify: {failure}\n{supervisor.show_logs()}", file=sys.stderr)
            return 1
        finally:
            (folder.parent / "verify.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(table(figures))
    return 0


def table(figures: dict[str, dict]) -> str:
    lines = [
        "| what | p50 | p90 | p99 | beside | p50 of that | ratio |",
        "|---|---:|---:|---:|---|---:|---:|",
    ]

    def row(what: str, values: dict, unit: str, beside: str, base: float, ratio: float) -> None:
        cells = [f"{values[name]:,} {unit}" for name in ("p50", "p90", "p99")]
        lines.append(f"| {what} | {' | '.join(cells)} | {beside} | {base:,} {unit} | {ratio} |")

    if rate := figures.get("rate"):
        row("verified by one core", rate["verified"], "events/s", "SHA-256 of the entries",
            rate["sha256"]["p50"], rate["ratio"])
    if cost := figures.get("cost"):
        on, off = cost["with"], cost["without"]
        row(f"streams, {on['events_per_second']:,} events/s", on["latency_ms"], "ms",
            f"without audit, checkpoints and tiles, {off['events_per_second']:,} events/s",
            off["latency_ms"]["p50"], cost["ratio"])
    if receipts := figures.get("receipts"):
        row("event to receipt", receipts["receipt_ms"], "ms", "SubmitEvent alone",
            receipts["submit_ms"]["p50"], receipts["ratio"])
    if proofs := figures.get("proofs"):
        for name in ("inclusion_proof", "consistency_proof"):
            row(f"{name.replace('_', ' ')} of {proofs['events']:,}", proofs["ms"][name], "ms",
                "GetEvent", proofs["ms"]["get_event"]["p50"], proofs["ratio"][name])
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
