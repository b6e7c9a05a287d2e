#!/usr/bin/env python3
"""Verifies an archive of the ledger with nothing but what docs/formats.md says.

    verify-archive.py LOCATION --verifier-key KEY [--size-at-least N] [--quiet]

LOCATION is a folder, file:///folder, http(s)://... where a bucket can be read by anybody, or
s3://bucket/prefix with --endpoint and AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (and
AWS_SESSION_TOKEN) in the environment. KEY is what `ledgerctl keygen` prints.

Every entry is decoded and encoded again, chained to the one before, and hashed; from these hashes
every tile of every level, every ids segment and the tree's root are computed anew and compared with
what is there, byte for byte; the checkpoint's signature is checked. It shares no code with the
ledger: it needs Python 3.10 and the package cryptography.

Exit status: 0 when everything is right, 1 for what is wrong or missing, 2 where it cannot be read.
"""

import argparse
import base64
import concurrent.futures
import datetime
import hashlib
import hmac
import os
import pathlib
import struct
import sys
import urllib.error
import urllib.parse
import urllib.request

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TILE = 256
SEGMENT = 4096
MOST_ENTRY_BYTES = 65_535
MOST_BLOCK_EVENTS = 1024
PARALLEL = 16


class Wrong(Exception):
    """Something in the archive is not as it must be."""


class Unreadable(Exception):
    """Nothing can be said: the archive cannot be read."""


# Reading


class Folder:
    def __init__(self, path: str):
        self.path = pathlib.Path(path)
        if not self.path.is_dir():
            raise Unreadable(f"{path} is no folder")

    def read(self, name: str) -> bytes | None:
        try:
            return (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Unreadable(f"{name}: {error}") from None


class Web:
    """Objects behind a URL that anybody may read."""

    def __init__(self, base: str):
        self.base = base.rstrip("/")

    def headers(self, url: str) -> dict[str, str]:
        return {}

    def read(self, name: str) -> bytes | None:
        url = f"{self.base}/{name}"
        request = urllib.request.Request(url, headers=self.headers(url))
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise Unreadable(f"{name}: status {error.code}") from None
        except OSError as error:
            raise Unreadable(f"{name}: {error}") from None


class Bucket(Web):
    """Objects of S3 by path, with Signature Version 4."""

    def __init__(self, location: str, endpoint: str, region: str):
        super().__init__(f"{endpoint.rstrip('/')}/{location.removeprefix('s3://')}")
        self.region = region
        try:
            self.access = os.environ["AWS_ACCESS_KEY_ID"]
            self.secret = os.environ["AWS_SECRET_ACCESS_KEY"]
        except KeyError as error:
            raise Unreadable(f"{error} is not set") from None
        self.token = os.environ.get("AWS_SESSION_TOKEN")

    def headers(self, url: str) -> dict[str, str]:
        parts = urllib.parse.urlsplit(url)
        now = datetime.datetime.now(datetime.timezone.utc)
        stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        empty = hashlib.sha256(b"").hexdigest()
        signed = {"host": parts.netloc, "x-amz-content-sha256": empty, "x-amz-date": stamp}
        if self.token:
            signed["x-amz-security-token"] = self.token
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        path = urllib.parse.quote(parts.path, safe="/-_.~")
        request = f"GET\n{path}\n\n{lines}\n{names}\n{empty}"
        scope = f"{day}/{self.region}/s3/aws4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
        key = f"AWS4{self.secret}".encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        del signed["host"]
        return signed


def opened(location: str, endpoint: str | None, region: str):
    if location.startswith("s3://"):
        if not endpoint:
            raise Unreadable("a bucket needs --endpoint, such as https://s3.eu-central-1.amazonaws.com")
        return Bucket(location, endpoint, region)
    if location.startswith(("http://", "https://")):
        return Web(location)
    return Folder(location.removeprefix("file://"))


# Names


def tile_name(kind: str, index: int, width: int) -> str:
    groups = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03}")
    suffix = "" if width == TILE else f".p/{width}"
    return f"tile/{kind}/{'/'.join(groups)}{suffix}"


