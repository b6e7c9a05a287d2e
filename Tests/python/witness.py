#!/usr/bin/env python3
"""A C2SP witness for tests, written from the specification: hashlib, cryptography and http.server.

It shares nothing with the service and with `ledgerctl witness`. It can misbehave: POST /control with a mode's name
changes how it answers from then on. Its memory is that of the process.

    witness.py --name witness.example/py --seed HEX --log VERIFIERKEY [--log ...] [--mode MODE]

prints `port N` and its verifier key, and ends when its standard input does.
"""

import argparse
import base64
import hashlib
import http.server
import os
import struct
import sys
import threading
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MODES = {
    "normal": "as the specification has it",
    "slow": "answers rightly, after three seconds",
    "loop": "409, with another size each time",
    "larger": "409, with a size that is a thousand above the checkpoint's",
    "untyped": "409 without the type of sizes",
    "wrong-signature": "a cosignature with one bit changed",
    "other-key": "a cosignature of a key that nobody knows",
    "impostor": "a cosignature of another key under its own name and key ID",
    "old-time": "a cosignature of an hour ago",
    "future-time": "a cosignature of the next hour",
    "empty": "200 without a line",
    "text": "200 with a body that is no signature line",
    "injected": "200 with an empty line and another note's text before its line",
    "huge": "200 with ten megabytes",
    "drop": "the end of the connection",
    "error": "500",
    "redirect": "307 to the same path of another port",
    "inconsistent": "422",
    "unknown": "404",
    "forbidden": "403",
    "refuse": "400",
}


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def node(left: bytes, right: bytes) -> bytes:
    return digest(b"\x01" + left + right)


