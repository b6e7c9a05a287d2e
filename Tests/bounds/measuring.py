"""What a bound is, how it is pushed, and what is measured meanwhile."""

import contextlib
import dataclasses
import pathlib
import sys
import time
import uuid
from collections.abc import Callable, Iterator

import grpc

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "python"))
sys.path.insert(0, str(TESTS / "fuzz"))

from bystander import Bystander  # noqa: E402
from checking import Unexpected, expect  # noqa: E402
from processes import Service, TestCluster, running_service  # noqa: E402
from stubs import messages, services  # noqa: E402
from wire import Wire  # noqa: E402

CALL_SECONDS = 60
SETTLE_SECONDS = 10
LARGE_PAYLOAD = 49_000
CODES = {code.value[0]: code.name for code in grpc.StatusCode}


@dataclasses.dataclass
class Memory:
    """Resident memory in MB before a bound is pushed, the most while it is, and after."""

    before: float
    at: float = 0
    after: float = 0

    def __str__(self) -> str:
        return f"{self.before:.0f} / {self.at:.0f} / {self.after:.0f}"


@dataclasses.dataclass
class Measured:
    """What one push showed."""

    service: Memory
    etcd: Memory
    told: list[str] = dataclasses.field(default_factory=list)
    pushed: str = ""

    def tell(self, told: str) -> None:
        """Keeps what a caller was told, once."""
        if told not in self.told:
            self.told.append(told)


@dataclasses.dataclass(frozen=True)
class Bound:
    """One row of the table."""

    name: str
    setting: str
    default: str
    metric: str
    is_quick: bool
    push: "Callable[[Run], Measured]"


bounds: list[Bound] = []


def bound(name: str, setting: str, default: str, metric: str, quick: bool = True):
    """Registers a push of a bound; `quick` says that it takes seconds."""

    def register(function):
        bounds.append(Bound(name, setting, default, metric, quick, function))
        return function

    return register


class Run:
    """Where bounds are pushed: a cluster, and a service for each."""

    def __init__(self, binaries: pathlib.Path, cluster: TestCluster, ledger_bytes: int):
        self._binaries = binaries
        self.cluster = cluster
        # How much payload the large ledger has.
        self.ledger_bytes = ledger_bytes
        self._large: str | None = None

    @contextlib.contextmanager
    def service(self, large: bool = False, **settings: str) -> Iterator[Service]:
        """A service of its own; on an empty ledger, or freshly started on the large one."""
        prefix = self.large_prefix() if large else f"bounds-{uuid.uuid4().hex[:8]}/"
        with running_service(
            self._binaries, self.cluster, LEDGER_PREFIX=prefix, **settings
        ) as service:  # fmt: skip
            yield service

    @property
    def large_events(self) -> int:
        """How many events the large ledger has."""
        return self.ledger_bytes // LARGE_PAYLOAD

    def large_prefix(self) -> str:
        """The prefix of the large ledger, which is filled when it is first asked for."""
        if self._large is None:
            prefix = "bounds-large/"
            with running_service(self._binaries, self.cluster, LEDGER_PREFIX=prefix) as service:
                fill(service, self.large_events)
            self._large = prefix
        return self._large

    @contextlib.contextmanager
    def measured(self, service: Service, beside: bool = True) -> Iterator[Measured]:
        """Measures while the block pushes, and lets a well-behaved caller see how it is served."""
        with contextlib.ExitStack() as stack:
            other = Bystander(service.address) if beside else None
            if other:
                stack.callback(other.kill)
                # Its first calls, before anything is pushed.
                wait_until(lambda: other.figures()["waits"], "the other caller begins")
            found = Measured(Memory(service.child.memory), Memory(self.cluster.memory))
            for process in (service.child, *self.cluster.footprints):
                process.reset_peak()
            yield found
            service.expect_alive()
            found.service.at, found.etcd.at = service.child.peak, self.cluster.peak
            if other:
                figures = other.end()
                expect(not figures["errors"], f"the other caller: {figures['errors']}")
                expect(figures["waits"], "the other caller made no call")
            expect_served(service)
            settle(service, found)


@contextlib.contextmanager
def connected(service: Service, settings: bytes = b"") -> Iterator[Wire]:
    """A raw connection that knows the service's settings."""
    with Wire(service.port, settings=settings) as wire:
        expect(wire.pump(CALL_SECONDS, lambda: wire.settled), "no settings came")
        yield wire


def wait_until(condition: Callable[[], object], what: str, seconds: float = CALL_SECONDS):
    """Waits for a condition, and returns what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        if result := condition():
            return result
        expect(time.monotonic() < deadline, f"{what}: not within {seconds} s")
        time.sleep(0.05)


def settle(service: Service, found: Measured) -> None:
    """Waits until the memory is near what it was, or does not fall any more."""
    deadline = time.monotonic() + SETTLE_SECONDS
    last = float("inf")
    while time.monotonic() < deadline:
        now = service.child.memory
        if now <= 1.1 * found.service.before or last - now < 1:
            break
        last = now
        time.sleep(1)
    found.service.after = service.child.memory
    found.etcd.after = service.cluster.memory


def fill(service: Service, count: int) -> None:
    """Seals so many large events."""
    stub = services.ImmutableLedgerStub(grpc.insecure_channel(service.address))
    sealed, start = 0, 0
    while sealed < count:
        sealed = 0
        events = (large_event(number) for number in range(start, count))
        try:
            for result in stub.SubmitEvents(events):
                reason = result.rejection.reason
                if reason not in ("", "DUPLICATE_EVENT"):
                    raise Unexpected(f"event {sealed}: {reason} {result.rejection.message}")
                sealed += 1
        except Unexpected:
            time.sleep(0.5)


def large_event(number: int) -> messages.CertifiedEvent:
    """One event of the large ledger, always the same."""
    payload = (b"%08d" % number) * (LARGE_PAYLOAD // 8)
    return messages.CertifiedEvent(event_id=f"large-{number}", payload=payload)


def expect_served(service: Service) -> None:
    """A new caller can submit and read."""
    with grpc.insecure_channel(service.address) as channel:
        stub = services.ImmutableLedgerStub(channel)
        event = messages.CertifiedEvent(event_id=f"served-{uuid.uuid4().hex}", payload=b"x")
        deadline = time.monotonic() + CALL_SECONDS
        while True:
            try:
                sealed = stub.SubmitEvent(event, timeout=CALL_SECONDS)
                break
            except grpc.RpcError as error:
                expect(time.monotonic() < deadline, f"a new caller is not served: {error}")
                time.sleep(0.1)
        request = messages.GetEventRequest(sequence_number=sealed.sequence_number)
        expect(stub.GetEvent(request, timeout=CALL_SECONDS).payload == b"x", "another event")


def code_and_reason(answer) -> str:
    """A raw answer's status for the table."""
    if answer.status is None:
        return f"reset {answer.reset}" if answer.reset is not None else "nothing"
    return CODES[answer.status] + (f"/`{answer.reason}`" if answer.reason else "")
