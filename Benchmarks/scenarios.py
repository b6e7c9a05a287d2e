"""What is measured; every scenario has etcd members and a service of its own."""

import contextlib
import pathlib
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cluster import EtcdCluster, LedgerService
from measuring import Watch, run_load
from processes import Failure, Supervisor, clean_environment

VIOLATIONS = "ledger_contract_violations_total"
HEAD = "ledger_head_sequence_number"
MARKS = 10


@dataclass(frozen=True)
class Settings:
    """What the whole benchmark is told."""

    binaries: pathlib.Path
    certificates: pathlib.Path
    data: pathlib.Path
    seconds: float
    warmup: float
    events: int
    payload_bytes: int
    service: dict[str, str]
    has_roles: bool


@dataclass(frozen=True)
class Scenario:
    """One row of the table; `load` are the options of `ledgerctl bench`."""

    name: str
    title: str
    load: tuple[str, ...] = ()


# As many unanswered events as fill the batches that keep the contract; more would only wait.
STREAMS = ("--mode", "stream", "--in-flight", "4", "--window", "64", "--connections", "2")
NAIVE = Scenario("naive", "naive protocol, one at a time")
MILLION = Scenario("million", "one million events", STREAMS)
SCENARIOS = [
    NAIVE,
    Scenario("unary-1", "unary, 1 in flight", ("--mode", "unary", "--in-flight", "1")),
    Scenario("unary-16", "unary, 16 in flight", ("--mode", "unary", "--in-flight", "16")),
    Scenario("unary-64", "unary, 64 in flight", ("--mode", "unary", "--in-flight", "64")),
    Scenario("open-500", "open loop, 500 events/s", ("--mode", "open-loop", "--rate", "500")),
    Scenario("open-2000", "open loop, 2,000 events/s", ("--mode", "open-loop", "--rate", "2000")),
    Scenario("streams", "4 streams, 64 in flight each", STREAMS),
    MILLION,
]

Progress = Callable[[str], None]


