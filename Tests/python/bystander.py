"""A well-behaved caller beside the attacks: submits, repeats and reads, each call timed.

    bystander.py HOST:PORT      ends with its standard input, and prints one object of JSON

Nothing that others send may make a call of it fail, answer wrongly or wait.
"""

import json
import subprocess
import sys
import threading
import time
import uuid

import grpc

import formats
from checking import Unexpected, expect_equal
from ledger import Failure
from stubs import messages, services

CALL_SECONDS = 30
PAUSE_SECONDS = 0.03
ERRORS_KEPT = 10


class Bystander:
    """The caller in a process of its own, so that it shares no lock with those who attack."""

    def __init__(self, address: str):
        self._process = subprocess.Popen(
            [sys.executable, "-B", __file__, address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def figures(self) -> dict:
        """The `waits` in seconds since the last time, and the first `errors` since the start."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self) -> dict:
        """Ends it and returns what it saw since the last time."""
        said, _ = self._process.communicate(timeout=120)
        return json.loads(said.splitlines()[-1])

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()
        self._process.wait()


class _Calls:
    """The calls, how long each took, and what was wrong."""

    def __init__(self, address: str):
        self.stub = services.ImmutableLedgerStub(grpc.insecure_channel(address))
        self.waits: list[float] = []
        self.errors: list[str] = []
        self._run = uuid.uuid4().hex[:8]

    def timed(self, call, request):
        """Makes a call; its failure is what this looks for."""
        started = time.monotonic()
        try:
            return call(request, timeout=CALL_SECONDS)
        finally:
            self.waits.append(time.monotonic() - started)

    def turn(self, number: int) -> None:
        """Seals an event, reads it, and submits it again."""
        event = messages.CertifiedEvent(
            event_id=f"bystander-{self._run}-{number}", payload=b"payload %d" % number
        )
        sealed = self.timed(self.stub.SubmitEvent, event)
        expect_equal("event_hash", sealed.event_hash, formats.event_hash(sealed))
        expect_equal("payload", sealed.payload, event.payload)
        sealed.commit_latency_ms = 0
        request = messages.GetEventRequest(sequence_number=sealed.sequence_number)
        expect_equal("what was read", self.timed(self.stub.GetEvent, request), sealed)
        try:
            self.timed(self.stub.SubmitEvent, event)
        except grpc.RpcError as error:
            failure = Failure.of(error)
            failure.expect(grpc.StatusCode.ALREADY_EXISTS, "DUPLICATE_EVENT")
            expect_equal("the original", failure.original, sealed)
        else:
            raise Unexpected("a duplicate was sealed")
        listed = messages.ListEventsRequest(
            first=max(1, sealed.sequence_number - 1), last=sealed.sequence_number
        )
        events = self.timed(lambda *a, **k: list(self.stub.ListEvents(*a, **k)), listed)
        expect_equal("the last of the list", events[-1], sealed)
        if len(events) > 1:
            expect_equal("the link", sealed.previous_hash, events[0].event_hash)

    def run(self, stopping: threading.Event) -> None:
        """Takes turns until it is to stop."""
        number = 0
        while not stopping.wait(PAUSE_SECONDS):
            number += 1
            try:
                self.turn(number)
            except (grpc.RpcError, Unexpected) as error:
                said = Failure.of(error) if isinstance(error, grpc.RpcError) else error
                if len(self.errors) < ERRORS_KEPT:
                    self.errors.append(f"{time.strftime('%H:%M:%S')} turn {number}: {said}")


def main() -> None:
    """Runs until the standard input ends."""
    bystander = _Calls(sys.argv[1])
    stopping = threading.Event()
    worker = threading.Thread(target=bystander.run, args=[stopping])
    worker.start()
    # A line asks for the figures so far, and begins them anew.
    for _ in sys.stdin:
        waits, bystander.waits = bystander.waits, []
        print(json.dumps({"waits": waits, "errors": bystander.errors}), flush=True)
    stopping.set()
    worker.join()
    print(json.dumps({"waits": bystander.waits, "errors": bystander.errors}), flush=True)


if __name__ == "__main__":
    main()
