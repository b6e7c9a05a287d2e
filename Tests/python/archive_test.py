"""The archive of a running ledger, verified by a program that shares no code with it.

    archive_test.py --bin FOLDER

A service archives into a folder; scripts/verify-archive.py reads it and must find everything right.
Then one byte of each kind of object is changed, one is taken away and one is cut: each must be found.
In the end there are objects that no checkpoint covers, and `ledgerctl archive set-aside` moves them away.
"""

import argparse
import os
import pathlib
import random
import re
import subprocess
import sys

import grpc

import checking
from checking import check, eventually, expect, expect_equal
from processes import ROOT, Service, TestCluster, make_signing_key, running_cluster, running_service
from stubs import messages, services

ORIGIN = "ledger.example.com/archive"
EVENTS = 9_000
PREFIX = "archived/"
OTHER_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def expect_end(process: subprocess.Popen, status: int, said: str) -> str:
    """Waits for a command's end; returns all that it said."""
    output, errors = process.communicate()
    expect(
        process.returncode == status and said in output + errors,
        f"status {process.returncode}, expected {status} and {said!r}:\n{output}{errors}",
    )
    return output + errors


class Archived:
    """A ledger that archives, and its folder."""

    def __init__(self, service: Service, folder: pathlib.Path, key: str, binaries: pathlib.Path):
        self.service, self.folder, self.key, self.binaries = service, folder, key, binaries
        self.sealed = 0
        # What lies there that no checkpoint covers, and that was never the ledger's.
        self.leftovers: dict[str, bytes] = {}

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

    @property
    def objects(self) -> dict[str, bytes]:
        """Every file below the folder, by its name there."""
        # What is being written is there one moment and gone the next.
        files = (
            path for path in self.folder.rglob("*") if path.is_file() and "~put" not in path.parts
        )
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def is_covered(self, name: str) -> bool:
        """Whether a log of the checkpoint's size may have the object, or it is none of a log."""
        size = int((self.folder / "checkpoint").read_text().splitlines()[1])
        if match := re.fullmatch(r"ids/(\d{20})", name):
            return (int(match[1]) + 1) * 4_096 <= size
        if match := re.fullmatch(r"tile/(entries|\d+)/([x\d/]+)(?:\.p/(\d+))?", name):
            level = 0 if match[1] == "entries" else int(match[1])
            first = int(re.sub(r"[x/]", "", match[2])) * 256
            return first + int(match[3] or 256) <= size // 256**level
        return True

    def set_aside(self, *options: str, key: str = "") -> subprocess.Popen:
        """Begins `ledgerctl archive set-aside`, with what the service is told of etcd."""
        command = [self.binaries / "ledgerctl", "archive", "set-aside", "--archive",
                   self.folder.as_uri(), "--verifier-key", key or self.key, *options]  # fmt: skip
        return subprocess.Popen(
            command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], **self.service.cluster.environment,
                 "LEDGER_PREFIX": PREFIX},
        )  # fmt: skip

    def expect_set_aside(self, status: int, said: str, *options: str, key: str = "") -> str:
        """Runs it; it must end with this status and say this."""
        return expect_end(self.set_aside(*options, key=key), status, said)

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
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "verify-archive.py", str(archived.folder),
         "--verifier-key", OTHER_KEY], text=True, capture_output=True,
    )  # fmt: skip
    expect_equal("another's key", done.returncode, 1)
    done = archived.verify("--size-at-least", str(archived.sealed + 1))
    expect_equal("too few events", done.returncode, 1)
    expect(name == ORIGIN, "the key's name")


@check("set-aside says what it is for")
def set_aside_help(archived: Archived) -> None:
    said = archived.expect_set_aside(0, "Move objects away that no checkpoint", "--help")
    for word in ("other_bytes", "--accept", "--dry-run", "--verifier-key", "aside/", "Exit code 0"):
        expect(word in said, f"{word} is not in the help")
    archived.expect_set_aside(64, "--accept", "--accept", "many")


