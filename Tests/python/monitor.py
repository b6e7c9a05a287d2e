"""A monitor of a static log (C2SP tlog-tiles), written from the specifications alone.

It believes nothing but a public key: it reads the signed checkpoint, every tile and every entry over
HTTP, computes the whole tree by itself, and follows it as it grows. It shares no code with the
service or its tools, so an error in either shows as a difference.
"""

import base64
import dataclasses
import hashlib
import http.client
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TILE_WIDTH = 256
HASH_BYTES = 32
Fetch = Callable[[str], bytes]


class Deceived(Exception):
    """What was read is not what the ledger has committed to."""


def require(condition: bool, message: str) -> None:
    """Raises Deceived unless the condition holds."""
    if not condition:
        raise Deceived(message)


def fetch_from(base: str) -> Fetch:
    """Reads paths below a base URL; what is not there, or not whole, raises."""

    def fetch(path: str) -> bytes:
        # The service says 503 while it starts or is asked by too many.
        for pause in (0.2, 0.5, 1, 2, None):
            try:
                with urllib.request.urlopen(base + path, timeout=30) as answer:
                    return answer.read()
            except urllib.error.HTTPError as error:
                if error.code != 503 or pause is None:
                    raise
            except http.client.IncompleteRead as error:
                raise Deceived(f"{path} is cut off") from error
            time.sleep(pause)
        raise AssertionError("unreachable")

    return fetch


# RFC 6962, section 2.1


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def tree_hash(leaves: list[bytes]) -> bytes:
    """The root over leaf hashes, by the definition."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(tree_hash(leaves[:half]), tree_hash(leaves[half:]))


def root_from_inclusion(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Follows PATH(index, D[size]) from the leaf up, reading the definition backwards."""
    require(0 <= index < size, "the index is not in the tree")
    if size == 1:
        require(not path, "the path is too long")
        return leaf
    require(bool(path), "the path is too short")
    half = 1 << (size - 1).bit_length() - 1
    if index < half:
        return node_hash(root_from_inclusion(leaf, index, half, path[:-1]), path[-1])
    return node_hash(path[-1], root_from_inclusion(leaf, index - half, size - half, path[:-1]))


def roots_from_consistency(
    first: int, second: int, path: list[bytes], first_root: bytes
) -> tuple[bytes, bytes]:
    """Both roots as SUBPROOF(first, D[second], true) gives them, read backwards."""

    def follow(count: int, size: int, rest: list[bytes], whole: bool) -> tuple[bytes, bytes]:
        if count == size:
            if whole:
                require(not rest, "the path is too long")
                return first_root, first_root
            require(len(rest) == 1, "the path has another length")
            return rest[0], rest[0]
        require(bool(rest), "the path is too short")
        half = 1 << (size - 1).bit_length() - 1
        if count <= half:
            old, new = follow(count, half, rest[:-1], whole)
            return old, node_hash(new, rest[-1])
        old, new = follow(count - half, size - half, rest[:-1], False)
        return node_hash(rest[-1], old), node_hash(rest[-1], new)

    require(0 < first <= second, "no such sizes")
    return follow(first, second, path, True)


# C2SP signed-note and tlog-checkpoint


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What a signature of the ledger's key covers."""

    size: int
    root: bytes


@dataclasses.dataclass(frozen=True)
class LogKey:
    """A ledger's name and its Ed25519 key."""

    origin: str
    key: bytes

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.origin.encode() + b"\n\x01" + self.key).digest()[:4]

    def checkpoint(self, note: bytes) -> Checkpoint:
        """The checkpoint of a note that this key signed."""
        text, separator, signatures = note.rpartition(b"\n\n")
        require(bool(separator), "the note has no signatures")
        text += b"\n"
        own = []
        for line in signatures.splitlines():
            dash, name, encoded = line.decode().split(" ")
            require(dash == "\u2014", "a signature line has another beginning")
            signature = base64.b64decode(encoded, validate=True)
            if name == self.origin and signature[:4] == self.key_id:
                own.append(signature[4:])
        require(bool(own), "the key has not signed it")
        for signature in own:
            try:
                Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text)
            except InvalidSignature:
                raise Deceived("the signature is another key's") from None
        origin, size, root, *_ = text.decode().split("\n")
        require(origin == self.origin, "the checkpoint is another ledger's")
        require(str(int(size)) == size, "the size is not canonical")
        root = base64.b64decode(root, validate=True)
        require(len(root) == HASH_BYTES, "the root has another length")
        return Checkpoint(int(size), root)


