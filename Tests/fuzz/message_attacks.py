"""Messages that no library would send: their framing, their compression and their bytes."""

import gzip
import random
import zlib

from attacks import (
    CHECK, GRPC, INTERNAL, OK, Finding, Target, attack, case, expect_answer, expect_serving,
)  # fmt: skip
from stubs import messages
from wire import END_HEADERS, HEADERS, Wire, call_headers, frame, integer, message

LEDGER = "/ledger.ImmutableLedger/"
SUBMIT, SUBMIT_STREAM = LEDGER + "SubmitEvent", LEDGER + "SubmitEvents"
UNARY = [LEDGER + name for name in (
    "SubmitEvent", "GetEvent", "GetEventById", "VerifyEvents", "HealthCheck", "GetCheckpoint",
    "GetInclusionProof", "GetConsistencyProof", "GetReceipt",
)] + ["/ledger.Health/GetHealth", "/ledger.Health/GetLiveness", CHECK]  # fmt: skip
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
# Each ends by itself when its caller has ended: no Watch, no list that follows.
STREAMS = [SUBMIT_STREAM, LEDGER + "ListEvents", REFLECTION]
# A whole event, so that what is sealed by accident is told from what the others seal.
GOOD = messages.CertifiedEvent(event_id="fuzz", payload=b"fuzz").SerializeToString()
MEBIBYTE = 1 << 20


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(encoded + bytes([value]))


