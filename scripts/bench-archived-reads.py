#!/usr/bin/env -S python3 -B
"""Measures reads of events that have left etcd, beside reads of events that are still there.

    .local/venv/bin/python -B scripts/bench-archived-reads.py --bin .build/release

Starts a member of etcd and a service that archives into a folder of this machine, seals events, waits
until old ones have left etcd, and asks for one event after the other, chosen at random. `first` reads
events whose bundle was not read before, each bundle once; `bundles kept` reads within bundles that
fit into memory.
"""

import argparse
import pathlib
import random
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Tests/python"))

import grpc  # noqa: E402
from checking import eventually  # noqa: E402
from processes import running_cluster, running_service  # noqa: E402
from stubs import messages, services  # noqa: E402

ORIGIN = "ledger.example.com/archived-reads"
RETAIN = 8_192


def seal(stub, count: int, payload: int) -> None:
    events = (
        messages.CertifiedEvent(
            event_id=f"event-{number}", payload=b"x" * payload, veps_timestamp=number
        )
        for number in range(1, count + 1)
    )
    for result in stub.SubmitEvents(events):
        if not result.HasField("sealed"):
            sys.exit(f"not sealed: {result.rejection.message}")


def measured(stub, numbers: list[int]) -> str:
    """p50, p90, p99 and the largest of reading these numbers one after the other."""
    times = []
    for number in numbers:
        begin = time.perf_counter()
        event = stub.GetEvent(messages.GetEventRequest(sequence_number=number))
        times.append((time.perf_counter() - begin) * 1000)
        if event.event_id != f"event-{number}":
            sys.exit(f"number {number} is {event.event_id}")
    times.sort()
    parts = [times[min(len(times) - 1, int(len(times) * p / 100))] for p in (50, 90, 99)]
    figures = " | ".join(f"{part:.2f}" for part in [*parts, times[-1]])
    return f"{len(times)} | {figures}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / ".build/release")
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--payload", type=int, default=256, help="bytes")
    parser.add_argument("--reads", type=int, default=2_000)
    options = parser.parse_args()
    chosen = random.Random(1)
    with running_cluster(size=1) as cluster:
        folder = cluster.folder / "archive"
        folder.mkdir()
        key = cluster.folder / "signing-key.pem"
        subprocess.run(
            [options.bin.resolve() / "ledgerctl", "keygen", "--name", ORIGIN, "--out", key],
            check=True, capture_output=True,
        )  # fmt: skip
        with running_service(
            options.bin, cluster, LEDGER_PREFIX="archived/", LEDGER_ORIGIN=ORIGIN,
            LEDGER_SIGNING_KEY=str(key), LEDGER_ARCHIVE=folder.as_uri(),
            LEDGER_ARCHIVE_INTERVAL="2", LEDGER_ARCHIVE_RETAIN_EVENTS=str(RETAIN),
            LEDGER_AUDIT_EVENTS_PER_SECOND="0",
        ) as service:  # fmt: skip
            with grpc.insecure_channel(service.address) as channel:
                stub = services.ImmutableLedgerStub(channel)
                seal(stub, options.events, options.payload)
                trimmed = (options.events - RETAIN) // 4096 * 4096
                eventually(
                    lambda: service.metric("ledger_archive_trimmed") >= trimmed,
                    "old events have not left etcd", 300,
                )  # fmt: skip
                bundles = list(range(trimmed // 256))
                chosen.shuffle(bundles)
                first = [bundle * 256 + chosen.randrange(256) + 1 for bundle in bundles]
                kept = [
                    chosen.choice(bundles[-20:]) * 256 + chosen.randrange(256) + 1
                    for _ in range(options.reads)
                ]
                recent = [
                    chosen.randrange(trimmed + 1, options.events + 1) for _ in range(options.reads)
                ]
                print("| reads of | count | p50 ms | p90 ms | p99 ms | largest ms |")
                print("|---|---|---|---|---|---|")
                print(f"| archived events, first | {measured(stub, first)} |")
                print(f"| archived events, bundles kept | {measured(stub, kept)} |")
                print(f"| events in etcd | {measured(stub, recent)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
