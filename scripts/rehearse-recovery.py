#!/usr/bin/env -S python3 -B
"""Rehearses the loss of etcd: seals under load, destroys all three members, recovers from the archive.

Two ways: into the last snapshot of etcd, and into nothing at all. Each time an event that was
acknowledged longer ago than the archive's interval must be there, every event that is there must
have the number and hash with which it was acknowledged, no number may be given out twice, and the
ledger must go on behind the last one. Prints a table of what was found. Starts its own etcd members
with mutual TLS, and leaves nothing running. Needs .local/venv (./setup-env.sh).
"""

import argparse
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "Benchmarks"), str(ROOT / "Tests/python")]

from checking import Unexpected, eventually, expect, expect_equal  # noqa: E402
from cluster import BenchCluster, LedgerService  # noqa: E402
from etcd_cluster import EtcdCluster  # noqa: E402
from processes import Supervisor, clean_environment  # noqa: E402

PREFIX = "ledger/"
WINDOW = 64


class Load:
    """Submits events through streams, and remembers what was acknowledged, and when."""

    def __init__(self, address: str, streams: int, payload: int):
        import grpc  # noqa: PLC0415, of the scripts' Python environment
        from stubs import messages, services  # noqa: PLC0415

        self._messages = messages
        self._channel = grpc.insecure_channel(address)
        self._stub = services.ImmutableLedgerStub(self._channel)
        self._payload = payload
        self._stop = threading.Event()
        self._lock = threading.Lock()
        # number: (event id, hash, when it was acknowledged)
        self.acknowledged: dict[int, tuple[str, bytes, float]] = {}
        self._threads = [
            threading.Thread(target=self._run, args=(index,), daemon=True)
            for index in range(streams)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, index: int) -> None:
        room = threading.Semaphore(WINDOW)

        def events():
            number = 0
            while not self._stop.is_set():
                room.acquire()
                number += 1
                yield self._messages.CertifiedEvent(
                    event_id=f"load-{index}-{number}", payload=random.randbytes(self._payload)
                )

        try:
            for result in self._stub.SubmitEvents(events()):
                room.release()
                if result.WhichOneof("result") == "sealed":
                    sealed = result.sealed
                    now = time.monotonic()
                    with self._lock:
                        self.acknowledged[sealed.sequence_number] = (
                            sealed.event_id, sealed.event_hash, now,
                        )  # fmt: skip
        except Exception:  # noqa: BLE001, S110: the service is killed under it
            pass

    def count(self) -> int:
        with self._lock:
            return len(self.acknowledged)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)
        self._channel.close()


