"""Events and requests that must be refused, with the field named and nothing sealed."""

import grpc

from checking import check, expect, expect_equal
from ledger import RPC_SECONDS, Ledger
from stubs import messages

# No valid UTF-8: a lone continuation byte, an overlong "/", a surrogate, beyond U+10FFFF, cut off.
NOT_UTF8 = (b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ab\xe2\x82")
INVALID = grpc.StatusCode.INVALID_ARGUMENT


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field on the wire: generated code would refuse to write bad strings."""
    size, rest = b"", len(content)
    while rest > 0x7F:
        size += bytes([rest & 0x7F | 0x80])
        rest >>= 7
    return bytes([number << 3 | 2]) + size + bytes([rest]) + content


def expect_refused(ledger: Ledger, event, name: str | None) -> None:
    """INVALID_EVENT that names the field, and no new event, neither after it nor by its id."""
    last = ledger.seal()
    failure = ledger.refused(event)
    failure.expect(INVALID, "INVALID_EVENT")
    expect(failure.fields, "no BadRequest in the details")
    if name is not None:
        named = [found.replace("[", ".").split(".")[0] for found in failure.fields]
        expect(name in named, f"the BadRequest names {failure.fields}, not {name}")
    ledger.expect_last(last.sequence_number)


def bad_event(sentence: str, name: str | None, make) -> None:
    """Registers a check that the event which `make` returns is refused."""

    @check(f"refused: {sentence}")
    def refused(ledger: Ledger) -> None:
        expect_refused(ledger, make(ledger), name)


bad_event("no event_id", "event_id", lambda ledger: ledger.event(event_id="", payload=b"x"))
bad_event("no field at all", "event_id", lambda ledger: b"")
bad_event(
    "an event_id of 257 bytes",
    "event_id",
    lambda ledger: ledger.event(event_id=ledger.new_id().ljust(257, "x")),
)
bad_event(
    "an event_id of 129 characters and 258 bytes",
    "event_id",
    lambda ledger: ledger.event(event_id="é" * 129),
)
for _bytes in NOT_UTF8:
    bad_event(
        f"an event_id that is not UTF-8 ({_bytes.hex()})",
        "event_id",
        lambda ledger, text=_bytes: field(1, ledger.new_id().encode() + text),
    )
    bad_event(
        f"a veps_signature that is not UTF-8 ({_bytes.hex()})",
        "veps_signature",
        lambda ledger, text=_bytes: field(1, ledger.new_id().encode()) + field(3, text),
    )
bad_event(
    "a metadata value that is not UTF-8",
    "metadata",
    lambda ledger: field(1, ledger.new_id().encode())
    + field(5, field(1, b"key") + field(2, b"\xff")),
)
bad_event(
    "a payload of 49,153 bytes",
    "payload",
    lambda ledger: ledger.event(payload=b"x" * 49_153),
)
bad_event(
    "a veps_signature of 1,025 bytes",
    "veps_signature",
    lambda ledger: ledger.event(veps_signature="s" * 1025),
)
bad_event(
    "33 metadata entries",
    "metadata",
    lambda ledger: ledger.event(metadata={f"key{n}": "" for n in range(33)}),
)
for _sentence, _key in {
    "a metadata key beyond ASCII": "ключ",
    "a metadata key with a control character": "a\nb",
    "a metadata key with a DEL": "a\x7fb",
    "an empty metadata key": "",
    "a metadata key of 129 bytes": "k" * 129,
}.items():
    bad_event(_sentence, "metadata", lambda ledger, key=_key: ledger.event(metadata={key: "v"}))
bad_event(
    "a metadata value of 1,025 bytes",
    "metadata",
    lambda ledger: ledger.event(metadata={"k": "v" * 1025}),
)
# No single field is too long here, so which one is named is not fixed.
bad_event(
    "an entry beyond 65,535 bytes",
    None,
    lambda ledger: ledger.event(
        payload=b"x" * 49_152,
        metadata={f"{n:02}".ljust(128, "k"): "v" * 1024 for n in range(16)},
    ),
)


@check("an event that was refused can be corrected and sealed under its event_id")
def refused_then_corrected(ledger: Ledger) -> None:
    event = ledger.event(veps_signature="s" * 1025)
    ledger.refused(event).expect(INVALID, "INVALID_EVENT")
    request = messages.GetEventByIdRequest(event_id=event.event_id)
    failure = ledger.failure(ledger.stub.GetEventById, request, timeout=RPC_SECONDS)
    failure.expect(grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    event.veps_signature = "s"
    expect_equal("event_id", ledger.seal(event).event_id, event.event_id)


def expect_bad_request(failure, *names: str) -> None:
    """INVALID_ARGUMENT of the ledger, whose BadRequest names one of the request's fields."""
    failure.expect(INVALID)
    expect(
        set(failure.fields) & set(names),
        f"the BadRequest names {failure.fields}, not {' or '.join(names)}",
    )


@check("refused: GetEvent of number 0")
def get_number_zero(ledger: Ledger) -> None:
    expect_bad_request(ledger.failure(ledger.get, 0), "sequence_number")


@check("refused: GetEventById without an id, and with one of 257 bytes")
def get_bad_id(ledger: Ledger) -> None:
    for event_id in ("", "x" * 257):
        request = messages.GetEventByIdRequest(event_id=event_id)
        failure = ledger.failure(ledger.stub.GetEventById, request, timeout=RPC_SECONDS)
        expect_bad_request(failure, "event_id")


@check("refused: ListEvents and VerifyEvents with first after last")
def first_after_last(ledger: Ledger) -> None:
    ledger.seal()
    ledger.seal()
    for call in (ledger.list, ledger.verify):
        expect_bad_request(ledger.failure(call, first=2, last=1), "first", "last")
        expect_bad_request(ledger.failure(call, first=2**64 - 1, last=1), "first", "last")


@check("refused: ListEvents that follows and has a last number")
def follow_with_last(ledger: Ledger) -> None:
    failure = ledger.failure(ledger.list, first=1, last=1, follow=True)
    expect_bad_request(failure, "last", "follow")
