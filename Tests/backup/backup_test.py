#!/usr/bin/env python3
"""Takes snapshots of a real local ledger, destroys it, and restores it.

    backup_test.py --bin FOLDER     where ledger-service and ledgerctl are

Uses a temporary folder and ports of its own, and leaves nothing running.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "Tests/python"), str(ROOT / "scripts")]

from checking import Unexpected, expect, expect_equal  # noqa: E402
from loopback_ports import free_ports  # noqa: E402

START_SECONDS = 180
STOP_SECONDS = 60
RESTORE_SECONDS = 300
LOST, RUNNING = 3, 4


class LocalLedger:
    """A ledger that run-local.sh runs, with data and ports of its own."""

    def __init__(self, folder: pathlib.Path, binaries: pathlib.Path):
        self._binaries = binaries
        self._output = folder / "output"
        self._is_running = False
        self.state = folder / "state"
        self.backups = self.state / "backups"
        port = free_ports(12)
        self.environment = os.environ | {
            "LOCAL_STATE": str(self.state),
            "LOCAL_CERTS": str(folder / "certs"),
            "LOCAL_ETCD_PORT": str(port),
            "LEDGER_PORT": str(port + 9),
            "LEDGER_INTERNAL_PORT": str(port + 10),
            "LEDGER_ADMIN_PORT": str(port + 11),
            "LEDGER_ADDRESS": f"127.0.0.1:{port + 9}",
            # What is restored here is older than an archive would be, which fences.
            "LEDGER_ARCHIVE": "",
            # A debug build beside other work is slower than the contract.
            "LEDGER_COMMIT_DEADLINE_MS": "1000",
            "LEDGER_RESOLVE_DEADLINE_MS": "2000",
        }

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Runs it: from when it has sealed three events of its own, until it has stopped."""
        deadline = time.monotonic() + START_SECONDS
        with open(self._output, "wb") as output:
            runner = subprocess.Popen(
                [ROOT / "scripts/run-local.sh", "--bin", self._binaries],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self.environment,
            )  # fmt: skip
        try:
            while b"ImmutableLedger is running" not in self._output.read_bytes():
                expect(runner.poll() is None, f"run-local.sh ended:\n{self.output}")
                expect(time.monotonic() < deadline, f"run-local.sh is not ready:\n{self.output}")
                time.sleep(0.1)
            self._is_running = True
            yield
        finally:
            self._is_running = False
            runner.terminate()
            status = runner.wait(STOP_SECONDS)
        expect_equal("run-local.sh's status", status, 0)

    @property
    def output(self) -> str:
        return self._output.read_text()

    def run(self, *command: str, status: int = 0, **more: str) -> str:
        """Runs a command that must end with this status, and returns what it said."""
        done = subprocess.run(
            command, capture_output=True, text=True, env=self.environment | more,
            timeout=RESTORE_SECONDS,
        )  # fmt: skip
        said = done.stdout + done.stderr
        expect(
            done.returncode == status,
            f"{command[0]} ended with {done.returncode}, expected {status}:\n{said[-2000:]}",
        )
        return said

    def ledgerctl(self, *arguments: str) -> str:
        return self.run(str(self._binaries / "ledgerctl"), *arguments)

    def seal(self, name: str, count: int) -> None:
        """Seals so many events; each is acknowledged when this returns."""
        events = self.state / "events.jsonl"
        lines = (json.dumps({"event_id": f"{name}-{i}", "payload": "x" * 256}) for i in range(count))
        events.write_text("\n".join(lines) + "\n")
        self.ledgerctl("submit", "--jsonl", str(events), "--timestamp", "1700000000000",
                       "--retry-for", "60")  # fmt: skip

    def events(self, last: int = 0) -> list[dict]:
        """Every event as the ledger tells it, up to a number."""
        limits = ["--last", str(last)] if last else []
        lines = self.ledgerctl("list", "--output", "json", *limits).splitlines()
        return [json.loads(line) for line in lines]

    def backup(self) -> tuple[pathlib.Path, dict]:
        """Takes a snapshot: its file, and its record."""
        before = set(self.backups.glob("*.db"))
        self.run(str(ROOT / "scripts/backup.sh"))
        new = set(self.backups.glob("*.db")) - before
        expect_equal("new snapshots", len(new), 1)
        snapshot = new.pop()
        return snapshot, json.loads(pathlib.Path(f"{snapshot}.json").read_text())

    def restore(self, *arguments: str, status: int = 0) -> str:
        """Restores; where it is refused, everything must be as it was."""
        command = [str(ROOT / "scripts/restore.sh"), "--bin", str(self._binaries), *arguments]
        before = self.fingerprint()
        said = self.run(*command, status=status)
        # While it runs, etcd itself writes.
        if status != 0 and not self._is_running:
            expect(self.fingerprint() == before, f"the data changed although it was refused:\n{said}")
        return said

    def fingerprint(self) -> list[tuple]:
        """All files of etcd and of the backups: which, when changed, how large."""
        return sorted(
            (str(file), file.stat().st_mtime_ns, file.stat().st_size)
            for folder in ("etcd", "backups")
            for file in (self.state / folder).rglob("*")
            if file.is_file()
        )

    @contextlib.contextmanager
    def stray_replica(self, dot_env: str = "") -> Iterator[int]:
        """A replica whose etcd is gone; it waits for it to come back.

        It is told of etcd's endpoints by its environment, or by a line of its .env file, in which they are {}.
        """
        port = int(self.environment["LOCAL_ETCD_PORT"])
        certificates = self.environment["LOCAL_CERTS"]
        address = f"https://127.0.0.1:{port + 4}"
        environment = {"ETCD_ENDPOINTS": address}
        if dot_env:
            environment = {}
            (self.state / ".env").write_text(dot_env.format(address) + "\n")
        process = subprocess.Popen(
            [self._binaries / "ledger-service"], cwd=self.state, stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=environment | {
                "PATH": os.environ["PATH"], "LEDGER_BIND_ADDRESS": "127.0.0.1",
                "LEDGER_PORT": "0", "LEDGER_INTERNAL_PORT": "0", "LEDGER_ADMIN_PORT": "0",
                "ETCD_CA_CERT": f"{certificates}/ca.pem",
                "ETCD_CLIENT_CERT": f"{certificates}/etcd-client.pem",
                "ETCD_CLIENT_KEY": f"{certificates}/etcd-client-key.pem",
            },
        )  # fmt: skip
        try:
            time.sleep(0.3)
            expect(process.poll() is None, "the stray replica ended by itself")
            yield process.pid
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            (self.state / ".env").unlink(missing_ok=True)


