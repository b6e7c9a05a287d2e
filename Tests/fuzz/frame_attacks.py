"""Frames, settings and header compression that no library would send."""

import random
import struct

from attacks import Finding, Target, attack, case, expect_serving
from wire import (
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, MAX_FRAME, PADDED, PING,
    PREFACE, PRIORITIZED, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, Wire,
    call_headers, frame, integer, literal, message,
)  # fmt: skip

STREAMS = (0, 1, 1, 1, 2, 3, 5, 0x7FFFFFFF, 0x80000001, 0xFFFFFFFF)
FLOOD = 3_000


def setting(identifier: int, value: int) -> bytes:
    return struct.pack(">HI", identifier, value)


# What a client may not say, or may say and never mean.
HOSTILE_SETTINGS = {
    "no window": setting(4, 0), "the largest window": setting(4, 0x7FFFFFFF), "a window beyond":
    setting(4, 0x80000000), "no frame size": setting(5, 0), "the largest frame size":
    setting(5, 0xFFFFFF), "a frame size beyond": setting(5, 0xFFFFFFFF), "no header table":
    setting(1, 0), "the largest header table": setting(1, 0xFFFFFFFF), "push that is no bool":
    setting(2, 2), "no streams": setting(3, 0), "no header list": setting(6, 0),
    "unknown ones": b"".join(setting(n, n) for n in range(7, 1_000)), "cut short": b"\0\4\0",
    "window after window": b"".join(setting(4, n * 1_000_003 % 0x7FFFFFFF) for n in range(2_000)),
}  # fmt: skip


def survives(target: Target, what: str) -> None:
    """A new connection is served, whatever became of the old one."""
    with Wire(target.port) as wire:
        expect_serving(wire, target, 1, f"after {what}, a new connection")


def settings_case(name: str, content: bytes) -> None:
    @case(f"settings with {name}")
    def run(target: Target, _) -> None:
        with Wire(target.port, settings=content) as wire:
            wire.open(1, call_headers(target.path))
            wire.data(1, message(b""))
            wire.pump(0.3, lambda: wire.answer(1).over)
            wire.send(frame(SETTINGS, 0, 0, content), frame(SETTINGS, ACK, 0, content))
            wire.pump(0.1, lambda: False)
        survives(target, f"settings with {name}")


for _name, _content in HOSTILE_SETTINGS.items():
    settings_case(_name, _content)

LONG = literal([("x-long", "a" * 4_000)])
# Header blocks as HPACK would not have them.
BLOCKS = {
    "index 0": b"\x80", "an index beyond the table": integer(100_000, 7, 0x80),
    "an index without end": b"\xff" * 5_000, "a length beyond the block": b"\0\x7f\xff\xff\xff\x0f",
    "a name that is cut": b"\0\x05ab", "Huffman text with a wrong end": b"\0\x01a\x83\xff\xff\xff",
    "a table size beyond the limit": integer(1 << 30, 5, 0x20), "table sizes without end":
    integer(4_096, 5, 0x20) * 3_000, "an index to what was pushed out": b"\xbe",
    # One large field is remembered, and named again with one byte each.
    "a bomb": b"\x40" + integer(6, 7, 0) + b"x-bomb" + integer(3_900, 7, 0) + b"b" * 3_900 +
    b"\xbe" * 16_000, "static fields without end": b"\x82" * 16_000,
}  # fmt: skip


def block_case(name: str, block: bytes) -> None:
    @case(f"a header block with {name}")
    def run(target: Target, _) -> None:
        with Wire(target.port) as wire:
            good = literal(call_headers(target.path))
            for stream, content in ((1, block), (3, good + block)):
                pieces = [content[at : at + 16_000] for at in range(0, len(content), 16_000)]
                wire.send(frame(HEADERS, 0, stream, pieces[0]))
                for piece in pieces[1:]:
                    wire.send(frame(CONTINUATION, 0, stream, piece))
                wire.send(frame(CONTINUATION, END_HEADERS, stream))
                wire.send(frame(DATA, END_STREAM, stream, message(b"")))
            wire.pump(0.3, lambda: wire.goaway is not None)
        survives(target, f"a header block with {name}")


for _name, _block in BLOCKS.items():
    block_case(_name, _block)