def field(number: int, content: bytes) -> bytes:
    """A field with a length before it."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def entry(number: int) -> bytes:
    key = field(1, b"%d" % number)
    return field(5, key + field(2, b""))


# Bytes that are no event, or one that may not be.
BODIES = {
    "nothing": b"",
    "120,000 metadata entries": field(1, b"many") + b"".join(map(entry, range(120_000))),
    "the same entry 100,000 times": field(1, b"many") + entry(1) * 100_000,
    "groups 100,000 deep": b"\x7b" * 100_000,
    "groups 50 deep that end": b"\x7b" * 50 + b"\x7c" * 50,
    "a group that ends only": b"\x7c",
    "a field of number 0": b"\x02\x00",
    "a field of the largest number": varint((1 << 29) - 1 << 3) + b"\x01",
    "a number beyond 64 bits": b"\x20" + b"\xff" * 10 + b"\x01",
    "a number without end": b"\x20" + b"\x80" * 1_000,
    "an overlong number": b"\x20" + b"\x81" + b"\x80" * 8 + b"\x00",
    "the smallest timestamp": field(1, b"f1") + b"\x20" + varint(1 << 63),
    "a length beyond the end": b"\x0a\xff\xff\xff\xff\x07abc",
    "a negative length": b"\x0a" + b"\xff" * 9 + b"\x01",
    "a payload as a number": field(1, b"f2") + b"\x10\x01",
    "an id as a fixed number": b"\x09" + bytes(8),
    "wire types 6 and 7": b"\x0e\x0f",
    "an id that is no UTF-8": field(1, b"\xff\xfe\x00"),
    "metadata that is no UTF-8": field(1, b"f3") + field(5, field(1, b"\xff") + field(2, b"\xff")),
    "a metadata entry that is empty": field(1, b"f4") + field(5, b""),
    "a metadata entry that does not decode": field(1, b"f5") + field(5, b"\xff\xff\xff"),
    "unknown fields of 1 MB": field(1, b"f6") + field(1_000, bytes(MEBIBYTE)),
    "100,000 unknown fields": field(1, b"f7") + (varint(2_000 << 3) + b"\x01") * 100_000,
    "an id given 100,000 times": field(1, b"f8") * 100_000,
    "a payload of 3 MB": field(1, b"f9") + field(2, bytes(3 * MEBIBYTE)),
}
# Those that must be refused for what they say, in a stream for that event alone.
ORDINARY_BAD = ["nothing", "120,000 metadata entries", "an id that is no UTF-8",
                "metadata that is no UTF-8", "a payload of 3 MB"]  # fmt: skip


def body_case(name: str, body: bytes) -> None:
    @case(f"an event with {name}", GRPC)
    def run(target: Target, _) -> None:
        with Wire(target.port) as wire:
            for stream, path in enumerate((SUBMIT, SUBMIT_STREAM, CHECK, REFLECTION)):
                answer = wire.call(2 * stream + 1, path, body)
                expect_answer(answer, f"{path} with {name}")
                if path == SUBMIT and name in ORDINARY_BAD and answer.reason != "INVALID_EVENT":
                    raise Finding(f"{path} with {name}: {answer}")
            expect_serving(wire, target, 9, name)


for _name, _body in BODIES.items():
    body_case(_name, _body)


@case("a bad event in a stream is refused alone", GRPC)
def bad_event_in_a_stream(target: Target, rng: random.Random) -> None:
    for name in ORDINARY_BAD:
        run = f"{rng.getrandbits(64):x}"
        good = [
            messages.CertifiedEvent(event_id=f"fuzz-{run}-{n}", payload=b"x").SerializeToString()
            for n in range(2)
        ]
        with Wire(target.port) as wire:
            wire.open(1, call_headers(SUBMIT_STREAM))
            for part in (good[0], BODIES[name], good[1]):
                wire.data(1, message(part), end=part is good[1])
            answer = wire.wait(1)
            expect_answer(answer, f"a stream with {name}")
            results = stream_results(answer.data)
            said = [r.rejection.reason or r.WhichOneof("result") for r in results]
            if answer.status != OK or said != ["sealed", "INVALID_EVENT", "sealed"]:
                raise Finding(f"a stream with {name}: {answer}, answers {said}")


@case("bytes that the port itself puts in the place of messages", GRPC)
def forged_markers(target: Target, _) -> None:
    forged = [b"\x0f" + bytes([value]) for value in range(64)] + [b"\x0f", b"\x07", b"\x0f" * 3]
    forged += [b"\x07" + bytes([value]) * 8 + GOOD for value in (0, 1, 0x7F, 0x80, 0xFF)]
    with Wire(target.port) as wire:
        for number, content in enumerate(forged):
            for path in (SUBMIT, SUBMIT_STREAM):
                stream = 4 * number + (1 if path == SUBMIT else 3)
                answer = wire.call(stream, path, content)
                if answer.status is None or (path == SUBMIT and answer.status == OK):
                    raise Finding(f"{path} with {content[:9].hex()}: {answer}")
        expect_serving(wire, target, 4 * len(forged) + 1, "forged markers")


def stream_results(data: bytes) -> list:
    """The answers of a SubmitEvents."""
    results, at = [], 0
    while at + 5 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 5], "big")
        results.append(messages.SubmitResult.FromString(bytes(data[at + 5 : at + 5 + size])))
        at += 5 + size
    return results


FRAMINGS = {
    "a flag without an encoding": message(GOOD, flag=1),
    "flag 2": message(GOOD, flag=2),
    "flag 255": message(GOOD, flag=255),
    "a length of 2^32-1": message(GOOD, length=0xFFFFFFFF),
    "a length of 2^31": message(GOOD, length=0x80000000),
    "a length of 5 MB and all of it": message(bytes(5 * MEBIBYTE)),
    "a length that is cut": b"\0\0\0",
    "a message that is cut": message(GOOD, length=len(GOOD) + 1),
    "two messages": message(GOOD) + message(GOOD),
    "a thousand messages": message(GOOD) * 1_000,
    "a message and a byte": message(GOOD) + b"\0",
    "no message": b"",
}


def framing_case(name: str, content: bytes) -> None:
    @case(f"a message with {name}")
    def run(target: Target, _) -> None:
        paths = (CHECK, SUBMIT, SUBMIT_STREAM) if target.kind == GRPC else (target.path,)
        with Wire(target.port) as wire:
            for number, path in enumerate(paths):
                answer = wire.call(2 * number + 1, path, content, framed=False)
                if target.kind == GRPC:
                    expect_answer(answer, f"{path} with {name}")
                elif answer.status is None:
                    raise Finding(f"{path} with {name}: {answer}")
            expect_serving(wire, target, 9, name)


for _name, _content in FRAMINGS.items():
    framing_case(_name, _content)


def compressed(encoding: str, content: bytes) -> bytes:
    return gzip.compress(content) if encoding == "gzip" else zlib.compress(content)


@case("compressed events: whole, cut, of other bytes, bombs", GRPC)
def compression(target: Target, rng: random.Random) -> None:
    bomb = field(1, b"bomb") + field(2, bytes(64 * MEBIBYTE))
    for encoding in ("gzip", "deflate"):
        name = b"fuzz-%d" % rng.getrandbits(64)
        good = compressed(encoding, field(1, name))
        variants = {
            "a whole one": (good, {OK}), "a cut one": (good[:-6], None), "other bytes":
            (b"no stream at all", None), "nothing": (b"", None), "bytes after it":
            (good + b"more", None), "a bomb": (compressed(encoding, bomb), {3, 8}),
            "a bit turned": (bytes([*good[:-9], good[-9] ^ 1, *good[-8:]]), None),
        }  # fmt: skip
        with Wire(target.port) as wire:
            for number, (what, (content, expected)) in enumerate(variants.items()):
                wire.open(2 * number + 1, call_headers(SUBMIT, ("grpc-encoding", encoding)))
                wire.data(2 * number + 1, message(content, flag=1))
                answer = wire.wait(2 * number + 1)
                expect_answer(answer, f"{encoding}, {what}")
                if expected and answer.status not in expected:
                    raise Finding(f"{encoding}, {what}: {answer}")
            expect_serving(wire, target, 99, encoding)


@case("a message that comes byte by byte is answered", GRPC)
def byte_by_byte(target: Target, rng: random.Random) -> None:
    event = messages.CertifiedEvent(event_id=f"fuzz-{rng.getrandbits(64):x}", payload=b"slow")
    with Wire(target.port) as wire:
        wire.open(1, call_headers(SUBMIT))
        content = message(event.SerializeToString())
        for at in range(len(content)):
            wire.data(1, content[at : at + 1], end=at == len(content) - 1)
        answer = wire.wait(1)
        if answer.status != OK:
            raise Finding(f"byte by byte: {answer}")


def mutated(rng: random.Random, content: bytes) -> bytes:
    """Some bytes changed, cut, doubled or added."""
    changed = bytearray(content)
    for _ in range(rng.randrange(1, 8)):
        at = rng.randrange(len(changed) + 1)
        action = rng.randrange(5)
        if action == 0 and changed:
            changed[at % len(changed)] = rng.randrange(256)
        elif action == 1:
            changed[at:at] = rng.randbytes(rng.choice([1, 2, 10, 300]))
        elif action == 2:
            del changed[at : at + rng.randrange(1, 10)]
        elif action == 3:
            changed += changed[at:]
        else:
            changed[at:at] = varint(rng.getrandbits(rng.randrange(1, 65)))
    return bytes(changed)


def random_request(rng: random.Random) -> bytes:
    """The bytes of some request, whole or not."""
    event = messages.CertifiedEvent(
        event_id=f"fuzz-{rng.getrandbits(64):x}",
        payload=rng.randbytes(rng.choice([0, 10, 1_000, 49_152, 49_153])),
        veps_timestamp=rng.choice([0, -1, (1 << 63) - 1, -(1 << 63)]),
        metadata={f"k{n}": "v" for n in range(rng.choice([0, 1, 32, 33]))},
    )
    requests = [
        event.SerializeToString(),
        b"\x08" + varint(rng.choice([0, 1, 2, (1 << 64) - 1, 1 << 63, rng.getrandbits(20)])),
        b"\x08" + varint(rng.getrandbits(64)) + b"\x10" + varint(rng.getrandbits(64)),
        field(1, rng.randbytes(rng.choice([0, 5, 300]))),
        field(rng.randrange(1, 12), rng.randbytes(20)),
    ]
    content = rng.choice(requests)
    return content if rng.random() < 0.3 else mutated(rng, content)


@attack("random messages", GRPC)
def random_messages(target: Target, rng: random.Random) -> None:
    with Wire(target.port) as wire:
        for number in range(rng.randrange(1, 12)):
            path = rng.choice(UNARY + STREAMS)
            content = random_request(rng)
            # A list that follows goes on for ever: its caller would have to leave.
            if path.endswith("ListEvents") and b"\x18" in content:
                continue
            answer = wire.call(2 * number + 1, path, content)
            expect_answer(answer, f"{path} with {content[:60].hex()} ({len(content)} bytes)")
        expect_serving(wire, target, 99, "random messages")


@attack("random framing and compression", GRPC)
def random_framing(target: Target, rng: random.Random) -> None:
    with Wire(target.port) as wire:
        for number in range(4):
            path = rng.choice([SUBMIT, SUBMIT_STREAM, CHECK])
            encoding = rng.choice(["gzip", "deflate", "identity", "br", ""])
            content = random_request(rng)
            if rng.random() < 0.6:
                content = compressed(rng.choice(["gzip", "deflate"]), content)
            if rng.random() < 0.4:
                content = mutated(rng, content)
            body = message(content, flag=rng.choice([0, 1, 1, 1, 2, 255]))
            if rng.random() < 0.2:
                body = body[: rng.randrange(len(body) + 1)]
            stream = 2 * number + 1
            wire.open(stream, call_headers(path, ("grpc-encoding", encoding)))
            wire.data(stream, body)
            expect_answer(wire.wait(stream), f"{path}, {encoding}, {body[:40].hex()}")
        expect_serving(wire, target, 99, "random framing")


@attack("random messages of replicas", INTERNAL)
def random_forwarding(target: Target, rng: random.Random) -> None:
    with Wire(target.port) as wire:
        wire.open(1, call_headers(target.path))
        greeting = field(1, b"\x08\x01" + field(2, b"ledger/") + rng.randbytes(8))
        event = field(2, field(1, b"\x08\x01" + field(3, rng.randbytes(100))))
        hello = field(3, b"\x08\x01" + field(2, rng.randbytes(rng.choice([0, 31, 32, 33, 5_000]))))
        proof = field(4, field(1, rng.randbytes(rng.choice([0, 32, 64]))))
        # Half of them begin as a replica would.
        if rng.random() < 0.5:
            wire.data(1, message(hello), end=False)
        for _ in range(rng.randrange(1, 20)):
            content = rng.choice([greeting, event, hello, proof])
            if rng.random() < 0.7:
                content = mutated(rng, content)
            wire.data(1, message(content), end=False)
        wire.data(1, b"", end=True)
        if wire.wait(1).status is None:
            raise Finding(f"Forward: {wire.answer(1)}")


@attack("header fields whose numbers are long", GRPC)
def long_integers(target: Target, rng: random.Random) -> None:
    # HPACK's numbers with more bytes than any needs.
    with Wire(target.port) as wire:
        prefix, first = rng.choice([(7, 0x80), (6, 0x40), (5, 0x20), (4, 0), (4, 0x10)])
        value = integer(rng.getrandbits(rng.choice([8, 31, 32, 63, 64, 200])), prefix, first)
        wire.send(frame(HEADERS, END_HEADERS, 1, value + rng.randbytes(5)))
        wire.pump(0.02, lambda: wire.goaway is not None)
