"""Replicas of two versions, replaced one at a time under load: forward, back, and forward again.

    upgrade_test.py --old-bin FOLDER --bin FOLDER

On a real etcd of three members with mutual TLS run three replicas of the old version, and then what a rolling
update makes of them: one of the new version is started, and one of the old told to stop, until all are new;
the same back; and forward once more, where the sealing replica always goes first and one is killed. Callers
submit meanwhile, alone and in streams, some of them twice, and read. Nothing that was acknowledged may be
lost, doubled, changed or reordered, nothing that was refused with certainty may be sealed, and what is unknown
is submitted again until it is settled. It is also seen that each version forwards to the other.

Then replicas of both versions run while a new one archives and trims, which makes the store's format 2: a
version that does not know it seals nothing any more, and does not start. In the end the store gets a format
that the new version does not know either.

Everything is read back and recomputed by programs that share no code with the service (formats.py, tiles.py,
scripts/verify-archive.py), and by ledgerctl of both versions.
"""

import argparse
import pathlib
import random
import shutil
import sys
import time

import checking
from checking import check, eventually, expect, expect_equal
from processes import TestCluster, running_cluster
from upgrade_book import Book
from upgrade_callers import Callers
from upgrade_fleet import WAIT_SECONDS, Fleet, Version, probe_format
from upgrade_formats import Formats

# So many events every follower has forwarded to the sealing replica, before the next one is replaced.
FORWARDED = 150
REPLICAS = 3


class Upgrade:
    """Two versions, a fleet of replicas of them, and what its callers were told."""

    def __init__(self, cluster: TestCluster, options: argparse.Namespace):
        self.cluster, self.options = cluster, options
        self.old = Version("old", options.old_bin.resolve())
        self.new = Version("new", options.bin.resolve())
        self.random = random.Random(options.seed)
        self.book = Book(options.seed)
        self.fleet = Fleet(cluster, "upgrade/", self.new)
        # With a secret that both ends prove: one more thing that versions must agree on.
        self.fleet.settings["LEDGER_INTERNAL_TOKEN"] = f"{self.random.getrandbits(256):064x}"
        self.more_handovers = 0
        # Parts of the test.
        self.failed: set[str] = set()

    def callers(self) -> Callers:
        return Callers(
            self.fleet, self.book, str(self.options.seed), self.options.rate, self.fleet.key
        )

    def settle_down(self, what: str) -> None:
        """Waits until every follower has forwarded under one sealing replica; tells what was seen since the last."""
        seen = self.fleet.dwell(FORWARDED)
        self.book.expect_right()
        print(f"    {what}: {seen}; longest silence {1_000 * self.book.silence():.0f} ms")
        sys.stdout.flush()

    def replace(self, victim, version: Version, kill: bool = False) -> None:
        """As a Deployment with maxSurge 1 and maxUnavailable 0 does it, or by killing the one that goes."""
        was_sealer = victim is self.fleet.sealer()
        changes = self.fleet.changes()
        fresh = self.fleet.add(version)
        self.fleet.remove(victim, kill=kill)
        what = f"{victim.name} {'is killed' if kill else 'stops'}" + (", which seals" * was_sealer)
        self.settle_down(f"{fresh.name} comes, {what}")
        more = self.fleet.changes() - changes - was_sealer
        if more > 0:
            self.more_handovers += more
            print(f"    {more} changes of the sealing replica more than were asked for")

    def roll(self, version: Version, sealer_first: bool, kill_first: bool = False) -> None:
        """Replaces all of the other version."""
        while left := [one for one in self.fleet.serving() if one.version is not version]:
            sealer = self.fleet.sealer()
            others = [one for one in left if one is not sealer]
            goes = sealer if sealer in left and (sealer_first or not others) else others[0]
            self.replace(goes, version, kill=kill_first)
            kill_first = False

    def verify(self) -> None:
        """The ledger as it is, by every means."""
        expect_equal("events without an outcome", self.book.open_count(), 0)
        for replica in self.fleet.serving():
            self.book.expect_whole(replica.read_all(), replica.name)
            eventually(replica.is_well, f"{replica.name} is not well: {replica.health()}", WAIT_SECONDS)
        for version in (self.old, self.new):
            for replica in self.fleet.serving()[:1]:
                self.fleet.verify_with(version, replica, len(self.book.by_id))
        print(
            f"    {len(self.book.by_id)} events are one chain with the root of "
            f"{len(self.book.roots)} checkpoints, read from {len(self.fleet.serving())} "
            f"{self.fleet.serving()[0].version.name} replicas"
        )


# By part of the test: its checks, with their sentences.
CHECKS = {"rolling": [], "format": []}


