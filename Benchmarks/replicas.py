"""What is measured with several replicas of the service on one ledger."""

import time
from dataclasses import dataclass

from cluster import EtcdCluster, LedgerService
from measuring import SAMPLE_SECONDS, Watch, run_load
from processes import wait_until
from scenarios import STREAMS, Bench, add_service_view

STEADY_SECONDS = 60
OPEN_500 = ("--mode", "open-loop", "--rate", "500")
OPEN_2000 = ("--mode", "open-loop", "--rate", "2000")


@dataclass(frozen=True)
class ReplicaLoad:
    """One load for any number of replicas; `options` are those of `ledgerctl bench`."""

    name: str
    title: str
    options: tuple[str, ...]
    forwarding: bool = True


LOADS = [
    ReplicaLoad("open-500", "open loop, 500 events/s", OPEN_500),
    ReplicaLoad("open-2000", "open loop, 2,000 events/s", OPEN_2000),
    ReplicaLoad("unary-64", "unary, 64 in flight", ("--mode", "unary", "--in-flight", "64")),
    ReplicaLoad("streams", "4 streams, 64 in flight each", STREAMS),
    ReplicaLoad("rivals-500", "every one seals, 500 events/s", OPEN_500, forwarding=False),
    ReplicaLoad("rivals-2000", "every one seals, 2,000 events/s", OPEN_2000, forwarding=False),
]


@dataclass(frozen=True)
class ReplicaScenario:
    """One row of the table."""

    count: int
    kind: ReplicaLoad

    @property
    def name(self) -> str:
        return f"{self.count}-{self.kind.name}"

    @property
    def title(self) -> str:
        return f"{self.count} replica{'s' * (self.count > 1)}: {self.kind.title}"

    @property
    def load(self) -> tuple[str, ...]:
        return self.kind.options


def scenarios(counts: list[int], names: list[str] | None) -> list[ReplicaScenario]:
    kinds = [kind for kind in LOADS if not names or kind.name in names]
    return [ReplicaScenario(count, kind) for kind in kinds for count in counts]


class ReplicaBench(Bench):
    """Runs scenarios of several replicas, one after the other."""

    def run(self, scenario: ReplicaScenario) -> dict:
        self._progress("starting etcd")
        with self._cluster() as cluster:
            if self._settings.has_roles:
                cluster.restrict_access()
            services = self._start(scenario, cluster)
            for service in services:
                self._seal_first(service)
            if scenario.kind.forwarding:
                wait_until(
                    lambda: are_steady(services),
                    "agreeing on who seals",
                    services[0].process,
                    STEADY_SECONDS,
                )
            result = self._measure(scenario, cluster, services)
            for service in services:
                service.kill()
            return result

    def _start(self, scenario: ReplicaScenario, cluster: EtcdCluster) -> list[LedgerService]:
        settings = self._settings.service
        settings = settings | {"LEDGER_FORWARDING": "on" if scenario.kind.forwarding else "off"}
        binary = self._settings.binaries / "ledger-service"
        services = []
        for number in range(1, scenario.count + 1):
            self._progress(f"starting replica {number}")
            name = f"ledger-service-{number}"
            services.append(LedgerService(self._supervisor, binary, cluster, settings, name))
            services[-1].start()
        return services

    def _measure(
        self, scenario: ReplicaScenario, cluster: EtcdCluster, services: list[LedgerService]
    ) -> dict:
        command = self._bench(services[0], scenario)
        for service in services[1:]:
            command += ["--also", service.address]
        watch = Watch(
            {"service": [service.process for service in services], "etcd": cluster.members}
        )
        begin = time.monotonic()
        before = [service.metrics() for service in services]
        is_warm = False

        def tick() -> None:
            nonlocal before, is_warm
            elapsed = time.monotonic() - begin
            # The last sample that is surely before the measured time.
            if not is_warm and elapsed >= self._settings.warmup - SAMPLE_SECONDS:
                is_warm = True
                before = [service.metrics() for service in services]
            left = self._settings.warmup + self._settings.seconds - elapsed
            self._progress(f"{max(0, left):.0f} s left")

        result = run_load(self._supervisor, [*command, *self._times()], watch, tick)
        after = [service.metrics() for service in services]
        add_service_view(result, total(before), total(after))
        result["replicas"] = replica_view(scenario, before, after)
        return result


def are_steady(services: list[LedgerService]) -> bool:
    """Whether one replica holds the hint and all others forward to it."""
    metrics = [service.metrics() for service in services]
    sealers = [one for one in metrics if one["ledger_is_sealer"] == 1]
    return len(sealers) == 1 and sealers[0]["ledger_forwarding_peers"] == len(services) - 1


def total(metrics: list[dict[str, float]]) -> dict[str, float]:
    """The sums over all replicas."""
    names = dict.fromkeys(name for one in metrics for name in one)
    return {name: sum(one.get(name, 0) for one in metrics) for name in names}


def replica_view(
    scenario: ReplicaScenario, before: list[dict[str, float]], after: list[dict[str, float]]
) -> dict:
    """What the replicas did in the measured time: who sent transactions, who forwarded."""

    def growth(prefix: str) -> list[int]:
        return [
            int(sum(end[name] - begin.get(name, 0) for name in end if name.startswith(prefix)))
            for begin, end in zip(before, after, strict=True)
        ]

    transactions = growth("ledger_batch_events_count")
    sealed_by = [number for number, count in enumerate(transactions, 1) if count > 0]
    everyone = scenario.count > 1 and len(sealed_by) == scenario.count
    return {
        "count": scenario.count,
        "forwarding": scenario.kind.forwarding,
        "sealed_by": "all" if everyone else "+".join(map(str, sealed_by)) or "none",
        "transactions": transactions,
        "forwarded_events": growth("ledger_forwarded_events_total"),
        "lost_races": growth("ledger_lost_races_total"),
        "elections": sum(growth("ledger_elections_total")),
    }
