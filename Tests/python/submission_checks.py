"""What SubmitEvent and SubmitEvents answer for good events, repeated ones and other content."""

import concurrent.futures
import time

import formats
import grpc
from google.rpc import code_pb2

from checking import check, expect, expect_equal
from ledger import RPC_SECONDS, TRANSIENT_REASONS, Failure, Ledger
from stubs import messages

STREAM_EVENTS = 500


def expect_content(sealed: messages.SealedEvent, event: messages.CertifiedEvent) -> None:
    """Every field of the event came back, and the hash is that of all of them."""
    for name in ("event_id", "payload", "veps_signature", "veps_timestamp"):
        expect_equal(name, getattr(sealed, name), getattr(event, name))
    expect_equal("metadata", dict(sealed.metadata), dict(event.metadata))
    expect_equal("event_hash", sealed.event_hash, formats.event_hash(sealed))


def full_event(ledger: Ledger) -> messages.CertifiedEvent:
    """An event that uses every field, with text beyond ASCII where it is allowed."""
    return ledger.event(
        event_id=ledger.new_id("ключ-7"),
        payload=bytes(range(256)),
        veps_signature="sígnature",
        veps_timestamp=-1,
        metadata={"zone": "eu", "a": "1", "A b/c": "é", "a.b": "", "B": "2"},
    )


@check("SubmitEvent gives every field back, and the hash is that of the canonical bytes")
def submit_gives_every_field_back(ledger: Ledger) -> None:
    event = full_event(ledger)
    before = time.time() * 1000
    sealed = ledger.seal(event)
    expect_content(sealed, event)
    expect_equal("submitter", sealed.submitter, ledger.submitter)
    expect(sealed.sequence_number >= 1, "the number is 0")
    expect(sealed.commit_latency_ms >= 1, "commit_latency_ms is below 1")
    expect(
        abs(sealed.sealed_timestamp - before) < 60_000,
        f"sealed_timestamp {sealed.sealed_timestamp} is far from now, {before:.0f}",
    )


@check("events link to the one before, the first one to 64 zeros")
def events_link(ledger: Ledger) -> None:
    sealed = [ledger.seal() for _ in range(3)]
    for previous, event in zip(sealed, sealed[1:]):
        expect_equal("the number", event.sequence_number, previous.sequence_number + 1)
        expect_equal("previous_hash", event.previous_hash, previous.event_hash)
        expect(event.sealed_timestamp >= previous.sealed_timestamp, "sealed_timestamp went back")
    expect_equal("the first previous_hash", ledger.get(1).previous_hash, formats.GENESIS_HASH)


@check("the largest allowed event_id, payload and signature are sealed, and an empty payload")
def limits_are_allowed(ledger: Ledger) -> None:
    event = ledger.event(
        event_id=ledger.new_id().ljust(256, "x"),
        payload=b"\xff" * 49_152,
        veps_signature="s" * 1024,
    )
    expect_content(ledger.seal(event), event)
    empty = ledger.event(payload=b"")
    expect_content(ledger.seal(empty), empty)


@check("32 metadata entries with keys and values of the largest size are sealed")
def metadata_limits_are_allowed(ledger: Ledger) -> None:
    event = ledger.event(metadata={f"{n:02}".ljust(128, "k"): "v" * 1024 for n in range(32)})
    expect_content(ledger.seal(event), event)


@check("event_ids that differ only in Unicode normalisation are two")
def normalisation_makes_two_ids(ledger: Ledger) -> None:
    prefix = ledger.new_id()
    composed = ledger.seal(ledger.event(event_id=prefix + "\u00e9"))
    decomposed = ledger.seal(ledger.event(event_id=prefix + "e\u0301"))
    expect_equal("the number", decomposed.sequence_number, composed.sequence_number + 1)


@check("a metadata key that is repeated on the wire counts with its last value, as in any map")
def repeated_map_key(ledger: Ledger) -> None:
    first = ledger.event(metadata={"k": "1"})
    again = messages.CertifiedEvent(metadata={"k": "2"})
    sealed = ledger.outcome(first.SerializeToString() + again.SerializeToString())
    expect(not isinstance(sealed, Failure), f"refused: {sealed}")
    expect_equal("metadata", dict(sealed.metadata), {"k": "2"})


@check("a duplicate is ALREADY_EXISTS/DUPLICATE_EVENT with the original in the details")
def duplicate(ledger: Ledger) -> None:
    event = full_event(ledger)
    sealed = ledger.seal(event)
    failure = ledger.refused(event)
    failure.expect(grpc.StatusCode.ALREADY_EXISTS, "DUPLICATE_EVENT")
    expect(failure.original is not None, "the details hold no SealedEvent")
    expect_equal("the original's commit_latency_ms", failure.original.commit_latency_ms, 0)
    sealed.commit_latency_ms = 0
    expect_equal("the original", failure.original, sealed)
    ledger.expect_last(sealed.sequence_number)


