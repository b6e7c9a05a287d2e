"""Replicas of several versions on one ledger: started, stopped and killed, and watched by what etcd and they say."""

import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import threading
import time
import urllib.request

import grpc
import tiles

from checking import Unexpected, eventually, expect, expect_equal
from processes import Service, TestCluster, make_signing_key
from stubs import messages, services

# In scripts/, which is among the places since `processes` was imported.
from etcd_cluster import die_with_parent  # isort: skip

ORIGIN = "ledger.example.com/upgrade"
# For what comes by itself, on a machine that does other things as well.
WAIT_SECONDS = 180
SERIES = re.compile(r'([a-z_]+)(?:\{(.*)\})? ([^ ]+)')


@dataclasses.dataclass
class Version:
    name: str
    binaries: pathlib.Path
    # The latest format of the store that it knows; 0 as long as it was not asked.
    known_format: int = 0


class Replica(Service):
    """One ledger-service of a version, with what its metrics said last."""

    def __init__(self, name: str, version: Version, cluster: TestCluster, settings: dict[str, str]):
        super().__init__(version.binaries, cluster, settings)
        self.name, self.version = name, version
        self.last: dict[str, float] = {}

    def sample(self) -> dict[str, float]:
        """Every series now, by its name with labels; the last ones where it does not answer any more."""
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=30) as page:
                lines = page.read().decode().splitlines()
            found = (SERIES.fullmatch(line) for line in lines)
            self.last = {f"{m[1]}{{{m[2] or ''}}}": float(m[3]) for m in found if m}
        return self.last

    def value(self, name: str) -> float:
        return self.sample().get(f"{name}{{}}", 0.0)

    def log_lines(self) -> list[dict]:
        # The last line of one that was killed may have no end.
        lines = self.child.log.read_text(errors="replace").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def health(self) -> str:
        """What it says of itself in a line."""
        with grpc.insecure_channel(self.address) as channel:
            ledger = services.ImmutableLedgerStub(channel)
            check = ledger.HealthCheck(messages.HealthCheckRequest(), timeout=30)
            whole = services.HealthStub(channel).GetHealth(messages.GetHealthRequest(), timeout=30)
        return f"{check.status} {messages.ServiceStatus.Name(whole.status)}: {whole.message}"

    def is_well(self) -> bool:
        return self.health().startswith("SERVING HEALTHY")

    def read_all(self) -> list[messages.SealedEvent]:
        with grpc.insecure_channel(self.address) as channel:
            stub = services.ImmutableLedgerStub(channel)
            return list(stub.ListEvents(messages.ListEventsRequest(), timeout=WAIT_SECONDS))

    def refusal(self) -> str:
        """Starts it, which must not succeed; returns the end of its log."""
        try:
            self.start()
        except Unexpected:
            status = self.child.status
            if status is None:
                self.child.kill()
                raise
            # As ledger-service --help says: an error that the service cannot live with.
            expect_equal(f"the exit status of {self.name}", status, 70)
            return self.child.last_lines()
        self.child.kill()
        raise Unexpected(f"{self.name} has started, and is ready")


class SealerWatch:
    """Follows the key `sealer` with etcdctl: every replica that was ever named in it, in order."""

    def __init__(self, cluster: TestCluster, prefix: str):
        answer = json.loads(etcdctl(cluster, "get", prefix, "-w", "json"))
        revision = answer["header"]["revision"]
        self._process = subprocess.Popen(
            ["etcdctl", "watch", f"{prefix}sealer", f"--rev={revision + 1}"],
            env=environment(cluster), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            preexec_fn=die_with_parent,
        )  # fmt: skip
        # Host and port where the one that seals is reached by others; empty where nobody is named.
        self.current = ""
        self.changes = 0
        self._last_id = ""
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        lines = (line.rstrip("\n") for line in self._process.stdout)
        # PUT or DELETE, the key, the value.
        for kind, _, value in zip(lines, lines, lines):
            if kind != "PUT":
                self.current = ""
                continue
            hint = json.loads(value)
            if hint["id"] != self._last_id:
                self._last_id = hint["id"]
                self.changes += 1
            self.current = hint["address"]

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


