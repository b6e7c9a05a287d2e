"""The part of upgrade_test.py in which the store's format grows: by the first trim, and to one that nobody knows yet."""

import argparse
import random
import subprocess
import sys

import grpc

from checking import Unexpected, eventually, expect, expect_equal
from ledger import Failure
from processes import ROOT, TestCluster
from stubs import messages, services
from upgrade_book import Book
from upgrade_callers import Callers, Stream
from upgrade_fleet import WAIT_SECONDS, Fleet, Replica, Version, etcdctl, refused_format

PREFIX = "formats/"
RETAIN = 8_192
# A multiple of 4,096 events is trimmed when so many more are there.
EVENTS = RETAIN + 4_096 + 500
FORWARDED = 60


class Formats:
    """A ledger of its own, with an archive that the new version writes, while the block runs."""

    def __init__(
        self, cluster: TestCluster, old: Version, new: Version, options: argparse.Namespace
    ):
        self.cluster, self.old, self.new, self.options = cluster, old, new, options
        self.random = random.Random(options.seed + 1)
        self.book = Book(options.seed + 1)
        self.fleet = Fleet(cluster, PREFIX, new)
        certificates = cluster.certificates
        self.fleet.settings |= {
            "LEDGER_INTERNAL_TLS_CERT": str(certificates / "ledger-replica.pem"),
            "LEDGER_INTERNAL_TLS_KEY": str(certificates / "ledger-replica-key.pem"),
            "LEDGER_INTERNAL_TLS_CA": str(certificates / "replica-ca.pem"),
        }
        self.folder = cluster.folder / "formats-archive"
        self.folder.mkdir()
        self.archive = {
            "LEDGER_ARCHIVE": self.folder.as_uri(), "LEDGER_ARCHIVE_INTERVAL": "1",
            "LEDGER_ARCHIVE_RETAIN_EVENTS": str(RETAIN),
        }  # fmt: skip

    def __enter__(self) -> "Formats":
        return self

    def __exit__(self, *_) -> None:
        self.fleet.end()

    @property
    def is_known(self) -> bool:
        """Whether the old version knows what trimming makes of the store."""
        return self.old.known_format >= 2

    def stored_format(self) -> str:
        return etcdctl(self.cluster, "get", f"{PREFIX}format", "--print-value-only").strip()

    def add(self, version: Version) -> Replica:
        archives = version is self.new or self.is_known
        return self.fleet.add(version, **(self.archive if archives else {}))

    def trim(self) -> None:
        """Under load, an old replica seals and new ones archive; then a new one seals, and trims beside old ones."""
        seed = str(self.options.seed)
        first = self.add(self.old)
        with Callers(self.fleet, self.book, seed, self.options.rate, self.fleet.key) as callers:
            for _ in range(2):
                self.add(self.new)
            self.tell(f"beside an old one that seals: {self.fleet.dwell(FORWARDED)}")
            eventually(lambda: self.archived() > 0, "no new one archives", WAIT_SECONDS)
            expect_equal("the format before anything is trimmed", self.stored_format(), "1")
            self.fleet.remove(first)
            olds = [self.add(self.old) for _ in range(2)]
            self.tell(f"beside old ones that do not: {self.fleet.dwell(FORWARDED)}")
            fill = [Stream(f"filler {i}", self.fleet, self.book, seed, 0.001) for i in range(3)]
            callers.also(fill)
            eventually(self.enough, f"{EVENTS} events are not sealed", 4 * WAIT_SECONDS)
            for one in fill:
                one.is_stopped.set()
            eventually(lambda: self.is_trimmed(olds), "nothing was trimmed", WAIT_SECONDS)
            if not self.is_known:
                for replica in olds:
                    said = eventually(
                        lambda: self.says_why(replica), f"{replica.name} goes on", WAIT_SECONDS
                    )
                    self.tell(f"{replica.name}: {said}")
                self.be_refused_by(olds)
                for replica in olds:
                    self.fleet.withdraw(replica)
                    self.tell(f"{replica.name} says of number 1: {self.read_first(replica)}")
            self.book.expect_right()
            self.tell(f"when something is trimmed: {self.fleet.dwell(FORWARDED)}")
            for replica in olds:
                self.fleet.remove(replica)
            self.tell(f"without old ones: {self.fleet.dwell(FORWARDED)}")
        for name, count in sorted(self.book.outcomes.items()):
            self.tell(f"{name}: {count}")

    def read_first(self, replica: Replica) -> str:
        """What a replica says of a trimmed event, which it may have in memory."""
        request = messages.GetEventRequest(sequence_number=1)
        with grpc.insecure_channel(replica.address) as channel:
            try:
                self.book.read(services.ImmutableLedgerStub(channel).GetEvent(request, timeout=30))
                return "what it is"
            except grpc.RpcError as error:
                return f"{error.code().name}, {error.details()}"

    def tell(self, what: str) -> None:
        print(f"    {what}")
        sys.stdout.flush()

    def archived(self) -> float:
        """Up to where events are archived, as new replicas know it."""
        new = [one for one in self.fleet.serving() if one.version is self.new]
        return max(one.value("ledger_archive_through") for one in new)

    def is_trimmed(self, olds: list[Replica]) -> bool:
        """The replica that seals trims. One that cannot, and took the hint in a doubt, is stopped as an operator would."""
        self.book.expect_right()
        sealer = self.fleet.sealer()
        if sealer in olds and not self.is_known:
            olds.remove(sealer)
            self.fleet.remove(sealer)
            expect(olds, "both old replicas came to seal: nobody is left who could see the format change")
        return self.stored_format() == "2"

    def enough(self) -> bool:
        self.book.expect_right()
        return self.book.newest >= EVENTS

    def says_why(self, replica: Replica, found: int = 2) -> str:
        """What a replica says that stopped sealing because of the format; nothing while it goes on."""
        replica.expect_alive()
        said = replica.health()
        return said if said.startswith("READ_ONLY") and f'format "{found}"' in said else ""

    def be_refused_by(self, replicas: list[Replica]) -> None:
        """What is submitted to a replica that does not know the format is certainly not sealed."""
        for replica in replicas:
            event = self.book.begin(self.random)
            with grpc.insecure_channel(replica.address) as channel:
                try:
                    services.ImmutableLedgerStub(channel).SubmitEvent(event, timeout=30)
                    raise Unexpected(f"{replica.name} seals with a format that it does not know")
                except grpc.RpcError as error:
                    Failure.of(error).expect(grpc.StatusCode.UNAVAILABLE, "NOT_SEALED")
            self.book.abandon(event.event_id)

    def verify(self) -> None:
        """Nothing is lost in etcd and the archive together, by every means."""
        count = len(self.book.by_id)
        for replica in self.fleet.serving():
            self.book.expect_whole(replica.read_all(), replica.name)
        for version in (self.old, self.new):
            self.fleet.verify_with(version, self.fleet.serving()[0], count)

        eventually(
            lambda: self.archived() >= count, "not everything was archived", WAIT_SECONDS
        )
        done = subprocess.run(
            [sys.executable, ROOT / "scripts" / "verify-archive.py", str(self.folder),
             "--verifier-key", self.fleet.key, "--size-at-least", str(count)],
            text=True, capture_output=True,
        )  # fmt: skip
        expect(done.returncode == 0, done.stderr)
        print(f"    {done.stdout.strip()}")

    def old_version_on_new_format(self) -> None:
        """The old version starts where it knows the format, and says why not elsewhere."""
        if self.is_known:
            replica = self.add(self.old)
            self.book.expect_whole(replica.read_all(), replica.name)
            self.fleet.remove(replica)
            return
        replica = self.fleet.make(self.old)
        refused_format(replica.refusal(), 2)
        print("    the old version does not start on it, and says why")

    def unknown_format(self) -> None:
        """The new version neither seals nor starts on a format that is one higher than it knows; and goes on later."""
        later = self.new.known_format + 1
        key, count = f"{PREFIX}format", len(self.book.by_id)
        etcdctl(self.cluster, "put", key, str(later))
        replicas = self.fleet.serving()
        self.be_refused_by(replicas)
        for replica in replicas:
            eventually(lambda: self.says_why(replica, later), f"{replica.name} says nothing", 60)
        refused_format(self.fleet.make(self.new, **self.archive).refusal(), later)
        for replica in replicas:
            self.fleet.remove(replica)
        etcdctl(self.cluster, "put", key, str(later - 1))
        replica = self.add(self.new)
        self.book.expect_whole(replica.read_all(), replica.name)
        event = self.book.begin(self.random)
        with grpc.insecure_channel(replica.address) as channel:
            sealed = services.ImmutableLedgerStub(channel).SubmitEvent(event, timeout=30)
        expect_equal("the number of the next event", sealed.sequence_number, count + 1)
        print(f"    on format {later} the new version seals nothing, does not start, and says why")
