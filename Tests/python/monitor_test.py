#!/usr/bin/env python3
"""Follows a real ledger as somebody would who does not trust it (monitor.py).

    monitor_test.py --bin FOLDER     where ledger-service is

Starts etcd and a service that signs, seals events, and recomputes everything from what is published.
Then it sees that a monitor notices when what is published is changed on its way.
"""

import argparse
import concurrent.futures
import dataclasses
import pathlib
import sys
import threading
import urllib.error
import urllib.request

import grpc
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import checking
from checking import Unexpected, check, eventually, expect, expect_equal
from ledger import RPC_SECONDS, Ledger
from monitor import Deceived, LogKey, Monitor, fetch_from, roots_from_consistency
from monitor import root_from_inclusion, tree_hash
from processes import Service, TestCluster, running_cluster, running_service
from stubs import messages

ORIGIN = "ledger.example.com/monitored"
RECEIPT_WAIT = 5_000
# Around the borders of tiles.
SIZES = (1, 2, 255, 256, 257, 511, 512, 513, 700)


@dataclasses.dataclass
class Followed:
    """A ledger that only these checks write to."""

    service: Service
    ledger: Ledger
    key: LogKey
    monitor: Monitor
    tiles: str

    def seal(self, count: int) -> int:
        """Seals so many events in one stream; returns the number of the last one."""
        events = [self.ledger.event() for _ in range(count)]
        numbers = []
        for result in self.ledger.stub.SubmitEvents(iter(events), timeout=4 * RPC_SECONDS):
            expect(result.HasField("sealed"), f"not sealed: {result.rejection}")
            numbers.append(result.sealed.sequence_number)
        return numbers[-1]

    def advance_to(self, size: int) -> None:
        """Follows the ledger until a checkpoint covers so many events."""
        eventually(lambda: self._covers(size), f"no checkpoint covers {size}", seconds=60)

    def _covers(self, size: int) -> bool:
        try:
            return self.monitor.advance().size >= size
        except urllib.error.HTTPError as error:
            # None was signed yet.
            if error.code == 404 and self.monitor.checkpoint.size == 0:
                return False
            raise


def deceived(what: str, call) -> None:
    """Fails unless the call finds out."""
    try:
        call()
    except Deceived:
        return
    raise Unexpected(f"nothing was found: {what}")


@check("the whole tree follows from what is published, at every border of a tile")
def borders(log: Followed) -> None:
    sealed = 0
    for size in SIZES:
        expect_equal("the last number", log.seal(size - sealed), size)
        sealed = size
        log.advance_to(size)
        expect_equal("the size", log.monitor.checkpoint.size, size)


@check("a ledger that grows while it is followed stays the same ledger")
def growing(log: Followed) -> None:
    seen = {log.monitor.checkpoint.size}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        stop = threading.Event()

        def seal_on() -> int:
            last = log.seal(20)
            while not stop.is_set():
                last = log.seal(20)
            return last

        sealing = pool.submit(seal_on)
        try:
            while len(seen) < 4:
                expect(not sealing.done(), "nothing is sealed any more")
                seen.add(log.monitor.advance().size)
        finally:
            stop.set()
        last = sealing.result()
    log.advance_to(last)


