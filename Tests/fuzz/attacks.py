"""What an attack is, and what it may find."""

import dataclasses
import random
from collections.abc import Callable

from wire import Answer, Wire

GRPC, INTERNAL, ADMIN = "gRPC", "internal", "admin"
CHECK = "/grpc.health.v1.Health/Check"
FORWARD = "/ledger.internal.Forwarding/Forward"
OK, CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL_ERROR = 0, 1, 2, 4, 12, 13


class Finding(AssertionError):
    """Something that no input may bring about."""


@dataclasses.dataclass(frozen=True)
class Target:
    """One port of the service under attack."""

    kind: str
    port: int

    @property
    def path(self) -> str:
        """A call that this port knows."""
        return FORWARD if self.kind == INTERNAL else CHECK


@dataclasses.dataclass(frozen=True)
class Attack:
    """A named way to do harm. A case is always the same; the others differ with their seed."""

    name: str
    kinds: tuple[str, ...]
    run: Callable[[Target, random.Random], None]
    is_case: bool


attacks: list[Attack] = []


def attack(name: str, *kinds: str):
    """Registers what is run again and again with other random numbers."""
    return _registering(name, kinds or (GRPC, INTERNAL), is_case=False)


def case(name: str, *kinds: str):
    """Registers what is run once."""
    return _registering(name, kinds or (GRPC, INTERNAL), is_case=True)


def _registering(name: str, kinds: tuple[str, ...], is_case: bool):
    def register(function):
        attacks.append(Attack(name, kinds, function, is_case))
        return function

    return register


def expect_answer(answer: Answer, what: str) -> None:
    """A call that began in good order ends with a status that means something to its caller."""
    if answer.status is None:
        raise Finding(f"{what}: {answer}")
    if answer.status in (CANCELLED, UNKNOWN):
        raise Finding(f"{what}: a status that tells nothing: {answer}")
    if answer.status not in (OK, UNIMPLEMENTED) and answer.reason is None:
        raise Finding(f"{what}: no ErrorInfo of the ledger: {answer}")


def expect_serving(wire: Wire, target: Target, stream: int, what: str) -> None:
    """The connection goes on: a further call on it is answered."""
    answer = wire.call(stream, target.path)
    if answer.status is None:
        end = f"GOAWAY {wire.goaway}" if wire.goaway is not None else "closed" * wire.closed
        raise Finding(f"{what}: the connection's next call is not answered ({answer}; {end})")
    if target.kind == GRPC and answer.status != OK:
        raise Finding(f"{what}: the connection's next call is refused: {answer}")
