"""The archive of a running ledger, verified by a program that shares no code with it.

    archive_test.py --bin FOLDER

A service archives into a folder; scripts/verify-archive.py reads it and must find everything right.
Then one byte of each kind of object is changed, one is taken away and one is cut: each must be found.
"""

import argparse
import pathlib
import random
import subprocess
import sys

import grpc

import checking
from checking import check, eventually, expect, expect_equal
from processes import ROOT, Service, TestCluster, running_cluster, running_service
from stubs import messages, services

ORIGIN = "ledger.example.com/archive"
EVENTS = 9_000


class Archived:
    """A ledger that archives, and its folder."""

    def __init__(self, service: Service, folder: pathlib.Path, key: str):
        self.service, self.folder, self.key = service, folder, key
        self.sealed = 0

    def seal(self, count: int) -> None:
        with grpc.insecure_channel(self.service.address) as channel:
            stub = services.ImmutableLedgerStub(channel)
            events = (
                messages.CertifiedEvent(
                    event_id=f"event-{number}",
                    payload=b"payload " * (number % 40),
                    veps_timestamp=number,
                    metadata={"number": str(number)} if number % 3 else {},
                )
                for number in range(self.sealed + 1, self.sealed + count + 1)
            )
            for result in stub.SubmitEvents(events):
                expect(result.HasField("sealed"), f"not sealed: {result.rejection.message}")
        self.sealed += count

    def verify(self, *options: str) -> subprocess.CompletedProcess:
        command = [sys.executable, ROOT / "scripts" / "verify-archive.py", str(self.folder)]
        return subprocess.run(
            [*command, "--verifier-key", self.key, *options], text=True, capture_output=True
        )

    def wait(self) -> None:
        """Until everything that is sealed is archived."""
        eventually(
            lambda: self.service.metric("ledger_archive_through") >= self.sealed,
            "not everything was archived",
            60,
        )


@check("what was sealed is archived, and a program that shares nothing finds it right")
def right(archived: Archived) -> None:
    archived.seal(EVENTS)
    archived.wait()
    done = archived.verify("--size-at-least", str(EVENTS))
    expect(done.returncode == 0, done.stderr)
    print(f"    {done.stdout.strip()}")


@check("a ledger that grows stays right, partial objects included")
def growing(archived: Archived) -> None:
    for count in (1, 254, 300):
        archived.seal(count)
        archived.wait()
        done = archived.verify("--size-at-least", str(archived.sealed))
        expect(done.returncode == 0, done.stderr)


@check("a flipped bit in any kind of object is found")
def flipped(archived: Archived) -> None:
    chosen = random.Random(7)
    size = archived.sealed
    names = [
        "checkpoint", "tile/entries/000", "tile/entries/012", "tile/0/003", "tile/1/000.p/37",
        f"tile/entries/{size // 256:03}.p/{size % 256}", f"tile/0/{size // 256:03}.p/{size % 256}",
        "ids/00000000000000000000", "ids/00000000000000000001",
    ]  # fmt: skip
    for name in names:
        path = archived.folder / name
        content = path.read_bytes()
        for _ in range(4):
            place = chosen.randrange(len(content))
            if name.startswith("ids/"):
                # The bitmap of block starts is in no hash: only the fingerprints are.
                place %= 32_768
            wrong = bytearray(content)
            wrong[place] ^= 1 << chosen.randrange(8)
            path.write_bytes(wrong)
            expect_equal(f"{name}, byte {place}", archived.verify().returncode, 1)
        for wrong in (content[:-1], content + b"\0", b""):
            path.write_bytes(wrong)
            expect_equal(f"{name}, {len(wrong)} bytes", archived.verify().returncode, 1)
        path.unlink()
        expect_equal(f"{name}, taken away", archived.verify().returncode, 1)
        path.write_bytes(content)
    expect_equal("in the end", archived.verify().returncode, 0)


@check("another key, and a checkpoint of fewer events, are told")
def trust(archived: Archived) -> None:
    name, _, _ = archived.key.partition("+")
    other = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "verify-archive.py", str(archived.folder),
         "--verifier-key", other], text=True, capture_output=True,
    )  # fmt: skip
    expect_equal("another's key", done.returncode, 1)
    done = archived.verify("--size-at-least", str(archived.sealed + 1))
    expect_equal("too few events", done.returncode, 1)
    expect(name == ORIGIN, "the key's name")


def run(binaries: pathlib.Path, cluster: TestCluster) -> int:
    """Runs the checks against a service of their own."""
    folder = cluster.folder / "archive"
    folder.mkdir()
    key_file = cluster.folder / "signing-key.pem"
    made = subprocess.run(
        [binaries.resolve() / "ledgerctl", "keygen", "--name", ORIGIN, "--out", key_file],
        text=True, capture_output=True, check=True,
    )  # fmt: skip
    with running_service(
        binaries, cluster, LEDGER_PREFIX="archived/", LEDGER_ORIGIN=ORIGIN,
        LEDGER_SIGNING_KEY=str(key_file), LEDGER_ARCHIVE=folder.as_uri(),
        LEDGER_ARCHIVE_INTERVAL="2",
    ) as service:  # fmt: skip
        return checking.run_checks(Archived(service, folder, made.stdout.strip()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where ledger-service is")
    options = parser.parse_args()
    with running_cluster(size=1) as cluster:
        return run(options.bin, cluster)


if __name__ == "__main__":
    sys.exit(main())