# Checkpoint


def verifier(key: str) -> tuple[str, bytes, Ed25519PublicKey]:
    """Name, key ID and public key of `name+hex+base64`."""
    try:
        name, identity, encoded = key.split("+", 2)
        public = base64.b64decode(encoded, validate=True)
        if len(public) != 33 or public[0] != 1:
            raise ValueError("no Ed25519 key")
        expected = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
        if bytes.fromhex(identity) != expected:
            raise ValueError("the key ID is another")
        return name, expected, Ed25519PublicKey.from_public_bytes(public[1:])
    except ValueError as error:
        raise Unreadable(f"--verifier-key: {error}") from None


def checkpoint(note: bytes, key: str) -> tuple[int, bytes]:
    """Size and root that the key's owner has signed."""
    name, identity, public = verifier(key)
    try:
        signed, _, below = note.decode("utf-8", "strict").rpartition("\n\n")
        text, lines = signed + "\n", below.split("\n")
        if not signed or lines.pop():
            raise ValueError("no signatures below an empty line")
        found = False
        for line in lines:
            if not line.startswith("\u2014 "):
                raise ValueError("a line is no signature")
            signer, _, encoded = line[2:].rpartition(" ")
            signature = canonical(encoded)
            if signer != name or signature[:4] != identity:
                continue
            public.verify(signature[4:], text.encode())
            found = True
        if not found:
            raise ValueError(f"{name} has not signed it")
        origin, size, root = text.split("\n")[:3]
        if origin != name:
            raise ValueError(f"it is of {origin}")
        if str(int(size)) != size or int(size) < 0:
            raise ValueError("the size is no number")
        if len(canonical(root)) != 32:
            raise ValueError("the root has not 32 bytes")
        return int(size), canonical(root)
    except InvalidSignature:
        raise Wrong("checkpoint: the signature is not of this text") from None
    except ValueError as error:
        raise Wrong(f"checkpoint: {error}") from None


def canonical(encoded: str) -> bytes:
    """The bytes of a text that is the one base64 of them."""
    content = base64.b64decode(encoded, validate=True)
    if base64.b64encode(content).decode() != encoded:
        raise ValueError("base64 that is not canonical")
    return content


# Entries


class Reader:
    def __init__(self, content: bytes, what: str):
        self.content, self.place, self.what = content, 0, what

    def take(self, count: int) -> bytes:
        end = self.place + count
        if end > len(self.content):
            raise Wrong(f"{self.what}: it ends too early")
        part = self.content[self.place : end]
        self.place = end
        return part

    def number(self, shape: str) -> int:
        return struct.unpack(shape, self.take(struct.calcsize(shape)))[0]

    def prefixed(self, most: int) -> bytes:
        count = self.number(">I")
        if count > most:
            raise Wrong(f"{self.what}: a part of {count} bytes")
        return self.take(count)

    def finish(self) -> None:
        if self.place != len(self.content):
            raise Wrong(f"{self.what}: bytes after its end")


def lv(part: bytes) -> bytes:
    return struct.pack(">I", len(part)) + part