class Fleet:
    """The replicas of one ledger. Callers take any of `serving`."""

    def __init__(self, cluster: TestCluster, prefix: str, tools: Version):
        """
        :param tools: whose ledgerctl makes the signing key
        """
        self.cluster, self.prefix = cluster, prefix
        key_file = cluster.folder / f"{prefix.strip('/')}-key.pem"
        self.key = make_signing_key(tools.binaries, ORIGIN, key_file)
        self.settings = {
            "LEDGER_PREFIX": prefix, "LEDGER_ORIGIN": ORIGIN, "LEDGER_SIGNING_KEY": str(key_file),
            "LEDGER_ADVERTISE_ADDRESS": "127.0.0.1", "LOG_FORMAT": "json",
        }  # fmt: skip
        self.all: list[Replica] = []
        # By the versions of the one that forwards and the one that seals: how many events went there.
        self.forwarded = collections.Counter()
        self._serving: list[Replica] = []
        self._watch = SealerWatch(cluster, prefix)

    def serving(self) -> list[Replica]:
        return list(self._serving)

    def sealer(self) -> Replica | None:
        """The one that the hint names, where it serves."""
        port = self._watch.current.rpartition(":")[2]
        return next((one for one in self._serving if str(one.internal_port) == port), None)

    def changes(self) -> int:
        """How often another replica was named in the hint until now."""
        return self._watch.changes

    def make(self, version: Version, **settings: str) -> Replica:
        name = f"{version.name} {len(self.all) + 1}"
        replica = Replica(name, version, self.cluster, self.settings | settings)
        self.all.append(replica)
        return replica

    def add(self, version: Version, **settings: str) -> Replica:
        """Starts a replica and lets callers have it when it is ready."""
        replica = self.make(version, **settings)
        replica.start()
        self._serving.append(replica)
        return replica

    def withdraw(self, replica: Replica) -> None:
        """Has callers take others from now on; those that call it already go on."""
        self._serving.remove(replica)

    def remove(self, replica: Replica, kill: bool = False) -> None:
        """Stops a replica that no new call should take any more, or kills one that everybody takes."""
        replica.sample()
        if kill:
            replica.child.kill()
            self.withdraw(replica)
            return
        if replica in self._serving:
            self.withdraw(replica)
        expect_equal(f"the exit status of {replica.name}", replica.stop(WAIT_SECONDS), 0)

    def dwell(self, count: int) -> str:
        """Waits until each follower has forwarded so many events to a replica that sealed all the time; tells which."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            changes, sealer = self.changes(), self.sealer()
            if sealer:
                followers = [one for one in self._serving if one is not sealer]
                before = {one.name: one.value("ledger_forwarded_events_total") for one in followers}
                received = sealer.value("ledger_forwards_received_total")
                while self.changes() == changes and self._watch.current:
                    went = {
                        one: one.value("ledger_forwarded_events_total") - before[one.name]
                        for one in followers
                    }
                    came = sealer.value("ledger_forwards_received_total") - received
                    if min(went.values(), default=0) >= count and came >= count * len(followers):
                        for one, events in went.items():
                            self.forwarded[one.version.name, sealer.version.name] += int(events)
                        names = ", ".join(one.name for one in followers)
                        return f"{sealer.name} seals, {names} forward{'s' * (len(followers) == 1)}"
                    counts = {one.name: int(events) for one, events in went.items()}
                    self._expect_time(deadline, f"{counts} went, {int(came)} came to {sealer.name}")
                    time.sleep(0.1)
            self._expect_time(deadline, "nobody seals for long")
            time.sleep(0.02)

    def _expect_time(self, deadline: float, what: str) -> None:
        for one in self._serving:
            one.expect_alive()
        expect(time.monotonic() < deadline, f"in {WAIT_SECONDS} s events are not forwarded: {what}")

    def elections(self) -> dict[str, int]:
        """How often what happened to all replicas there were (docs/replicas.md, "What to look at")."""
        found = collections.Counter()
        for replica in self.all:
            series = replica.sample() if replica in self._serving else replica.last
            for name, value in series.items():
                if event := re.fullmatch(r'ledger_elections_total\{event="(.*)"\}', name):
                    found[event[1]] += int(value)
        return dict(sorted(found.items()))

    def critical_lines(self) -> list[str]:
        lines = (line for replica in self.all for line in replica.log_lines())
        return [f"{line}" for line in lines if line["level"].lower() == "critical"]

    def verify_with(self, version: Version, replica: Replica, count: int) -> None:
        """ledgerctl of a version verifies what a replica has, and what it exports; so does tiles.py."""

        def run(*arguments) -> str:
            done = subprocess.run(
                [version.binaries / "ledgerctl", *map(str, arguments)], text=True,
                capture_output=True, env={"PATH": os.environ["PATH"]}, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            what = f"ledgerctl {arguments[0]} of the {version.name} version"
            expect(done.returncode == 0, f"{what}: {done.returncode}, {done.stdout} {done.stderr}")
            return done.stdout

        server = ["--server", replica.address]
        keys = ["--verifier-key", self.key]
        verified = json.loads(run("verify", *server, "--output", "json"))
        expect(verified["valid"] is True, f"{verified}")
        expect_equal(f"what ledgerctl of {version.name} verified", verified["events_verified"], count)

        def covered() -> bool:
            return json.loads(run("checkpoint", *server, *keys, "--output", "json"))["size"] >= count

        eventually(covered, f"no checkpoint covers {count}", WAIT_SECONDS)
        folder = self.cluster.folder / f"export-{version.name}-{time.monotonic_ns()}"
        run("export", "--out", folder, *server, *keys)
        expect_equal("exported events", len(tiles.check(folder, self.key)), count)
        expect("signed" in run("verify", "--offline", folder, *keys), "it is not said who signed")

    def end(self) -> None:
        """Ends what is left at once."""
        self._watch.end()
        for replica in self.all:
            if replica.child:
                replica.child.kill()


def environment(cluster: TestCluster) -> dict[str, str]:
    """What etcdctl needs to talk to the cluster."""
    certificate = str(cluster.certificates / "etcd-operations")
    return {
        "PATH": os.environ["PATH"], "ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": cluster.endpoints,
        "ETCDCTL_CACERT": str(cluster.certificates / "ca.pem"),
        "ETCDCTL_CERT": f"{certificate}.pem", "ETCDCTL_KEY": f"{certificate}-key.pem",
    }  # fmt: skip


def etcdctl(cluster: TestCluster, *arguments: str) -> str:
    return subprocess.run(
        ["etcdctl", *arguments], env=environment(cluster), text=True, capture_output=True, check=True
    ).stdout


def refused_format(text: str, found: int) -> int:
    """The latest format that a version knows, from what it says of one that it does not know."""
    said = re.search(r'has format \\*"(\d+)\\*".*knows formats?(?: up to)? \\*"(\d+)\\*"', text)
    expect(said and int(said[1]) == found, f"it does not say which format it found: {text}")
    return int(said[2])


def probe_format(cluster: TestCluster, version: Version) -> int:
    """Has a version say which formats it knows: on a store that is of a much later one it must not start."""
    prefix, later = f"probe-{version.name}/", 99
    etcdctl(cluster, "put", f"{prefix}format", str(later))
    replica = Replica(f"the {version.name} version", version, cluster, {"LEDGER_PREFIX": prefix})
    return refused_format(replica.refusal(), later)