def check_of(part: str, sentence: str):
    """Registers a check of one part. Each goes on where the one before it ended, so none follows one that failed."""

    def register(function):
        def run(upgrade: Upgrade) -> None:
            expect(part not in upgrade.failed, "not tried: what it goes on from has failed")
            upgrade.failed.add(part)
            function(upgrade)
            upgrade.failed.remove(part)

        CHECKS[part].append((sentence, run))
        return function

    return register


@check_of("rolling", "three replicas of the old version seal, and forward to one of them")
def begin(upgrade: Upgrade) -> None:
    for _ in range(REPLICAS):
        upgrade.fleet.add(upgrade.old)
    with upgrade.callers():
        upgrade.settle_down("all are old")
    upgrade.verify()


@check_of("rolling", "replaced by the new version one at a time, the sealing one last, they lose nothing")
def forward(upgrade: Upgrade) -> None:
    with upgrade.callers():
        upgrade.roll(upgrade.new, sealer_first=False)
    upgrade.verify()


@check_of("rolling", "so they do when the old version comes back")
def back(upgrade: Upgrade) -> None:
    with upgrade.callers():
        upgrade.roll(upgrade.old, sealer_first=False)
    upgrade.verify()


@check_of("rolling", "and forward again, the sealing one first and killed")
def again(upgrade: Upgrade) -> None:
    with upgrade.callers():
        upgrade.roll(upgrade.new, sealer_first=True, kill_first=True)
    upgrade.verify()


@check_of("rolling", "each version has forwarded to the other")
def directions(upgrade: Upgrade) -> None:
    for source, target in (("old", "old"), ("old", "new"), ("new", "old"), ("new", "new")):
        count = upgrade.fleet.forwarded[source, target]
        print(f"    {count} events were forwarded by {source} replicas to a sealing {target} one")
        expect(count >= FORWARDED, f"only {count} events went from {source} to {target}")


@check_of("rolling", "the sealing replica changed when it was replaced, and seldom otherwise; nobody saw a rollback")
def handovers(upgrade: Upgrade) -> None:
    for name, count in sorted(upgrade.book.outcomes.items()):
        print(f"    {name}: {count}")
    print(f"    elections: {upgrade.fleet.elections()}")
    most = upgrade.options.more_handovers
    expect(
        upgrade.more_handovers <= most,
        f"{upgrade.more_handovers} changes of the sealing replica more than were asked for, above {most}",
    )
    expect_equal("lines of a log that say critical", upgrade.fleet.critical_lines(), [])
    for one in list(upgrade.fleet.serving()):
        upgrade.fleet.remove(one)


@check_of("format", "a version says which format of the store it knows, and does not start on a later one")
def known(upgrade: Upgrade) -> None:
    for version in (upgrade.old, upgrade.new):
        version.known_format = probe_format(upgrade.cluster, version)
        print(f"    the {version.name} version knows formats up to {version.known_format}")
    expect(
        upgrade.old.known_format <= upgrade.new.known_format, "the old version knows more formats"
    )


@check_of("format", "while the new one trims, the old one seals on or stops, as it knows the format; it loses nothing")
def formats(upgrade: Upgrade) -> None:
    with Formats(upgrade.cluster, upgrade.old, upgrade.new, upgrade.options) as scene:
        scene.trim()
        scene.verify()
        scene.old_version_on_new_format()
        scene.unknown_format()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--old-bin", type=pathlib.Path, required=True, metavar="FOLDER",
        help="where ledger-service and ledgerctl of the old version are")  # fmt: skip
    add("--bin", type=pathlib.Path, required=True, metavar="FOLDER",
        help="where those of the new version are")  # fmt: skip
    add("--rate", type=int, default=200, help="about so many events are submitted in a second (200)")
    add("--seed", type=int, default=random.randrange(1 << 32),
        help="of what callers do; replicas and the machine have none")  # fmt: skip
    add("--more-handovers", type=int, default=12, metavar="N",
        help="changes of the sealing replica, beyond one for each that was replaced while it sealed, "
        "that are no failure (12): where the machine is busy, replicas doubt one another")  # fmt: skip
    add("--logs", type=pathlib.Path, metavar="FOLDER", help="keep the replicas' logs there")
    add("--part", choices=CHECKS, help="the rolling updates alone, or what the store's format does")
    options = parser.parse_args()
    for part in [options.part] if options.part else CHECKS:
        for sentence, function in CHECKS[part]:
            check(sentence)(function)
    print(f"    seed {options.seed}")
    begin = time.monotonic()
    with running_cluster() as cluster:
        upgrade = Upgrade(cluster, options)
        try:
            return checking.run_checks(upgrade)
        finally:
            upgrade.fleet.end()
            if options.logs:
                options.logs.mkdir(parents=True, exist_ok=True)
                for log in cluster.folder.glob("*/log"):
                    shutil.copy(log, options.logs / f"{log.parent.name}.log")
            print(f"    {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