def say(sentence: str) -> None:
    """Tells of a check that passed."""
    print(f"ok    {sentence}", flush=True)


def test_backup(ledger: LocalLedger) -> tuple[pathlib.Path, pathlib.Path, list[dict]]:
    """Two snapshots of a ledger at work; returns them, and all that was acknowledged."""
    with ledger.running():
        ledger.seal("before", 300)
        older, record = ledger.backup()
        last = ledger.events()[-1]
        expect_equal("the record's number", record["sequence_number"], last["sequence_number"])
        expect_equal("the record's hash", record["event_hash"], last["event_hash"])
        expect_equal("the snapshot's mode", oct(older.stat().st_mode & 0o777), "0o600")
        say("a snapshot's record has the number and hash of the last event")

        said = ledger.restore(status=RUNNING)
        expect("a replica of the ledger runs" in said, f"not told why: {said}")
        say("nothing is restored while the ledger runs")

        ledger.seal("between", 200)
        # Snapshots are named by the second.
        time.sleep(1.1)
        newest, _ = ledger.backup()
        return older, newest, ledger.events()


def test_refusals(
    ledger: LocalLedger, older: pathlib.Path, newest: pathlib.Path, acknowledged: list[dict]
) -> None:
    # However it was told of its etcd: only the service itself reads a .env file.
    for line in ["", "ETCD_ENDPOINTS={}", "export ETCD_ENDPOINTS='{}' # ours", "  ETCD_ENDPOINTS = {}"]:
        with ledger.stray_replica(line) as process:
            said = ledger.restore(status=RUNNING)
            expect(f"(process {process})" in said, f"the replica is not named, {line}: {said}")
    say("nothing is restored while a replica waits for etcd")

    head = len(acknowledged)
    record = pathlib.Path(f"{newest}.json")
    hidden = record.rename(ledger.state / "hidden")
    said = ledger.restore(str(older), status=LOST)
    expect_refusal(said, head - 200, head, "what the old member m1 holds")
    hidden.rename(record)
    say("an older snapshot is refused by what the old members hold")

    said = ledger.restore("--known-sequence", str(head + 5), status=LOST)
    expect_refusal(said, head, head + 5, "--known-sequence")
    for number in (head, head - 1):
        wrong = ["--known-sequence", str(number), "--known-hash", "0" * 64]
        said = ledger.restore(*wrong, status=LOST)
        expect("this is another history" in said, f"not told why: {said}")
    say("a snapshot that an operator's number or hash contradicts is refused")

    damaged = ledger.state / "damaged.db"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    said = ledger.restore(str(damaged), status=1)
    expect("etcd refuses the snapshot" in said, f"not told why: {said}")
    shutil.copy(f"{newest}.json", f"{damaged}.json")
    said = ledger.restore(str(damaged), status=1)
    expect("not what its record says" in said, f"not told why: {said}")
    say("a damaged snapshot is refused, with and without a record")


