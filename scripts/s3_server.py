#!/usr/bin/env -S python3 -B
"""Runs a real S3 server on this machine for a test or a benchmark: OpenStack Swift with its S3 API, from
Debian's python3-swift, with all that it stores and writes below a temporary folder.

When it answers and the bucket is made, one line of JSON goes to standard output:

  {"endpoint": "https://127.0.0.1:P", "plain_endpoint": "http://127.0.0.1:Q", "ca": "/.../ca.pem",
   "region": "us-east-1", "bucket": "archive", "access_key": "...", "secret_key": "...",
   "domain": "s3.localhost", "folder": "...", "pids": [...]}

Both endpoints are the same store. Below the domain every bucket has a host name of its own, by the plain endpoint's
port. Then the server runs until standard input ends, or SIGTERM, SIGINT or SIGHUP comes; no part of it outlives this
program, or whoever started it.

Exit status: 0 after a clean stop, 1 where it could not be started.
"""

import argparse
import base64
import email.utils
import hashlib
import hmac
import json
import os
import pathlib
import secrets
import select
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

from etcd_cluster import ROOT, die_with_parent, temporary_folder
from loopback_ports import LOOPBACK, free_ports

# Debian's own, which has Debian's modules; another one may come first in PATH.
PYTHON = "/usr/bin/python3"
START_SECONDS = 90
REGION = "us-east-1"
DOMAIN = "s3.localhost"
USER = "test:tester"
DEVICE = "d1"
LAYERS = ["account", "container", "object"]


class ServerFailure(Exception):
    """A server that does not run, in words for whoever wants it."""


DEFAULTS = """
[DEFAULT]
bind_ip = {ip}
bind_port = {port}
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
workers = 0
log_level = WARNING
log_address = {folder}/no-syslog
log_udp_host =
{further}
"""

STORE = """
[pipeline:main]
pipeline = {layer}-server

[app:{layer}-server]
use = egg:swift#{layer}
"""

PROXY = """
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats s3api tempauth proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true

[filter:catch_errors]
use = egg:swift#catch_errors

[filter:gatekeeper]
use = egg:swift#gatekeeper

[filter:healthcheck]
use = egg:swift#healthcheck

[filter:cache]
paste.filter_factory = s3_server:no_cache

[filter:listing_formats]
use = egg:swift#listing_formats

[filter:s3api]
use = egg:swift#s3api
location = {region}
storage_domain = {domain}
max_bucket_listing = {page}
allow_multipart_uploads = false
dns_compliant_bucket_names = true

[filter:tempauth]
use = egg:swift#tempauth
user_{account} = {secret} .admin
"""