class Entry:
    """One entry, decoded, and found to be the one way to write what it says."""

    def __init__(self, content: bytes, number: int):
        what = f"event {number}"
        if len(content) > MOST_ENTRY_BYTES:
            raise Wrong(f"{what}: {len(content)} bytes")
        reader = Reader(content, what)
        if reader.take(4) != b"ILE1":
            raise Wrong(f"{what}: it does not begin with ILE1")
        found = reader.number(">Q")
        if found != number:
            raise Wrong(f"{what}: it carries the number {found}")
        self.event_id = reader.prefixed(256)
        payload = reader.prefixed(MOST_ENTRY_BYTES)
        certification = reader.prefixed(MOST_ENTRY_BYTES)
        self.previous_hash = reader.take(32)
        reader.finish()
        part = Reader(certification, what)
        signature = part.prefixed(1024)
        certified = part.number(">q")
        count = part.number(">I")
        if count > 32 or not self.event_id:
            raise Wrong(f"{what}: out of bounds")
        pairs = [(part.prefixed(128), part.prefixed(1024)) for _ in range(count)]
        submitter = part.prefixed(MOST_ENTRY_BYTES)
        self.sealed_timestamp = part.number(">q")
        part.finish()
        keys = [key for key, _ in pairs]
        if keys != sorted(set(keys)) or not all(
            key and all(0x20 <= byte < 0x7F for byte in key) for key in keys
        ):
            raise Wrong(f"{what}: its metadata are not in order")
        for text in (self.event_id, signature, submitter, *(value for _, value in pairs)):
            try:
                text.decode()
            except UnicodeDecodeError:
                raise Wrong(f"{what}: a text is not UTF-8") from None
        again = lv(signature) + struct.pack(">qI", certified, count)
        again += b"".join(lv(key) + lv(value) for key, value in pairs)
        again += lv(submitter) + struct.pack(">q", self.sealed_timestamp)
        whole = b"ILE1" + struct.pack(">Q", number) + lv(self.event_id) + lv(payload)
        if whole + lv(again) + self.previous_hash != content:
            raise Wrong(f"{what}: it is not in its canonical form")
        self.event_hash = hashlib.sha256(content).digest()
        self.leaf_hash = hashlib.sha256(b"\0" + content).digest()
        self.fingerprint = hashlib.sha256(b"ILID" + self.event_id).digest()[:8]


def bundle_entries(content: bytes, index: int, width: int) -> list[Entry]:
    name = tile_name("entries", index, width)
    reader = Reader(content, name)
    entries = [
        Entry(reader.take(reader.number(">H")), index * TILE + offset + 1)
        for offset in range(width)
    ]
    reader.finish()
    return entries


def entries_length(content: bytes, count: int) -> int:
    """So many bytes the first entries of a bundle have, with their lengths."""
    end = 0
    for _ in range(count):
        end += 2 + int.from_bytes(content[end : end + 2], "big")
    return end


