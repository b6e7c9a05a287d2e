"""Exports, receipts and proofs of a running ledger, as a person with ledgerctl has them.

    export_test.py --bin FOLDER

What is exported is read back with Python's csv and json, and tiles with tiles.py, none of which
shares code with the program. Exports are killed at random moments and run again: in the end there
is the same, byte for byte, as without.
"""

import argparse
import base64
import csv
import filecmp
import importlib.util
import json
import os
import pathlib
import random
import re
import resource
import shutil
import stat
import subprocess
import sys
import time

import formats
import grpc
import tiles

import checking
from checking import check, eventually, expect, expect_equal
from processes import ROOT, Service, TestCluster, running_cluster, running_service
from stubs import messages, services

ORIGIN = "ledger.example.com/exports"
EVENTS = 6_000
KILLS = 8
FORMULAS = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "'x", "\uff1dx", "a=b", '"', ",", " x"]


class Exports:
    """A ledger with a signing key, filled once, and the program that reads it."""

    def __init__(self, binaries: pathlib.Path, cluster: TestCluster, folder: pathlib.Path):
        self.binaries, self.cluster, self.folder = binaries.resolve(), cluster, folder
        self.key_file = folder / "signing-key.pem"
        self.key = self.run("keygen", "--name", ORIGIN, "--out", self.key_file).stdout.strip()
        self.service: Service | None = None
        self.events: list[messages.SealedEvent] = []

    def run(self, *arguments, status=0, key=False, folder=None, prefix=(), **environment):
        """Runs ledgerctl and expects its exit status."""
        done = subprocess.run(
            self.command(arguments, key, prefix), cwd=folder or self.folder, text=True,
            capture_output=True, env=self.environment(environment), stdin=subprocess.DEVNULL,
        )  # fmt: skip
        expect(
            done.returncode == status,
            f"{arguments[:2]} ended with {done.returncode}: {done.stdout} {done.stderr}",
        )
        return done

    def command(self, arguments, key=False, prefix=()):
        keys = ["--verifier-key", self.key] if key else []
        return [*prefix, str(self.binaries / "ledgerctl"), *map(str, arguments), *keys]

    def environment(self, more=None):
        address = {"LEDGER_ADDRESS": self.service.address} if getattr(self, "service", None) else {}
        return {"PATH": os.environ["PATH"], **address, **(more or {})}

    def place(self, name: str) -> pathlib.Path:
        """A path where nothing is."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        return path

    def stub(self):
        channel = grpc.insecure_channel(self.service.address)
        grpc.channel_ready_future(channel).result(timeout=60)
        return services.ImmutableLedgerStub(channel)

    def seal(self, first: int, count: int) -> None:
        """Seals so many events through a stream."""
        stub = self.stub()
        for result in stub.SubmitEvents(iter([event(n) for n in range(first, first + count)])):
            expect(result.HasField("sealed"), f"not sealed: {result.rejection.message}")
        self.events = list(stub.ListEvents(messages.ListEventsRequest()))

    def checkpoint(self, size: int) -> dict:
        """The newest checkpoint, once it covers a number of events."""

        def covering():
            read = json.loads(self.run("checkpoint", "--output", "json", key=True).stdout)
            return read if read["size"] >= size else None

        return eventually(covering, f"no checkpoint covers {size}", 30)


def event(number: int) -> messages.CertifiedEvent:
    """Events of many shapes: what a spreadsheet would run, control characters, large ones."""
    text = FORMULAS[number % len(FORMULAS)]
    large = number % 500 == 0
    return messages.CertifiedEvent(
        event_id=f"{text}{number}\u0301" + ("\0\x1b[2J" if number % 97 == 0 else ""),
        payload=bytes(range(256)) * 190 if large else f"{text} {number}".encode(),
        veps_signature=text * (number % 3),
        veps_timestamp=[0, -1, 1_700_000_000_000 + number][number % 3],
        metadata={"aKey": text, "a key": f'{number}"'} if number % 2 else {},
    )


def same_tree(left: pathlib.Path, right: pathlib.Path) -> None:
    """Fails unless two folders have the same files with the same bytes."""

    def files(folder):
        return sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())

    expect_equal(f"the files of {left.name}", files(left), files(right))
    for name in files(left):
        expect(filecmp.cmp(left / name, right / name, shallow=False), f"{name} differs")


def fields(sealed) -> dict:
    return {
        "sequence_number": sealed.sequence_number, "event_id": sealed.event_id,
        "payload": sealed.payload, "veps_signature": sealed.veps_signature,
        "veps_timestamp": sealed.veps_timestamp, "metadata": dict(sealed.metadata),
        "submitter": sealed.submitter, "sealed_timestamp": sealed.sealed_timestamp,
        "previous_hash": sealed.previous_hash, "event_hash": sealed.event_hash,
    }  # fmt: skip


def read_json_lines(path: pathlib.Path) -> list[dict]:
    found = []
    for line in path.read_bytes().decode().split("\n")[:-1]:
        value = json.loads(line)
        value.pop("commit_latency_ms")
        value["payload"] = base64.b64decode(value["payload"], validate=True)
        found.append(value)
    return found


def read_csv(path: pathlib.Path) -> list[dict]:
    found = []
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, strict=True):
            for name in ("event_id", "payload_base64", "veps_signature", "metadata", "submitter"):
                expect(row[name][:1] not in tuple("=+-@\t\r\n\uff1d"), f"a formula: {row[name]!r}")
                row[name] = row[name].removeprefix("'")
            for name in ("sequence_number", "veps_timestamp", "sealed_timestamp"):
                row[name] = int(row[name])
            row["payload"] = base64.b64decode(row.pop("payload_base64"), validate=True)
            row["metadata"] = json.loads(row["metadata"])
            found.append(row)
    return found


# Keys


@check("a key is readable by its owner only, by openssl, and is never written over")
def key_file(context: Exports) -> None:
    path = context.key_file
    expect_equal("the mode", stat.S_IMODE(path.stat().st_mode), 0o600)
    content = path.read_bytes()
    context.run("keygen", "--name", ORIGIN, "--out", path, status=1)
    expect_equal("the file", path.read_bytes(), content)
    text = subprocess.run(
        ["openssl", "pkey", "-in", path, "-noout", "-text"], capture_output=True, text=True
    ).stdout
    expect("ED25519 Private-Key" in text, text)
    public = subprocess.run(
        ["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], capture_output=True
    ).stdout
    name, key_id, key = context.key.split("+", 2)
    expect_equal("the public key", base64.b64decode(key), b"\1" + public[-32:])
    expect_equal(
        "the key ID", key_id, tiles.sha256(name.encode() + b"\n\1" + public[-32:])[:4].hex()
    )
    secret = base64.b64decode(content.splitlines()[1])[-32:]
    again = context.run("keygen", "--name", ORIGIN, "--public", path)
    expect_equal("the key of the file", again.stdout.strip(), context.key)
    shown = again.stdout + again.stderr
    expect(base64.b64encode(secret).decode() not in shown and secret.hex() not in shown, "secret")


@check("a key of openssl's has a verifier key, and what is no key is refused")
def openssl_key(context: Exports) -> None:
    path = context.folder / "openssl.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True)
    public = subprocess.run(
        ["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], capture_output=True
    ).stdout
    printed = context.run("keygen", "--name", "a", "--public", path).stdout.strip()
    expect_equal("the key", base64.b64decode(printed.split("+", 2)[2]), b"\1" + public[-32:])
    other = context.folder / "rsa.pem"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-out", other], check=True,
    )  # fmt: skip
    for bad in (other, context.folder, "/dev/zero", "/dev/null", context.folder / "none"):
        context.run("keygen", "--name", "a", "--public", bad, status=1)


@check("a key goes through no link, and a full disk leaves no half of one")
def key_places(context: Exports) -> None:
    folder = context.place("keys")
    folder.mkdir()
    (folder / "link").symlink_to(folder / "elsewhere")
    context.run("keygen", "--name", "a", "--out", folder / "link", status=1)
    limited = ["bash", "-c", 'ulimit -f 0; exec "$@"', "-"]
    done = context.run(
        "keygen", "--name", "a", "--out", folder / "full", status=1, prefix=limited
    )
    expect("cannot be written: File too large" in done.stderr, done.stderr)
    expect_equal("the files", sorted(p.name for p in folder.iterdir()), ["link"])


# Lines


@check("JSON Lines have every field of every event")
def json_lines(context: Exports) -> None:
    out = context.place("jsonl")
    context.run("export", "--out", out, "--format", "jsonl")
    expect_equal("the events", read_json_lines(out / "events.jsonl"), list(map(fields, context.events)))


@check("CSV has every field of every event, and nothing that a spreadsheet would run")
def csv_lines(context: Exports) -> None:
    out = context.place("csv")
    context.run("export", "--out", out, "--format", "csv", "--first", 100, "--last", 5_000)
    expect_equal(
        "the events", read_csv(out / "events.csv"), list(map(fields, context.events[99:5_000]))
    )


def killed_and_resumed(context: Exports, name: str, *arguments) -> pathlib.Path:
    """An export that is killed again and again, until it comes to its end."""
    begin = time.monotonic()
    whole = context.place(f"{name}-whole")
    context.run("export", "--out", whole, *arguments)
    seconds = time.monotonic() - begin
    generator = random.Random(257)
    out, killed = context.place(name), 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            context.command(["export", "--out", out, *arguments]), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=context.environment(),
        )  # fmt: skip
        try:
            process.wait(generator.uniform(0.3, 1.0) * seconds)
            same_tree(out, whole)
            out = context.place(name)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
    print(f"      {killed} of {KILLS} were killed before their end")
    expect(killed >= 1, f"none of {KILLS} exports was killed before its end")
    context.run("export", "--out", out, *arguments)
    same_tree(out, whole)
    return out


@check("exports of lines that are killed go on, and end as those that are not")
def kill_lines(context: Exports) -> None:
    for kind in ("jsonl", "csv"):
        killed_and_resumed(context, f"killed-{kind}", "--format", kind, "--last", EVENTS)


@check("a file that was changed is noticed when its export goes on, and so is one that is gone")
def changed_lines(context: Exports) -> None:
    out = context.place("changed")
    limit = ["--format", "csv"]
    context.run("export", "--out", out, *limit, "--last", 100)
    path = out / "events.csv"
    content = path.read_bytes()
    path.write_bytes(content.replace(b",", b";", 1))
    done = context.run("export", "--out", out, *limit, "--last", 200, status=1)
    expect("is not what was written" in done.stderr, done.stderr)
    partial = out / "events.csv.partial"
    partial.write_bytes(content + b"half a li")
    context.run("export", "--out", out, *limit, "--last", 200)
    expect_equal("the rows", len(read_csv(path)), 200)
    path.unlink()
    context.run("export", "--out", out, *limit, "--last", 200, status=1)
    path.symlink_to("/etc/passwd")
    context.run("export", "--out", out, *limit, "--last", 200, status=1)


@check("a full disk ends an export with a message, and it goes on when there is room")
def full_disk(context: Exports) -> None:
    for kind in ("jsonl", "csv"):
        out = context.place(f"full-{kind}")
        limited = ["bash", "-c", 'ulimit -f 700; exec "$@"', "-"]
        done = context.run(
            "export", "--out", out, "--format", kind, status=1, prefix=limited
        )
        expect("cannot be written: File too large" in done.stderr, done.stderr)
        whole = context.place(f"whole-{kind}")
        for folder in (out, whole):
            context.run("export", "--out", folder, "--format", kind)
        same_tree(out, whole)


@check("a folder of another ledger, another export, or something else is refused")
def other_folders(context: Exports) -> None:
    out = context.place("other")
    context.run("export", "--out", out, "--format", "jsonl", "--last", 10)
    context.run("export", "--out", out, "--format", "csv", "--last", 10, status=1)
    context.run("export", "--out", out, "--format", "jsonl", "--first", 2, status=1)
    context.run("export", "--out", out, "--format", "jsonl", "--last", 5, status=1)
    mine = context.place("mine")
    mine.mkdir()
    (mine / "letters").write_text("mine")
    context.run("export", "--out", mine, "--format", "jsonl", status=1)
    context.run("export", "--out", context.key_file, "--format", "jsonl", status=1)
    with running_service(
        context.binaries, context.cluster, LEDGER_PREFIX="another/", LEDGER_ORIGIN=ORIGIN,
        LEDGER_SIGNING_KEY=str(context.key_file),
    ) as another:  # fmt: skip
        with grpc.insecure_channel(another.address) as channel:
            services.ImmutableLedgerStub(channel).SubmitEvent(event(1))
        done = context.run(
            "export", "--out", out, "--format", "jsonl", status=7, LEDGER_ADDRESS=another.address
        )
        expect("another ledger" in done.stderr, done.stderr)


@check("exported lines are verified without the service, and a change is found with its line")
def offline_lines(context: Exports) -> None:
    out = context.place("offline")
    context.run("export", "--out", out, "--format", "jsonl", "--last", 300)
    path = out / "events.jsonl"
    nowhere = {"LEDGER_ADDRESS": "127.0.0.1:1"}
    done = context.run("verify", "--offline", out, **nowhere)
    expect("valid: 300 events (1 to 300)" in done.stdout, done.stdout)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:99] + lines[100:]))
    done = context.run("verify", "--offline", path, status=7, **nowhere)
    expect("line 100" in done.stderr, done.stderr)
    changed = lines[41].replace(b'"sealed_timestamp":1', b'"sealed_timestamp":2')
    path.write_bytes(b"".join(lines[:41] + [changed] + lines[42:]))
    done = context.run("verify", "--offline", path, status=7, **nowhere)
    expect("line 42" in done.stderr, done.stderr)
    path.write_bytes(b"{" * 3_000_000)
    context.run("verify", "--offline", path, status=7, **nowhere)


@check("an export holds little, however long the ledger is")
def memory(context: Exports) -> None:
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"      peak of every ledgerctl so far: {peak:.0f} MB")
    expect(peak < 300, f"{peak:.0f} MB")


@check("the service verifies in parts, and the parts are the whole")
def chunks(context: Exports) -> None:
    whole = context.run("verify", "--output", "json").stdout
    parts = context.run("verify", "--output", "json", "--chunk-events", 1_000).stdout
    expect_equal("the report", json.loads(parts), json.loads(whole))
    expect_equal("the events", json.loads(parts)["events_verified"], len(context.events))
    some = context.run(
        "verify", "--output", "json", "--chunk-events", 7, "--first", 5, "--last", 60
    ).stdout
    expect_equal("the events", json.loads(some)["events_verified"], 56)


# Tiles, receipts, proofs


@check("a folder of tiles has the checkpoint's root, by a program that shares nothing with it")
def tile_folder(context: Exports) -> None:
    context.checkpoint(len(context.events))
    out = context.place("tiles")
    context.run("export", "--out", out, key=True)
    every = tiles.check(out, context.key)
    expect_equal("the entries", every, [formats.entry_bytes(one) for one in context.events])
    done = context.run("verify", "--offline", out, key=True, LEDGER_ADDRESS="127.0.0.1:1")
    expect("signed" in done.stdout, done.stdout)


@check("an export of tiles that is killed goes on, and ends as one that is not")
def kill_tiles(context: Exports) -> None:
    context.checkpoint(len(context.events))
    killed_and_resumed(context, "killed-tiles")


@check("tiles grow with the ledger, and leave nothing of earlier sizes")
def grown_tiles(context: Exports) -> None:
    out = context.place("grown")
    before = len(context.events)
    context.checkpoint(before)
    context.run("export", "--out", out, key=True)
    context.seal(before + 1, 300)
    context.checkpoint(before + 300)
    context.run("export", "--out", out, key=True)
    whole = context.place("grown-whole")
    context.run("export", "--out", whole, key=True)
    same_tree(out, whole)
    tiles.check(out, context.key)


@check("tiles that were changed are found, with the file's name, and are not gone on with")
def changed_tiles(context: Exports) -> None:
    whole = context.place("tiles-whole")
    context.run("export", "--out", whole)
    for name in ("tile/entries/000", "tile/0/001", "checkpoint", tiles.tile_path("1", 0, len(context.events) // 256)):
        out = context.place("tiles-changed")
        shutil.copytree(whole, out)
        path = out / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        done = context.run("verify", "--offline", out, key=True, status=7)
        if name.startswith("tile/"):
            expect(name in done.stderr, done.stderr)
        if not name.startswith("tile/1"):
            context.run("export", "--out", out, key=True, status=7)
        path.unlink()
        path.symlink_to("/etc/passwd")
        context.run("verify", "--offline", out, key=True, status=1)
    out = context.place("tiles-changed")
    shutil.copytree(whole, out)
    (out / "tile/0/000").unlink()
    context.run("verify", "--offline", out, key=True, status=7)
    context.run("export", "--out", out, key=True)
    same_tree(out, whole)


@check("a full disk ends an export of tiles with a message, and it goes on when there is room")
def full_tiles(context: Exports) -> None:
    out = context.place("tiles-full")
    limited = ["bash", "-c", 'ulimit -f 30; exec "$@"', "-"]
    done = context.run("export", "--out", out, status=1, prefix=limited)
    expect("cannot be written: File too large" in done.stderr, done.stderr)
    whole = context.place("tiles-full-whole")
    for folder in (out, whole):
        context.run("export", "--out", folder)
    same_tree(out, whole)


def documented_receipt():
    """The function of docs/verification.md."""
    path = ROOT / "Tests" / "docs" / "verification_test.py"
    spec = importlib.util.spec_from_file_location("verification_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.verify_receipt


@check("a receipt is made, and checked by the program and by the documented Python")
def receipts(context: Exports) -> None:
    folder = context.place("receipts")
    folder.mkdir()
    last = len(context.events)
    for number in (1, 97, 500, last):
        context.run("receipt", "get", number, key=True, folder=folder)
        receipt, entry = folder / f"event-{number}.receipt", folder / f"event-{number}.entry"
        proved = documented_receipt()(receipt.read_bytes(), entry.read_bytes(), context.key)
        expect_equal("the number", proved, number)
        expect_equal(
            "the entry", entry.read_bytes(), formats.entry_bytes(context.events[number - 1])
        )
        done = context.run(
            "receipt", "verify", "--receipt", receipt, key=True, LEDGER_ADDRESS="127.0.0.1:1"
        )
        expect(f"number      {number}\n" in done.stdout, done.stdout)
        expect("\x1b" not in done.stdout and "payload" not in done.stdout, done.stdout)
        shown = context.run(
            "receipt", "verify", "--receipt", receipt, "--show-payload", "--output", "json", key=True
        )
        expect_equal(
            "the payload", base64.b64decode(json.loads(shown.stdout)["payload"]),
            context.events[number - 1].payload,
        )  # fmt: skip
    context.run("receipt", "get", 1, folder=folder, status=1)
    context.run("receipt", "get", last + 1, "--wait", 0, folder=folder, status=6)
    other = context.run("keygen", "--name", ORIGIN, "--out", folder / "other.pem").stdout.strip()
    path = folder / "event-1.receipt"
    context.run("receipt", "verify", "--receipt", path, "--verifier-key", other, status=7)
    context.run("receipt", "verify", "--receipt", path, "--verifier-key", other, key=True)
    context.run("receipt", "verify", "--receipt", path, status=64)
    context.run(
        "receipt", "verify", "--receipt", path, "--entry", folder / "event-97.entry", key=True,
        status=7,
    )  # fmt: skip
    context.run("receipt", "get", 2, "--verifier-key", other, folder=folder, status=7)
    expect(not (folder / "event-2.receipt").exists(), "a receipt that is not signed was written")


@check("proofs are checked against checkpoints that were kept")
def proofs(context: Exports) -> None:
    folder = context.place("proofs")
    folder.mkdir()
    context.run("checkpoint", "--out", folder / "first", key=True)
    context.run("checkpoint", "--out", folder / "first", key=True, status=1)
    size = len(context.events)
    context.seal(size + 1, 5)
    context.checkpoint(size + 5)
    context.run("checkpoint", "--out", folder / "second", key=True)
    done = context.run(
        "proof", "consistency", "--first-checkpoint", folder / "first", "--second-checkpoint",
        folder / "second", "--output", "json", key=True,
    )  # fmt: skip
    expect_equal("the root", json.loads(done.stdout)["second_root"], "signed_checkpoint")
    context.run("proof", "consistency", "--first", 7, key=True)
    context.run("proof", "consistency", "--first", size + 6, status=1)
    for number in (1, size):
        done = context.run(
            "proof", "inclusion", "--number", number, "--checkpoint", folder / "first", key=True
        )
        expect("signed checkpoint" in done.stdout, done.stdout)
    context.run("proof", "inclusion", "--number", size + 1, "--checkpoint", folder / "first", status=1)
    context.run("proof", "inclusion", "--number", 3, "--size", 5)
    note = (folder / "first").read_text().split("\n")
    note[2] = base64.b64encode(bytes(32)).decode()
    (folder / "forged").write_text("\n".join(note))
    forged = folder / "forged"
    context.run("proof", "inclusion", "--number", 1, "--checkpoint", forged, key=True, status=7)
    context.run("proof", "inclusion", "--number", 1, "--checkpoint", forged, status=7)
    context.run("proof", "consistency", "--first-checkpoint", forged, status=7)
    (folder / "huge").write_bytes(b"a" * (10 << 20))
    context.run("proof", "inclusion", "--number", 1, "--checkpoint", folder / "huge", status=1)


@check("without a signing key there are no checkpoints, receipts and tiles, and lines as ever")
def no_key(context: Exports) -> None:
    with running_service(context.binaries, context.cluster, LEDGER_PREFIX="keyless/") as service:
        with grpc.insecure_channel(service.address) as channel:
            services.ImmutableLedgerStub(channel).SubmitEvent(event(1))
        address = {"LEDGER_ADDRESS": service.address}
        for arguments in (
            ["checkpoint"], ["receipt", "get", 1], ["export", "--out", context.place("keyless")]
        ):  # fmt: skip
            done = context.run(*arguments, status=1, **address)
            expect("SIGNING_KEY" in done.stderr, done.stderr)
        out = context.place("keyless-lines")
        context.run("export", "--out", out, "--format", "jsonl", **address)


@check("the commands of README.md make a receipt and check it")
def readme(context: Exports) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    section = text.split("**A receipt**", 1)[1]
    block = re.search(r"^```\n(.*?)^```", section, re.M | re.S)[1]
    commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    expect(len(commands) >= 4 and "keygen" in commands[0], f"{commands}")
    folder = context.place("readme")
    folder.mkdir()

    def shell(command, **environment):
        done = subprocess.run(
            ["bash", "-ec", command], cwd=folder, text=True, capture_output=True,
            env={"PATH": f"{context.binaries}:{os.environ['PATH']}", **environment},
        )  # fmt: skip
        expect(done.returncode == 0, f"{command}: {done.stdout} {done.stderr}")
        return done.stdout

    shell(commands[0])
    with running_service(
        context.binaries, context.cluster, LEDGER_PREFIX="readme/",
        LEDGER_SIGNING_KEY=str(folder / "signing-key.pem"),
    ) as service:  # fmt: skip
        outputs = [shell(one, LEDGER_ADDRESS=service.address) for one in commands[1:]]
    expect(any("proved      yes" in output for output in outputs), f"{outputs}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where the programs are")
    options = parser.parse_args()
    with running_cluster(size=1) as cluster:
        folder = cluster.folder / "exports"
        folder.mkdir()
        context = Exports(options.bin, cluster, folder)
        with running_service(
            options.bin, cluster, LEDGER_PREFIX="exports/", LEDGER_ORIGIN=ORIGIN,
            LEDGER_SIGNING_KEY=str(context.key_file),
        ) as service:  # fmt: skip
            context.service = service
            context.seal(1, EVENTS)
            return checking.run_checks(context)


if __name__ == "__main__":
    sys.exit(main())
