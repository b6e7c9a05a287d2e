"""A ledger whose archive is in a bucket that misbehaves, and whose replicas are killed meanwhile.

    archive_faults_test.py --bin FOLDER [--seed N] [--events N]

Two replicas seal, archive and trim under load. Between them and a real S3 server (OpenStack Swift) is a
server that drops connections after a put was stored, says 200 and stores nothing, gives old, cut and
wrong bytes, hides objects, lies about what exists, and is slow and busy (faulty_bucket.py). Then it
becomes honest, and everything is verified: nothing may be missing of what was acknowledged.
"""

import argparse
import contextlib
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

import grpc
from google.rpc import code_pb2

import checking
from checking import Standstill, Unexpected, check, expect, expect_equal
from faulty_bucket import FAULTS, FaultyBucket
from processes import ROOT, Service, TestCluster, make_signing_key, running_bucket_server
from processes import running_cluster
from stubs import messages, services

ORIGIN = "ledger.example.com/faults"
RETAIN = 8_192
STEP = 4_096
BATCH = 1_000
# Rounds that go wrong are tried again every few seconds: in this time dozens of them, also beside a build.
STANDSTILL_SECONDS = 300
# Faults that need something to have happened before, and may not come up in a short run.
RARE = {"DELETE answer lost", "DELETE dropped", "DELETE busy", "DELETE not done"}


class Faults:
    """Two replicas, their bucket, and what they have acknowledged."""

    def __init__(self, replicas: list[Service], bucket: FaultyBucket, events: int, seed: int):
        self.replicas, self.bucket, self.events = replicas, bucket, events
        self.random = random.Random(seed)
        self.key = ""
        self.binaries = pathlib.Path()
        # By number: the id that was acknowledged with it.
        self.sealed: dict[int, str] = {}
        self.submitted = 0
        self.failure: BaseException | None = None
        self.kills = 0

    @staticmethod
    def payload(event_id: str) -> bytes:
        number = int(event_id.removeprefix("event-"))
        return f"payload {number} ".encode() * (1 + number % 12)

    def event(self, number: int):
        event_id = f"event-{number}"
        return messages.CertifiedEvent(
            event_id=event_id, payload=self.payload(event_id), veps_timestamp=number
        )

    def take(self, sealed) -> None:
        """Keeps what was acknowledged; no number is ever given to two events."""
        number = sealed.sequence_number
        expect_equal(f"the payload of {number}", sealed.payload, self.payload(sealed.event_id))
        expect(
            self.sealed.setdefault(number, sealed.event_id) == sealed.event_id,
            f"number {number} is given to {sealed.event_id} and to {self.sealed[number]}",
        )

    def submit(self, numbers: range) -> None:
        """Until all are acknowledged, by whichever replica lives."""
        missing = {f"event-{number}": number for number in numbers}
        standstill = Standstill(STANDSTILL_SECONDS)
        while missing:
            standstill.look(acknowledged=len(self.sealed))
            replica = self.random.choice(self.replicas)
            with contextlib.suppress(grpc.RpcError):
                with grpc.insecure_channel(replica.address) as channel:
                    stub = services.ImmutableLedgerStub(channel)
                    events = (self.event(number) for number in list(missing.values()))
                    for result in stub.SubmitEvents(events, timeout=20):
                        if result.HasField("sealed"):
                            self.take(result.sealed)
                            missing.pop(result.sealed.event_id, None)
                        elif result.rejection.code == code_pb2.ALREADY_EXISTS:
                            # Its answer was lost with a replica; nobody had its number yet.
                            event_id = result.rejection.event_id
                            request = messages.GetEventByIdRequest(event_id=event_id)
                            self.take(stub.GetEventById(request, timeout=20))
                            missing.pop(event_id, None)

    def load(self) -> None:
        """Seals in the background."""
        try:
            for first in range(1, self.events + 1, BATCH):
                self.submit(range(first, min(first + BATCH, self.events + 1)))
                self.submitted = first + BATCH - 1
        except BaseException as error:
            self.failure = error

    def metric(self, name: str) -> float:
        """The largest of the replicas that answer."""
        found = [0.0]
        for replica in self.replicas:
            with contextlib.suppress(OSError):
                found.append(replica.metric(name))
        return max(found)

    @property
    def wanted(self) -> int:
        """Up to where events are to leave etcd in the end."""
        return (self.events - RETAIN) // STEP * STEP

    def look(self, standstill: Standstill) -> None:
        """Fails where sealing has failed, or where neither it nor archiving nor trimming goes on."""
        expect(self.failure is None, f"{self.failure}")
        try:
            standstill.look(
                sealed=len(self.sealed),
                archived=self.metric("ledger_archive_through"),
                trimmed=self.metric("ledger_archive_trimmed"),
            )
        except Unexpected as stood:
            lines = "\n".join(replica.child.last_lines(5) for replica in self.replicas)
            raise Unexpected(f"{stood}; {self.wanted} were to be trimmed\n{lines}") from None

    def kill(self) -> None:
        """Ends one of the replicas as it stands, and starts it again."""
        replica = self.random.choice(self.replicas)
        replica.child.kill()
        self.kills += 1
        time.sleep(0.3)
        replica.start()

    def read_all(self, replica: Service) -> None:
        """Every acknowledged event by number, in one list."""
        with grpc.insecure_channel(replica.address) as channel:
            stub = services.ImmutableLedgerStub(channel)
            count = 0
            for event in stub.ListEvents(messages.ListEventsRequest(), timeout=300):
                count += 1
                expect_equal("the number", event.sequence_number, count)
                expect_equal(f"number {count}", event.event_id, self.sealed.get(count))
                expect_equal(f"payload {count}", event.payload, self.payload(event.event_id))
            expect_equal("events", count, len(self.sealed))
            for number in sorted(self.random.sample(range(1, count + 1), 200)):
                event = stub.GetEvent(messages.GetEventRequest(sequence_number=number))
                expect_equal(f"number {number}", event.event_id, self.sealed[number])
                expect_equal(f"payload {number}", event.payload, self.payload(event.event_id))


