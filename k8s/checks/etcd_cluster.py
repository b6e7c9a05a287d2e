"""Runs the etcd that is installed on this machine with the very flags of a rendered overlay."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from etcd_arguments import PORTS_PER_MEMBER, localise
from manifests import Manifests

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "scripts"))

from loopback_ports import free_ports  # noqa: E402  isort: skip

RENDERED = ROOT / ".local/manifests"
START_SECONDS = 60

# What the manifests mount, out of what certs/make-certs.sh makes.
MOUNTED = {
    "server": ("ca", "etcd-server"),
    "peer": ("peer-ca", "etcd-peer"),
    "client": ("ca", "etcd-client"),
}


@functools.cache
def made_certificates() -> Path:
    """Where certs/make-certs.sh put a set of certificates, once for all clusters."""
    made = Path(tempfile.mkdtemp(prefix="certificates-"))
    atexit.register(shutil.rmtree, made)
    subprocess.run([ROOT / "certs/make-certs.sh", made], check=True, stdout=subprocess.DEVNULL)
    return made


def mount_certificates(folder: Path) -> None:
    made = made_certificates()
    for name, (authority, pair) in MOUNTED.items():
        target = folder / "certificates" / name
        target.mkdir(parents=True)
        shutil.copy(made / f"{authority}.pem", target / "ca.crt")
        shutil.copy(made / f"{pair}.pem", target / "tls.crt")
        shutil.copy(made / f"{pair}-key.pem", target / "tls.key")


class Cluster:
    def __init__(self, overlay: str, folder: Path) -> None:
        self.manifests = Manifests.load(RENDERED / f"{overlay}.yaml")
        self.folder = folder
        self.size = len(self.manifests.etcd_members())
        self.base = free_ports(self.size * PORTS_PER_MEMBER)
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        mount_certificates(folder)

    def port(self, ordinal: int, which: int = 0) -> int:
        """The port for clients (0), peers (1) or metrics (2)."""
        return self.base + ordinal * PORTS_PER_MEMBER + which

    @property
    def endpoints(self) -> list[str]:
        return [f"https://localhost:{self.port(ordinal)}" for ordinal in range(self.size)]

    def certificate(self, name: str) -> tuple[Path, Path, Path]:
        """CA, certificate and key."""
        folder = self.folder / "certificates" / name
        return folder / "ca.crt", folder / "tls.crt", folder / "tls.key"

    def start(self) -> None:
        for ordinal in range(self.size):
            self.start_member(ordinal)
        for ordinal in range(self.size):
            self.wait_for(ordinal)

    def start_member(self, ordinal: int, *overriding: str) -> None:
        """Starts a member; of a flag that comes twice, etcd takes the last."""
        data = self.folder / f"etcd-{ordinal}"
        # As kubelet leaves a volume with an fsGroup: writable by a group.
        data.mkdir(exist_ok=True)
        data.chmod(0o2775)
        arguments = [
            localise(each, ordinal, str(self.folder), self.base)
            for each in self.manifests.etcd_arguments(ordinal)
        ]
        # etcd reads ETCD_*, which Kubernetes does not set there.
        clean = {name: value for name, value in os.environ.items() if name[:5] != "ETCD_"}
        log = (self.folder / f"etcd-{ordinal}.log").open("ab")
        self.processes[ordinal] = subprocess.Popen(
            ["etcd", *arguments, *overriding],
            env=clean, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
        log.close()

    def wait_for(self, ordinal: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.is_healthy(ordinal):
            if self.processes[ordinal].poll() is not None or time.monotonic() > deadline:
                log = (self.folder / f"etcd-{ordinal}.log").read_text()
                raise RuntimeError(f"etcd-{ordinal} did not become healthy:\n{log[-2000:]}")
            time.sleep(0.1)

    def is_healthy(self, ordinal: int) -> bool:
        try:
            url = f"http://127.0.0.1:{self.port(ordinal, 2)}/health"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return b'"health":"true"' in answer.read()
        except OSError:
            return False

    def stop_member(self, ordinal: int) -> None:
        process = self.processes.pop(ordinal)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop(self) -> None:
        for ordinal in list(self.processes):
            self.stop_member(ordinal)

    def environment(self, user: str = "", password: str = "") -> dict[str, str]:
        """etcdctl's variables, as the manifests set them."""
        ca, certificate, key = self.certificate("client")
        values = {
            "PATH": os.environ["PATH"],
            "ETCDCTL_ENDPOINTS": ",".join(self.endpoints),
            "ETCDCTL_CACERT": str(ca),
            "ETCDCTL_CERT": str(certificate),
            "ETCDCTL_KEY": str(key),
        }
        if user:
            values |= {"ETCDCTL_USER": user, "ETCDCTL_PASSWORD": password}
        return values
