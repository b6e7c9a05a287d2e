"""Certificates and authorities that are replaced while the service runs, and whom the gRPC port admits.

    authorities_test.py --bin FOLDER

Callers are Python's gRPC library and openssl s_client, certificates are openssl's.
"""

import argparse
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time

# The library would tell of every refusal, and these are wanted.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc

import checking
from authority import CURVE, SUBMITTER, Authority, Pair
from checking import check, eventually, expect, expect_equal
from ledger import Ledger
from processes import running_cluster, running_service
from stubs import messages, services

KINDS = {
    "RSA 2048": ["-newkey", "rsa:2048"],
    "P-256": CURVE,
    "P-384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
}


class Context:
    """A service whose files are below `live`, which is a link as in a volume of Kubernetes."""

    def __init__(self, folder: pathlib.Path, cluster):
        self.folder, self.cluster = folder, cluster
        self.service = None
        self.first, self.second = (Authority(folder, name) for name in ("first", "second"))
        self.shown = Authority(folder, "shown")
        port = self.shown.server("port", "DNS:localhost", "IP:127.0.0.1")
        self._count = 0
        settings = cluster.environment
        self.files = {
            "LEDGER_TLS_CERT": port.path.read_bytes(),
            "LEDGER_TLS_KEY": port.key.read_bytes(),
            "LEDGER_TLS_CLIENT_CA": self.first.path.read_bytes(),
            **{
                name: pathlib.Path(settings[name]).read_bytes()
                for name in ["ETCD_CA_CERT", "ETCD_CLIENT_CERT", "ETCD_CLIENT_KEY"]
            },
        }
        self.install()

    @property
    def settings(self) -> dict[str, str]:
        return {name: str(self.folder / "live" / name) for name in self.files}

    def install(self, **changes: bytes | None) -> None:
        """Replaces files, all in one moment, as Kubernetes does; None takes one away."""
        self._count += 1
        folder = self.folder / f"set-{self._count}"
        folder.mkdir()
        for name, content in (self.files | changes).items():
            if content is not None:
                (folder / name).write_bytes(content)
        self.files |= {name: content for name, content in changes.items() if content is not None}
        link = self.folder / "link"
        link.symlink_to(folder)
        os.replace(link, self.folder / "live")

    def replace(self, **changes: bytes) -> None:
        """Installs files that can be used, and waits until they are."""
        before = self.reloads()
        self.install(**changes)
        names = {name.replace("_KEY", "_CERT") for name in changes}
        eventually(lambda: self.reloads() >= before + len(names), f"{names} are taken over", 60)

    def reloads(self) -> float:
        return self.service.metric("ledger_tls_reloads_total")

    def refused(self) -> float:
        return self.service.metric("ledger_tls_reload_failed")

    @contextlib.contextmanager
    def channel(self, caller: Pair | None):
        parts = [one.read_bytes() for one in (caller.key, caller.path)] if caller else [None, None]
        credentials = grpc.ssl_channel_credentials(self.shown.path.read_bytes(), *parts)
        # A connection of its own, however many channels with the same settings there are.
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.secure_channel(self.service.address, credentials, options) as channel:
            yield channel

    def admits(self, caller: Pair | None) -> bool:
        """Whether a call over a new connection is answered; a refusal is that of TLS."""
        with self.channel(caller) as channel:
            try:
                services.HealthStub(channel).GetLiveness(messages.GetLivenessRequest(), timeout=30)
            except grpc.RpcError as error:
                expect_equal("the code of who is refused", error.code(), grpc.StatusCode.UNAVAILABLE)
                return False
            return True

    def seal(self, caller: Pair) -> messages.SealedEvent:
        with self.channel(caller) as channel:
            ledger = Ledger(channel, self.service.admin, SUBMITTER)
            return ledger.seal(ledger.event())

    def shake_hands(self, caller: Pair, *arguments: str) -> str:
        """What openssl prints of a connection, which it holds until the service has said all of it."""
        command = [
            "openssl", "s_client", "-connect", self.service.address, "-alpn", "h2", "-ign_eof",
            "-CAfile", str(self.shown.path), "-cert", str(caller.path), "-key", str(caller.key),
            "-cert_chain", str(caller.path), *arguments,
        ]  # fmt: skip
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace",
        )
        try:
            # The service closes who does not begin with HTTP/2's preface, and whom it refuses.
            return process.communicate("no preface of HTTP/2\n" * 4, timeout=60)[0]
        finally:
            process.kill()


@check("a caller is admitted whose chain leads to the authority, also over one between, with every usual key")
def admitted(context: Context) -> None:
    for index, (kind, options) in enumerate(KINDS.items()):
        caller = context.first.caller(f"caller-{index}", kind=options)
        expect(context.admits(caller), kind)
    between = Authority(context.folder, "between", above=context.first)
    caller = between.caller("below")
    expect(not context.admits(caller), "the one between is missing")
    expect(context.admits(caller.behind(between.path)), "with the one between")
    sealed = context.seal(caller.behind(between.path))
    expect_equal("the submitter", sealed.submitter, SUBMITTER)


