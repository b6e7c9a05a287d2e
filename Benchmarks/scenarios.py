"""What is measured; every scenario has servers of its own with nothing in them."""

import dataclasses
import re
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """Who seals the events, and how that is measured."""

    LEDGER = auto()
    MILLION = auto()
    NAIVE = auto()
    POSTGRES = auto()


@dataclass(frozen=True)
class Scenario:
    """One row of the tables."""

    name: str
    title: str
    # The options of `ledgerctl bench`.
    load: tuple[str, ...] = ()
    kind: Kind = Kind.LEDGER
    replicas: int = 1
    forwarding: bool = True
    # Callers of a baseline.
    clients: int = 1

    @property
    def is_baseline(self) -> bool:
        return self.kind in (Kind.NAIVE, Kind.POSTGRES)

    def with_replicas(self, count: int) -> "Scenario":
        if count == 1:
            return self
        title = f"{count} replicas: {self.title}"
        name = f"{count}-{self.name}"
        return dataclasses.replace(self, name=name, title=title, replicas=count)


def unary(callers: int) -> Scenario:
    load = ("--mode", "unary", "--in-flight", str(callers))
    return Scenario(f"unary-{callers}", f"unary, {callers} in flight", load)


def open_loop(rate: int) -> Scenario:
    load = ("--mode", "open-loop", "--rate", str(rate))
    return Scenario(f"open-{rate}", f"open loop, {rate:,} events/s", load)


def rivals(rate: int) -> Scenario:
    title = f"every one seals, {rate:,} events/s"
    return Scenario(f"rivals-{rate}", title, open_loop(rate).load, forwarding=False)


def postgres(clients: int) -> Scenario:
    title = f"PostgreSQL, {clients} clients (one node)"
    return Scenario(f"postgres-{clients}", title, kind=Kind.POSTGRES, clients=clients)


# As many unanswered events as fill the batches that keep the contract; more would only wait.
WINDOWS = ("--mode", "stream", "--in-flight", "4", "--window", "64", "--connections", "2")
STREAMS = Scenario("streams", "4 streams, 64 in flight each", WINDOWS)
SCENARIOS = [
    Scenario("naive", "naive protocol, one at a time", kind=Kind.NAIVE),
    postgres(8),
    postgres(64),
    unary(1),
    unary(16),
    unary(64),
    open_loop(500),
    open_loop(2000),
    STREAMS,
    Scenario("million", "many events through streams", WINDOWS, Kind.MILLION),
    rivals(500),
    rivals(2000),
]
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
USUAL = [one.name for one in SCENARIOS if one.forwarding]
USUAL += ["3-open-2000", "3-streams", "10-open-2000", "10-streams"]
REPLICATED = ["open-500", "open-2000", "unary-64", "streams", "rivals-500", "rivals-2000"]


def find(name: str) -> Scenario:
    """The scenario NAME, or N-NAME with N replicas; raises KeyError."""
    if match := re.fullmatch(r"([1-9]|1\d|20)-(.+)", name):
        scenario = BY_NAME[match[2]]
        if scenario.kind is Kind.LEDGER:
            return scenario.with_replicas(int(match[1]))
    return BY_NAME[name]
