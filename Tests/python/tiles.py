"""Checks a C2SP tlog-tiles folder with nothing but hashlib and cryptography.

    tiles.py FOLDER VERIFIER_KEY

Written from the specifications; shares no code with what writes such folders.
"""

import base64
import hashlib
import pathlib
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TILE = 256


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right)


def tree_root(hashes: list[bytes]) -> bytes:
    """The root of RFC 6962 over leaf hashes, straight from its definition."""
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node(tree_root(hashes[:split]), tree_root(hashes[split:]))


def tile_path(level: str, index: int, width: int) -> str:
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[start : start + 3] for start in range(0, len(digits), 3)]
    name = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return f"tile/{level}/{name}" + ("" if width == TILE else f".p/{width}")


def signed_checkpoint(note: bytes, verifier_key: str) -> tuple[int, bytes]:
    """Size and root of a note that the key signed."""
    text, _, signatures = note.rpartition(b"\n\n")
    text += b"\n"
    name, _, encoded = verifier_key.split("+", 2)
    key = base64.b64decode(encoded, validate=True)
    key_id = sha256(name.encode() + b"\n" + key)[:4]
    origin, size, root = text.split(b"\n")[:3]
    assert origin == name.encode(), origin
    mine = []
    for line in signatures.splitlines():
        _, signer, signature = line.split(b" ")
        content = base64.b64decode(signature, validate=True)
        if signer == origin and content[:4] == key_id:
            mine.append(content[4:])
    assert mine, "not signed"
    for signature in mine:
        Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature, text)
    return int(size), base64.b64decode(root, validate=True)


def entries(folder: pathlib.Path, size: int) -> list[bytes]:
    """Every entry, from the bundles."""
    found = []
    for index in range(-(-size // TILE)):
        width = min(TILE, size - index * TILE)
        content = (folder / tile_path("entries", index, width)).read_bytes()
        count, position = 0, 0
        while position < len(content):
            length = int.from_bytes(content[position : position + 2], "big")
            found.append(content[position + 2 : position + 2 + length])
            assert len(found[-1]) == length, "a bundle is cut"
            position += 2 + length
            count += 1
        assert count == width, f"bundle {index} has {count} entries, not {width}"
    return found


def check(folder: pathlib.Path, verifier_key: str) -> list[bytes]:
    """Checks everything; returns the entries. No file may be there that the size does not need."""
    size, root = signed_checkpoint((folder / "checkpoint").read_bytes(), verifier_key)
    every = entries(folder, size)
    expected = {"checkpoint", ".ledger-export.json"}
    expected |= {
        tile_path("entries", index, min(TILE, size - index * TILE))
        for index in range(-(-size // TILE))
    }
    hashes, level = [sha256(b"\0" + entry) for entry in every], 0
    assert tree_root(hashes) == root, "the entries give another root"
    while hashes:
        for index in range(-(-len(hashes) // TILE)):
            tile = hashes[index * TILE : (index + 1) * TILE]
            name = tile_path(str(level), index, len(tile))
            assert (folder / name).read_bytes() == b"".join(tile), f"{name} is wrong"
            expected.add(name)
        full = len(hashes) // TILE
        hashes = [tree_root(hashes[index * TILE : (index + 1) * TILE]) for index in range(full)]
        level += 1
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == expected, f"too much or missing: {sorted(there ^ expected)[:5]}"
    return every


if __name__ == "__main__":
    print(f"{len(check(pathlib.Path(sys.argv[1]), sys.argv[2]))} entries")