@check("receipts are checked with the key alone, and are for the entries that are published")
def receipts(log: Followed) -> None:
    size = log.monitor.checkpoint.size
    for number in (1, 2, 255, 256, 257, size // 2, size):
        answer = log.ledger.stub.GetReceipt(
            messages.GetReceiptRequest(sequence_number=number, wait_ms=RECEIPT_WAIT),
            timeout=RPC_SECONDS,
        )
        expect_equal("the number", log.monitor.check_receipt(answer.receipt, answer.entry), number)
        expect_equal("the entry", answer.entry, log.monitor.entries[number - 1])
        deceived(
            "an altered entry",
            lambda answer=answer: log.monitor.check_receipt(
                answer.receipt,
                answer.entry[:-33] + bytes([answer.entry[-33] ^ 1]) + answer.entry[-32:],
            ),
        )


@check("the proofs by gRPC are those of the published tree")
def proofs(log: Followed) -> None:
    leaves = log.monitor.leaves
    size = len(leaves)
    for number, tree_size in ((1, 1), (1, size), (256, 257), (size, size), (300, 513)):
        answer = log.ledger.stub.GetInclusionProof(
            messages.GetInclusionProofRequest(sequence_number=number, tree_size=tree_size),
            timeout=RPC_SECONDS,
        )
        expect_equal("the leaf", answer.leaf_hash, leaves[number - 1])
        root = root_from_inclusion(leaves[number - 1], number - 1, tree_size, list(answer.path))
        expect_equal("the root that is followed", root, tree_hash(leaves[:tree_size]))
        expect_equal("the root that is told", answer.root_hash, root)
    for first, second in ((1, 2), (1, size), (255, 256), (256, 512), (257, size), (size, size)):
        answer = log.ledger.stub.GetConsistencyProof(
            messages.GetConsistencyProofRequest(first_size=first, second_size=second),
            timeout=RPC_SECONDS,
        )
        roots = tree_hash(leaves[:first]), tree_hash(leaves[:second])
        followed = roots_from_consistency(first, second, list(answer.path), roots[0])
        expect_equal("the roots that are followed", followed, roots)
        expect_equal("the roots that are told", (answer.first_root, answer.second_root), roots)


@check("the checkpoint by gRPC is the published one")
def checkpoint(log: Followed) -> None:
    answer = log.ledger.stub.GetCheckpoint(messages.GetCheckpointRequest(), timeout=RPC_SECONDS)
    expect_equal("the note", answer.note.encode(), fetch_from(log.tiles)("/checkpoint"))


@check("whatever is changed on its way is noticed")
def changed(log: Followed) -> None:
    honest = fetch_from(log.tiles)
    for part in ("/checkpoint", "/tile/0/000", "/tile/1/000", "/tile/entries/001"):
        for place in (0, -1):

            def fetch(path: str, part=part, place=place) -> bytes:
                content = bytearray(honest(path))
                if path.startswith(part):
                    # In a checkpoint the last byte is a newline, before it base64.
                    place = place if part != "/checkpoint" or place == 0 else len(content) // 2
                    content[place] ^= 1
                return bytes(content)

            def follow(fetch=fetch) -> None:
                try:
                    Monitor(fetch, log.key).advance()
                except (ValueError, UnicodeDecodeError) as error:
                    raise Deceived(str(error)) from error

            deceived(f"{part} at {place}", follow)
    other = LogKey(ORIGIN, Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    deceived("another key", lambda: Monitor(honest, other).advance())
    renamed = LogKey("ledger.example.com/other", log.key.key)
    deceived("another name", lambda: Monitor(honest, renamed).advance())


@check("what no checkpoint covers is not published, and caches are told what never changes")
def caching(log: Followed) -> None:
    size = log.monitor.checkpoint.size
    with urllib.request.urlopen(f"{log.tiles}/tile/0/000", timeout=30) as answer:
        expect("immutable" in answer.headers["Cache-Control"], "a full tile may change")
        tag = answer.headers["ETag"]
    request = urllib.request.Request(f"{log.tiles}/tile/0/000", headers={"If-None-Match": tag})
    for wanted, expected in (
        (request, 304),
        (f"{log.tiles}/tile/0/{size // 256 + 1:03}.p/1", 404),
        (f"{log.tiles}/tile/entries/{size // 256 + 1:03}.p/1", 404),
    ):
        try:
            with urllib.request.urlopen(wanted, timeout=30) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
        expect_equal("the status", status, expected)


def write_key(folder: pathlib.Path) -> tuple[pathlib.Path, bytes]:
    """Makes a signing key; returns its PEM file and the public key."""
    key = Ed25519PrivateKey.generate()
    path = folder / "signing-key.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path, key.public_key().public_bytes_raw()


def follow(binaries: pathlib.Path, cluster: TestCluster) -> int:
    """Runs the checks against a service of their own."""
    path, public_key = write_key(cluster.folder)
    with running_service(
        binaries, cluster, LEDGER_PREFIX="monitored/", LEDGER_ORIGIN=ORIGIN,
        LEDGER_SIGNING_KEY=str(path), LEDGER_TILES_PORT="0", LEDGER_TILES_ENTRIES="on",
    ) as service:  # fmt: skip
        tiles = f"http://127.0.0.1:{service.tiles_port}"
        key = LogKey(ORIGIN, public_key)
        with grpc.insecure_channel(service.address) as channel:
            ledger = Ledger(channel, service.admin, "")
            monitor = Monitor(fetch_from(tiles), key)
            return checking.run_checks(Followed(service, ledger, key, monitor, tiles))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where ledger-service is")
    options = parser.parse_args()
    with running_cluster(size=1) as cluster:
        return follow(options.bin, cluster)


if __name__ == "__main__":
    sys.exit(main())
