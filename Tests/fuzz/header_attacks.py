"""Header fields that no library would send."""

import random

from attacks import (
    CHECK, DEADLINE_EXCEEDED, FORWARD, GRPC, INTERNAL, INTERNAL_ERROR, OK, UNIMPLEMENTED, Finding,
    Target, attack, case, expect_answer, expect_serving,
)  # fmt: skip
from wire import ANSWER_SECONDS, Wire, call_headers, message

TIMEOUTS = {
    "negative": "-1S", "negative zero": "-0S", "plus": "+1S", "empty": "", "a unit alone": "S",
    "no unit": "1", "another unit": "1x", "a lower-case unit": "1s", "two units": "1SS",
    "nine digits": "123456789S", "ten digits": "9999999999H", "twenty digits": "9" * 20 + "n",
    "a hundred digits": "9" * 100 + "H", "a blank before": " 1S", "a blank after": "1S ",
    "a blank inside": "1 S", "a blank alone": " ", "a tab": "\t1S", "Arabic digits": "١٢S",
    "wide digits": "１S", "a superscript": "²S", "hexadecimal": "0x1S", "a fraction": "1.5S",
    "an exponent": "1e3S", "a NUL": "1\0S", "no UTF-8": b"\xff\xfeS", "half a character": b"1\xc3",
    "an emoji for a unit": "1😀", "the smallest Int64": "-9223372036854775808S",
    "beyond Int64": "9223372036854775808n", "a comma": "1S,2S", "a minus alone": "-", "two": "1S2M",
}  # fmt: skip
LONG_TIMEOUTS = ["99999999H", "2562048H", "2562047H", "99999999M", "99999999S", "99999999n"]
PATHS = {
    "an empty path": "", "a slash": "/", "two slashes": "//", "no method": "/a", "no slash": "a",
    "an empty method": "/grpc.health.v1.Health/", "an empty service": "//Check",
    "three parts": "/a/b/c", "a query": CHECK + "?x=1", "a fragment": CHECK + "#x", "10 kB":
    "/" + "a" * 10_000, "no UTF-8": b"/\xff\xfe/\x80", "NULs": "/a\0b/c\0", "a star": "*",
    "an absolute one": "http://x" + CHECK, "per cent": "/%2e%2e/%00", "dots": "/../.." + CHECK,
}  # fmt: skip
# Header fields beside an ordinary call's that some library sends. Only the call may suffer, not its
# connection.
ADDED = {
    "17 kB of metadata": [("x-long", "a" * 17_000)],
    "17 kB of metadata in many": [(f"x-{n}", "a" * 100) for n in range(150)],
    "metadata that is no base64": [("x-bin", "*not base64*")],
    "metadata of base64 cut short": [("x-bin", "YQ")],
    "metadata of base64 with bits left over": [("x-bin", "YR==")],
    "status details from a caller": [("grpc-status-details-bin", "!!!!"), ("grpc-status", "99")],
    "an unknown encoding": [("grpc-encoding", "snappy")],
    "an encoding without bytes": [("grpc-encoding", "")],
    "an encoding that is no UTF-8": [("grpc-encoding", b"\xff")],
    "encodings that are none": [("grpc-accept-encoding", ",,, ,\xff,gzip;q=-1")],
    "a host beside the authority": [("host", "other")],
    "the service's own deadline": [("ledger-timeout", "-1S"), ("ledger-arrived-at", "-1")],
    "the service's own arrival": [("ledger-arrived-at", "18446744073709551615")],
    "an arrival that is none": [("ledger-arrived-at", "١x")],
    "an expectation": [("expect", "100-continue")],
    "a token that is none": [("authorization", b"\xff"), ("ledger-internal-token", "")],
    "a trace that is none": [("traceparent", "00-" + "z" * 1_000)],
    "a user agent of 4 kB": [("user-agent", "a" * 4_096)],
}
# The same, but for HTTP/2 malformed: the connection may end with them, in good order.
MALFORMED = {
    "an upper-case name": [("X-Upper", "1")],
    "an empty name": [("", "1")],
    "a name with a colon": [("x:y", "1")],
    "a name with a blank": [("x y", "1")],
    "a name that is no UTF-8": [(b"\xff\xfe", "1")],
    "a value with CR LF": [("x-split", "a\r\nx-other: b")],
    "a value with a NUL": [("x-nul", "a\0b")],
    "a connection field": [("connection", "close")],
    "a transfer encoding": [("transfer-encoding", "chunked")],
    "a content length that lies": [("content-length", "1")],
    "a content length that is none": [("content-length", "-1")],
    "a content length beyond Int": [("content-length", "9" * 30)],
    "content lengths that differ": [("content-length", "5"), ("content-length", "6")],
    "te again": [("te", "gzip")],
    "a status from a caller": [(":status", "200")],
    "a pseudo-header last": [(":path", CHECK)],
    "an unknown pseudo-header": [(":evil", "1")],
    "a protocol": [(":protocol", "websocket")],
}
# Instead of the field of that name.
REPLACED = {
    "GET": (":method", "GET"), "an empty method": (":method", ""), "a method that is no UTF-8":
    (":method", b"\xff"), "another scheme": (":scheme", "ftp"), "no authority":
    (":authority", None),
    "an authority that is no UTF-8": (":authority", b"\xff\xfe"), "an empty authority":
    (":authority", ""), "no content type": ("content-type", None),
    "JSON": ("content-type", "application/json"), "gRPC of JSON":
    ("content-type", "application/grpc+json"), "web": ("content-type", "application/grpc-web"),
    "a content type without end": ("content-type", "application/grpc" + ";" * 2_000),
    "a content type that goes on": ("content-type", "application/grpcx"),
    "no te": ("te", None),
}  # fmt: skip
REPLACED_MALFORMED = {
    "no method": (":method", None), "CONNECT": (":method", "CONNECT"), "no scheme":
    (":scheme", None), "no path": (":path", None), "te of another kind": ("te", "gzip"),
}  # fmt: skip


