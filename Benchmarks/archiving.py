"""How a ledger whose old events leave etcd behaves: sealing at a rate for minutes under a small quota."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable

from cluster import BenchCluster, LedgerService
from machine import hashing_ms
from processes import Failure, Supervisor, clean_environment

PREFIX = "ledger/"
HEAD = "ledger_head_sequence_number"
MIB = 1 << 20
# As the jobs in Kubernetes do, but more often: the quota here is forty times smaller.
MIN_FREE_MIB = 64


class Archiving:
    """One cluster with a small quota, and one service that archives into a folder or does not."""

    def __init__(
        self,
        binaries: pathlib.Path,
        folder: pathlib.Path,
        certificates: pathlib.Path,
        supervisor: Supervisor,
        key: pathlib.Path,
        progress: Callable[[str], None],
        maintenance: int,
    ):
        self._maintenance = maintenance
        self._binaries = binaries
        self._folder = folder
        self._certificates = certificates
        self._supervisor = supervisor
        self._key = key
        self._progress = progress

    def run(
        self, name: str, *, quota: int, rate: int, seconds: int, retain: int | None, interval: int
    ) -> dict:
        """Seals at a rate for a while.

        :param quota: of etcd, in bytes
        :param retain: LEDGER_ARCHIVE_RETAIN_EVENTS; without it nothing is archived
        """
        cluster = BenchCluster(self._folder / name, self._certificates)
        # Revisions are compacted by the loop below: the shortest period of etcd's own is a minute.
        cluster.flags = [*cluster.flags, f"--quota-backend-bytes={quota}"]
        (self._folder / name).mkdir(parents=True)
        archive = self._folder / name / "archive"
        archive.mkdir()
        settings = {"LEDGER_SIGNING_KEY": str(self._key), "LEDGER_FORWARDING": "off"}
        if retain is not None:
            settings |= {
                "LEDGER_ARCHIVE": f"file://{archive}",
                "LEDGER_ARCHIVE_INTERVAL": str(interval),
                "LEDGER_ARCHIVE_RETAIN_EVENTS": str(retain),
            }
        try:
            cluster.start()
            cluster.restrict_access(PREFIX)
            binary = self._binaries / "ledger-service"
            service = LedgerService(
                self._supervisor, binary, cluster, settings, f"ledger-service-{name}"
            )
            service.start()
            try:
                return self._measure(name, cluster, service, rate, seconds, archive)
            finally:
                service.kill()
        finally:
            cluster.kill()
            shutil.rmtree(self._folder / name, ignore_errors=True)

    def _measure(
        self,
        name: str,
        cluster: BenchCluster,
        service: LedgerService,
        rate: int,
        seconds: int,
        archive: pathlib.Path,
    ) -> dict:
        over = threading.Event()
        maintenance = threading.Thread(target=self._maintain, args=(cluster, over), daemon=True)
        maintenance.start()
        command = [
            str(self._binaries / "ledgerctl"), "bench", "--server", service.address, "--mode", "open-loop",
            "--rate", str(rate), "--connections", "4", "--output", "json", "--payload-bytes", "256",
            "--warmup", "5", "--duration", str(seconds),
        ]  # fmt: skip
        load = subprocess.Popen(
            command, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        samples = []
        begin = time.monotonic()
        try:
            while load.poll() is None:
                time.sleep(1)
                elapsed = time.monotonic() - begin
                if elapsed < 10 * (len(samples) + 1):
                    continue
                samples.append(self._sample(elapsed, cluster, service))
                self._progress(f"{name}: {self._line(samples[-1])}")
        finally:
            over.set()
            load.kill()
        said, wrong = load.communicate()
        maintenance.join(60)
        if load.returncode != 0:
            raise Failure(f"ledgerctl bench: {wrong.strip()}")
        report = json.loads(said)
        later = samples[len(samples) // 3 :] or samples
        return {
            "events_per_second": report["events_per_second"],
            "latency_ms": report["latency_ms"],
            "outcomes": report.get("outcomes", {}),
            "hashing_ms": round(statistics.median(one["hashing_ms"] for one in samples), 2),
            "samples": samples,
            "largest_database_mib": max(one["database_mib"] for one in samples),
            "largest_lag_seconds": max(one["lag_seconds"] for one in samples),
            "median_lag_seconds": statistics.median(one["lag_seconds"] for one in samples),
            "memory_mib": [later[0]["memory_mib"], later[-1]["memory_mib"]],
            "archive_bytes": _size(archive),
        }

    def _sample(self, elapsed: float, cluster: BenchCluster, service: LedgerService) -> dict:
        metrics = service.metrics()
        return {
            "seconds": round(elapsed),
            "head": int(metrics[HEAD]),
            "archived": int(metrics.get("ledger_archive_through", 0)),
            "trimmed": int(metrics.get("ledger_archive_trimmed", 0)),
            "lag_seconds": round(metrics.get("ledger_archive_lag_seconds", 0), 1),
            "database_mib": round(cluster.data_bytes() / MIB, 1),
            "memory_mib": round(service.process.memory()[0] / MIB, 1),
            "hashing_ms": round(hashing_ms(), 2),
        }

    @staticmethod
    def _line(one: dict) -> str:
        return (
            f"{one['seconds']:>4} s  head {one['head']:,}  archived {one['archived']:,}  "
            f"trimmed {one['trimmed']:,}  lag {one['lag_seconds']} s  "
            f"database {one['database_mib']} MiB  memory {one['memory_mib']} MiB"
        )

    def _maintain(self, cluster: BenchCluster, over: threading.Event) -> None:
        """Compacts, and gives back what that freed, with the script that does it in Kubernetes."""
        certificate = str(cluster.certificates / "etcd-operations")
        environment = os.environ | {
            "ETCDCTL_API": "3",
            "ETCDCTL_ENDPOINTS": cluster.endpoints,
            "ETCDCTL_CACERT": str(cluster.certificates / "ca.pem"),
            "ETCDCTL_CERT": f"{certificate}.pem",
            "ETCDCTL_KEY": f"{certificate}-key.pem",
            "ETCDCTL_USER": "root",
            "ETCDCTL_PASSWORD": cluster.root_password,
            "DEFRAGMENT_MIN_FREE_MIB": str(MIN_FREE_MIB),
        }
        root = pathlib.Path(__file__).resolve().parent.parent
        while not over.wait(self._maintenance):
            status = subprocess.run(
                ["etcdctl", "endpoint", "status", "--write-out", "json"],
                env=environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if status.returncode != 0:
                continue
            revision = min(one["Status"]["header"]["revision"] for one in json.loads(status.stdout))
            subprocess.run(
                ["etcdctl", "compact", str(revision)], env=environment, capture_output=True, check=False
            )
            subprocess.run(
                [root / "k8s/ops/etcd-defragment.sh"], env=environment, capture_output=True, check=False
            )


def _size(folder: pathlib.Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