def split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def root(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word."""
    if not leaves:
        return digest(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(root(leaves[:k]), root(leaves[k:]))


def proof(first: int, leaves: list[bytes], is_whole: bool = True) -> list[bytes]:
    """RFC 6962, 2.1.2: SUBPROOF."""
    if first == len(leaves):
        return [] if is_whole else [root(leaves)]
    k = split(len(leaves))
    if first <= k:
        return proof(first, leaves[:k], is_whole) + [root(leaves[k:])]
    return proof(first - k, leaves[k:], False) + [root(leaves[:k])]


def is_consistent(first: int, second: int, old: bytes, new: bytes, path: list[bytes]) -> bool:
    """RFC 9162, 2.1.4.2."""
    if first == second:
        return not path and old == new
    if not path:
        return False
    path = list(path)
    if first & (first - 1) == 0:
        path.insert(0, old)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while fn & 1 == 0 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return fr == old and sr == new and sn == 0


class Key:
    """A private key with a name, for notes (algorithm 1) or cosignatures (algorithm 4)."""

    def __init__(self, name: str, seed: bytes, algorithm: int):
        self.name, self.algorithm = name, algorithm
        self.private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = digest(name.encode() + b"\n" + bytes([algorithm]) + self.public)[:4]

    @property
    def verifier_key(self) -> str:
        return f"{self.name}+{self.id.hex()}+" + base64.b64encode(
            bytes([self.algorithm]) + self.public).decode()

    def line(self, signature: bytes) -> str:
        return f"\u2014 {self.name} {base64.b64encode(self.id + signature).decode()}\n"

    def note(self, origin: str, size: int, tree_root: bytes, extra: str = "") -> str:
        text = f"{origin}\n{size}\n{base64.b64encode(tree_root).decode()}\n{extra}"
        return text + "\n" + self.line(self.private.sign(text.encode()))

    def cosign(self, text: str, timestamp: int) -> str:
        message = f"cosignature/v1\ntime {timestamp}\n{text}".encode()
        return self.line(struct.pack(">Q", timestamp) + self.private.sign(message))


class Verifier:
    """The public half, out of a verifier key."""

    def __init__(self, text: str):
        self.name, key_id, key = text.split("+", 2)
        data = base64.b64decode(key, validate=True)
        self.algorithm, self.key = data[0], Ed25519PublicKey.from_public_bytes(data[1:])
        self.id = digest(self.name.encode() + b"\n" + data)[:4]
        assert self.id.hex() == key_id

    def signatures(self, note: str) -> list[bytes]:
        """What lines of this key hold after the key ID."""
        found = []
        for line in note[note.rindex("\n\n") + 2:].splitlines():
            dash, name, data = line.split(" ")
            data = base64.b64decode(data, validate=True)
            if dash == "\u2014" and name == self.name and data[:4] == self.id:
                found.append(data[4:])
        return found

    def verifies(self, signature: bytes, message: str) -> bool:
        try:
            self.key.verify(signature, message.encode())
            return True
        except InvalidSignature:
            return False

    def has_signed(self, note: str) -> bool:
        text = note[: note.rindex("\n\n") + 1]
        return any(self.verifies(signature, text) for signature in self.signatures(note))

    def cosigned(self, note: str) -> list[int]:
        """The times of the cosignatures; every one must verify."""
        text, times = note[: note.rindex("\n\n") + 1], []
        for data in self.signatures(note):
            timestamp = struct.unpack(">Q", data[:8])[0]
            assert self.verifies(data[8:], f"cosignature/v1\ntime {timestamp}\n{text}")
            times.append(timestamp)
        return times


def body(old: int, path: list[bytes], note: str) -> bytes:
    """What `add-checkpoint` takes."""
    lines = [f"old {old}"] + [base64.b64encode(part).decode() for part in path]
    return ("\n".join(lines) + "\n\n" + note).encode()


class Witness:
    """What was cosigned, and the mode."""

    def __init__(self, name: str, seed: bytes, logs: list[str], mode: str):
        self.key = Key(name, seed, 4)
        self.stranger = Key("nobody.example/key", digest(seed), 4)
        self.logs = {verifier.name: verifier for verifier in map(Verifier, logs)}
        self.mode, self.sizes = mode, {}
        self.lock = threading.Lock()
        self.requests = 0

    def add(self, request: bytes) -> tuple[int, str, str]:
        """Status, type and body of the answer."""
        plain = "text/plain"
        try:
            head, note = request.decode().split("\n\n", 1)
            first, *lines = head.split("\n")
            assert first.startswith("old ") and first == f"old {int(first[4:])}" and len(lines) <= 63
            old, path = int(first[4:]), [base64.b64decode(line, validate=True) for line in lines]
            text = note[: note.rindex("\n\n") + 1]
            origin, size, encoded = text.split("\n")[:3]
            size, tree_root = int(size), base64.b64decode(encoded, validate=True)
        except (ValueError, AssertionError) as error:
            return 400, plain, f"{error}\n"
        with self.lock:
            if origin not in self.logs:
                return 404, plain, "unknown origin\n"
            if not self.logs[origin].has_signed(note):
                return 403, plain, "not signed\n"
            if old > size:
                return 400, plain, "old above size\n"
            known, known_root = self.sizes.get(origin, (0, digest(b"")))
            if old != known or (size == known and known_root != tree_root and size > 0):
                return 409, "text/x.tlog.size", f"{known}\n"
            good = not path if old == 0 else is_consistent(old, size, known_root, tree_root, path)
            if not good:
                return 422, plain, "inconsistent\n"
            self.sizes[origin] = (size, tree_root)
        return 200, plain, self.key.cosign(text, int(time.time()))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    witness: Witness

    def do_GET(self):
        self.answer(200, "text/plain", f"{self.witness.requests}\n")

    def do_POST(self):
        request = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path == "/control":
            self.witness.mode = request.decode()
            assert self.witness.mode in MODES
            return self.answer(200, "text/plain", "\n")
        if self.path != "/add-checkpoint":
            return self.answer(404, "text/plain", "no such page\n")
        self.witness.requests += 1
        getattr(self, "mode_" + self.witness.mode.replace("-", "_"))(request)

    def answer(self, status: int, kind: str, text: str, **headers: str):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def text(self, request: bytes) -> str:
        note = request.decode().split("\n\n", 1)[1]
        return note[: note.rindex("\n\n") + 1]

    def mode_normal(self, request):
        self.answer(*self.witness.add(request))

    def mode_slow(self, request):
        time.sleep(3)
        self.answer(*self.witness.add(request))

    def mode_loop(self, _):
        self.answer(409, "text/x.tlog.size", f"{1 + self.witness.requests % 7}\n")

    def mode_larger(self, request):
        size = int(self.text(request).split("\n")[1])
        self.answer(409, "text/x.tlog.size", f"{size + 1000}\n")

    def mode_untyped(self, _):
        self.answer(409, "text/plain", "5\n")

    def mode_wrong_signature(self, request):
        line = self.witness.key.cosign(self.text(request), int(time.time()))
        dash, name, data = line.split(" ")
        data = bytearray(base64.b64decode(data))
        data[-1] ^= 1
        self.answer(200, "text/plain", f"{dash} {name} {base64.b64encode(data).decode()}\n")

    def mode_other_key(self, request):
        self.answer(200, "text/plain", self.witness.stranger.cosign(self.text(request), int(time.time())))

    def mode_impostor(self, request):
        impostor = Key(self.witness.key.name, os.urandom(32), 4)
        impostor.id = self.witness.key.id
        self.answer(200, "text/plain", impostor.cosign(self.text(request), int(time.time())))

    def mode_old_time(self, request):
        self.answer(200, "text/plain", self.witness.key.cosign(self.text(request), int(time.time()) - 3600))

    def mode_future_time(self, request):
        self.answer(200, "text/plain", self.witness.key.cosign(self.text(request), int(time.time()) + 3600))

    def mode_empty(self, _):
        self.answer(200, "text/plain", "")

    def mode_text(self, _):
        self.answer(200, "text/html", "<html>It works!</html>\n")

    def mode_injected(self, request):
        line = self.witness.key.cosign(self.text(request), int(time.time()))
        self.answer(200, "text/plain", f"other.example\n9\nAAAA\n\n{line}")

    def mode_huge(self, _):
        self.send_response(200)
        self.send_header("Content-Length", str(10_000_000))
        self.end_headers()
        try:
            for _ in range(10_000):
                self.wfile.write(b"\xe2\x80\x94 x y\n" * 125)
        except OSError:
            self.close_connection = True

    def mode_drop(self, _):
        self.close_connection = True

    def mode_error(self, _):
        self.answer(500, "text/plain", "oh\n")

    def mode_redirect(self, _):
        self.answer(307, "text/plain", "", Location="http://127.0.0.1:1/add-checkpoint")

    def mode_inconsistent(self, _):
        self.answer(422, "text/plain", "no\n")

    def mode_unknown(self, _):
        self.answer(404, "text/plain", "no\n")

    def mode_forbidden(self, _):
        self.answer(403, "text/plain", "no\n")

    def mode_refuse(self, _):
        self.answer(400, "text/plain", "no\n")

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True)
    parser.add_argument("--seed", required=True, help="64 hex digits")
    parser.add_argument("--log", action="append", required=True)
    parser.add_argument("--mode", choices=MODES, default="normal")
    options = parser.parse_args()
    Handler.witness = Witness(
        options.name, bytes.fromhex(options.seed), options.log, options.mode)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(f"port {server.server_port}", Handler.witness.key.verifier_key, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