def hostile_call(
    target: Target, fields: list, what: str, needs_status: bool = False, may_close: bool = False
) -> None:
    """Makes a call with these fields, and an ordinary one after it on the same connection."""
    with Wire(target.port) as wire:
        # As libraries do: until its settings are acknowledged, HTTP/2's own limits are in force.
        wire.pump(ANSWER_SECONDS, lambda: wire.settled)
        wire.open(1, fields)
        wire.data(1, message(b""))
        answer = wire.wait(1)
        if may_close and (wire.closed or wire.goaway is not None):
            return
        if not answer.over:
            end = "the connection is closed" if wire.closed else "nothing"
            raise Finding(f"{what}: neither an answer nor a reset: {end}")
        if needs_status:
            expect_answer(answer, what)
        if may_close:
            wire.call(3, target.path)
        else:
            expect_serving(wire, target, 3, what)


def timeout_case(name: str, value) -> None:
    @case(f"a grpc-timeout with {name}")
    def run(target: Target, _) -> None:
        fields = call_headers(target.path, ("grpc-timeout", value))
        # HTTP/2 itself knows bytes that no field may hold, and blanks that none may begin with.
        malformed = "\0" in str(value) or str(value) != str(value).strip()
        hostile_call(
            target, fields, f"grpc-timeout {value!r}", not malformed, may_close=malformed
        )


for _name, _value in TIMEOUTS.items():
    timeout_case(_name, _value)


@case("two grpc-timeouts")
def two_timeouts(target: Target, _) -> None:
    for first, second in (("1S", "-1S"), ("-1S", "1S"), ("1S", "2S")):
        fields = [("grpc-timeout", first), ("grpc-timeout", second)]
        hostile_call(target, call_headers(target.path, *fields), "two grpc-timeouts")


@case("a grpc-timeout longer than any clock", GRPC)
def long_timeouts(target: Target, _) -> None:
    for value in LONG_TIMEOUTS:
        with Wire(target.port) as wire:
            for stream, path in ((1, CHECK), (3, "/ledger.ImmutableLedger/HealthCheck")):
                answer = wire.call(stream, path, b"", ("grpc-timeout", value))
                if answer.status != OK and value != "99999999n":
                    raise Finding(f"{path} with grpc-timeout {value}: {answer}")


@case("the deadline of an open call is told by the service itself", GRPC)
def open_deadline(target: Target, _) -> None:
    calls = {
        "/ledger.ImmutableLedger/SubmitEvents": b"",
        "/ledger.ImmutableLedger/ListEvents": message(b"\x18\x01"),
        "/grpc.health.v1.Health/Watch": message(b""),
    }
    for path, content in calls.items():
        with Wire(target.port) as wire:
            wire.open(1, call_headers(path, ("grpc-timeout", "400m")))
            if content:
                wire.data(1, content, end=True)
            answer = wire.wait(1)
            expect_answer(answer, f"{path} with a deadline of 400 ms")
            if answer.status != DEADLINE_EXCEEDED:
                raise Finding(f"{path} with a deadline of 400 ms: {answer}")


def path_case(name: str, path) -> None:
    @case(f"a path: {name}")
    def run(target: Target, _) -> None:
        # Two of them are malformed for HTTP/2 itself.
        malformed = path == "" or "\0" in str(path)
        hostile_call(target, call_headers(path), f"path {path[:40]!r}", may_close=malformed)


for _name, _path in PATHS.items():
    path_case(_name, _path)


def added_case(name: str, fields: list, may_close: bool) -> None:
    @case(f"a call with {name}")
    def run(target: Target, _) -> None:
        hostile_call(target, call_headers(target.path, *fields), name, may_close=may_close)


for _name, _fields in ADDED.items():
    added_case(_name, _fields, may_close=False)
