"""Callers of a ledger whose replicas come and go: they submit, submit again, and read, and note every answer.

Each has connections of its own. Whatever ends without an answer of the ledger's is unknown, and is submitted again
until it is settled (docs/api.md, "Submitting").
"""

import collections
import contextlib
import random
import threading
import time

import grpc
from google.rpc import code_pb2

from ledger import Failure
from stubs import messages, services
from upgrade_book import Book

RPC_SECONDS = 20
# One event may take so long until it is settled, on whatever machine.
SETTLE_SECONDS = 180
CERTAIN = {"NOT_SEALED", "OVERLOADED", "STORAGE_FULL"}
OPTIONS = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
STREAM_EVENTS, STREAM_WINDOW = 60, 12


class Caller(threading.Thread):
    """Does the same again and again, with a pause, until it is stopped."""

    def __init__(self, name: str, fleet, book: Book, seed: str, pause: float):
        """
        :param fleet: has `serving()`, the replicas that may be called now
        :param pause: between two turns, in seconds
        """
        super().__init__(name=name, daemon=True)
        self.fleet, self.book, self.pause = fleet, book, pause
        self.random = random.Random(f"{seed} {name}")
        self.is_stopped = threading.Event()
        self._channels: dict[str, grpc.Channel] = {}

    def run(self) -> None:
        try:
            while not self.is_stopped.wait(self.pause * self.random.uniform(0.5, 1.5)):
                self.turn()
                self._leave()
        except BaseException as error:
            self.book.say(f"{self.name} ended: {type(error).__name__}: {error}")
            raise
        finally:
            for channel in self._channels.values():
                channel.close()

    def turn(self) -> None:
        raise NotImplementedError

    def _leave(self) -> None:
        """Closes connections to replicas that are not to be called any more; nothing is under way."""
        addresses = {replica.address for replica in self.fleet.serving()}
        for address in set(self._channels) - addresses:
            self._channels.pop(address).close()

    def stub(self, other_than: str = ""):
        """A stub of a replica that serves, with its address; not of one that is named, where there is a choice."""
        addresses = [replica.address for replica in self.fleet.serving()]
        others = [address for address in addresses if address != other_than] or addresses
        address = self.random.choice(others)
        if address not in self._channels:
            self._channels[address] = grpc.insecure_channel(address, options=OPTIONS)
        return services.ImmutableLedgerStub(self._channels[address]), address

    # Submitting

    def settle(self, event, may_be_sealed: bool = False) -> None:
        """Submits until it is settled; a part of what was certainly not sealed is given up instead."""
        deadline = time.monotonic() + SETTLE_SECONDS
        address = ""
        while True:
            stub, address = self.stub(other_than=address)
            outcome = self.outcome(event, stub.SubmitEvent, may_be_sealed)
            if outcome == "settled":
                return
            if outcome == "not sealed" and not may_be_sealed and self.random.random() < 0.5:
                return self.book.abandon(event.event_id)
            may_be_sealed = may_be_sealed or outcome == "unknown"
            if time.monotonic() > deadline:
                return self.book.say(f"{event.event_id} is not settled in {SETTLE_SECONDS} s")
            time.sleep(self.random.uniform(0.01, 0.1))

    def outcome(self, event, submit, may_be_sealed: bool) -> str:
        """Submits once. Settled, not sealed, or unknown.

        :param may_be_sealed: whether it was submitted before, or is elsewhere at the same time
        """
        try:
            sealed = submit(event, timeout=RPC_SECONDS)
        except grpc.RpcError as error:
            return self.refused(event, Failure.of(error), may_be_sealed)
        return self.acknowledged(event, sealed)

    def acknowledged(self, event, sealed) -> str:
        if sealed.event_id != event.event_id:
            self.book.say(f"{event.event_id} was submitted, and {sealed.event_id} is the answer")
        self.book.acknowledge(sealed)
        self.book.count("sealed")
        return "settled"

    def refused(self, event, failure: Failure, may_be_sealed: bool) -> str:
        """What an answer that is no acknowledgement means."""
        if failure.domain != "ledger":
            self.book.count("unknown: no answer of the ledger")
            return "unknown"
        if failure.reason in ("OUTCOME_UNKNOWN", "STOPPING"):
            self.book.count(f"unknown: {failure.reason}")
            return "unknown"
        if failure.reason in CERTAIN:
            self.book.count(f"not sealed: {failure.reason}")
            return "not sealed"
        if failure.reason == "DUPLICATE_EVENT":
            if not may_be_sealed:
                self.book.say(f"{event.event_id} is told to be a duplicate, and was never submitted before")
            self.book.acknowledge(failure.original, is_answer=False)
            self.book.count("duplicate")
            return "settled"
        self.book.say(f"{event.event_id}: {failure.code}, {failure.reason}: {failure.message}")
        return "settled"