@check("it seals and trims while the bucket misbehaves and replicas are killed")
def under_faults(faults: Faults) -> None:
    loading = threading.Thread(target=faults.load, daemon=True)
    loading.start()
    # Trimming must have deleted more than once before the bucket becomes honest.
    enough = min(2 * STEP, faults.wanted)
    standstill = Standstill(STANDSTILL_SECONDS)
    pause = faults.events // 4
    while loading.is_alive() or faults.metric("ledger_archive_trimmed") < enough:
        faults.look(standstill)
        if faults.submitted >= pause:
            pause += faults.events // 4
            faults.kill()
        time.sleep(0.2)
    expect(faults.failure is None, f"{faults.failure}")
    # And once more when nothing is sealed any more, with old events in the archive alone.
    faults.kill()
    expect_equal("acknowledged numbers", len(faults.sealed), faults.events)
    counts = faults.bucket.counts
    print(
        f"    {faults.kills} replicas killed, {sum(counts.values())} requests of the bucket went wrong, "
        f"{faults.metric('ledger_archive_trimmed'):.0f} of {faults.events} events trimmed meanwhile"
    )
    every = {f"{method} {fault}" for method in FAULTS for fault in FAULTS[method]}
    never = every - set(counts) - RARE
    expect(not never, f"these faults did not come up: {sorted(never)}")


@check("an honest bucket soon has everything, and a program that shares nothing finds it right")
def verified(faults: Faults) -> None:
    faults.bucket.honest.set()
    server = faults.bucket.server
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": server["access_key"], "AWS_SECRET_ACCESS_KEY": server["secret_key"],
    }  # fmt: skip

    def verify() -> subprocess.CompletedProcess:
        return subprocess.run(
            [
                sys.executable, ROOT / "scripts" / "verify-archive.py",
                f"s3://{server['bucket']}/ledger", "--verifier-key", faults.key,
                "--endpoint", server["plain_endpoint"], "--region", server["region"],
                "--size-at-least", str(faults.events),
            ],
            text=True, capture_output=True, env=environment,
        )  # fmt: skip

    standstill = Standstill(STANDSTILL_SECONDS)
    while (
        faults.metric("ledger_archive_through") < faults.events
        or faults.metric("ledger_archive_trimmed") < faults.wanted
    ):
        faults.look(standstill)
        time.sleep(0.2)
    # The checkpoint is mended within an interval, where a late writer has put an older one.
    deadline = time.monotonic() + 30
    while (done := verify()).returncode != 0 and time.monotonic() < deadline:
        expect("events" in done.stderr and "checkpoint" in done.stderr, done.stderr)
        time.sleep(1)
    expect(done.returncode == 0, done.stderr)
    print(f"    {done.stdout.strip()}")


