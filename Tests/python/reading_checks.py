"""What GetEvent, GetEventById, ListEvents and VerifyEvents answer."""

import queue
import threading

import formats
import grpc

from checking import Unexpected, check, expect, expect_equal
from ledger import RPC_SECONDS, Ledger
from stubs import messages

LARGEST = 2**64 - 1


@check("GetEvent and GetEventById give the sealed event, with commit_latency_ms 0")
def get(ledger: Ledger) -> None:
    sealed = ledger.seal(ledger.event(metadata={"k": "v"}, veps_signature="sig"))
    sealed.commit_latency_ms = 0
    expect_equal("GetEvent", ledger.get(sealed.sequence_number), sealed)
    request = messages.GetEventByIdRequest(event_id=sealed.event_id)
    expect_equal("GetEventById", ledger.stub.GetEventById(request, timeout=RPC_SECONDS), sealed)


@check("GetEvent beyond the head is NOT_FOUND and names the head; so is the largest number")
def get_beyond_the_head(ledger: Ledger) -> None:
    head = ledger.seal().sequence_number
    for number in (head + 1, 2**63 - 1, 2**63, LARGEST):
        failure = ledger.failure(ledger.get, number)
        failure.expect(grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
        expect(str(head) in failure.message, f"{failure.message!r} does not name {head}")


@check("GetEventById of an unknown id is NOT_FOUND")
def get_unknown_id(ledger: Ledger) -> None:
    request = messages.GetEventByIdRequest(event_id=ledger.new_id("unknown"))
    failure = ledger.failure(ledger.stub.GetEventById, request, timeout=RPC_SECONDS)
    failure.expect(grpc.StatusCode.NOT_FOUND, "NOT_FOUND")


@check("ListEvents with zeros gives every event in order, each linked and hashed rightly")
def list_all(ledger: Ledger) -> None:
    head = ledger.seal().sequence_number
    events = ledger.list()
    expect_equal("the number of events", len(events), head)
    previous_hash = formats.GENESIS_HASH
    for number, event in enumerate(events, start=1):
        expect_equal("the number", event.sequence_number, number)
        expect_equal(f"previous_hash of {number}", event.previous_hash, previous_hash)
        expect_equal(f"event_hash of {number}", event.event_hash, formats.event_hash(event))
        expect_equal(f"commit_latency_ms of {number}", event.commit_latency_ms, 0)
        previous_hash = event.event_hash


@check("ListEvents gives exactly the range asked for")
def list_range(ledger: Ledger) -> None:
    head = ledger.seal().sequence_number
    for first, last in ((1, 1), (1, 2), (head, head), (max(1, head - 300), head), (head, 0)):
        numbers = [event.sequence_number for event in ledger.list(first=first, last=last)]
        expect_equal(f"{first} to {last}", numbers, list(range(first, (last or head) + 1)))


@check("ListEvents and VerifyEvents beyond the head are OUT_OF_RANGE")
def beyond_the_head(ledger: Ledger) -> None:
    head = ledger.seal().sequence_number
    ranges = [(1, head + 1), (head + 1, 0), (head + 1, head + 1), (1, LARGEST), (LARGEST, 0)]
    for call in (ledger.list, ledger.verify):
        for first, last in ranges:
            failure = ledger.failure(call, first=first, last=last)
            failure.expect(grpc.StatusCode.OUT_OF_RANGE)


class Follower:
    """Reads a following ListEvents in a thread of its own."""

    def __init__(self, ledger: Ledger, first: int):
        request = messages.ListEventsRequest(first=first, follow=True)
        self._call = ledger.stub.ListEvents(request, timeout=4 * RPC_SECONDS)
        self._events: queue.Queue = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for event in self._call:
                self._events.put(event)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.CANCELLED:
                self._events.put(error)

    def next(self) -> messages.SealedEvent:
        """The next event; fails when none comes in time."""
        try:
            event = self._events.get(timeout=RPC_SECONDS)
        except queue.Empty:
            raise Unexpected("no event came") from None
        if isinstance(event, grpc.RpcError):
            raise Unexpected(f"the stream ended: {event.code()} {event.details()}")
        return event

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, *_) -> None:
        self._call.cancel()
        self._thread.join(RPC_SECONDS)


@check("ListEvents that follows gives the events there are and then the new ones")
def follow(ledger: Ledger) -> None:
    first = ledger.seal()
    with Follower(ledger, first.sequence_number) as follower:
        expect_equal("the first event_id", follower.next().event_id, first.event_id)
        for _ in range(3):
            sealed = ledger.seal()
            sealed.commit_latency_ms = 0
            expect_equal("the new event", follower.next(), sealed)


@check("ListEvents that follows from beyond the head waits for that number")
def follow_from_beyond(ledger: Ledger) -> None:
    head = ledger.seal().sequence_number
    with Follower(ledger, head + 2) as follower:
        ledger.seal()
        second = ledger.seal()
        expect_equal("the event_id", follower.next().event_id, second.event_id)


@check("VerifyEvents finds the whole ledger valid, and a range of it")
def verify(ledger: Ledger) -> None:
    head = ledger.seal().sequence_number
    for first, last in ((0, 0), (1, head), (head, head), (max(1, head - 10), 0), (1, 1)):
        result = ledger.verify(first=first, last=last)
        first, last = first or 1, last or head
        expect(not result.HasField("first_finding"), f"found {result.first_finding!r}")
        expect(result.valid, f"{first} to {last} is not valid")
        expect_equal("first and last", (result.first, result.last), (first, last))
        expect_equal("events_verified", result.events_verified, last - first + 1)
