#!/usr/bin/env python3
"""Requests of another program's to `ledgerctl witness`: what the specification says, and what nobody should send.

    witness_test.py --bin FOLDER        the folder that ledgerctl is built into
"""

import argparse
import base64
import concurrent.futures
import contextlib
import http.client
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

from checking import check, expect, expect_equal, run_checks
from witness import Key, Verifier, body, digest, proof, root

SEED = bytes(range(32, 64))
LEAVES = [digest(b"\x00" + str(number).encode()) for number in range(600)]
FORK = LEAVES[:40] + [digest(b"\x00fork" + str(number).encode()) for number in range(560)]
STATE_HEADER = "immutable-ledger witness 1\n"


def pem(seed: bytes) -> str:
    der = bytes.fromhex("302e020100300506032b657004220420") + seed
    return f"-----BEGIN PRIVATE KEY-----\n{base64.b64encode(der).decode()}\n-----END PRIVATE KEY-----\n"


class Server:
    """A `ledgerctl witness` on a free port, and a log that it knows."""

    def __init__(self, ledgerctl: pathlib.Path, folder: pathlib.Path):
        self.ledgerctl, self.folder = ledgerctl, folder
        self.log = Key("log.example/one", os.urandom(32), 1)
        self.state = folder / "state"
        (folder / "key.pem").write_text(pem(SEED))
        self.process, self.port = None, 0
        self.verifier = Verifier(Key("witness.example/w1", SEED, 4).verifier_key)

    def command(self, *more: str) -> list[str]:
        return [str(self.ledgerctl), "witness", "--listen", "127.0.0.1:0", "--key",
                str(self.folder / "key.pem"), "--name", "witness.example/w1", "--state",
                str(self.state), "--log", self.log.verifier_key, *more]

    def start(self) -> str:
        """Starts it, and returns what it printed."""
        self.process = subprocess.Popen(
            self.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        printed = self.process.stdout.readline().strip()
        line = self.process.stderr.readline()
        expect("listens" in line, f"it said {line!r} and printed {printed!r}")
        self.port = int(line.split()[-1])
        return printed

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def post(self, data: bytes, path: str = "/add-checkpoint", method: str = "POST"):
        """Status, type, text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, data)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type"), answer.read().decode()
        finally:
            connection.close()

    def note(self, size: int, leaves=None, key=None, origin=None, extra: str = "") -> str:
        leaves = LEAVES if leaves is None else leaves
        key = key or self.log
        return key.note(origin or self.log.name, size, root(leaves[:size]), extra)

    def add(self, old: int, size: int, leaves=None, path=None, **options):
        leaves = LEAVES if leaves is None else leaves
        if path is None:
            path = proof(old, leaves[:size]) if 0 < old <= size else []
        note = self.note(size, leaves, **options)
        status, kind, text = self.post(body(old, path, note))
        if status == 200:
            times = self.verifier.cosigned(note + text)
            expect_equal("the number of cosignatures", len(times), 1)
            expect(abs(times[0] - time.time()) < 100, f"cosigned at {times[0]}")
        return status, kind, text

    def conflict(self, size: int):
        return 409, "text/x.tlog.size", f"{size}\n"


@check("it prints its verifier key, and cosigns what continues what it has cosigned")
def grows(server: Server):
    size = 0
    for larger in [1, 1, 2, 3, 40, 256, 257, 300, 300]:
        expect_equal(f"{size} to {larger}", server.add(size, larger)[0], 200)
        size = larger


@check("the status is the one of the specification, and the state stays as it is")
def statuses(server: Server):
    stranger = Key("log.example/one", os.urandom(32), 1)
    other = Key("log.example/two", os.urandom(32), 1)
    expect_equal("an unknown origin", server.add(300, 301, key=other, origin=other.name)[0], 404)
    expect_equal("an unknown key", server.add(300, 301, key=stranger)[0], 403)
    expect_equal("a note of another origin", server.add(300, 301, origin="log.example/x")[0], 404)
    expect_equal("an old size above", server.add(302, 301)[0], 400)
    expect_equal("another old size", server.add(299, 301), server.conflict(300))
    expect_equal("the old size 0", server.add(0, 301), server.conflict(300))
    expect_equal("the empty tree", server.add(0, 0), server.conflict(300))
    expect_equal("an older checkpoint, replayed", server.add(40, 256), server.conflict(300))
    expect_equal("no proof", server.add(300, 301, path=[])[0], 422)
    wrong = proof(300, LEAVES[:301])
    expect_equal("a proof with a hash too many",
                 server.add(300, 301, path=wrong + [digest(b"")])[0], 422)
    expect_equal("a proof in another order", server.add(300, 301, path=wrong[::-1])[0], 422)
    expect_equal("a fork of the same size", server.add(300, 300, FORK), server.conflict(300))
    expect_equal("a fork of a larger size", server.add(300, 301, FORK)[0], 422)
    expect_equal("a proof of equal sizes", server.add(300, 300, path=[digest(b"")])[0], 422)
    expect_equal("the same once more", server.add(300, 300)[0], 200)
    expect_equal("with an extension line", server.add(300, 300, extra="more\n")[0], 200)


@check("what is no request gets 400, or is not read to its end")
def malformed(server: Server):
    note = server.note(301)
    good = proof(300, LEAVES[:301])
    text = body(300, good, note).decode()
    bad = [
        "", "\n", "old 300", "old 300\n", "old\n\n" + note, "old 0300\n\n" + note, "old -1\n\n" + note,
        "old +300\n\n" + note, "old 3e2\n\n" + note, "old 18446744073709551616\n\n" + note,
        "old " + "9" * 1000 + "\n\n" + note, "new 300\n\n" + note, "old 300 \n\n" + note,
        text.replace("old 300\n", "old 300\r\n"), "old 300\nAAAA\n\n" + note, "old 300\n!\n\n" + note,
        "old 300\n" + "A" * 44 + "\n\n" + note, text[:-1], text.replace("\u2014", "-"),
        "old 300\n\n", "old 300\n\nx", "old 300\n\n" + note.replace("\n301\n", "\n0301\n"),
        "old 300\n" + (base64.b64encode(digest(b"")).decode() + "\n") * 64 + "\n" + note,
        "old 300\n\n" + note.split("\n\n")[0] + "\n\n", "\0" * 100,
    ]
    for request in bad:
        expect_equal(repr(request[:60]), server.post(request.encode())[0], 400)
    expect_equal("bytes that are not UTF-8", server.post(b"\xff" + text.encode())[0], 400)
    line = base64.b64encode(digest(b"")).decode() + "\n"
    for lines in [2_000, 1_000_000]:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            expect_equal(f"{lines} proof lines",
                         server.post(("old 300\n" + line * lines + "\n" + note).encode())[0], 413)
    expect_equal("an old size near 2^64", server.post(body(2**64 - 1, [], note))[0], 400)
    largest = server.log.note(server.log.name, 2**64 - 1, digest(b""))
    expect_equal("a checkpoint near 2^64", server.post(body(300, [digest(b"")] * 63, largest))[0], 422)
    expect_equal("another page", server.post(b"", "/")[0], 404)
    expect_equal("another page below", server.post(b"", "/add-checkpoint/x")[0], 404)
    expect_equal("another method", server.post(b"", method="PUT")[0], 405)
    expect_equal("and then the state", server.add(0, 0), server.conflict(300))


@check("a body without end is cut, and others are served meanwhile")
def endless(server: Server):
    sockets = []
    for _ in range(20):
        slow = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        slow.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\nold")
        sockets.append(slow)
    chunked = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    chunked.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        for _ in range(200):
            chunked.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")
    except OSError:
        pass
    expect_equal("meanwhile", server.add(300, 300)[0], 200)
    for slow in sockets + [chunked]:
        slow.close()
    expect_equal("afterwards", server.add(300, 300)[0], 200)


@check("of contradicting checkpoints that come at once, one is cosigned at most")
def forks(server: Server):
    size = 300
    for round_number in range(15):
        larger = size + 1 + round_number % 3
        branches = [
            LEAVES[:size] + [digest(b"\x00%d/%d/%d" % (branch, round_number, leaf)) for leaf in range(larger - size)]
            for branch in range(8)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda leaves: server.add(size, larger, leaves), branches))
        cosigned = [branch for branch, answer in zip(branches, answers) if answer[0] == 200]
        expect_equal("the number of cosigned branches", len(cosigned), 1)
        for answer in answers:
            expect(answer[0] == 200 or answer == server.conflict(larger), f"an answer is {answer[:2]}")
        LEAVES[:] = cosigned[0] + [digest(b"\x00%d" % leaf) for leaf in range(600 - larger)]
        size = larger
    server.size = size


@check("two processes cannot have one state")
def locked(server: Server):
    second = subprocess.run(server.command(), capture_output=True, text=True, timeout=60)
    expect_equal("the exit code", second.returncode, 1)
    expect("another process uses" in second.stderr, second.stderr)
    expect_equal("standard output", second.stdout, "")


@check("after kill -9 at any moment it starts, and has forgotten nothing that it cosigned")
def killed(server: Server):
    size = server.size
    generator = random.Random(7)
    for _ in range(12):
        delay = generator.random() * 0.03
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            stop = pool.submit(lambda: (time.sleep(delay), server.stop(signal.SIGKILL)))
            cosigned, sent = size, size
            with contextlib.suppress(OSError, http.client.HTTPException):
                while sent < 590:
                    sent = cosigned + 1
                    if server.add(cosigned, sent)[0] == 200:
                        cosigned = sent
            stop.result()
        server.start()
        status, _, text = server.add(0, 0)
        expect_equal("the status after the start", status, 409)
        known = int(text)
        expect(cosigned <= known <= sent, f"cosigned {cosigned}, sent {sent}, known {known}")
        # A cosignature that was stored and not handed out is had by asking again.
        expect_equal("asked again", server.add(known, known)[0], 200)
        forked = LEAVES[: known - 1] + [digest(b"\x00x")]
        expect_equal("a fork", server.add(known, known, forked), server.conflict(known))
        size = known
    server.size = size


@check("it stops gracefully, and a state that is damaged, cut or emptied is refused")
def damaged(server: Server):
    expect_equal("the exit code", server.stop(), 0)
    good = server.state.read_bytes()
    expect(good.startswith(STATE_HEADER.encode()), f"the state is {good!r}")
    bad = [b"", good[:-1], good + b"\n", good[: len(good) // 2], good.replace(b"e", b"f", 1), b"\0" * len(good),
           good.replace(b"witness 1", b"witness 2")]
    for index in range(0, len(good), 7):
        bad.append(good[:index] + bytes([good[index] ^ 1]) + good[index + 1:])
    for content in bad:
        server.state.write_bytes(content)
        result = subprocess.run(server.command(), capture_output=True, text=True, timeout=60)
        expect_equal("the exit code", result.returncode, 1)
        expect("damaged" in result.stderr, result.stderr)
        expect_equal("the state afterwards", server.state.read_bytes(), content)
    server.state.write_bytes(good)
    server.start()
    expect_equal("restored", server.add(0, 0), server.conflict(server.size))


@check("what it cannot store it does not cosign")
def full(server: Server):
    # A folder in the place of the new file: opening it for writing fails, as a full disk does.
    obstacle = server.folder / "state.new"
    # One that was killed while it wrote has left its own.
    obstacle.unlink(missing_ok=True)
    obstacle.mkdir()
    expect_equal("with the obstacle", server.add(server.size, server.size + 1)[0], 500)
    expect_equal("the state", server.add(0, 0), server.conflict(server.size))
    obstacle.rmdir()
    expect_equal("without", server.add(server.size, server.size + 1)[0], 200)


@check("wrong options end it with a sentence")
def options(server: Server):
    command = server.command()
    for index, value, text in [
        (3, "127.0.0.1", "--listen"), (3, "::1:80", "--listen"), (5, "/nowhere", "/nowhere"),
        (7, "a b", "name"), (9, "/nowhere/state", "/nowhere"), (11, "x", "--log"),
        (11, Key("w", SEED, 4).verifier_key, "--log"),
    ]:
        changed = command[:index] + [value] + command[index + 1:]
        result = subprocess.run(changed, capture_output=True, text=True, timeout=60)
        expect(result.returncode in (1, 64) and text in result.stderr, f"{value}: {result}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(options.bin / "ledgerctl", pathlib.Path(folder))
        printed = server.start()
        expect_equal("the verifier key", printed, Key("witness.example/w1", SEED, 4).verifier_key)
        try:
            return run_checks(server)
        finally:
            server.stop(signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