# Tree


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def full_root(hashes: list[bytes]) -> bytes:
    """The root over a power of two of hashes."""
    while len(hashes) > 1:
        hashes = [node(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]


class Level:
    """The hashes of one level that no full tile holds yet."""

    def __init__(self) -> None:
        self.hashes: list[bytes] = []
        self.tiles = 0


class Archive:
    """Walks through an archive from the first event to the last that its checkpoint covers."""

    def __init__(self, store):
        self.store = store
        self.levels: list[Level] = []
        self.counts = {"entries": 0, "bundles": 0, "tiles": 0, "segments": 0}
        self.previous_hash, self.timestamp = bytes(32), None
        self.fingerprints: list[bytes] = []
        self.wrong: list[str] = []

    def read(self, kind: str, index: int, width: int) -> bytes:
        """An object; where a partial one is gone, what the full one has of it: the log may grow meanwhile."""
        name = tile_name(kind, index, width)
        found = self.store.read(name)
        if found is None and width < TILE:
            found = self.store.read(tile_name(kind, index, TILE))
            if found is not None:
                found = found[: entries_length(found, width) if kind == "entries" else 32 * width]
        if found is None:
            raise Wrong(f"{name} is missing")
        return found

    def compare(self, kind: str, index: int, width: int, expected: bytes) -> None:
        if self.read(kind, index, width) != expected:
            raise Wrong(f"{tile_name(kind, index, width)} is not what the entries lead to")

    def verify(self, key: str) -> int:
        note = self.store.read("checkpoint")
        if note is None:
            raise Wrong("checkpoint is missing")
        size, root = checkpoint(note, key)
        widths = [min(TILE, size - first) for first in range(0, size, TILE)]
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            for start in range(0, len(widths), PARALLEL):
                part = list(enumerate(widths))[start : start + PARALLEL]
                contents = pool.map(lambda place: self.read("entries", *place), part)
                for (index, width), content in zip(part, contents, strict=True):
                    self.take(bundle_entries(content, index, width))
        self.finish()
        if self.root() != root:
            raise Wrong("checkpoint: the entries lead to another root")
        return size

    def take(self, entries: list[Entry]) -> None:
        for entry in entries:
            number = self.counts["entries"] + 1
            if entry.previous_hash != self.previous_hash:
                raise Wrong(f"event {number}: it does not follow the event before it")
            if self.timestamp is not None and entry.sealed_timestamp < self.timestamp:
                raise Wrong(f"event {number}: it was sealed before the event before it")
            self.previous_hash, self.timestamp = entry.event_hash, entry.sealed_timestamp
            self.fingerprints.append(entry.fingerprint)
            self.counts["entries"] = number
            self.push(0, entry.leaf_hash)
            if len(self.fingerprints) == SEGMENT:
                self.segment(number // SEGMENT - 1)
        self.counts["bundles"] += 1

    def push(self, level: int, value: bytes) -> None:
        if level == len(self.levels):
            self.levels.append(Level())
        place = self.levels[level]
        place.hashes.append(value)
        if len(place.hashes) == TILE:
            self.compare(str(level), place.tiles, TILE, b"".join(place.hashes))
            self.counts["tiles"] += 1
            place.tiles += 1
            root, place.hashes = full_root(place.hashes), []
            self.push(level + 1, root)

    def segment(self, number: int) -> None:
        name = f"ids/{number:020}"
        found = self.store.read(name)
        if found is None:
            raise Wrong(f"{name} is missing")
        if len(found) != SEGMENT * 8 + SEGMENT // 8:
            raise Wrong(f"{name} has {len(found)} bytes")
        if found[: SEGMENT * 8] != b"".join(self.fingerprints):
            raise Wrong(f"{name} is not what the entries lead to")
        # Where blocks began is recorded nowhere else; that they were none too large can be seen.
        bits = found[SEGMENT * 8 :]
        starts = [i for i in range(SEGMENT) if bits[i // 8] >> (i % 8) & 1]
        if number == 0 and (not starts or starts[0] != 0):
            raise Wrong(f"{name}: no block begins with the first event")
        borders = [-MOST_BLOCK_EVENTS if number else 0, *starts, SEGMENT]
        if any(b - a > MOST_BLOCK_EVENTS for a, b in zip(borders[1:], borders[2:])) or (
            number and borders[1] > MOST_BLOCK_EVENTS
        ):
            raise Wrong(f"{name}: a block of more than {MOST_BLOCK_EVENTS} events")
        self.fingerprints = []
        self.counts["segments"] += 1

    def finish(self) -> None:
        for number, level in enumerate(self.levels):
            if level.hashes:
                self.compare(str(number), level.tiles, len(level.hashes), b"".join(level.hashes))
                self.counts["tiles"] += 1

    def root(self) -> bytes:
        """Over the full subtrees that are left at each level, the lowest first."""
        root = None
        for level in self.levels:
            hashes = level.hashes
            size = len(hashes)
            while size:
                part = size & -size
                subtree = full_root(hashes[size - part : size])
                root = subtree if root is None else node(subtree, root)
                size -= part
        return hashlib.sha256(b"").digest() if root is None else root


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("location")
    parser.add_argument("--verifier-key", required=True)
    parser.add_argument("--endpoint")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--size-at-least", type=int, default=0)
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args()
    try:
        archive = Archive(opened(options.location, options.endpoint, options.region))
        size = archive.verify(options.verifier_key)
        if size < options.size_at_least:
            raise Wrong(f"checkpoint: it covers {size} events only")
    except Wrong as error:
        print(f"WRONG {error}", file=sys.stderr)
        return 1
    except Unreadable as error:
        print(f"verify-archive: {error}", file=sys.stderr)
        return 2
    if not options.quiet:
        counts = archive.counts
        print(
            f"right: {size} events in {counts['bundles']} bundles, {counts['tiles']} tiles, "
            f"{counts['segments']} ids segments, and the signed checkpoint"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