# C2SP tlog-tiles


def tile_path(level: int | str, index: int, width: int) -> str:
    """The path of a tile, with its groups of three digits."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03}")
    path = f"/tile/{level}/{'/'.join(groups)}"
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def widths(count: int) -> list[int]:
    """The widths of the tiles of a level that has so many hashes."""
    full, rest = divmod(count, TILE_WIDTH)
    return [TILE_WIDTH] * full + ([rest] if rest else [])


class Monitor:
    """Follows one ledger from its first event on."""

    def __init__(self, fetch: Fetch, key: LogKey):
        self._fetch, self._key = fetch, key
        self.entries: list[bytes] = []
        self.checkpoint = Checkpoint(0, tree_hash([]))

    @property
    def leaves(self) -> list[bytes]:
        return [leaf_hash(entry) for entry in self.entries]

    def advance(self) -> Checkpoint:
        """Reads the newest checkpoint and everything under it; nothing of the past may differ."""
        newest = self._key.checkpoint(self._fetch("/checkpoint"))
        require(newest.size >= self.checkpoint.size, "the ledger has become shorter")
        entries = self._read_entries(newest.size)
        require(entries[: len(self.entries)] == self.entries, "an event has become another one")
        leaves = [leaf_hash(entry) for entry in entries]
        self._check_chain(entries)
        self._check_tiles(leaves)
        before = tree_hash(leaves[: self.checkpoint.size])
        require(before == self.checkpoint.root, "the tree does not continue the earlier one")
        require(tree_hash(leaves) == newest.root, "the entries do not make the signed root")
        self.entries, self.checkpoint = entries, newest
        return newest

    def _read_entries(self, size: int) -> list[bytes]:
        entries = []
        for index, width in enumerate(widths(size)):
            bundle = self._fetch(tile_path("entries", index, width))
            before = len(entries)
            while bundle:
                require(len(bundle) >= 2, "the bundle ends in a length")
                (length,) = struct.unpack(">H", bundle[:2])
                require(len(bundle) >= 2 + length, "the bundle ends in an entry")
                entries.append(bundle[2 : 2 + length])
                bundle = bundle[2 + length :]
            require(len(entries) == before + width, "the bundle has another number of entries")
        return entries

    @staticmethod
    def _check_chain(entries: list[bytes]) -> None:
        previous = bytes(HASH_BYTES)
        for number, entry in enumerate(entries, 1):
            require(entry[:4] == b"ILE1", f"{number} is no entry")
            require(struct.unpack(">Q", entry[4:12])[0] == number, f"{number} has another number")
            require(entry[-HASH_BYTES:] == previous, f"{number} does not follow the one before")
            previous = hashlib.sha256(entry).digest()

    def _check_tiles(self, leaves: list[bytes]) -> None:
        """Every tile of every level holds the roots of the full tiles below it."""
        level, hashes = 0, leaves
        while hashes:
            for index, width in enumerate(widths(len(hashes))):
                tile = self._fetch(tile_path(level, index, width))
                start = index * TILE_WIDTH
                expected = b"".join(hashes[start : start + width])
                require(tile == expected, f"tile {level}/{index} is another one")
            full = len(hashes) // TILE_WIDTH
            hashes = [
                tree_hash(hashes[start * TILE_WIDTH : (start + 1) * TILE_WIDTH])
                for start in range(full)
            ]
            level += 1

    # C2SP tlog-proof

    def check_receipt(self, receipt: str, entry: bytes) -> int:
        """Checks a receipt with nothing but the key; returns the event's number."""
        header, _, rest = receipt.partition("\n")
        require(header == "c2sp.org/tlog-proof@v1", "the receipt has another header")
        proof, separator, note = rest.partition("\n\n")
        require(bool(separator), "the receipt has no checkpoint")
        word, *hashes = proof.split("\n")
        require(word.startswith("index "), "the receipt has no index")
        index = int(word.removeprefix("index "))
        path = [base64.b64decode(text, validate=True) for text in hashes]
        checkpoint = self._key.checkpoint(note.encode())
        root = root_from_inclusion(leaf_hash(entry), index, checkpoint.size, path)
        require(root == checkpoint.root, "the receipt does not lead to the signed root")
        require(struct.unpack(">Q", entry[4:12])[0] == index + 1, "the receipt is for another event")
        return index + 1