GOOD = literal(call_headers("/grpc.health.v1.Health/Check"))
# Sent again and again on one connection that has one call open.
FLOODS = {
    "settings": lambda n: frame(SETTINGS, 0, 0, setting(4, 65_535)),
    "empty settings": lambda n: frame(SETTINGS, 0, 0),
    "acknowledged settings": lambda n: frame(SETTINGS, ACK, 0),
    "pings": lambda n: frame(PING, 0, 0, struct.pack(">Q", n)),
    "answered pings": lambda n: frame(PING, ACK, 0, struct.pack(">Q", n)),
    "empty data": lambda n: frame(DATA, 0, 1),
    "padding alone": lambda n: frame(DATA, PADDED, 1, b"\xff" + bytes(255)),
    "window updates of a byte": lambda n: frame(WINDOW_UPDATE, 0, n % 2, struct.pack(">I", 1)),
    "priorities in a ring": lambda n: frame(
        PRIORITY, 0, 2 * (n % 50) + 1, struct.pack(">IB", 2 * ((n + 1) % 50) + 1, 255)
    ),
    "a stream that depends on itself": lambda n: frame(PRIORITY, 0, 1, struct.pack(">IB", 1, 1)),
    "resets of idle streams": lambda n: frame(RST_STREAM, 0, 2 * n + 101, bytes(4)),
    "calls that are reset": lambda n: frame(HEADERS, END_HEADERS, 2 * n + 3, GOOD)
    + frame(RST_STREAM, 0, 2 * n + 3, struct.pack(">I", 8)),
    "calls with a message that are reset": lambda n: frame(HEADERS, END_HEADERS, 2 * n + 3, GOOD)
    + frame(DATA, END_STREAM, 2 * n + 3, message(b""))
    + frame(RST_STREAM, 0, 2 * n + 3, struct.pack(">I", 8)),
    "calls that stay open": lambda n: frame(HEADERS, END_HEADERS, 2 * n + 3, GOOD),
    "calls of no header field": lambda n: frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 3),
    "unknown frames": lambda n: frame(0x20 + n % 200, n % 256, n % 7, bytes(n % 300)),
    "goodbyes": lambda n: frame(GOAWAY, 0, 0, struct.pack(">II", 0x7FFFFFFF, 0)),
    "trailers": lambda n: frame(HEADERS, END_HEADERS, 1, literal([("x", "y")])),
    "messages of no byte": lambda n: frame(DATA, 0, 1, message(b"") * 100),
}


def flood_case(name: str, make) -> None:
    @case(f"a flood of {name}")
    def run(target: Target, _) -> None:
        with Wire(target.port) as wire:
            path = "/ledger.ImmutableLedger/SubmitEvents" if target.kind == "gRPC" else target.path
            wire.open(1, call_headers(path))
            for number in range(FLOOD):
                if not wire.send(make(number)) or wire.goaway is not None:
                    break
                if number % 100 == 99:
                    wire.pump(0.001, lambda: False)
            wire.pump(0.1, lambda: wire.closed)
        survives(target, f"a flood of {name}")


for _name, _make in FLOODS.items():
    flood_case(_name, _make)


@case("a caller that asks 1,000 times whether the connection lives is answered")
def many_pings(target: Target, _) -> None:
    # Libraries measure the bandwidth so while they read a long list.
    with Wire(target.port) as wire:
        for number in range(1_000):
            if not wire.ping():
                raise Finding(f"ping {number} is not answered (GOAWAY {wire.goaway})")
        expect_serving(wire, target, 1, "1,000 pings")


@case("header blocks that never end")
def continuation_flood(target: Target, _) -> None:
    for piece in (b"", LONG, bytes(MAX_FRAME)):
        with Wire(target.port) as wire:
            wire.send(frame(HEADERS, 0, 1, literal(call_headers(target.path))))
            for number in range(FLOOD):
                if not wire.send(frame(CONTINUATION, 0, 1, piece)) or wire.goaway is not None:
                    break
                if number % 64 == 63:
                    wire.pump(0.001, lambda: False)
            else:
                if piece:
                    raise Finding(f"{FLOOD} continuations of {len(piece)} bytes were taken")
        survives(target, "header blocks that never end")