class Rehearsal:
    """One loss and one recovery."""

    def __init__(self, options: argparse.Namespace, supervisor: Supervisor, folder: pathlib.Path):
        self._options = options
        self._supervisor = supervisor
        self._folder = folder
        self._binaries = options.bin.resolve()
        self._archive = folder / "archive"
        self._archive.mkdir()
        self._cluster = BenchCluster(folder, ROOT / "certs/dev")
        key = folder / "signing-key.pem"
        self._verifier_key = subprocess.run(
            [self._binaries / "ledgerctl", "keygen", "--out", key, "--name", "rehearsal/ledger"],
            check=True, stdout=subprocess.PIPE, text=True,
        ).stdout.strip()  # fmt: skip
        self._settings = {
            "LEDGER_ORIGIN": "rehearsal/ledger",
            "LEDGER_SIGNING_KEY": str(key),
            "LEDGER_ARCHIVE": f"file://{self._archive}",
            "LEDGER_ARCHIVE_INTERVAL": str(options.interval),
            "LEDGER_ARCHIVE_RETAIN_EVENTS": str(options.retain),
            # A debug build beside other work is slower than the contract.
            "LEDGER_COMMIT_DEADLINE_MS": "1000",
            "LEDGER_RESOLVE_DEADLINE_MS": "2000",
        }

    # Parts

    def _service(self, name: str) -> LedgerService:
        return LedgerService(
            self._supervisor, self._binaries / "ledger-service", self._cluster, self._settings, name
        )

    def _ledgerctl(self, *arguments: str, status: int = 0, seconds: float = 900) -> str:
        done = subprocess.run(
            [self._binaries / "ledgerctl", *arguments], capture_output=True, text=True,
            env=clean_environment(**self._cluster.environment), timeout=seconds,
        )  # fmt: skip
        said = done.stdout + done.stderr
        expect(
            done.returncode == status,
            f"ledgerctl {' '.join(arguments[:2])} ended with {done.returncode}, not {status}:\n{said[-2000:]}",
        )
        return said

    def _archive_options(self) -> list[str]:
        return ["--archive", f"file://{self._archive}", "--verifier-key", self._verifier_key]

    def _etcdctl(self, *arguments: str, endpoint: str | None = None) -> None:
        certificate = str(self._cluster.certificates / "etcd-operations")
        subprocess.run(
            ["etcdctl", *arguments], check=True, capture_output=True,
            env=clean_environment(
                ETCDCTL_API="3", ETCDCTL_ENDPOINTS=endpoint or self._cluster.endpoints,
                ETCDCTL_CACERT=str(self._cluster.certificates / "ca.pem"),
                ETCDCTL_CERT=f"{certificate}.pem", ETCDCTL_KEY=f"{certificate}-key.pem",
                ETCDCTL_USER="root", ETCDCTL_PASSWORD=self._cluster.root_password,
            ),
        )  # fmt: skip

    def _archived(self) -> int:
        text = (self._archive / "checkpoint").read_text()
        return int(text.split("\n")[1])

    # The story

    def run(self, has_snapshot: bool) -> dict:
        self._cluster.start()
        self._cluster.restrict_access(PREFIX)
        service = self._service("before")
        service.start()
        load = Load(service.address, self._options.streams, self._options.payload)
        snapshot = self._folder / "snapshot.db"
        self._seal(load, self._options.events // 2)
        if has_snapshot:
            self._etcdctl("snapshot", "save", str(snapshot), endpoint=self._cluster.members[0].endpoint)
        self._seal(load, self._options.events)
        # So that some are archived, some are in the snapshot, and some in neither.
        time.sleep(1.5 * self._options.interval)
        lost_at = time.monotonic()
        self._cluster.kill()
        service.kill()
        load.stop()
        for member in self._cluster.members:
            shutil.rmtree(member.data)
        if has_snapshot:
            self._restore(snapshot)
            # With the data that were restored, and the users in them.
            EtcdCluster.start(self._cluster)
        else:
            self._cluster.start()
            self._cluster.restrict_access(PREFIX)
        fenced = self._fence() if has_snapshot else "an empty etcd has none"
        report = self._recover(load, lost_at)
        return {"into": "a snapshot" if has_snapshot else "nothing", **report, "fence": fenced}

    def end(self) -> None:
        self._cluster.kill()

    def _seal(self, load: Load, count: int) -> None:
        deadline = time.monotonic() + 60 + count / 200
        while load.count() < count:
            expect(time.monotonic() < deadline, f"only {load.count()} of {count} events are sealed")
            time.sleep(0.05)

    def _restore(self, snapshot: pathlib.Path) -> None:
        members = self._cluster.members
        for member in members:
            self._etcdctl(
                "snapshot", "restore", str(snapshot), "--name", member.name,
                "--data-dir", str(member.data), "--initial-advertise-peer-urls", member.peer,
                "--initial-cluster", ",".join(f"{one.name}={one.peer}" for one in members),
            )  # fmt: skip

    def _fence(self) -> str:
        """A replica that is started too early must not seal: the archive has more."""
        service = self._service("too-early")
        service.start()

        def status() -> str:
            said = subprocess.run(
                [self._binaries / "ledgerctl", "health", "--server", service.address,
                 "--output", "json"], capture_output=True, text=True,
            ).stdout  # fmt: skip
            return said if "FENCED" in said else ""

        eventually(status, "a replica on the restored snapshot is fenced", 60)
        service.stop()
        return "raised by a replica that was started too early"

    def _recover(self, load: Load, lost_at: float) -> dict:
        archived = self._archived()
        begin = time.monotonic()
        said = self._ledgerctl(
            "archive", "recover", *self._archive_options(), "--accept", str(archived),
            "--retain-events", str(self._options.retain),
        )  # fmt: skip
        seconds = time.monotonic() - begin
        expect(f"all {archived} events" in said, f"it does not say what is there:\n{said}")
        again = self._ledgerctl(
            "archive", "recover", *self._archive_options(), "--accept", str(archived),
            "--retain-events", str(self._options.retain),
        )  # fmt: skip
        expect("(0 were missing" in again, f"the second time it is not done:\n{again}")
        service = self._service("after")
        service.start()
        old = [n for n, (_, _, when) in load.acknowledged.items() if when < lost_at - self._options.interval - 2]
        kept = {n: one for n, one in load.acknowledged.items() if n <= archived}
        lost = [n for n in load.acknowledged if n > archived]
        expect(not [n for n in old if n > archived], "an event that was acknowledged long before is lost")
        self._compare(service, kept)
        first = self._seal_one(service)
        expect_equal("the first number after the recovery", first, archived + 1)
        self._ledgerctl("verify", "--server", service.address)
        self._ledgerctl("archive", "verify", *self._archive_options())
        service.stop()
        # The newest event that is lost was acknowledged so long after the oldest one that is.
        ages = [lost_at - load.acknowledged[n][2] for n in lost]
        return {
            "acknowledged": load.count(), "archived": archived, "lost": len(lost),
            "oldest_lost_seconds": round(max(ages, default=0), 1),
            "recover_seconds": round(seconds, 1),
        }  # fmt: skip

    def _compare(self, service: LedgerService, kept: dict) -> None:
        import grpc  # noqa: PLC0415
        from stubs import messages, services  # noqa: PLC0415

        channel = grpc.insecure_channel(service.address)
        stub = services.ImmutableLedgerStub(channel)
        found = 0
        for event in stub.ListEvents(messages.ListEventsRequest(first=1)):
            known = kept.get(event.sequence_number)
            if known is None:
                continue
            found += 1
            if (event.event_id, event.event_hash) != known[:2]:
                raise Unexpected(f"number {event.sequence_number} is another event than it was")
        expect_equal("acknowledged events that are there", found, len(kept))
        number, (event_id, _, _) = next(iter(kept.items()))
        by_id = stub.GetEventById(messages.GetEventByIdRequest(event_id=event_id))
        expect_equal("the number of a recovered id", by_id.sequence_number, number)
        channel.close()

    def _seal_one(self, service: LedgerService) -> int:
        import grpc  # noqa: PLC0415
        from stubs import messages, services  # noqa: PLC0415

        with grpc.insecure_channel(service.address) as channel:
            stub = services.ImmutableLedgerStub(channel)
            event = messages.CertifiedEvent(event_id="after the loss", payload=b"x")
            return stub.SubmitEvent(event, timeout=30).sequence_number


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / ".build/release")
    parser.add_argument("--events", type=int, default=30_000)
    parser.add_argument("--payload", type=int, default=256, help="bytes of each event's payload")
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--interval", type=int, default=3, help="LEDGER_ARCHIVE_INTERVAL")
    parser.add_argument("--retain", default="8192", help="LEDGER_ARCHIVE_RETAIN_EVENTS")
    parser.add_argument("--only", choices=["snapshot", "nothing"], help="one of the two ways")
    options = parser.parse_args()
    rows = []
    for has_snapshot in (True, False):
        if options.only and (options.only == "snapshot") != has_snapshot:
            continue
        with tempfile.TemporaryDirectory(prefix="ledger-rehearsal-") as folder:
            with Supervisor(pathlib.Path(folder)) as supervisor:
                rehearsal = Rehearsal(options, supervisor, pathlib.Path(folder))
                try:
                    rows.append(rehearsal.run(has_snapshot))
                except Exception as failure:  # noqa: BLE001: whatever it is, the logs tell more
                    print(f"FAIL  {failure}\n{supervisor.show_logs()}")
                    return 1
                finally:
                    rehearsal.end()
        print(f"ok    everything archived came back into {rows[-1]['into']}", flush=True)
    print("| into | acknowledged | archived | lost | oldest lost | recovered in | fence |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for row in rows:
        print(
            f"| {row['into']} | {row['acknowledged']:,} | {row['archived']:,} | {row['lost']:,} "
            f"| {row['oldest_lost_seconds']} s | {row['recover_seconds']} s | {row['fence']} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
