"""Three etcd members whose processes are measured, and a ledger-service that uses them."""

import pathlib
import shutil
import signal
import time
import urllib.error
import urllib.request

from processes import Failure, Footprint, Process, Supervisor, clean_environment, wait_until

# Found where processes.py looks for it.
from etcd_cluster import EtcdCluster  # isort: skip
from loopback_ports import free_ports  # isort: skip

START_SECONDS = 60
STOP_SECONDS = 40


class BenchCluster(EtcdCluster):
    """Members with new data below a folder, which go when it is removed."""

    def __init__(self, data: pathlib.Path, certificates: pathlib.Path):
        super().__init__(data / "etcd", certificates, flags=["--log-level=error"], logs=data)

    @property
    def footprints(self) -> list[Footprint]:
        return [Footprint(f"etcd {member.name}", member.pid) for member in self.members]

    def start(self) -> None:
        # What --keep left of the scenario before.
        shutil.rmtree(self.folder, ignore_errors=True)
        super().start()

    def data_bytes(self) -> int:
        """The database file of the first member."""
        return (self.members[0].data / "member/snap/db").stat().st_size


class LedgerService:
    """One ledger-service, from `start` until `stop`; the same ledger at every start."""

    def __init__(
        self,
        supervisor: Supervisor,
        binary: pathlib.Path,
        cluster: BenchCluster,
        settings: dict[str, str],
        name: str = "ledger-service",
    ):
        self._name = name
        self._supervisor = supervisor
        self._binary = binary
        self._cluster = cluster
        self._settings = settings
        self._admin = ""
        self.address = ""
        self.process: Process | None = None

    def start(self) -> float:
        """Returns the seconds from executing the program until /readyz answers 200."""
        port = free_ports(3)
        self.address, self._admin = f"127.0.0.1:{port}", f"127.0.0.1:{port + 1}"
        environment = clean_environment(
            **self._cluster.environment,
            LEDGER_BIND_ADDRESS="127.0.0.1",
            LEDGER_PORT=str(port),
            LEDGER_ADMIN_PORT=str(port + 1),
            LEDGER_INTERNAL_PORT=str(port + 2),
            **self._settings,
        )
        begin = time.monotonic()
        self.process = self._supervisor.start(self._name, [str(self._binary)], environment)
        wait_until(
            lambda: is_ok(f"http://{self._admin}/readyz"),
            f"starting {self._name}",
            self.process,
            START_SECONDS,
            pause=0.005,
        )
        return time.monotonic() - begin

    def metrics(self) -> dict[str, float]:
        """The samples of /metrics by name and labels, as they stand there."""
        with urllib.request.urlopen(f"http://{self._admin}/metrics", timeout=5) as page:
            lines = page.read().decode().splitlines()
        samples = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def stop(self) -> float:
        """Asks it to stop, and returns the seconds that took."""
        begin = time.monotonic()
        self.process.stop(seconds=STOP_SECONDS)
        status = self.process.popen.returncode
        if status != 0:
            raise Failure(f"{self._name} ended with status {status} when it was asked to stop")
        return time.monotonic() - begin

    def kill(self) -> None:
        """Ends it at once, where its ledger is thrown away."""
        self.process.stop(signal.SIGKILL)


def is_ok(url: str) -> bool:
    """Whether the address answers 200 now."""
    try:
        with urllib.request.urlopen(url, timeout=2) as page:
            return page.status == 200
    except (urllib.error.URLError, OSError):
        return False