@case("windows that overflow")
def window_overflow(target: Target, _) -> None:
    for stream in (0, 1):
        with Wire(target.port) as wire:
            wire.open(1, call_headers(target.path))
            for _ in range(3):
                wire.send(frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", 0x7FFFFFFF)))
            wire.send(frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", 0)))
            wire.pump(0.2, lambda: wire.goaway is not None)
    survives(target, "windows that overflow")


@case("data and header fields after the end of a stream")
def after_the_end(target: Target, _) -> None:
    with Wire(target.port) as wire:
        wire.open(1, call_headers(target.path))
        wire.data(1, message(b""))
        for part in (frame(DATA, END_STREAM, 1, message(b"")), frame(DATA, 0, 1, b"x" * 5_000),
                     frame(HEADERS, END_HEADERS | END_STREAM, 1, GOOD)):  # fmt: skip
            wire.send(part)
        wire.pump(0.2, lambda: wire.goaway is not None)
    survives(target, "data after the end")


@case("every type of frame with every bad length, on stream 0 and on a stream")
def bad_lengths(target: Target, _) -> None:
    for kind in range(11):
        for stream in (0, 1):
            for size in (0, 1, 3, 5, 7, 9, 300):
                with Wire(target.port) as wire:
                    wire.open(1, call_headers(target.path))
                    wire.send(frame(kind, 0xFF if size == 9 else 0, stream, b"\xff" * size))
                    wire.pump(0.005, lambda: wire.goaway is not None)
    survives(target, "bad lengths")


@case("frames that say they are longer than they may be, or than they are")
def lying_lengths(target: Target, _) -> None:
    for kind in (DATA, HEADERS, SETTINGS, 0x77):
        with Wire(target.port) as wire:
            wire.open(1, call_headers(target.path))
            wire.send(frame(kind, 0, 1, bytes(100), length=0xFFFFFF), bytes(100_000))
            wire.pump(0.05, lambda: wire.goaway is not None)
        with Wire(target.port) as wire:
            wire.open(1, call_headers(target.path))
            wire.send(frame(kind, PADDED, 1, b"\xff" + bytes(10)))
            wire.pump(0.05, lambda: wire.goaway is not None)
    survives(target, "lying lengths")


OTHER_PROTOCOLS = {
    "HTTP/1.1": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "an upgrade": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    "a TLS hello": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "half a preface": PREFACE[:10],
    "a preface with an error": PREFACE[:-1] + b"X",
    "a preface twice": PREFACE * 2,
    "zeros": bytes(100_000),
    "ones": b"\xff" * 100_000,
    "no settings": PREFACE + frame(HEADERS, END_HEADERS, 1, GOOD),
    "a promise": PREFACE + frame(SETTINGS, 0, 0) + frame(PUSH_PROMISE, END_HEADERS, 1,
                                                         bytes(3) + b"\2" + GOOD),
    "a goodbye first": PREFACE + frame(GOAWAY, 0, 0, bytes(8)),
}  # fmt: skip


@case("a connection that does not begin with HTTP/2 settings")
def other_protocols(target: Target, _) -> None:
    for content in OTHER_PROTOCOLS.values():
        with Wire(target.port, greet=False) as wire:
            wire.send(content)
            wire.pump(0.05, lambda: wire.closed)
    survives(target, "other protocols")


@attack("random frames")
def random_frames(target: Target, rng: random.Random) -> None:
    with Wire(target.port) as wire:
        block = literal(call_headers(target.path))
        for _ in range(rng.randrange(1, 60)):
            kind = rng.choice([DATA, HEADERS, HEADERS, *range(12), rng.randrange(256)])
            flags = rng.choice([0, 1, 4, 5, 0xFF, rng.randrange(256)])
            stream = rng.choice([*STREAMS, rng.randrange(1 << 32)])
            payload = rng.randbytes(rng.choice([0, 1, 4, 5, 6, 8, 17, 200, 5_000, 17_000]))
            if kind == HEADERS and rng.random() < 0.7:
                payload = block
            if kind == DATA and rng.random() < 0.5:
                payload = message(payload)
            if kind == HEADERS and flags & PRIORITIZED and rng.random() < 0.5:
                payload = struct.pack(">IB", rng.choice(STREAMS), 1) + payload
            length = rng.choice([None] * 9 + [rng.randrange(1 << 24)])
            if not wire.send(frame(kind, flags, stream, payload, length)):
                break
        wire.pump(0.02, lambda: wire.closed)


@attack("random bytes after the settings")
def random_bytes(target: Target, rng: random.Random) -> None:
    with Wire(target.port) as wire:
        wire.open(1, call_headers(target.path))
        wire.send(rng.randbytes(rng.randrange(1, 5_000)))
        wire.pump(0.02, lambda: wire.closed)


@attack("random header blocks")
def random_blocks(target: Target, rng: random.Random) -> None:
    with Wire(target.port) as wire:
        block = bytearray(literal(call_headers(target.path)) if rng.random() < 0.6 else b"")
        for _ in range(rng.randrange(1, 30)):
            if block and rng.random() < 0.6:
                block[rng.randrange(len(block))] = rng.randrange(256)
            else:
                block += rng.randbytes(rng.randrange(1, 40))
        wire.send(frame(HEADERS, END_HEADERS, 1, bytes(block)))
        wire.send(frame(DATA, END_STREAM, 1, message(b"")))
        wire.pump(0.02, lambda: wire.answer(1).over or wire.goaway is not None)