class S3Server:
    """The server's processes, from `start` until `stop`."""

    def __init__(
        self, folder: pathlib.Path, bucket: str, port: int | None = None, page: int = 1000
    ):
        """
        :param port: the first of five in a row, those of the two endpoints; by default free ones
        :param page: the most objects on a page of a listing, whatever is asked for
        """
        self.folder = folder
        self.bucket = bucket
        self.page = page
        first = free_ports(5) if port is None else port
        self.ports = dict(zip(["proxy", "plain", *LAYERS], range(first, first + 5), strict=True))
        self.secret = secrets.token_hex(16)
        self.certificates = ROOT / "certs/dev"
        self.processes: dict[str, subprocess.Popen] = {}

    @property
    def report(self) -> dict:
        return {
            "endpoint": f"https://{LOOPBACK}:{self.ports['proxy']}",
            "plain_endpoint": f"http://{LOOPBACK}:{self.ports['plain']}",
            "ca": str(self.certificates / "ca.pem"),
            "region": REGION,
            "bucket": self.bucket,
            "access_key": USER,
            "secret_key": self.secret,
            "domain": DOMAIN,
            "folder": str(self.folder),
            "pids": [process.pid for process in self.processes.values()],
        }

    def start(self) -> None:
        """Starts it, waits until it answers, and makes the bucket."""
        done = subprocess.run(
            [ROOT / "certs/make-certs.sh", self.certificates],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode != 0:
            raise ServerFailure(f"there are no certificates: {done.stderr[-2000:]}")
        if subprocess.run([PYTHON, "-c", "import swift.proxy.server"], capture_output=True).returncode:
            raise ServerFailure("Debian's python3-swift is missing; ./setup-env.sh installs it")
        self._configure()
        for name in self.ports:
            self._start(name)
        self._wait()
        self.make_bucket(self.bucket)

    def stop(self) -> None:
        """Ends it at once: its data are thrown away."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()

    def make_bucket(self, bucket: str) -> None:
        """Signed by the older way, which knows nothing of what is tested with this server."""
        date = email.utils.formatdate(usegmt=True)
        signed = f"PUT\n\n\n{date}\n/{bucket}".encode()
        signature = base64.b64encode(
            hmac.digest(self.secret.encode(), signed, hashlib.sha1)
        ).decode()
        request = urllib.request.Request(
            f"{self.report['plain_endpoint']}/{bucket}", method="PUT",
            headers={"Date": date, "Authorization": f"AWS {USER}:{signature}"},
        )  # fmt: skip
        try:
            urllib.request.urlopen(request, timeout=30).close()
        except urllib.error.HTTPError as error:
            raise self._failure(f"the bucket is not made: {error} {error.read()[:500]}") from None
        except OSError as error:
            raise self._failure(f"the bucket is not made: {error}") from None

    def _configure(self) -> None:
        user = subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
        (self.folder / "devices" / DEVICE).mkdir(parents=True)
        (self.folder / "swift.conf").write_text(
            f"[swift-hash]\nswift_hash_path_suffix = {secrets.token_hex(8)}\n"
        )
        common = {"ip": LOOPBACK, "user": user, "folder": self.folder}
        for layer in LAYERS:
            text = DEFAULTS.format(port=self.ports[layer], further="", **common)
            (self.folder / f"{layer}.conf").write_text(text + STORE.format(layer=layer))
        certificate = self.certificates / "etcd-server"
        tls = f"cert_file = {certificate}.pem\nkey_file = {certificate}-key.pem"
        for name, further in (("proxy", tls), ("plain", "")):
            text = DEFAULTS.format(port=self.ports[name], further=further, **common)
            text += PROXY.format(
                region=REGION, domain=DOMAIN, page=self.page,
                secret=self.secret, account=USER.replace(":", "_"),
            )  # fmt: skip
            path = self.folder / f"{name}.conf"
            path.touch(mode=0o600)
            path.write_text(text)
        ports = {layer: self.ports[layer] for layer in LAYERS}
        self._run("--rings", json.dumps(ports))

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(
            [PYTHON, "-B", __file__, "--below", self.folder, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode != 0:
            raise ServerFailure(done.stderr[-2000:].strip())

    def _start(self, name: str) -> None:
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [PYTHON, "-B", __file__, "--below", self.folder, "--serve", name],
                # What is set for this program's own clients is not the server's.
                env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        for name, port in self.ports.items():
            path = "/healthcheck" if name in ("proxy", "plain") else "/"
            scheme = "https" if name == "proxy" else "http"
            while not self._answers(f"{scheme}://{LOOPBACK}:{port}{path}"):
                if self.processes[name].poll() is not None:
                    raise self._failure(f"its part {name} ended while it started")
                if time.monotonic() > deadline:
                    raise self._failure(f"its part {name} did not answer within {START_SECONDS} s")
                time.sleep(0.05)

    def _answers(self, url: str) -> bool:
        context = ssl.create_default_context(cafile=str(self.certificates / "ca.pem"))
        try:
            kept = {"context": context} if url.startswith("https") else {}
            urllib.request.urlopen(url, timeout=5, **kept).close()
            return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def _failure(self, what: str) -> ServerFailure:
        story = []
        for name in self.ports:
            log = self.folder / f"{name}.log"
            if log.exists():
                lines = log.read_text(errors="replace").splitlines()[-10:]
                story += [f"the last lines of {name}:", *(f"    {line}" for line in lines)]
        return ServerFailure("\n".join([*story, f"the S3 server cannot be used: {what}"]))


# What runs in Debian's Python, below the folder.


def make_rings(folder: pathlib.Path, ports: dict[str, int]) -> None:
    from swift.common.ring.builder import RingBuilder

    for layer, port in ports.items():
        builder = RingBuilder(4, 1, 0)
        device = {"id": 0, "region": 1, "zone": 1, "weight": 1, "device": DEVICE, "meta": ""}
        address = {"ip": LOOPBACK, "port": port}
        replication = {"replication_ip": LOOPBACK, "replication_port": port}
        builder.add_dev(device | address | replication)
        builder.rebalance()
        builder.get_ring().save(str(folder / f"{layer}.ring.gz"))


class NoCache:
    """In place of memcached, which is asked for and may forget everything: it does."""

    def get(self, *_arguments, **_options) -> None:
        return None

    def set(self, *_arguments, **_options) -> None:
        pass

    def delete(self, *_arguments, **_options) -> None:
        pass


def no_cache(_settings: dict, **_further: str):
    def wrap(application):
        def call(environment, start_response):
            environment["swift.cache"] = NoCache()
            return application(environment, start_response)

        return call

    return wrap


def serve(folder: pathlib.Path, name: str) -> int:
    from swift.common import constraints, utils

    # It looks below /etc otherwise, which is not this program's to write.
    for module in (constraints, utils):
        module.SWIFT_CONF_FILE = str(folder / "swift.conf")
    utils.validate_hash_conf()
    from swift.common.storage_policy import reload_storage_policies
    from swift.common.wsgi import run_wsgi

    reload_storage_policies()
    section = "proxy-server" if name in ("proxy", "plain") else f"{name}-server"
    return run_wsgi(str(folder / f"{name}.conf"), section)


class Stop(Exception):
    """A signal asked to stop."""


def on_signals(handler) -> None:
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, handler)


def stop(_number, _frame) -> None:
    on_signals(signal.SIG_IGN)
    raise Stop


def run(options: argparse.Namespace) -> int:
    on_signals(stop)
    with temporary_folder() as folder:
        server = S3Server(folder, options.bucket, options.port, options.page)
        try:
            server.start()
            print(json.dumps(server.report), flush=True)
            while select.select([0], [], [])[0] and os.read(0, 65536):
                pass
        except ServerFailure as failure:
            print(failure, file=sys.stderr, flush=True)
            return 1
        except Stop:
            pass
        finally:
            on_signals(signal.SIG_IGN)
            server.stop()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--bucket", default="archive", help="the bucket that is made (archive)")
    add("--port", type=int, help="the first of five ports in a row (free ones)")
    add("--page", type=int, default=1000, help="the most objects on a page of a listing (1000)")
    add("--below", type=pathlib.Path, help=argparse.SUPPRESS)
    add("--rings", type=json.loads, help=argparse.SUPPRESS)
    add("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rings:
        make_rings(options.below, options.rings)
        return 0
    if options.serve:
        return serve(options.below, options.serve)
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
