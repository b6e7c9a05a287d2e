#!/usr/bin/env -S python3 -B
"""Measures how long a lost etcd takes to come back from the archive.

Seals events as fast as streams go, with an archive in a folder, destroys all members' data, and runs `ledgerctl
archive recover` into new, empty members. Then a service must start on it with every event, and verify them. Needs
the programs of `swift build -c release`; `make bench-recovery` makes them.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Benchmarks"))

from cluster import BenchCluster, LedgerService  # noqa: E402
from machine import hashing_ms  # noqa: E402
from processes import Failure, Supervisor, clean_environment, wait_until  # noqa: E402

ORIGIN = "ledger.example/recovery"
PREFIX = "ledger/"
ARCHIVE_SECONDS = 600


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / ".build/release")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--retain-events", default="all", help="of ledgerctl archive recover")
    options = parser.parse_args()
    folder = ROOT / ".local/bench/recovery"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Supervisor(folder) as supervisor:
        try:
            print(Recovering(options.bin.resolve(), folder, supervisor, options).run())
        except Failure as failure:
            print(f"bench-recovery: {failure}\n{supervisor.show_logs()}", file=sys.stderr)
            return 1
    shutil.rmtree(folder)
    return 0


class Recovering:
    """One ledger, and two clusters that have it one after the other."""

    def __init__(self, binaries: pathlib.Path, folder: pathlib.Path, supervisor: Supervisor, options):
        self._binaries = binaries
        self._folder = folder
        self._supervisor = supervisor
        self._options = options
        self._archive = folder / "archive"
        self._archive.mkdir()
        key = folder / "signing-key.pem"
        self._verifier = self._ledgerctl("keygen", "--name", ORIGIN, "--out", key).strip()
        self._settings = {
            "LEDGER_ORIGIN": ORIGIN,
            "LEDGER_SIGNING_KEY": str(key),
            "LEDGER_FORWARDING": "off",
            "LEDGER_ARCHIVE": f"file://{self._archive}",
            "LEDGER_ARCHIVE_RETAIN_EVENTS": "all",
            "LEDGER_ARCHIVE_INTERVAL": "5",
        }

    def run(self) -> str:
        head = self._seal()
        cluster = self._cluster("recovered")
        try:
            begin = time.monotonic()
            said = self._ledgerctl(
                "archive", "recover", "--archive", f"file://{self._archive}", "--verifier-key", self._verifier,
                "--retain-events", self._options.retain_events, "--accept", head, settings=cluster.environment,
            )  # fmt: skip
            took = time.monotonic() - begin
            self._say(said.strip())
            service = self._service(cluster, "after")
            ready = service.start()
            try:
                if service.metrics()["ledger_head_sequence_number"] < head:
                    raise Failure("the recovered ledger lacks events")
                self._ledgerctl("verify", "--server", service.address)
            finally:
                service.kill()
            return (
                f"{head:,} events in {took:.1f} s ({head / took:,.0f} a second); a service was ready on them "
                f"after {ready:.2f} s, and verified all of them; 4 MiB are hashed in {hashing_ms():.2f} ms"
            )
        finally:
            cluster.kill()

    def _seal(self) -> int:
        """Seals and archives; returns the last number, whose event is in the archive."""
        cluster = self._cluster("lost")
        try:
            service = self._service(cluster, "before")
            service.start()
            self._say(f"sealing {self._options.events:,} events")
            self._ledgerctl(
                "bench", "--server", service.address, "--mode", "stream", "--in-flight", "4", "--window", "64",
                "--payload-bytes", "256", "--warmup", "0", "--events", self._options.events,
            )  # fmt: skip
            head = int(service.metrics()["ledger_head_sequence_number"])
            self._say("archiving them")
            wait_until(
                lambda: service.metrics()["ledger_archive_through"] >= head,
                "archiving", service.process, ARCHIVE_SECONDS,
            )  # fmt: skip
            service.kill()
            return head
        finally:
            cluster.kill()
            shutil.rmtree(self._folder / "lost", ignore_errors=True)

    def _cluster(self, name: str) -> BenchCluster:
        folder = self._folder / name
        folder.mkdir()
        cluster = BenchCluster(folder, ROOT / "certs/dev")
        cluster.flags = [*cluster.flags, f"--quota-backend-bytes={8 << 30}"]
        cluster.start()
        cluster.restrict_access(PREFIX)
        return cluster

    def _service(self, cluster: BenchCluster, name: str) -> LedgerService:
        return LedgerService(
            self._supervisor, self._binaries / "ledger-service", cluster, self._settings, f"ledger-service-{name}"
        )

    def _ledgerctl(self, *arguments: object, settings: dict[str, str] | None = None) -> str:
        result = subprocess.run(
            [self._binaries / "ledgerctl", *map(str, arguments)],
            env=clean_environment(**(settings or {})), text=True, capture_output=True, check=False,
        )  # fmt: skip
        if result.returncode != 0:
            raise Failure(f"ledgerctl {arguments[0]}: exit status {result.returncode}\n{result.stderr.strip()}")
        return result.stdout

    @staticmethod
    def _say(text: str) -> None:
        print(f"bench-recovery: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