class Unary(Caller):
    """Submits one event at a time, some of them twice at once; then again, with other content, or reads it."""

    def turn(self) -> None:
        event = self.book.begin(self.random)
        if self.random.random() < 0.1:
            self.twins(event)
        else:
            self.settle(event)
        if event.event_id not in self.book.by_id:
            return
        dice = self.random.random()
        if dice < 0.15:
            self.again(event)
        elif dice < 0.2:
            self.conflict(event)
        elif dice < 0.35:
            self.read(event)

    def twins(self, event) -> None:
        """Through two replicas at the same time."""
        first, address = self.stub()
        second, _ = self.stub(other_than=address)
        calls = [stub.SubmitEvent.future(event, timeout=RPC_SECONDS) for stub in (first, second)]
        # Both end before anything else: what each says counts.
        outcomes = [
            self.outcome(event, lambda *_, call=call, **__: call.result(), True) for call in calls
        ]
        self.book.count("submitted twice at once")
        if "settled" not in outcomes:
            self.settle(event, may_be_sealed=True)

    def again(self, event) -> None:
        """An acknowledged event once more: only its old number may be the answer.

        It is a duplicate; or OK, from a replica that did not know of it yet when it forwarded it, lost sight of it
        because the sealing one was gone, and found it sealed then (protocol.md 7).
        """
        stub, _ = self.stub()
        try:
            self.book.acknowledge(stub.SubmitEvent(event, timeout=RPC_SECONDS))
            self.book.count("duplicate, found sealed after a forward was lost")
        except grpc.RpcError as error:
            self.refused(event, Failure.of(error), True)

    def conflict(self, event) -> None:
        """Other content under the id of a sealed event."""
        other = messages.CertifiedEvent()
        other.CopyFrom(event)
        other.payload += b"other"
        stub, _ = self.stub()
        try:
            sealed = stub.SubmitEvent(other, timeout=RPC_SECONDS)
            self.book.say(f"{event.event_id} is sealed with other content, as {sealed.sequence_number}")
        except grpc.RpcError as error:
            failure = Failure.of(error)
            if failure.reason != "CONFLICTING_EVENT":
                self.refused(event, failure, True)
                if failure.reason == "DUPLICATE_EVENT":
                    self.book.say(f"{event.event_id} with other content is told to be a duplicate")
                return
            self.book.count("conflicting")
            if failure.metadata.get("differs") != "payload":
                self.book.say(f"{event.event_id} differs in {failure.metadata.get('differs')}")

    def read(self, event) -> None:
        """An acknowledged event by its number and by its id, from any replica."""
        stub, _ = self.stub()
        number = self.book.by_id[event.event_id]
        by_number = messages.GetEventRequest(sequence_number=number)
        by_id = messages.GetEventByIdRequest(event_id=event.event_id)
        for call, request in ((stub.GetEvent, by_number), (stub.GetEventById, by_id)):
            try:
                self.book.read(call(request, timeout=RPC_SECONDS))
                self.book.count("read")
            except grpc.RpcError as error:
                failure = Failure.of(error)
                self.book.count(f"read: {failure.code.name}")
                if failure.code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.DATA_LOSS):
                    self.book.say(f"number {number} was acknowledged, and is {failure.message}")


