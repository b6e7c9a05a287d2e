#!/usr/bin/env python3
"""Attacks every port of a running service with what no library would send.

    fuzz_test.py --bin FOLDER [--seconds N] [--seed N] [--only TEXT] [--skip TEXT] [--pause-ms N]
    fuzz_test.py --bin FOLDER --replay "NAME@PORT:SEED"

Starts etcd and the service itself. Every case runs once, and then random attacks until the time is
over. Beside them a well-behaved caller submits and reads. Nothing may end the process, leave it
with much more memory than it had, leave a call without a status, or be felt by that caller: no
call of it may fail, and none may take longer than WAIT_MULTIPLE times its slowest call before the
attacks, or LEAST_WAIT_SECONDS where that is longer.
"""

import argparse
import collections
import pathlib
import random
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

from attacks import ADMIN, GRPC, INTERNAL, Attack, Finding, Target, attacks  # noqa: E402
from bystander import Bystander  # noqa: E402
from processes import Service, running_cluster, running_service  # noqa: E402

# Each registers its attacks; the cases run in this order.
import header_attacks  # noqa: F401, E402
import message_attacks  # noqa: F401, E402
import frame_attacks  # noqa: F401, E402
import http_attacks  # noqa: F401, E402

WAIT_MULTIPLE = 20
LEAST_WAIT_SECONDS = 2
QUIET_SECONDS = 2
# What an allocator keeps after attacks that are over.
MEMORY_MARGIN_MB = 150
SETTLE_SECONDS = 30
ALIVE_SECONDS = 30
FINDINGS_SHOWN = 3