def expect_refusal(said: str, last: int, known: int, source: str) -> None:
    """It says which numbers would be given out again, and how that is known."""
    numbers = f"The numbers {last + 1} to {known}, {known - last} of them"
    expect(numbers in said, f"not told which numbers: {said}")
    expect(f"is known to be sealed, from {source}" in said, f"not told from where: {said}")


def forget_passwords(ledger: LocalLedger) -> None:
    """The next script makes others than those that etcd's users have."""
    for file in ledger.state.glob("etcd-*password"):
        file.unlink()


def test_disaster(
    ledger: LocalLedger, older: pathlib.Path, newest: pathlib.Path, acknowledged: list[dict]
) -> None:
    """Every member's data are gone, and the passwords too."""
    shutil.rmtree(ledger.state / "etcd")
    forget_passwords(ledger)
    head = len(acknowledged)
    said = ledger.restore(str(older), status=LOST)
    expect_refusal(said, head - 200, head, f"the record {newest.name}.json")
    say("an older snapshot is refused by a newer one's record")

    said = ledger.restore()
    seconds = float(re.search(r"Took ([0-9.]+) s", said)[1])
    expect(seconds < RESTORE_SECONDS, f"restoring took {seconds} s")
    with ledger.running():
        expect_equal("events after the restore", ledger.events(len(acknowledged)), acknowledged)
        verified = ledger.ledgerctl("verify")
        expect_equal("verify", verified.strip(), f"valid: {len(acknowledged) + 3} events"
                     f" (1 to {len(acknowledged) + 3})")  # fmt: skip
    say(f"all {len(acknowledged)} events are back and the next follow them ({seconds} s to restore)")


def test_accepted_loss(ledger: LocalLedger, older: pathlib.Path, newest: pathlib.Path) -> None:
    said = ledger.restore(str(older), "--accept-lost-events")
    expect("that sealed events are lost" in said, f"not told what is lost: {said}")
    expect(list(ledger.state.glob("etcd.before-*")), "the old members' data were not kept")
    expect(not newest.exists(), "the lost history's snapshot is still the newest")
    expect(list(ledger.backups.glob(f"abandoned-*/{newest.name}")), "its snapshot was not kept")
    forget_passwords(ledger)
    with ledger.running():
        ledger.backup()
    say("a loss that is accepted is told of, and what is lost is kept aside")
    say("a ledger whose passwords were lost starts with new ones")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", metavar="FOLDER", type=pathlib.Path, required=True)
    binaries = parser.parse_args().bin.resolve()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ledger-backup-") as folder:
        ledger = LocalLedger(pathlib.Path(folder), binaries)
        try:
            older, newest, acknowledged = test_backup(ledger)
            test_refusals(ledger, older, newest, acknowledged)
            test_disaster(ledger, older, newest, acknowledged)
            test_accepted_loss(ledger, older, newest)
        except Unexpected as failure:
            print(f"FAIL  {failure}")
            return 1
    print(f"backup and restore: all passed in {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