@check("ledgerctl finds it right as well")
def by_ledgerctl(faults: Faults) -> None:
    server = faults.bucket.server
    done = subprocess.run(
        [faults.binaries / "ledgerctl", "archive", "verify", "--verifier-key", faults.key],
        text=True, capture_output=True,
        env={
            "PATH": os.environ["PATH"], "LEDGER_ARCHIVE": f"s3://{server['bucket']}/ledger",
            "LEDGER_ARCHIVE_ENDPOINT": server["plain_endpoint"],
            "LEDGER_ARCHIVE_REGION": server["region"],
            "LEDGER_ARCHIVE_ACCESS_KEY": server["access_key"],
            "LEDGER_ARCHIVE_SECRET_KEY": server["secret_key"],
        },
    )  # fmt: skip
    expect(done.returncode == 0, done.stderr)
    expect(f"{faults.events} events" in done.stdout, done.stdout)


@check("every acknowledged event is read by its number, as it was sent, also by a new replica")
def read_back(faults: Faults) -> None:
    faults.read_all(faults.replicas[0])
    faults.replicas[1].child.kill()
    faults.replicas[1].start()
    faults.read_all(faults.replicas[1])


@check("a duplicate of a trimmed event gets its old number")
def duplicates(faults: Faults) -> None:
    trimmed = int(faults.metric("ledger_archive_trimmed"))
    numbers = [1, STEP, STEP + 1, trimmed, *faults.random.sample(range(1, trimmed), 100)]
    for replica in faults.replicas:
        with grpc.insecure_channel(replica.address) as channel:
            stub = services.ImmutableLedgerStub(channel)
            for number in numbers:
                event_id = faults.sealed[number]
                event = faults.event(int(event_id.removeprefix("event-")))
                try:
                    stub.SubmitEvent(event, timeout=60)
                    raise Unexpected(f"{event_id} is sealed twice")
                except grpc.RpcError as error:
                    expect_equal(event_id, error.code(), grpc.StatusCode.ALREADY_EXISTS)
                    expect(f"as number {number};" in error.details(), error.details())
                known = stub.GetEventById(messages.GetEventByIdRequest(event_id=event_id))
                expect_equal(event_id, known.sequence_number, number)


def run(
    binaries: pathlib.Path, cluster: TestCluster, server: dict, options: argparse.Namespace
) -> int:
    """Runs the checks against two replicas of their own."""
    key_file = cluster.folder / "signing-key.pem"
    key = make_signing_key(binaries, ORIGIN, key_file)
    bucket = FaultyBucket(server, options.seed)
    bucket.start()
    replicas = [
        Service(
            binaries, cluster,
            {
                "LEDGER_PREFIX": "faults/", "LEDGER_ORIGIN": ORIGIN,
                "LEDGER_SIGNING_KEY": str(key_file),
                "LEDGER_INTERNAL_TOKEN": "a-token-of-the-test-" + "0" * 20,
                "LEDGER_ADVERTISE_ADDRESS": "127.0.0.1",
                "LEDGER_ARCHIVE": f"s3://{server['bucket']}/ledger",
                "LEDGER_ARCHIVE_ENDPOINT": bucket.endpoint,
                "LEDGER_ARCHIVE_REGION": server["region"],
                "LEDGER_ARCHIVE_ACCESS_KEY": server["access_key"],
                "LEDGER_ARCHIVE_SECRET_KEY": server["secret_key"],
                "LEDGER_ARCHIVE_CONDITIONAL_PUT": conditional,
                "LEDGER_ARCHIVE_INTERVAL": "1", "LEDGER_ARCHIVE_RETAIN_EVENTS": str(RETAIN),
                "LEDGER_OUTSIDE_CHECK_INTERVAL": "2",
            },
        )
        for conditional in ("auto", "off")
    ]  # fmt: skip
    faults = Faults(replicas, bucket, options.events, options.seed)
    faults.key, faults.binaries = key, binaries
    print(f"    seed {options.seed}")
    begin = time.monotonic()
    try:
        for replica in replicas:
            replica.start()
        return checking.run_checks(faults)
    finally:
        for replica in replicas:
            if replica.child:
                replica.child.kill()
        bucket.stop()
        print(f"    {time.monotonic() - begin:.0f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where ledger-service is")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--events", type=int, default=25_000)
    options = parser.parse_args()
    with running_bucket_server() as server, running_cluster(size=1) as cluster:
        return run(options.bin.resolve(), cluster, server, options)


if __name__ == "__main__":
    sys.exit(main())