@check("a duplicate may have another signature")
def duplicate_with_another_signature(ledger: Ledger) -> None:
    event = ledger.event(veps_signature="one")
    sealed = ledger.seal(event)
    event.veps_signature = "two"
    failure = ledger.refused(event)
    failure.expect(grpc.StatusCode.ALREADY_EXISTS, "DUPLICATE_EVENT")
    expect_equal("the original's signature", failure.original.veps_signature, "one")
    expect_equal("its number", failure.original.sequence_number, sealed.sequence_number)


@check("a duplicate of a large event is answered, with the original shortened to fit a trailer")
def large_duplicate(ledger: Ledger) -> None:
    event = ledger.event(payload=b"\x01" * 49_152, metadata={f"k{n}": "v" * 1024 for n in range(8)})
    sealed = ledger.seal(event)
    failure = ledger.refused(event)
    failure.expect(grpc.StatusCode.ALREADY_EXISTS, "DUPLICATE_EVENT")
    expect(failure.original is not None, "the details hold no SealedEvent")
    expect_equal("the original's hash", failure.original.event_hash, sealed.event_hash)
    expect_equal("its number", failure.original.sequence_number, sealed.sequence_number)
    expect_equal("its payload", failure.original.payload, b"")


@check("other content under a sealed event_id is ALREADY_EXISTS/CONFLICTING_EVENT")
def conflicting(ledger: Ledger) -> None:
    event = ledger.event(metadata={"k": "1"})
    sealed = ledger.seal(event)
    others = [dict(payload=b"other"), dict(veps_timestamp=7), dict(metadata={"k": "2"})]
    for change in others:
        other = messages.CertifiedEvent()
        other.CopyFrom(event)
        other.MergeFrom(messages.CertifiedEvent(**change))
        failure = ledger.refused(other)
        failure.expect(grpc.StatusCode.ALREADY_EXISTS, "CONFLICTING_EVENT")
    ledger.expect_last(sealed.sequence_number)


@check("the same event submitted eight times at once has one number")
def submitted_at_once(ledger: Ledger) -> None:
    event = ledger.event()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(ledger.outcome, [event] * 8))
    numbers = set()
    for result in results:
        if isinstance(result, Failure):
            result.expect(grpc.StatusCode.ALREADY_EXISTS, "DUPLICATE_EVENT")
            result = result.original
        numbers.add((result.sequence_number, result.event_hash))
    expect_equal("the number of different answers", len(numbers), 1)
    ledger.expect_last(numbers.pop()[0])


def stream(ledger: Ledger, events: list) -> "list[messages.SubmitResult]":
    """Submits all in one stream and returns the answers in the order of their arrival."""
    return list(ledger.stub.SubmitEvents(iter(events), timeout=8 * RPC_SECONDS))


@check(f"a stream of {STREAM_EVENTS} events is answered and sealed in order, a bad one refused")
def stream_keeps_order(ledger: Ledger) -> None:
    events = [ledger.event(metadata={"n": str(n)}) for n in range(STREAM_EVENTS)]
    bad = STREAM_EVENTS // 2
    events[bad].veps_signature = "s" * 1025
    results = stream(ledger, events)
    expect_equal("the number of answers", len(results), STREAM_EVENTS)
    numbers = []
    for index, (event, result) in enumerate(zip(events, results)):
        kind = result.WhichOneof("result")
        expect(kind is not None, f"answer {index} is neither sealed nor a rejection")
        answer = getattr(result, kind)
        expect_equal(f"the event_id of answer {index}", answer.event_id, event.event_id)
        if index == bad:
            expect_equal("the bad one's reason", answer.reason, "INVALID_EVENT")
            expect_equal("the bad one's code", answer.code, code_pb2.INVALID_ARGUMENT)
            expect(answer.message, "the bad one has no message")
        elif kind == "sealed":
            expect_content(answer, event)
            numbers.append(answer.sequence_number)
        else:
            expect(answer.reason in TRANSIENT_REASONS, f"answer {index}: {answer!r:.200}")
    expect(len(numbers) >= STREAM_EVENTS // 2, f"only {len(numbers)} events were sealed")
    expect_equal("the order of the numbers", numbers, sorted(set(numbers)))


@check("a duplicate in a stream is a rejection with the complete original")
def stream_duplicate(ledger: Ledger) -> None:
    first = ledger.event(payload=b"\x02" * 49_152)
    sealed = ledger.seal(first)
    results = stream(ledger, [first])
    expect_equal("the number of answers", len(results), 1)
    rejection = results[0].rejection
    expect_equal("the reason", rejection.reason, "DUPLICATE_EVENT")
    expect_equal("the code", rejection.code, code_pb2.ALREADY_EXISTS)
    sealed.commit_latency_ms = 0
    expect_equal("the original", rejection.original, sealed)


@check("an empty stream is answered by an empty one")
def empty_stream(ledger: Ledger) -> None:
    expect_equal("the answers", stream(ledger, []), [])