class Bench:
    """Runs scenarios, one after the other."""

    def __init__(self, settings: Settings, supervisor: Supervisor, progress: Progress):
        self._settings = settings
        self._supervisor = supervisor
        self._progress = progress

    def run(self, scenario: Scenario) -> dict:
        """The scenario's figures; the shape is that of `ledgerctl bench --output json` and more."""
        self._progress("starting etcd")
        with self._cluster() as cluster:
            if scenario is NAIVE:
                return self._naive(cluster)
            if self._settings.has_roles:
                cluster.restrict_access()
            service = LedgerService(
                self._supervisor,
                self._settings.binaries / "ledger-service",
                cluster,
                self._settings.service,
            )
            service.start()
            self._seal_first(service)
            measure = self._million if scenario is MILLION else self._timed
            result = measure(scenario, cluster, service)
            service.kill()
            return result

    @contextlib.contextmanager
    def _cluster(self) -> Iterator[EtcdCluster]:
        cluster = EtcdCluster(
            self._supervisor, self._settings.data, self._settings.certificates
        )
        cluster.remove_data()
        cluster.start()
        yield cluster
        cluster.stop()

    # The three kinds of scenarios

    def _naive(self, cluster: EtcdCluster) -> dict:
        ca, certificate, key = cluster.client_files
        etcd = ["--endpoints", cluster.endpoints, "--ca-cert", ca]
        etcd += ["--client-cert", certificate, "--client-key", key]
        command = [self._binary("naive-baseline"), *etcd, *self._times(), *self._payload()]
        return self._load(command, Watch({"etcd": cluster.members}))

    def _timed(self, scenario: Scenario, cluster: EtcdCluster, service: LedgerService) -> dict:
        before = service.metrics()
        command = [*self._bench(service, scenario), *self._times()]
        result = self._load(command, self._watch(cluster, service))
        return add_service_view(result, before, service.metrics())

    def _million(self, scenario: Scenario, cluster: EtcdCluster, service: LedgerService) -> dict:
        """Seals many events, and restarts the service with them."""
        wanted = self._settings.events
        before = service.metrics()
        watch = self._watch(cluster, service)
        marks: list[dict] = []

        def mark() -> None:
            head = int(service.metrics()[HEAD])
            self._progress(f"{head:,} of {wanted:,} events")
            if head >= wanted * len(marks) / MARKS:
                rss = service.process.memory()[0]
                marks.append({"events": head, "service_mb": round(rss / 1e6, 1)})

        result: dict = {}
        left = wanted
        while left > 0:
            limits = ["--warmup", "0", "--events", str(left), "--duration", "3600"]
            load = [*self._bench(service, scenario), *limits]
            latest = run_load(self._supervisor, load, watch, mark)
            # Others make up for events that were rejected; the figures are the first round's.
            result = result or add_service_view(latest, before, service.metrics())
            still_left = wanted - int(service.metrics()[HEAD])
            if still_left > left / 2:
                raise Failure(f"most of {left:,} events were not sealed: {latest['outcomes']}")
            left = still_left
        mark_end(marks, service)
        result["marks"] = marks
        result["etcd_database_mb"] = round(cluster.data_bytes() / 1e6, 1)
        result["restart"] = self._restart(service)
        return result

    def _restart(self, service: LedgerService) -> dict:
        self._progress("restarting the service")
        events = int(service.metrics()[HEAD])
        stopped = service.stop()
        begin = time.monotonic()
        ready = service.start()
        rss, peak = service.process.memory()
        self._seal_first(service)
        return {
            "events": events,
            "stop_seconds": round(stopped, 3),
            "ready_seconds": round(ready, 3),
            "sealing_seconds": round(time.monotonic() - begin, 3),
            "service_mb": round(rss / 1e6, 1),
            "service_peak_mb": round(peak / 1e6, 1),
            "cpu_seconds": round(service.process.cpu_seconds(), 2),
        }

    # Parts

    def _binary(self, name: str) -> str:
        return str(self._settings.binaries / name)

    def _payload(self) -> list[str]:
        return ["--payload-bytes", str(self._settings.payload_bytes)]

    def _times(self) -> list[str]:
        return ["--warmup", str(self._settings.warmup), "--duration", str(self._settings.seconds)]

    def _bench(self, service: LedgerService, scenario: Scenario) -> list[str]:
        command = [self._binary("ledgerctl"), "bench", "--server", service.address]
        return [*command, "--output", "json", *scenario.load, *self._payload()]

    def _watch(self, cluster: EtcdCluster, service: LedgerService) -> Watch:
        return Watch({"service": [service.process], "etcd": cluster.members})

    def _load(self, command: list[str], watch: Watch) -> dict:
        begin = time.monotonic()
        total = self._settings.warmup + self._settings.seconds

        def tick() -> None:
            self._progress(f"{max(0, total - (time.monotonic() - begin)):.0f} s left")

        return run_load(self._supervisor, command, watch, tick)

    def _seal_first(self, service: LedgerService) -> None:
        """Sealing begins a moment after reading: submits an event, again until it is sealed."""
        command = [self._binary("ledgerctl"), "submit", "--server", service.address]
        command += ["--id", f"first-{time.time_ns()}", "--payload", "first"]
        done = subprocess.run(
            command, env=clean_environment(), capture_output=True, text=True, timeout=60
        )
        if done.returncode != 0:
            raise Failure(f"no event could be sealed: {done.stderr.strip()}")


def add_service_view(result: dict, before: dict[str, float], after: dict[str, float]) -> dict:
    """Adds what the service itself counted, the warm-up included."""
    result["service_contract_violations"] = int(after[VIOLATIONS] - before[VIOLATIONS])
    outcomes = (name for name in after if name.startswith("ledger_submissions_total"))
    result["service_outcomes"] = {
        name.split('"')[1]: int(after[name] - before[name])
        for name in outcomes
        if after[name] > before[name]
    }
    result["lost_races"] = int(after["ledger_lost_races_total"] - before["ledger_lost_races_total"])
    batches = after["ledger_batch_events_count"] - before["ledger_batch_events_count"]
    batched = after["ledger_batch_events_sum"] - before["ledger_batch_events_sum"]
    result["events_per_batch"] = round(batched / batches, 1) if batches else 0
    return result


def mark_end(marks: list[dict], service: LedgerService) -> None:
    rss = service.process.memory()[0]
    head = int(service.metrics()[HEAD])
    marks.append({"events": head, "service_mb": round(rss / 1e6, 1)})
