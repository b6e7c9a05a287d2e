"""What callers of a ledger were told while its replicas were replaced, and what must hold because of it.

Whatever contradicts an earlier answer, or the contract (docs/api.md), is kept as a sentence: a test has passed
where there is none. Hashes are recomputed with formats.py, which shares no code with the service.
"""

import collections
import itertools
import random
import threading
import time

import formats
import tiles

from checking import Unexpected, expect
from stubs import messages


class Book:
    """Used by many threads."""

    def __init__(self, seed: int):
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._prefix = f"{seed:08x}"
        # By id: what is or was submitted, and the newest number that anybody knew when that began.
        self.submitted: dict[str, tuple[messages.CertifiedEvent, int]] = {}
        # By number: id and hash, as they were acknowledged or read.
        self.sealed: dict[int, tuple[str, str]] = {}
        self.by_id: dict[str, int] = {}
        # Told with certainty that they were not sealed, and not submitted again.
        self.abandoned: set[str] = set()
        # By size: the root of a checkpoint that was given out.
        self.roots: dict[int, bytes] = {}
        self.outcomes = collections.Counter()
        self.wrong: list[str] = []
        self.newest = 0
        self._silence, self._last = 0.0, time.monotonic()

    # What goes wrong

    def say(self, sentence: str) -> None:
        """Keeps what must not be."""
        with self._lock:
            self.wrong.append(sentence)

    def expect_right(self) -> None:
        """Fails where anything was wrong until now."""
        with self._lock:
            wrong = list(self.wrong)
        expect(not wrong, f"{len(wrong)} answers are wrong: " + "; ".join(wrong[:5]))

    # Submitting

    def begin(self, chosen: random.Random) -> messages.CertifiedEvent:
        """A new event, noted before anything of it is sent."""
        with self._lock:
            number = next(self._numbers)
            event = messages.CertifiedEvent(
                event_id=f"{self._prefix}-{number}",
                payload=chosen.randbytes(chosen.choice([0, 40, 256, 700])),
                veps_timestamp=number,
                metadata={"number": str(number)} if number % 3 else {},
            )
            self.submitted[event.event_id] = (event, self.newest)
        return event

    def count(self, outcome: str) -> None:
        with self._lock:
            self.outcomes[outcome] += 1

    def abandon(self, event_id: str) -> None:
        """Nobody submits it again: it must never be in the ledger."""
        with self._lock:
            self.abandoned.add(event_id)
            self.outcomes["given up after a certain refusal"] += 1
            if event_id in self.by_id:
                self.wrong.append(
                    f"{event_id} was said to be not sealed, and is number {self.by_id[event_id]}"
                )

    def acknowledge(self, sealed: messages.SealedEvent, is_answer: bool = True) -> None:
        """Compares an acknowledged event with all that is known.

        :param is_answer: whether it was sealed for this caller; else it was read, or is a duplicate's original
        """
        number, event_id = sealed.sequence_number, sealed.event_id
        self._compare(sealed)
        if is_answer and sealed.commit_latency_ms < 1:
            self.say(f"{event_id}: an acknowledgement has no latency")
        with self._lock:
            _, floor = self.submitted.get(event_id, (None, 0))
            if number <= floor:
                self.wrong.append(
                    f"{event_id} has number {number}, although {floor} was sealed before it was submitted"
                )
            now = time.monotonic()
            self._silence = max(self._silence, now - self._last)
            self._last = now

    def read(self, sealed: messages.SealedEvent) -> None:
        """Compares an event that was read."""
        self._compare(sealed)

    def _compare(self, sealed: messages.SealedEvent) -> None:
        number, event_id = sealed.sequence_number, sealed.event_id
        digest = formats.event_hash(sealed)
        with self._lock:
            event, _ = self.submitted.get(event_id, (None, 0))
            if event is None:
                self.wrong.append(f"number {number} is {event_id!r}, which nobody submitted")
                return
            if digest != sealed.event_hash:
                self.wrong.append(f"{event_id}: the hash of number {number} is not that of its fields")
            for name in ("payload", "veps_timestamp", "veps_signature"):
                if getattr(sealed, name) != getattr(event, name):
                    self.wrong.append(f"{event_id}: {name} of number {number} is another")
            if dict(sealed.metadata) != dict(event.metadata):
                self.wrong.append(f"{event_id}: metadata of number {number} are others")
            if self.by_id.setdefault(event_id, number) != number:
                self.wrong.append(
                    f"{event_id} is sealed twice: as number {self.by_id[event_id]} and as {number}"
                )
            # Known to be sealed to those who begin from now on.
            self.newest = max(self.newest, number)
            known = self.sealed.setdefault(number, (event_id, digest))
            if known != (event_id, digest):
                self.wrong.append(f"number {number} is given to {known[0]} and to {event_id}")
            if event_id in self.abandoned:
                self.wrong.append(f"{event_id} is number {number}, and was said to be not sealed")

    def begin_silence(self) -> None:
        """Nobody has submitted for a while."""
        with self._lock:
            self._silence, self._last = 0.0, time.monotonic()

    def silence(self) -> float:
        """The longest time without an acknowledgement since the last question, in seconds."""
        with self._lock:
            longest = max(self._silence, time.monotonic() - self._last)
            self._silence = 0.0
            return longest

    def open_count(self) -> int:
        """Events whose fate no caller knows."""
        with self._lock:
            return len(self.submitted) - len(self.by_id) - len(self.abandoned - set(self.by_id))

    # Checkpoints

    def checkpoint(self, note: bytes, verifier_key: str) -> None:
        """Keeps a signed checkpoint; one of the same size has the same root."""
        size, root = tiles.signed_checkpoint(note, verifier_key)
        with self._lock:
            if self.roots.setdefault(size, root) != root:
                self.wrong.append(f"two checkpoints of size {size} have different roots")

    # In the end

    def expect_whole(self, events: list[messages.SealedEvent], where: str) -> None:
        """Fails unless a ledger that was read whole is what was acknowledged, and one chain."""
        expect(self.open_count() == 0, f"{where}: {self.open_count()} events are not settled")
        previous, last_time, leaves = formats.GENESIS_HASH, 0, []
        for number, event in enumerate(events, start=1):
            if event.sequence_number != number:
                raise Unexpected(f"{where}: number {event.sequence_number} stands at {number}")
            if event.previous_hash != previous:
                raise Unexpected(f"{where}: number {number} does not continue the chain")
            if event.sealed_timestamp < last_time:
                raise Unexpected(f"{where}: number {number} was sealed before the one before it")
            self.read(event)
            previous, last_time = event.event_hash, event.sealed_timestamp
            leaves.append(bytes.fromhex(formats.leaf_hash(event)))
        self.expect_right()
        lost = sorted(set(self.sealed) - set(range(1, len(events) + 1)))
        expect(not lost, f"{where}: acknowledged and not there: {lost[:5]}")
        expect(
            len(self.by_id) == len(events),
            f"{where}: {len(events)} events are there, and {len(self.by_id)} ids were acknowledged",
        )
        for size, root in roots(leaves, set(self.roots)).items():
            expect(root == self.roots[size], f"{where}: the checkpoint of {size} has another root")
        missing = [size for size in self.roots if size > len(leaves)]
        expect(not missing, f"{where}: checkpoints covered {missing[:5]}, but there are {len(leaves)}")


def roots(leaves: list[bytes], sizes: set[int]) -> dict[int, bytes]:
    """The roots of RFC 6962 over the first so many leaves, for each size that is asked for and there."""
    found: dict[int, bytes] = {}
    # Roots of full subtrees, the largest first, with their heights.
    peaks: list[tuple[int, bytes]] = []
    for size, leaf in enumerate(leaves, start=1):
        height = 0
        while peaks and peaks[-1][0] == height:
            leaf = tiles.node(peaks.pop()[1], leaf)
            height += 1
        peaks.append((height, leaf))
        if size in sizes:
            root = peaks[-1][1]
            for _, peak in reversed(peaks[:-1]):
                root = tiles.node(peak, root)
            found[size] = root
    return found
