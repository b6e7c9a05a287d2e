"""A real etcd cluster with mutual TLS and services on it, as processes that end with the test's.

The services get time: they may be debug builds beside a busy machine's other work, and what is
tested is what is answered. What is kept in memory is measured from /proc.
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator

from checking import Unexpected, expect

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from etcd_cluster import EtcdCluster, temporary_folder  # noqa: E402

START_SECONDS = 120
STOP_SECONDS = 60
PORT_MESSAGES = {
    "LEDGER_PORT": "the gRPC port listens",
    "LEDGER_INTERNAL_PORT": "the internal port listens",
    "LEDGER_ADMIN_PORT": "the admin port listens",
}
TILES_MESSAGE = "the tiles port listens"


class Footprint:
    """What a process takes, from /proc; nothing after its end."""

    def __init__(self, pid: int):
        self.pid = pid

    @property
    def memory(self) -> float:
        """The resident memory now, in MB."""
        return self._memory("VmRSS")

    @property
    def peak(self) -> float:
        """The most resident memory since the start or the last `reset_peak`, in MB."""
        return self._memory("VmHWM")

    def reset_peak(self) -> None:
        """Begins the peak anew with the memory of now."""
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _memory(self, name: str) -> float:
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith(name + ":"):
                    return int(line.split()[1]) / 1024
        return 0


class Child(Footprint):
    """A process that the kernel ends with this one, with its output in a file."""

    def __init__(self, command: list, environment: dict, folder: pathlib.Path, log: pathlib.Path):
        self.log = log
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder,
                env=environment,
            )  # fmt: skip
        super().__init__(self.process.pid)

    @property
    def status(self) -> int | None:
        """The exit status, or the negative number of the signal that ended it."""
        return self.process.poll()

    def last_lines(self, count: int = 25) -> str:
        """The end of its output, for a failure's message."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def send(self, number: int) -> None:
        """Sends a signal, unless it has ended; after SIGSTOP it has stopped, which takes a busy machine a while."""
        if self.status is None:
            self.process.send_signal(number)
            if number == signal.SIGSTOP:
                with contextlib.suppress(ChildProcessError):
                    os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Waits for its end; kills it and fails where that does not come."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Unexpected(f"no end within {seconds} s; killed") from None

    def kill(self) -> None:
        """Ends it at once."""
        self.send(signal.SIGKILL)
        self.process.wait()


class TestCluster(EtcdCluster):
    """Members whose memory is measured."""

    @property
    def footprints(self) -> list[Footprint]:
        return [Footprint(member.pid) for member in self.members]

    @property
    def memory(self) -> float:
        """The resident memory of all members together, in MB."""
        return sum(one.memory for one in self.footprints)

    @property
    def peak(self) -> float:
        """The sum of the members' peaks, in MB."""
        return sum(one.peak for one in self.footprints)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stops every member without ending it: their connections stay open and silent."""
        for member in self.members:
            member.send(signal.SIGSTOP)
        try:
            yield
        finally:
            for member in self.members:
                member.send(signal.SIGCONT)


class Service:
    """One ledger-service. Its ports are free ones at first, and the same at later starts."""

    def __init__(self, binaries: pathlib.Path, cluster: TestCluster, settings: dict[str, str]):
        self._program = binaries.resolve() / "ledger-service"
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="service-", dir=cluster.folder))
        self._settings = {
            "PATH": os.environ["PATH"],
            "LEDGER_BIND_ADDRESS": "127.0.0.1",
            "LEDGER_COMMIT_DEADLINE_MS": "2000",
            "LEDGER_RESOLVE_DEADLINE_MS": "4000",
            **{name: "0" for name in PORT_MESSAGES},
            # So that all tests can be run against both ways of a submission.
            **{name: os.environ[name] for name in ["LEDGER_DIRECT_SUBMIT"] if name in os.environ},
            **cluster.environment,
            **settings,
        }
        self.cluster = cluster
        self.child: Child | None = None

    @property
    def port(self) -> int:
        return int(self._settings["LEDGER_PORT"])

    @property
    def internal_port(self) -> int:
        return int(self._settings["LEDGER_INTERNAL_PORT"])

    @property
    def admin_port(self) -> int:
        return int(self._settings["LEDGER_ADMIN_PORT"])

    @property
    def tiles_port(self) -> int:
        """Only where LEDGER_TILES_PORT is set."""
        return int(self._settings["LEDGER_TILES_PORT"])

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def admin(self) -> str:
        return f"127.0.0.1:{self.admin_port}"

    def start(self) -> None:
        """Starts it and waits until events can be sealed."""
        log = self._folder / "log"
        log.write_bytes(b"")
        self.child = Child([self._program], self._settings, self._folder, log)
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            expect(self.child.status is None, f"ledger-service ended:\n{self.child.last_lines()}")
            expect(time.monotonic() < deadline, f"not ready:\n{self.child.last_lines()}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        for line in self.child.log.read_text(errors="replace").splitlines():
            for name, message in {**PORT_MESSAGES, "LEDGER_TILES_PORT": TILES_MESSAGE}.items():
                found = re.search(r'\bport(?:=|":")(\d+)', line)
                if message in line and found:
                    self._settings[name] = found[1]
        if self.admin_port == 0 or self.port == 0 or self._settings.get("LEDGER_TILES_PORT") == "0":
            return False
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://{self.admin}/readyz", timeout=2) as page:
                return page.status == 200
        return False

    def metric(self, name: str) -> float:
        """The sum of a metric's series now; 0 where there is none."""
        with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=15) as page:
            lines = page.read().decode().splitlines()
        series = re.compile(rf"{re.escape(name)}(?:\{{.*\}})? ([^ ]+)")
        return sum(float(match[1]) for line in lines if (match := series.fullmatch(line)))

    def expect_alive(self) -> None:
        """Fails with the end of the log unless the process that was started still runs."""
        status = self.child.status
        expect(status is None, f"ledger-service ended with {status}:\n{self.child.last_lines()}")

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """Asks it to stop and returns its exit status."""
        self.child.send(signal.SIGTERM)
        return self.child.wait(seconds)


@contextlib.contextmanager
def running_cluster(size: int = 3) -> Iterator[TestCluster]:
    """A cluster that runs as long as the block."""
    with temporary_folder() as folder:
        cluster = TestCluster(folder, size=size)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.kill()


def make_signing_key(binaries: pathlib.Path, name: str, path: pathlib.Path) -> str:
    """Makes a ledger's signing key with `ledgerctl keygen`, and returns its verifier key."""
    made = subprocess.run(
        [binaries.resolve() / "ledgerctl", "keygen", "--name", name, "--out", path],
        text=True, capture_output=True, check=True,
    )  # fmt: skip
    return made.stdout.strip()


@contextlib.contextmanager
def running_bucket_server() -> Iterator[dict]:
    """A real S3 server with what it reports of itself, until the block ends."""
    # It ends when its standard input does.
    with subprocess.Popen(
        [ROOT / "scripts" / "s3_server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        line = process.stdout.readline()
        if not line:
            raise Unexpected("the S3 server could not be started")
        yield json.loads(line)


@contextlib.contextmanager
def running_service(
    binaries: pathlib.Path, cluster: TestCluster, **settings: str
) -> Iterator[Service]:
    """A service that runs, with these settings, as long as the block."""
    service = Service(binaries, cluster, settings)
    service.start()
    try:
        yield service
    finally:
        service.child.kill()
