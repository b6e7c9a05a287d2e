"""etcd members on this machine as they run in Kubernetes, but for the addresses: mutual TLS with a
CA of its own for each side, and the flags of etcd-flags.txt. For development, tests and benchmarks;
run-etcd.py is the command.
"""

import contextlib
import ctypes
import http.client
import os
import pathlib
import secrets
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator

from loopback_ports import LOOPBACK, free_ports

ROOT = pathlib.Path(__file__).resolve().parent.parent
MEMORY = pathlib.Path("/dev/shm")
START_SECONDS = 90
STOP_SECONDS = 15
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class EtcdFailure(Exception):
    """A cluster that does not run, in words for whoever wants it."""


class Member:
    """One member of a cluster: its places, and its process while it has one."""

    def __init__(self, folder: pathlib.Path, logs: pathlib.Path, index: int, ports: list[int]):
        self.name = f"m{index + 1}"
        self.data = folder / self.name
        self.log = logs / f"etcd-{self.name}.log"
        self.endpoint, self.peer = (f"https://{LOOPBACK}:{port}" for port in ports[:2])
        self.metrics = f"http://{LOOPBACK}:{ports[2]}"
        self.process: subprocess.Popen | None = None

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def start(self, command: list[str]) -> None:
        # etcd 3.4 refuses a data folder that others can read.
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.data.chmod(0o700)
        # etcd takes settings from ETCD_* variables, and the ledger's own begin with ETCD_ too: none
        # of them may reach it. (etcd 3.4 starts on arm64 only with the exception.)
        kept = "ETCD_UNSUPPORTED_ARCH"
        environment = {k: v for k, v in os.environ.items() if k == kept or k[:5] != "ETCD_"}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C at the terminal reaches the caller alone, which stops the members.
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def send(self, number: int) -> None:
        """Sends a signal, unless it has ended; after SIGSTOP it has stopped, which takes a busy machine a while."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            if number == signal.SIGSTOP:
                with contextlib.suppress(ChildProcessError):
                    os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def kill(self) -> None:
        """Ends it at once; its data stay."""
        self.send(signal.SIGKILL)
        if self.process:
            self.process.wait()
        self.process = None

    def stop(self) -> None:
        """Ends it cleanly; raises EtcdFailure where it had to be killed."""
        self.send(signal.SIGTERM)
        try:
            if self.process:
                self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise EtcdFailure(
                f"etcd {self.name} did not stop within {STOP_SECONDS} s and was killed"
            ) from None
        finally:
            self.kill()

    def failure(self, what: str) -> EtcdFailure:
        """What happened, behind the last lines of the log."""
        lines = self.log.read_text(errors="replace").splitlines()[-20:]
        story = [f"the last lines of etcd {self.name}'s log:", *(f"    {line}" for line in lines)]
        return EtcdFailure("\n".join([*story, f"the whole log is {self.log}", what]))


class EtcdCluster:
    """Members on loopback with data below a folder, from `start` until `kill` or `stop`."""

    def __init__(
        self,
        folder: pathlib.Path,
        certificates: pathlib.Path = ROOT / "certs/dev",
        size: int = 3,
        flags: list[str] | None = None,
        port: int | None = None,
        logs: pathlib.Path | None = None,
    ):
        """
        :param port: the first of ports in a row, two for each member as in local-env.sh, and then
            one for each member's metrics; by default free ones
        """
        self.folder = folder
        self.certificates = certificates
        self.flags = flags or []
        port = free_ports(3 * size) if port is None else port
        self.members = [
            Member(folder, logs or folder, i, [port + 2 * i, port + 2 * i + 1, port + 2 * size + i])
            for i in range(size)
        ]
        # The passwords of etcd's users, where it has any.
        self.root_password: str | None = None
        self.password: str | None = None

    @property
    def endpoints(self) -> str:
        return ",".join(member.endpoint for member in self.members)

    @property
    def environment(self) -> dict[str, str]:
        """The settings that make ledger-service use the cluster."""
        login = {"ETCD_USERNAME": "ledger", "ETCD_PASSWORD": self.password}
        return {
            "ETCD_ENDPOINTS": self.endpoints,
            "ETCD_CA_CERT": str(self.certificates / "ca.pem"),
            "ETCD_CLIENT_CERT": str(self.certificates / "etcd-client.pem"),
            "ETCD_CLIENT_KEY": str(self.certificates / "etcd-client-key.pem"),
            **(login if self.password else {}),
        }

    def start(self) -> None:
        """Starts every member, and waits until each knows a leader."""
        _run([ROOT / "certs/make-certs.sh", self.certificates], "there are no certificates")
        for member in self.members:
            member.log.write_bytes(b"")
            member.start(self._command(member))
        for member in self.members:
            self._wait(member)

    def restart(self, index: int, flags: list[str] | None = None) -> None:
        """Kills a member if it runs, starts it with the data it has, and waits.

        :param flags: from now on instead of the flags that the cluster was made with
        """
        if flags is not None:
            self.flags = flags
        member = self.members[index]
        member.kill()
        member.start(self._command(member))
        self._wait(member)

    def restrict_access(self, prefix: str) -> None:
        """Turns on users and roles with the script that does it in Kubernetes."""
        self.root_password, self.password = secrets.token_hex(32), secrets.token_hex(32)
        certificate = str(self.certificates / "etcd-operations")
        environment = {
            "ETCDCTL_API": "3",
            "ETCDCTL_ENDPOINTS": self.endpoints,
            "ETCDCTL_CACERT": str(self.certificates / "ca.pem"),
            "ETCDCTL_CERT": f"{certificate}.pem",
            "ETCDCTL_KEY": f"{certificate}-key.pem",
            "ETCDCTL_USER": "root",
            "ETCDCTL_PASSWORD": self.root_password,
            "LEDGER_ETCD_USERNAME": "ledger",
            "LEDGER_ETCD_PASSWORD": self.password,
            "LEDGER_PREFIX": prefix,
        }
        script = ROOT / "k8s/ops/etcd-bootstrap-auth.sh"
        _run([script], "etcd's users could not be set", os.environ | environment)

    def kill(self) -> None:
        """Ends every member at once: for data that are thrown away."""
        for member in self.members:
            member.kill()

    def stop(self) -> list[EtcdFailure]:
        """Ends every member cleanly, and returns what went wrong."""
        failures = []
        # One after the other: a leader hands over to a member that still runs, and where all stop
        # at once it waits seconds for one that does not.
        for member in self.members:
            try:
                member.stop()
            except EtcdFailure as failure:
                failures.append(failure)
        return failures

    def _command(self, member: Member) -> list[str]:
        if shutil.which("etcd") is None:
            raise EtcdFailure("etcd is missing; ./setup-env.sh installs it")
        lines = (ROOT / "scripts/etcd-flags.txt").read_text().splitlines()
        flags = [line for line in lines if line.startswith("--")]
        # TLS 1.2 is the least that any etcd from 3.4 on speaks; 3.4.25 and 3.5.8 brought a flag to
        # say so.
        help_text = subprocess.run(["etcd", "--help"], capture_output=True).stdout
        if b"--tls-min-version" in help_text:
            flags.append("--tls-min-version=TLS1.2")
        return [
            "etcd",
            f"--name={member.name}",
            f"--data-dir={member.data}",
            f"--listen-client-urls={member.endpoint}",
            f"--advertise-client-urls={member.endpoint}",
            f"--listen-peer-urls={member.peer}",
            f"--initial-advertise-peer-urls={member.peer}",
            "--initial-cluster=" + ",".join(f"{one.name}={one.peer}" for one in self.members),
            "--initial-cluster-state=new",
            f"--cert-file={self.certificates}/etcd-server.pem",
            f"--key-file={self.certificates}/etcd-server-key.pem",
            f"--trusted-ca-file={self.certificates}/ca.pem",
            f"--peer-cert-file={self.certificates}/etcd-peer.pem",
            f"--peer-key-file={self.certificates}/etcd-peer-key.pem",
            f"--peer-trusted-ca-file={self.certificates}/peer-ca.pem",
            f"--listen-metrics-urls={member.metrics}",
            # A later flag overrides an earlier one.
            *flags,
            *self.flags,
        ]

    def _wait(self, member: Member) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._knows_leader(member):
            if member.process.poll() is not None:
                member.process = None
                raise member.failure(f"etcd {member.name} ended while it started")
            if time.monotonic() > deadline:
                member.kill()
                raise member.failure(f"etcd {member.name} had no leader within {START_SECONDS} s")
            time.sleep(0.02)

    def _knows_leader(self, member: Member) -> bool:
        """By the metrics: /health says no as well where the database is full. From the clients'
        port, which answers last."""
        files = self.environment
        context = ssl.create_default_context(cafile=files["ETCD_CA_CERT"])
        context.check_hostname = False
        context.load_cert_chain(files["ETCD_CLIENT_CERT"], files["ETCD_CLIENT_KEY"])
        try:
            url = f"{member.endpoint}/metrics"
            with urllib.request.urlopen(url, timeout=2, context=context) as page:
                return b"etcd_server_has_leader 1\n" in page.read()
        except (OSError, http.client.HTTPException):
            return False


@contextlib.contextmanager
def temporary_folder() -> Iterator[pathlib.Path]:
    """A new folder, in memory where that is possible; removed when the block is left."""
    parent = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(
        prefix="ledger-etcd-", dir=parent, ignore_cleanup_errors=True
    ) as folder:
        yield pathlib.Path(folder)


def die_with_parent() -> None:
    """In a child: the kernel kills it when this program is killed and cannot stop it."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _run(command: list, what: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise EtcdFailure(f"{what}: {(done.stdout + done.stderr)[-2000:].strip()}")
