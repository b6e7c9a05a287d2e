"""Three etcd members with mutual TLS, users and roles, and a ledger-service that uses them."""

import pathlib
import secrets
import shutil
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request

from processes import Failure, Process, Supervisor, clean_environment, free_ports, wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent
START_SECONDS = 60
STOP_SECONDS = 40


class EtcdCluster:
    """Three members on loopback with data of their own, from `start` until `stop`."""

    def __init__(self, supervisor: Supervisor, data: pathlib.Path, certificates: pathlib.Path):
        self._supervisor = supervisor
        self._data = data / "etcd"
        self._certificates = certificates
        self._ports: list[int] = []
        self.members: list[Process] = []
        # The ledger's user and password, where it has to log in.
        self.login: tuple[str, str] | None = None

    @property
    def endpoints(self) -> str:
        return ",".join(f"https://127.0.0.1:{port}" for port in self._ports)

    @property
    def client_files(self) -> tuple[str, str, str]:
        """The authority, the client's certificate and its key."""
        names = ("ca.pem", "etcd-client.pem", "etcd-client-key.pem")
        return tuple(str(self._certificates / name) for name in names)

    def start(self) -> None:
        ports = free_ports(6)
        self._ports, peers = ports[:3], ports[3:]
        initial = ",".join(f"m{i + 1}=https://127.0.0.1:{port}" for i, port in enumerate(peers))
        for i in range(3):
            name = f"m{i + 1}"
            script = str(ROOT / "scripts/etcd-member.sh")
            places = [str(self._data / name), str(self._certificates)]
            command = [script, name, *places, str(self._ports[i]), str(peers[i]), initial]
            command += ["--log-level", "error"]
            self.members.append(
                self._supervisor.start(f"etcd-{name}", command, clean_environment())
            )
        context = ssl.create_default_context(cafile=self.client_files[0])
        context.load_cert_chain(*self.client_files[1:])
        for port, member in zip(self._ports, self.members, strict=True):
            wait_until(
                lambda url=f"https://127.0.0.1:{port}/health": is_ok(url, context),
                f"starting {member.name}",
                member,
                START_SECONDS,
            )

    def restrict_access(self) -> None:
        """Turns on etcd's users and roles, by the script that does it in Kubernetes."""
        self.login = ("ledger", secrets.token_hex(32))
        certificate = str(self._certificates / "etcd-operations")
        done = subprocess.run(
            [ROOT / "k8s/ops/etcd-bootstrap-auth.sh"],
            env=clean_environment(
                ETCDCTL_API="3",
                ETCDCTL_ENDPOINTS=self.endpoints,
                ETCDCTL_CACERT=self.client_files[0],
                ETCDCTL_CERT=f"{certificate}.pem",
                ETCDCTL_KEY=f"{certificate}-key.pem",
                ETCDCTL_USER="root",
                ETCDCTL_PASSWORD=secrets.token_hex(32),
                LEDGER_ETCD_USERNAME=self.login[0],
                LEDGER_ETCD_PASSWORD=self.login[1],
            ),
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise Failure(f"etcd's users could not be set: {done.stderr[-1000:]}")

    def remove(self) -> None:
        """Ends the members and forgets their data; what is thrown away needs no clean end."""
        for member in self.members:
            member.stop(signal.SIGKILL)
        shutil.rmtree(self._data, ignore_errors=True)

    def data_bytes(self) -> int:
        """The database file of the first member."""
        return (self._data / "m1/member/snap/db").stat().st_size


class LedgerService:
    """One ledger-service, from `start` until `stop`; the same ledger at every start."""

    def __init__(
        self,
        supervisor: Supervisor,
        binary: pathlib.Path,
        cluster: EtcdCluster,
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
        ports = free_ports(3)
        self.address, self._admin = (f"127.0.0.1:{port}" for port in ports[:2])
        ca, certificate, key = self._cluster.client_files
        login = self._cluster.login
        environment = clean_environment(
            **({"ETCD_USERNAME": login[0], "ETCD_PASSWORD": login[1]} if login else {}),
            ETCD_ENDPOINTS=self._cluster.endpoints,
            ETCD_CA_CERT=ca,
            ETCD_CLIENT_CERT=certificate,
            ETCD_CLIENT_KEY=key,
            LEDGER_BIND_ADDRESS="127.0.0.1",
            LEDGER_PORT=str(ports[0]),
            LEDGER_ADMIN_PORT=str(ports[1]),
            LEDGER_INTERNAL_PORT=str(ports[2]),
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


def is_ok(url: str, context: ssl.SSLContext | None = None) -> bool:
    """Whether the address answers 200 now."""
    try:
        with urllib.request.urlopen(url, timeout=2, context=context) as page:
            return page.status == 200
    except (urllib.error.URLError, OSError):
        return False