class Fuzzer:
    """Runs attacks one after another, and keeps what they found."""

    def __init__(self, service: Service, options: argparse.Namespace):
        self._service = service
        self._options = options
        self.findings: dict[str, list[str]] = collections.defaultdict(list)
        self.counts = collections.Counter()
        self.deaths = 0
        self._bystander: Bystander | None = None
        self._allowed = LEAST_WAIT_SECONDS
        self._worst = 0.0
        self._calls = 0
        self._start_bystander()

    def note(self, what: str, said: str) -> None:
        """Keeps a finding, and prints the first few of a kind."""
        self.findings[what].append(said)
        if len(self.findings[what]) <= FINDINGS_SHOWN:
            print(f"FAIL  {what}: {said}", flush=True)

    @property
    def passed(self) -> int:
        """How many attacks, each counted once for a port, found nothing."""
        return len(self.counts.keys() - self.findings.keys())

    def run(self, attack: Attack, kind: str, seed: int) -> None:
        """Runs one attack on one port, and asks whether the process still answers."""
        target = Target(kind, self._port(kind))
        name = f"{attack.name}@{kind}"
        self.counts[name] += 1
        try:
            attack.run(target, random.Random(seed))
        except Finding as finding:
            self.note(name, f"{finding} (--replay '{name}:{seed}')")
        except OSError as error:
            self.note(name, f"{error!r} (--replay '{name}:{seed}')")
        if not self._answers():
            status = self._service.child.process.wait(ALIVE_SECONDS)
            self.deaths += 1
            lines = self._service.child.last_lines(400).splitlines()
            fatal = [line for line in lines if "Fatal error" in line or "crashed" in line.lower()]
            self.note(
                f"the process ended by {name}",
                f"status {status}: {fatal[:2]} (--replay '{name}:{seed}')",
            )
            self._bystander.kill()
            self._service.start()
            self._start_bystander()
        elif not attack.is_case:
            time.sleep(self._options.pause_ms / 1000)

    def _port(self, kind: str) -> int:
        service = self._service
        return {
            GRPC: service.port, INTERNAL: service.internal_port, ADMIN: service.admin_port
        }[kind]  # fmt: skip

    def _answers(self) -> bool:
        if self._service.child.status is not None:
            return False
        try:
            address = f"http://{self._service.admin}/livez"
            with urllib.request.urlopen(address, timeout=ALIVE_SECONDS) as page:
                return page.status == 200
        except OSError:
            return False

    # The caller beside the attacks

    def _start_bystander(self) -> None:
        """Starts it, and learns how long its calls take while nobody attacks."""
        self._bystander = Bystander(self._service.address)
        time.sleep(QUIET_SECONDS)
        quiet = self._bystander.figures()
        if quiet["waits"]:
            self._allowed = max(WAIT_MULTIPLE * max(quiet["waits"]), LEAST_WAIT_SECONDS)

    def look_at_bystander(self, last: str, figures: dict | None = None) -> None:
        """Takes what it saw since the last look."""
        figures = self._bystander.figures() if figures is None else figures
        for error in figures["errors"][len(self.findings.get("the other caller", [])) :]:
            self.note("the other caller", f"{error} (about {last})")
        self._calls += len(figures["waits"])
        worst = max(figures["waits"], default=0)
        self._worst = max(self._worst, worst)
        if worst > self._allowed:
            self.note(
                "the other caller waits",
                f"{worst:.2f} s, where {self._allowed:.2f} are allowed (about {last})",
            )

    def end_bystander(self) -> None:
        """Ends it, and says how it was served."""
        self.look_at_bystander("the end", self._bystander.end())
        print(
            f"      the other caller: {self._calls} calls, the slowest {self._worst:.3f} s"
            f" (allowed {self._allowed:.2f} s)"
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where ledger-service is")
    parser.add_argument("--seconds", type=float, default=20, help="random attacks for so long")
    parser.add_argument("--seed", type=int, help="of the random attacks; by default a new one")
    parser.add_argument("--only", default="", help="only attacks whose name holds this")
    parser.add_argument("--skip", action="append", default=[], help="none whose name holds this")
    parser.add_argument("--pause-ms", type=float, default=2, help="between random attacks")
    parser.add_argument("--replay", help="one attack: its name, @, the port's kind, :, its seed")
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> list[tuple[Attack, str]]:
    """The attacks to run, each with a port's kind."""
    return [
        (attack, kind)
        for attack in attacks
        for kind in attack.kinds
        if options.only in f"{attack.name}@{kind}"
        and not any(text in f"{attack.name}@{kind}" for text in options.skip)
    ]


def fuzz(fuzzer: Fuzzer, options: argparse.Namespace, seed: int) -> None:
    """Runs every case once and random attacks until the time is over."""
    rng = random.Random(seed)
    pairs = chosen(options)
    for attack, kind in pairs:
        if attack.is_case:
            started = time.monotonic()
            fuzzer.run(attack, kind, rng.getrandbits(32))
            if time.monotonic() - started > 1:
                print(f"      {attack.name}@{kind}: {time.monotonic() - started:.1f} s")
            fuzzer.look_at_bystander(f"{attack.name}@{kind}")
    random_ones = [pair for pair in pairs if not pair[0].is_case]
    deadline = time.monotonic() + options.seconds
    while random_ones and time.monotonic() < deadline:
        attack, kind = rng.choice(random_ones)
        fuzzer.run(attack, kind, rng.getrandbits(32))
        if sum(fuzzer.counts.values()) % 50 == 0:
            fuzzer.look_at_bystander(f"{attack.name}@{kind}")


def replay(fuzzer: Fuzzer, text: str) -> None:
    """Runs the one attack that was printed."""
    name, _, rest = text.rpartition("@")
    kind, _, seed = rest.partition(":")
    for attack in attacks:
        if attack.name == name:
            fuzzer.run(attack, kind, int(seed))
            return
    sys.exit(f"no attack is named {name!r}")


def settled_memory(service: Service, allowed: float) -> float:
    """The resident memory, once it is allowed or the time for that is over."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while service.child.memory > allowed and time.monotonic() < deadline:
        time.sleep(0.2)
    return service.child.memory


def main() -> int:
    options = arguments()
    seed = random.SystemRandom().getrandbits(32) if options.seed is None else options.seed
    print(f"fuzz: --seed {seed}", flush=True)
    # A crash says where by its first line and its attack; symbols would take seconds each time.
    # With a token, those who attack the internal port are strangers to it.
    # Calls are traced, to a collector that is not there.
    settings = {
        "SWIFT_BACKTRACE": "enable=no",
        "LEDGER_INTERNAL_TOKEN": "secret-" + "x" * 32,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    }
    with (
        running_cluster(size=1) as cluster,
        running_service(options.bin, cluster, **settings) as service,
    ):
        fuzzer = Fuzzer(service, options)
        pid, before = service.child.pid, service.child.memory
        if options.replay:
            replay(fuzzer, options.replay)
        else:
            fuzz(fuzzer, options, seed)
        fuzzer.end_bystander()
        after = settled_memory(service, before + MEMORY_MARGIN_MB)
        print(f"      memory: {before:.0f} MB before, {after:.0f} MB after")
        if after > before + MEMORY_MARGIN_MB and not fuzzer.deaths:
            fuzzer.note("memory", f"{before:.0f} MB before, {after:.0f} MB after")
        if service.child.pid != pid and not fuzzer.deaths:
            fuzzer.note("process", "not the one that was started")
    failed = len(fuzzer.findings)
    print(f"fuzz: {sum(fuzzer.counts.values())} attacks, --seed {seed}")
    print(f"{fuzzer.passed} passed, {failed} failed")
    return 0 if fuzzer.passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