for _name, _fields in MALFORMED.items():
    added_case(_name, _fields, may_close=True)


def replaced_case(name: str, field: str, value, may_close: bool) -> None:
    @case(f"a call with {name}")
    def run(target: Target, _) -> None:
        fields = [
            (key, value if key == field else old)
            for key, old in call_headers(target.path)
            if key != field or value is not None
        ]
        hostile_call(target, fields, name, may_close=may_close)


for _name, (_field, _value) in REPLACED.items():
    replaced_case(_name, _field, _value, may_close=False)
for _name, (_field, _value) in REPLACED_MALFORMED.items():
    replaced_case(_name, _field, _value, may_close=True)


@case("pseudo-header fields behind others, doubled, alone")
def pseudo_order(target: Target, _) -> None:
    fields = call_headers(target.path)
    variants = [fields[::-1], fields[:4] + fields, fields[4:] + fields[:4], fields[:4], [],
                fields + [fields[0]]]  # fmt: skip
    for index, variant in enumerate(variants):
        hostile_call(target, variant, f"pseudo-header fields, variant {index}", may_close=True)


@case("an ordinary call without a message ends INTERNAL or INVALID_ARGUMENT", GRPC)
def no_message(target: Target, _) -> None:
    with Wire(target.port) as wire:
        wire.open(1, call_headers("/ledger.ImmutableLedger/SubmitEvent"), end=True)
        answer = wire.wait(1)
        expect_answer(answer, "END_STREAM on the HEADERS of a unary call")
        if answer.status != INTERNAL_ERROR:
            raise Finding(f"END_STREAM on the HEADERS of a unary call: {answer}")
        expect_serving(wire, target, 3, "END_STREAM on the HEADERS of a unary call")


@case("17 kB of metadata before any settings")
def early_metadata(target: Target, _) -> None:
    with Wire(target.port) as wire:
        wire.open(1, call_headers(target.path, ("x-long", "a" * 17_000)))
        wire.data(1, message(b""))
        if not wire.wait(1).over and not wire.closed:
            raise Finding("17 kB of metadata before any settings: nothing")


@case("an unknown method is UNIMPLEMENTED")
def unknown_method(target: Target, _) -> None:
    with Wire(target.port) as wire:
        answer = wire.call(1, "/ledger.ImmutableLedger/Nothing")
        if answer.status != UNIMPLEMENTED:
            raise Finding(f"an unknown method: {answer}")


@case("calls of the internal port without a credential are refused or end in order", INTERNAL)
def forward_without_credential(target: Target, _) -> None:
    with Wire(target.port) as wire:
        for stream in range(1, 41, 2):
            wire.open(stream, call_headers(FORWARD, ("authorization", "Bearer x" * stream)))
            wire.data(stream, message(b"\x0a\x02\x08\x01") * 3)
            answer = wire.wait(stream)
            if answer.status is None:
                raise Finding(f"Forward without a credential: {answer}")


def random_value(rng: random.Random) -> bytes:
    """Bytes of some length, mostly printable."""
    size = rng.choice([0, 1, 2, 8, 40, 300, 3_000])
    if rng.random() < 0.6:
        return bytes(rng.randrange(0x20, 0x7F) for _ in range(size))
    return rng.randbytes(size)


KNOWN_NAMES = [
    "grpc-timeout", "grpc-encoding", "grpc-accept-encoding", "content-type", "te", ":path",
    ":method", ":scheme", ":authority", "content-length", "x-bin", "grpc-status", "user-agent",
    "authorization", "cookie", "grpc-message", "grpc-previous-rpc-attempts", "ledger-timeout",
]  # fmt: skip


@attack("random header fields")
def random_headers(target: Target, rng: random.Random) -> None:
    fields = call_headers(target.path)
    for _ in range(rng.randrange(1, 6)):
        name = rng.choice(KNOWN_NAMES).encode() if rng.random() < 0.8 else random_value(rng)
        value = random_value(rng)
        if name == b"grpc-timeout" and rng.random() < 0.8:
            digits = "".join(rng.choice("0123456789-+ .²١") for _ in range(rng.randrange(0, 11)))
            value = (digits + rng.choice(["H", "M", "S", "m", "u", "n", "", "s"])).encode()
        action = rng.random()
        if action < 0.4:
            fields.insert(rng.randrange(len(fields) + 1), (name, value))
        elif action < 0.7 and fields:
            fields[rng.randrange(len(fields))] = (name, value)
        elif fields:
            del fields[rng.randrange(len(fields))]
    with Wire(target.port) as wire:
        wire.open(1, fields)
        wire.data(1, message(b""))
        # No answer is right for fields of any kind, but one of the three must come.
        wire.pump(12, lambda: wire.answer(1).over or wire.goaway is not None)
        if not wire.answer(1).over and wire.goaway is None and not wire.closed:
            raise Finding("no answer, no reset, no GOAWAY")