@check("objects that no checkpoint covers block archiving, and stay while a replica runs")
def blocked(archived: Archived) -> None:
    # As an archiver leaves them that is killed before its checkpoint, in an archive whose etcd has lost the events.
    bundle = archived.sealed // 256
    names = [f"tile/0/{bundle:03}", f"tile/entries/{bundle:03}", "ids/00000000000000000002"]
    archived.leftovers = {name: f"of lost events: {name}".encode() for name in names}
    for name, content in archived.leftovers.items():
        (archived.folder / name).write_bytes(content)
    begins = archived.sealed
    refused = archived.set_aside("--accept", str(len(names)))
    archived.seal(400)
    eventually(
        lambda: "ledgerctl archive set-aside" in archived.service.child.last_lines(1_000),
        "the log does not say what to do", 60,
    )  # fmt: skip
    expect_end(refused, 1, "a replica may seal")
    # Where a checkpoint came in between, up to events that fill no bundle.
    through = archived.service.metric("ledger_archive_through")
    expect(begins <= through < (bundle + 1) * 256, f"{through:.0f} events are archived")
    objects = archived.objects
    for name, content in archived.leftovers.items():
        expect_equal(name, objects[name], content)


@check("nothing is moved that is not confirmed, by no other key, and of no other ledger")
def refused(archived: Archived) -> None:
    expect_equal("the service's status", archived.service.stop(), 0)
    before = archived.objects
    elsewhere = archived.folder.with_name("elsewhere")
    elsewhere.mkdir()
    said = archived.expect_set_aside(0, "Nothing was moved: --dry-run.", "--dry-run")
    for name in archived.leftovers:
        expect(name in said, f"{name} is not listed: {said}")
    count = int(re.search(r"^(\d+) objects have events behind", said, re.MULTILINE)[1])
    archived.expect_set_aside(1, "give the number of objects with --accept")
    archived.expect_set_aside(1, "not confirmed", "--accept", str(count + 1))
    archived.expect_set_aside(7, "checkpoint", "--accept", str(count), key=OTHER_KEY)
    archived.expect_set_aside(
        1, "the ledger's archive is", "--accept", str(count), "--archive", elsewhere.as_uri()
    )
    archived.expect_set_aside(
        8, "ledgerctl:", "--accept", str(count), "--etcd-endpoints", "https://127.0.0.1:1"
    )
    hidden = archived.folder.rename(archived.folder.with_name("hidden"))
    archived.expect_set_aside(8, "the archive:", "--accept", str(count))
    hidden.rename(archived.folder)
    expect(archived.objects == before, "objects were moved")
    expect_equal("elsewhere", list(elsewhere.iterdir()), [])


@check("what is confirmed is moved aside, all of it kept, and archiving goes on")
def moved(archived: Archived) -> None:
    before = archived.objects
    covered = [name for name in before if archived.is_covered(name)]
    count = len(before) - len(covered)
    said = archived.expect_set_aside(
        0, f"{count} objects are in aside/ now", "--accept", str(count)
    )
    expect("start the replicas" in said, said)
    [folder] = (archived.folder / "aside").iterdir()
    after = archived.objects
    aside = f"aside/{folder.name}/"
    expect_equal("objects", len(after), len(before))
    for name, content in before.items():
        place = name if name in covered else aside + name
        expect_equal(place, after.get(place), content)
    for name in archived.leftovers:
        expect(aside + name in after, f"{name} is not aside")
    archived.expect_set_aside(0, "nothing is there that no checkpoint covers")
    expect_equal("without the replicas", archived.verify().returncode, 0)
    archived.service.start()
    for _ in range(2):
        archived.wait()
        done = archived.verify("--size-at-least", str(archived.sealed))
        expect(done.returncode == 0, done.stderr)
        archived.seal(200)
    expect_equal("failures", archived.service.metric("ledger_archive_failures_total"), 0)
    expect(archived.objects.items() >= {aside + n: c for n, c in archived.leftovers.items()}.items(),
           "what is aside is not kept")  # fmt: skip


def run(binaries: pathlib.Path, cluster: TestCluster) -> int:
    """Runs the checks against a service of their own."""
    folder = cluster.folder / "archive"
    folder.mkdir()
    key_file = cluster.folder / "signing-key.pem"
    key = make_signing_key(binaries, ORIGIN, key_file)
    with running_service(
        binaries, cluster, LEDGER_PREFIX=PREFIX, LEDGER_ORIGIN=ORIGIN,
        LEDGER_SIGNING_KEY=str(key_file), LEDGER_ARCHIVE=folder.as_uri(),
        LEDGER_ARCHIVE_INTERVAL="2",
    ) as service:  # fmt: skip
        return checking.run_checks(Archived(service, folder, key, binaries.resolve()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where ledger-service is")
    options = parser.parse_args()
    with running_cluster(size=1) as cluster:
        return run(options.bin, cluster)


if __name__ == "__main__":
    sys.exit(main())
