"""A small test runner: named checks, expectations that say what they saw, a closing line."""

import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

_checks: list[tuple[str, Callable[[Any], None]]] = []


class Unexpected(AssertionError):
    """What was found is not what the contract says."""


def check(sentence: str):
    """Registers a function as a check; the sentence says what holds when it passes."""

    def register(function: Callable[[Any], None]):
        _checks.append((sentence, function))
        return function

    return register


def expect(condition: Any, message: str) -> None:
    """Fails the running check with the message unless the condition holds."""
    if not condition:
        raise Unexpected(message)


def expect_equal(what: str, actual: Any, expected: Any) -> None:
    """Fails the running check unless both are equal, and shows both."""
    if actual != expected:
        raise Unexpected(f"{what} is {shortened(actual)}, expected {shortened(expected)}")


def shortened(value: Any) -> str:
    """A value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."


def eventually(condition: Callable[[], Any], message: str, seconds: float = 15) -> Any:
    """Asks again until the condition holds, and returns what it gave; fails after the time."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise Unexpected(f"{message} (not within {seconds} s)")
        time.sleep(0.05)


class Standstill:
    """For waits that last as long as anything goes on: numbers that grow while it does.

    A limit for the whole wait would say how fast the machine is. This one says that nothing moves any more.
    """

    def __init__(self, seconds: float):
        """
        :param seconds: how long none of the numbers may grow
        """
        self.seconds = seconds
        # By name: the largest that was seen, and since when.
        self._seen: dict[str, tuple[float, float]] = {}

    def look(self, **numbers: float) -> None:
        """Takes what the numbers are now; fails where none has grown for the time, and says so of each."""
        now = time.monotonic()
        for name, number in numbers.items():
            # Who was started again counts from the beginning, which is no growth.
            if name not in self._seen or number > self._seen[name][0]:
                self._seen[name] = (number, now)
        if now - max(since for _, since in self._seen.values()) >= self.seconds:
            stood = ", ".join(
                f"{name} at {number:.0f} for {now - since:.0f} s"
                for name, (number, since) in self._seen.items()
            )
            raise Unexpected(f"nothing moves any more: {stood}")


def run_checks(context: Any) -> int:
    """Runs every registered check in order of registration; returns the exit status."""
    failed = 0
    for sentence, function in _checks:
        try:
            function(context)
            print(f"ok    {sentence}")
        except Unexpected as error:
            failed += 1
            print(f"FAIL  {sentence}: {error}")
        except Exception:  # One broken check must not hide the others.
            failed += 1
            print(f"FAIL  {sentence}:")
            traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
    print(f"{len(_checks) - failed} passed, {failed} failed")
    return 0 if _checks and not failed else 1