class Stream(Caller):
    """Sends events in a stream, some under way at a time, with pauses between them."""

    def turn(self) -> None:
        stub, _ = self.stub()
        room = threading.Semaphore(STREAM_WINDOW)
        has_ended, lock = threading.Event(), threading.Lock()
        # What is sent or about to be, in order.
        under_way: collections.deque[messages.CertifiedEvent] = collections.deque()

        def events():
            for _ in range(STREAM_EVENTS):
                if self.is_stopped.is_set():
                    return
                room.acquire()
                # In bursts, so that several are under way together.
                has_ended.wait(self.pause * self.random.choice([0, 0, 0, 0, 0, 6]))
                with lock:
                    if has_ended.is_set():
                        return
                    event = self.book.begin(self.random)
                    under_way.append(event)
                yield event

        last = 0
        try:
            for answer in stub.SubmitEvents(events(), timeout=RPC_SECONDS + STREAM_EVENTS):
                last = self.answered(under_way.popleft(), answer, last)
                room.release()
            self.book.count("streams that ended well")
        except grpc.RpcError as error:
            failure = Failure.of(error)
            said = failure.reason or failure.message
            self.book.count(f"streams that ended early: {failure.code.name}, {said}")
        finally:
            with lock:
                has_ended.set()
                left = list(under_way)
            room.release()
        for event in left:
            self.book.count("unknown: unanswered in a stream")
            self.settle(event, may_be_sealed=True)

    def answered(self, event, answer, last: int) -> int:
        """Notes one answer; returns the newest number of the stream."""
        if answer.HasField("sealed"):
            number = answer.sealed.sequence_number
            if number <= last:
                self.book.say(f"{event.event_id} is number {number}, behind {last} in its stream")
            self.acknowledged(event, answer.sealed)
            return number
        rejection = answer.rejection
        code = getattr(grpc.StatusCode, code_pb2.Code.Name(rejection.code), rejection.code)
        failure = Failure(
            code, rejection.message, "ledger", rejection.reason,
            original=rejection.original if rejection.HasField("original") else None,
        )  # fmt: skip
        if rejection.event_id != event.event_id:
            self.book.say(f"{event.event_id} was sent, and {rejection.event_id} is refused")
        outcome = self.refused(event, failure, False)
        if outcome == "not sealed" and self.random.random() < 0.5:
            self.book.abandon(event.event_id)
        elif outcome != "settled":
            self.settle(event, may_be_sealed=outcome == "unknown")
        return last


class Follower(Caller):
    """Reads everything from the beginning, and what is sealed then, from one replica after the other."""

    following = 1
    previous = "0" * 64
    call = None

    def turn(self) -> None:
        stub, _ = self.stub()
        self.call = stub.ListEvents(
            messages.ListEventsRequest(first=self.following, follow=True), timeout=RPC_SECONDS
        )
        try:
            for event in self.call:
                if event.sequence_number != self.following or event.previous_hash != self.previous:
                    self.book.say(
                        f"a list has number {event.sequence_number} where {self.following} is next, "
                        "or it does not continue the chain"
                    )
                    return
                self.book.read(event)
                self.following += 1
                self.previous = event.event_hash
        except grpc.RpcError as error:
            self.book.count(f"lists that ended: {error.code().name}")
            if error.code() == grpc.StatusCode.DATA_LOSS:
                self.book.say(f"a list ended: {error.details()}")

    def stop_following(self) -> None:
        if self.call:
            self.call.cancel()


class Checkpoints(Caller):
    """Collects signed checkpoints."""

    key = ""

    def turn(self) -> None:
        stub, _ = self.stub()
        with contextlib.suppress(grpc.RpcError):
            answer = stub.GetCheckpoint(messages.GetCheckpointRequest(), timeout=RPC_SECONDS)
            self.book.checkpoint(answer.note.encode(), self.key)
            self.book.count("checkpoints")


class Callers:
    """All callers of one ledger, while the block runs; in the end everything is settled."""

    def __init__(self, fleet, book: Book, seed: str, rate: int, verifier_key: str):
        """
        :param rate: about so many events are submitted in a second
        """
        unary, streams = 6, 3
        self.book = book
        self.callers: list[Caller] = [
            *(Unary(f"unary {i}", fleet, book, seed, 2 * unary / rate) for i in range(unary)),
            *(
                Stream(f"stream {i}", fleet, book, seed, 2 * streams / rate)
                for i in range(streams)
            ),
            *(Follower(f"follower {i}", fleet, book, seed, 0.2) for i in range(2)),
        ]
        checkpoints = Checkpoints("checkpoints", fleet, book, seed, 0.7)
        checkpoints.key = verifier_key
        self.callers.append(checkpoints)

    def __enter__(self) -> "Callers":
        self.book.begin_silence()
        for caller in self.callers:
            caller.start()
        return self

    def also(self, callers: list[Caller]) -> None:
        """Further callers, until the block ends or they are stopped."""
        self.callers += callers
        for caller in callers:
            caller.start()

    def __exit__(self, *_) -> None:
        for caller in self.callers:
            caller.is_stopped.set()
        for caller in self.callers:
            if isinstance(caller, Follower):
                caller.stop_following()
        for caller in self.callers:
            caller.join(2 * SETTLE_SECONDS)
            if caller.is_alive():
                self.book.say(f"{caller.name} does not end")