@check("nobody else is: no certificate, expired, for servers alone, self-signed under the authority's name, another's")
def refused(context: Context) -> None:
    expired = context.first.caller("expired", days=0)
    time.sleep(1.1)  # It ends with the second in which it was made.
    namesake = Authority(context.folder, "namesake")
    callers = {
        "no certificate": None,
        "expired": expired,
        "for servers alone": context.first.caller("server", usage="serverAuth"),
        "self-signed under the authority's name": Pair(namesake.path, namesake.key),
        "signed by a namesake": namesake.caller("other"),
        "signed by a namesake, which it sends along": namesake.caller("another").behind(namesake.path),
        "signed by a leaf": leaf_signed(context),
    }
    for what, caller in callers.items():
        expect(not context.admits(caller), what)
        if caller:
            expect("alert" in context.shake_hands(caller), f"openssl: {what}")
    many = [context.first.path] * 200
    expect(not context.admits(namesake.caller("long").behind(*many)), "a long chain")
    expect(context.admits(context.first.caller("afterwards")), "a caller afterwards")


def leaf_signed(context: Context) -> Pair:
    leaf = context.first.caller("leaf")
    authority = object.__new__(Authority)
    authority.folder, authority.path, authority.key = context.folder, leaf.path, leaf.key
    return authority.caller("below-a-leaf").behind(leaf.path)


@check("an authority is added and another one taken out without a restart; whom it admitted resumes no session")
def replaced(context: Context) -> None:
    old, new = context.first.caller("old"), context.second.caller("new")
    session = str(context.folder / "session")
    both = context.first.path.read_bytes() + context.second.path.read_bytes()
    expect(not context.admits(new), "the new authority's caller at first")
    said = context.shake_hands(old, "-sess_out", session)
    expect("alert" not in said, f"the old caller at first: {said[-400:]}")
    said = context.shake_hands(old, "-sess_in", session)
    expect("Reused, TLSv1.3" in said, f"sessions cannot be resumed at all: {said[-400:]}")
    context.replace(LEDGER_TLS_CLIENT_CA=both)
    expect(context.admits(old) and context.admits(new), "both callers in between")
    context.replace(LEDGER_TLS_CLIENT_CA=context.second.path.read_bytes())
    expect(not context.admits(old), "the old authority's caller at last")
    expect(context.admits(new), "the new authority's caller at last")
    said = context.shake_hands(old)
    expect("alert" in said, f"openssl was not refused: {said[-400:]}")
    expect("alert" not in context.shake_hands(new), "openssl with the new one")
    said = context.shake_hands(old, "-sess_in", session)
    expect("Reused" not in said and "alert" in said, f"a session went on: {said[-400:]}")


@check("a file that cannot be used leaves the one before in use, is told, and is taken over once it is mended")
def broken(context: Context) -> None:
    caller = context.second.caller("goes-on")
    good = context.files["LEDGER_TLS_CLIENT_CA"]
    for what, content in {
        "empty": b"",
        "cut": good[: len(good) // 2],
        "no PEM": b"\x00\x01" * 100,
        "too long": good * (2 + (1 << 20) // len(good)),
        "missing": None,
    }.items():
        expect_equal("the alarm before", context.refused(), 0)
        context.install(LEDGER_TLS_CLIENT_CA=content)
        context.files["LEDGER_TLS_CLIENT_CA"] = good
        eventually(lambda: context.refused() == 1, f"{what}: told", 60)
        expect(context.admits(caller), f"{what}: the caller is not admitted any more")
        expect(not context.admits(context.first.caller("x")), f"{what}: another's caller is")
        shown = context.service.metric('ledger_tls_reload_failed{setting="LEDGER_TLS_CLIENT_CA"}')
        expect_equal("the series of the setting", shown, 1)
        context.install()
        eventually(lambda: context.refused() == 0, f"{what}: mended", 60)
    log = context.service.child.log.read_text()
    expect("LEDGER_TLS_CLIENT_CA" in log and "could not be read again" in log, "the log says nothing")


@check("what is broken towards etcd leaves the files before in use for every new connection")
def etcd(context: Context) -> None:
    caller = context.second.caller("seals")
    good = dict(context.files)
    for name in ["ETCD_CA_CERT", "ETCD_CLIENT_CERT", "ETCD_CLIENT_KEY"]:
        # Another authority's, a certificate of another key, a key of another certificate: each alone is a good file.
        other = {
            "ETCD_CA_CERT": b"nothing",
            "ETCD_CLIENT_CERT": caller.path.read_bytes(),
            "ETCD_CLIENT_KEY": caller.key.read_bytes(),
        }[name]
        context.install(**{name: other})
        context.files = dict(good)
        eventually(lambda: context.refused() == 1, f"{name}: told", 60)
        opened = context.service.metric("ledger_etcd_connections_opened_total")
        deadline = time.monotonic() + 60
        while context.service.metric("ledger_etcd_connections_opened_total") < opened + 6:
            context.seal(caller)
            expect(time.monotonic() < deadline, f"{name}: no new connections are made")
        with context.channel(caller) as channel:
            health = services.HealthStub(channel).GetHealth(messages.GetHealthRequest(), timeout=30)
        said = [one.message for one in health.dependencies if one.name == "certificates"]
        expect(said and name.replace("_KEY", "_CERT") in said[0], f"{name}: GetHealth says {said}")
        context.install()
        eventually(lambda: context.refused() == 0, f"{name}: mended", 60)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="authorities-") as name, running_cluster(1) as cluster:
        context = Context(pathlib.Path(name), cluster)
        settings = context.settings | {
            "LEDGER_INTERNAL_TOKEN": "a-secret-of-this-test-alone",
            # Connections to etcd are made anew all the time.
            "ETCD_CONNECTION_MAX_LIFETIME": "1",
        }
        with running_service(options.bin, cluster, **settings) as service:
            context.service = service
            return checking.run_checks(context)


if __name__ == "__main__":
    sys.exit(main())
