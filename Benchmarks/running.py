"""Runs one scenario with the programs of one folder."""

import pathlib
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from cluster import BenchCluster, LedgerService
from measuring import SAMPLE_SECONDS, Watch, run_load
from postgres import PostgresChain
from processes import Failure, Supervisor, clean_environment, wait_until
from scenarios import Kind, Scenario

HEAD = "ledger_head_sequence_number"
DOUBTS = 'ledger_elections_total{event="doubted"}'
MARKS = 10
STEADY_SECONDS = 60


@dataclass(frozen=True)
class Settings:
    """What the whole benchmark is told."""

    certificates: pathlib.Path
    data: pathlib.Path
    seconds: float
    warmup: float
    events: int
    payload_bytes: int
    service: dict[str, str]
    has_roles: bool


class Bench:
    """Runs scenarios, one after the other."""

    def __init__(self, settings: Settings, supervisor: Supervisor, progress: Callable[[str], None]):
        self._settings = settings
        self._supervisor = supervisor
        self._progress = progress
        self._binaries = pathlib.Path()

    def run(self, scenario: Scenario, binaries: pathlib.Path) -> dict:
        """The scenario's figures; the shape is that of `ledgerctl bench --output json` and more."""
        self._binaries = binaries
        if scenario.kind is Kind.POSTGRES:
            return self._postgres(scenario)
        self._progress("starting etcd")
        cluster = BenchCluster(self._settings.data, self._settings.certificates)
        try:
            cluster.start()
            if scenario.kind is Kind.NAIVE:
                return self._naive(cluster)
            if self._settings.has_roles:
                cluster.restrict_access(self._settings.service.get("LEDGER_PREFIX", "ledger/"))
            services = self._start(scenario, cluster)
            measure = self._million if scenario.kind is Kind.MILLION else self._timed
            result = measure(scenario, cluster, services)
            for service in services:
                service.kill()
            return result
        finally:
            cluster.kill()

    # The kinds of scenarios

    def _postgres(self, scenario: Scenario) -> dict:
        self._progress("starting PostgreSQL")
        folder, payload = self._settings.data, self._settings.payload_bytes
        with PostgresChain(self._supervisor, folder, payload) as chain:
            result = chain.load(
                scenario.clients, self._settings.warmup, self._settings.seconds, self._countdown()
            )
            chain.verify()
            return result

    def _naive(self, cluster: BenchCluster) -> dict:
        etcd = cluster.environment
        command = [self._binary("naive-baseline"), "--endpoints", etcd["ETCD_ENDPOINTS"]]
        command += ["--ca-cert", etcd["ETCD_CA_CERT"], "--client-cert", etcd["ETCD_CLIENT_CERT"]]
        command += ["--client-key", etcd["ETCD_CLIENT_KEY"], *self._times(), *self._payload()]
        return run_load(self._supervisor, command, watch(cluster, []), self._countdown())

    def _timed(
        self, scenario: Scenario, cluster: BenchCluster, services: list[LedgerService]
    ) -> dict:
        begin = time.monotonic()
        before = [service.metrics() for service in services]
        is_warm = False
        say_left = self._countdown()

        def tick() -> None:
            nonlocal before, is_warm
            # The last sample that is surely before the measured time.
            is_over = time.monotonic() - begin >= self._settings.warmup - SAMPLE_SECONDS
            if is_over and not is_warm:
                is_warm = True
                before = [service.metrics() for service in services]
            say_left()

        command = [*self._load(scenario, services), *self._times()]
        result = run_load(self._supervisor, command, watch(cluster, services), tick)
        after = [service.metrics() for service in services]
        return result | service_view(before, after)

    def _million(
        self, scenario: Scenario, cluster: BenchCluster, services: list[LedgerService]
    ) -> dict:
        """Seals many events, and restarts the service with them."""
        [service] = services
        wanted = self._settings.events
        before = service.metrics()
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
            load = [*self._load(scenario, services), *limits]
            latest = run_load(self._supervisor, load, watch(cluster, services), mark)
            # Others make up for events that were rejected; the figures are the first round's.
            result = result or latest | service_view([before], [service.metrics()])
            still_left = wanted - int(service.metrics()[HEAD])
            if still_left > left / 2:
                raise Failure(f"most of {left:,} events were not sealed: {latest['outcomes']}")
            left = still_left
        rss = service.process.memory()[0]
        head = int(service.metrics()[HEAD])
        marks.append({"events": head, "service_mb": round(rss / 1e6, 1)})
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

    def _start(self, scenario: Scenario, cluster: BenchCluster) -> list[LedgerService]:
        """The replicas, when each has sealed an event and all agree on who seals."""
        settings = {"LEDGER_FORWARDING": "on" if scenario.forwarding else "off"}
        settings |= self._settings.service
        binary = self._binaries / "ledger-service"
        services = []
        for number in range(1, scenario.replicas + 1):
            self._progress(f"starting replica {number}")
            name = f"ledger-service-{number}"
            services.append(LedgerService(self._supervisor, binary, cluster, settings, name))
            services[-1].start()
        for service in services:
            self._seal_first(service)
        if scenario.forwarding:
            first = services[0].process
            wait_until(lambda: are_steady(services), "agreeing on who seals", first, STEADY_SECONDS)
        return services

    def _seal_first(self, service: LedgerService) -> None:
        """Sealing begins a moment after reading: submits an event, again until it is sealed."""
        command = [self._binary("ledgerctl"), "submit", "--server", service.address]
        command += ["--id", f"first-{time.time_ns()}", "--payload", "first"]
        done = subprocess.run(
            command, env=clean_environment(), capture_output=True, text=True, timeout=60
        )
        if done.returncode != 0:
            raise Failure(f"no event could be sealed: {done.stderr.strip()}")

    def _load(self, scenario: Scenario, services: list[LedgerService]) -> list[str]:
        command = [self._binary("ledgerctl"), "bench", "--server", services[0].address]
        for service in services[1:]:
            command += ["--also", service.address]
        return [*command, "--output", "json", *scenario.load, *self._payload()]

    def _binary(self, name: str) -> str:
        return str(self._binaries / name)

    def _payload(self) -> list[str]:
        return ["--payload-bytes", str(self._settings.payload_bytes)]

    def _times(self) -> list[str]:
        return ["--warmup", str(self._settings.warmup), "--duration", str(self._settings.seconds)]

    def _countdown(self) -> Callable[[], None]:
        end = time.monotonic() + self._settings.warmup + self._settings.seconds
        return lambda: self._progress(f"{max(0, end - time.monotonic()):.0f} s left")


