#!/usr/bin/env python3
"""The authority that signs a witness's certificate is replaced while a ledger asks for cosignatures.

    witness_authority_test.py --bin FOLDER      where ledger-service and ledgerctl are

The witness is `ledgerctl witness`. It speaks without TLS, so Python's stands in front of it, as docs/witnesses.md wants.
"""

import argparse
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator

import grpc

from authority import Authority
from checking import Unexpected, check, eventually, expect, expect_equal, run_checks
from ledger import Ledger
from processes import make_signing_key, running_cluster, running_service
from tls_front import TLSFront, running_front

NAMES = ["DNS:localhost", "IP:127.0.0.1"]
SETTING = "LEDGER_WITNESS_CA_CERT"
RELOADS = f'ledger_tls_reloads_total{{setting="{SETTING}"}}'
FAILED = f'ledger_tls_reload_failed{{setting="{SETTING}"}}'
WITNESS = "witness.example/w1"


@contextlib.contextmanager
def running_witness(binaries: pathlib.Path, folder: pathlib.Path, log: str) -> Iterator[tuple[str, int]]:
    """A `ledgerctl witness` that knows this ledger: its verifier key, and its port."""
    key = folder / "witness.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", binaries / "ledgerctl", "witness", "--listen", "127.0.0.1:0",
         "--key", key, "--name", WITNESS, "--state", folder / "state", "--log", log],
        stdout=subprocess.PIPE, stderr=open(folder / "witness.log", "wb"), text=True,
    )  # fmt: skip
    try:
        verifier = process.stdout.readline().strip()
        line = eventually(
            lambda: next(
                (line for line in (folder / "witness.log").read_text().splitlines(True)
                 if "listens" in line and line.endswith("\n")), None,
            ),
            "the witness listens",
        )  # fmt: skip
        yield verifier, int(line.split()[-1])
    finally:
        process.kill()
        process.wait()


class Context:
    """A ledger with one witness, whose authorities are in a file that is replaced."""

    def __init__(self, folder: pathlib.Path, front: TLSFront, first: Authority, second: Authority):
        self.folder, self.front, self.first, self.second = folder, front, first, second
        self.authorities = folder / "authorities.pem"
        self.authorities.write_bytes(first.path.read_bytes())
        self.old = first.server("old", *NAMES)
        front.show(self.old)
        self.new = second.server("new", *NAMES)
        self.service, self.ledger = None, None

    def believe(self, content: bytes) -> None:
        """Puts another file of authorities in place in one moment."""
        beside = self.authorities.with_suffix(".new")
        beside.write_bytes(content)
        os.replace(beside, self.authorities)

    def taken_over(self, content: bytes) -> None:
        before = self.service.metric(RELOADS)
        self.believe(content)
        eventually(lambda: self.service.metric(RELOADS) == before + 1, "the authorities are taken over", 60)

    def requests(self, result: str) -> float:
        return self.service.metric(
            f'ledger_witness_requests_total{{result="{result}",witness="{WITNESS}"}}'
        )

    def cosigned(self, what: str) -> None:
        """Seals until the witness has cosigned once more."""
        before = self.requests("cosigned")

        def again() -> bool:
            self.ledger.seal()
            return self.requests("cosigned") > before

        try:
            eventually(again, f"{what}: the witness cosigns", 60)
        except Unexpected as error:
            raise Unexpected(f"{error}; {self.ledger_says()}") from None

    def ledger_says(self) -> str:
        """What became of requests, and of connections."""
        with urllib.request.urlopen(f"http://{self.service.admin}/metrics", timeout=15) as page:
            lines = page.read().decode().splitlines()
        counts = [one for one in lines if "witness_requests_total{" in one and not one.endswith(" 0")]
        shown, refused = self.front.accepted, self.front.refused
        return f"{counts}, shown {shown}, refused {refused}\n{self.service.child.last_lines(8)}"

    def refused(self, what: str) -> None:
        """Seals until the witness was found unreachable, for the ledger refuses what it was shown."""
        attempts, received = self.front.attempts, self.front.received
        unreachable, cosigned = self.requests("unreachable"), self.requests("cosigned")

        def again() -> bool:
            self.ledger.seal()
            return self.front.attempts > attempts and self.requests("unreachable") > unreachable

        eventually(again, f"{what}: the witness is refused", 120)
        expect_equal(f"{what}: cosignatures", self.requests("cosigned"), cosigned)
        expect_equal(f"{what}: bytes for the witness", self.front.received, received)


@check("old, both, new: the witness cosigns at every step, over connections that believe what counts then")
def rotated(context: Context) -> None:
    old, new = context.first.path.read_bytes(), context.second.path.read_bytes()
    context.cosigned("old")
    expect_equal("shown", set(context.front.accepted), {"old"})
    connections = len(context.front.accepted)
    context.taken_over(old + new)
    context.cosigned("both, and the witness still shows the old one")
    expect(len(context.front.accepted) > connections, "the connection of before is still used")
    context.front.show(context.new)
    context.front.cut()
    context.cosigned("both, and the witness shows the new one")
    expect_equal("shown last", context.front.accepted[-1], "new")
    connections = len(context.front.accepted)
    context.taken_over(new)
    context.cosigned("new")
    expect_equal("shown since", set(context.front.accepted[connections:]), {"new"})
    expect_equal("handshakes that failed", context.front.refused, 0)
    expect_equal("requests that failed", context.requests("unreachable"), 0)


@check("a witness with the old authority's certificate is refused then, and one of another host; events are sealed")
def refused(context: Context) -> None:
    context.front.show(context.old)
    context.front.cut()
    context.refused("the old authority")
    context.front.show(context.second.server("elsewhere", "DNS:witness.example", "IP:127.0.0.2"))
    context.refused("another host's certificate")
    context.front.show(context.new)
    context.cosigned("the new one again")


@check("a file that cannot be used leaves the one before in use, is told, and is taken over once it is mended")
def broken(context: Context) -> None:
    good = context.authorities.read_bytes()
    for what, content in {"empty": b"", "cut": good[: len(good) // 2], "no PEM": b"\0\1" * 100}.items():
        context.believe(content)
        eventually(lambda: context.service.metric(FAILED) == 1, f"{what}: told", 60)
        context.front.cut()
        context.cosigned(what)
        context.believe(good)
        eventually(lambda: context.service.metric(FAILED) == 0, f"{what}: mended", 60)
    context.cosigned("mended")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    binaries = parser.parse_args().bin.resolve()
    with tempfile.TemporaryDirectory(prefix="witness-authority-") as name, running_cluster(1) as cluster:
        folder = pathlib.Path(name)
        signing = folder / "signing.pem"
        log = make_signing_key(binaries, "witnessed.example/ledger", signing)
        first, second = Authority(folder, "first"), Authority(folder, "second")
        with running_witness(binaries, folder, log) as (verifier, port):
            with running_front(port, first.server("old", *NAMES)) as front:
                context = Context(folder, front, first, second)
                with running_service(
                    binaries, cluster, LEDGER_SIGNING_KEY=str(signing),
                    LEDGER_ORIGIN="witnessed.example/ledger",
                    LEDGER_WITNESSES=f"{verifier}=https://localhost:{front.port}",
                    LEDGER_WITNESS_CA_CERT=str(context.authorities),
                ) as service:  # fmt: skip
                    context.service = service
                    context.ledger = Ledger(grpc.insecure_channel(service.address), service.admin, "")
                    return run_checks(context)


if __name__ == "__main__":
    sys.exit(main())