def watch(cluster: BenchCluster, services: list[LedgerService]) -> Watch:
    groups = {"etcd": cluster.footprints}
    if services:
        groups["service"] = [service.process for service in services]
    return Watch(groups)


def are_steady(services: list[LedgerService]) -> bool:
    """Whether one replica holds the hint and all others forward to it."""
    metrics = [service.metrics() for service in services]
    sealers = [one for one in metrics if one["ledger_is_sealer"] == 1]
    return len(sealers) == 1 and sealers[0]["ledger_forwarding_peers"] == len(services) - 1


def service_view(before: list[dict[str, float]], after: list[dict[str, float]]) -> dict:
    """What the replicas counted themselves between two readings of their metrics."""

    def growth(prefix: str) -> list[int]:
        return [
            int(sum(end[name] - begin.get(name, 0) for name in end if name.startswith(prefix)))
            for begin, end in zip(before, after, strict=True)
        ]

    transactions, batched = growth("ledger_batch_events_count"), growth("ledger_batch_events_sum")
    sealed_by = [number for number, count in enumerate(transactions, 1) if count > 0]
    everyone = len(after) > 1 and len(sealed_by) == len(after)
    return {
        "sealed_by": "all" if everyone else "+".join(map(str, sealed_by)) or "none",
        "transactions": transactions,
        "events_per_batch": round(sum(batched) / max(1, sum(transactions)), 1),
        "forwarded_events": growth("ledger_forwarded_events_total"),
        "lost_races": sum(growth("ledger_lost_races_total")),
        "elections": sum(growth("ledger_elections_total")),
        # No replica is stopped or paused while it is measured: whoever is doubted was alive.
        "doubts": sum(growth(DOUBTS)),
    }
