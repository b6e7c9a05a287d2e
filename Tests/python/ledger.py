"""The ledger under test: what its answers say, and submitting to it as a caller should."""

import dataclasses
import time
import uuid

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from checking import Unexpected, expect, expect_equal
from stubs import messages, services

RPC_SECONDS = 15
RETRY_SECONDS = 30
# After these the caller submits the same event again (OUTCOME_UNKNOWN: it may be sealed already).
TRANSIENT_REASONS = {"NOT_SEALED", "OVERLOADED", "OUTCOME_UNKNOWN"}


@dataclasses.dataclass
class Failure:
    """An error answer with the details that the contract gives it."""

    code: grpc.StatusCode
    message: str
    domain: str = ""
    reason: str = ""
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    fields: list[str] = dataclasses.field(default_factory=list)
    original: messages.SealedEvent | None = None

    @classmethod
    def of(cls, error: grpc.RpcError) -> "Failure":
        """Reads google.rpc.Status, whose code and message must be those of the call."""
        failure = cls(error.code(), error.details() or "")
        try:
            status = rpc_status.from_call(error)
        except ValueError as mismatch:
            raise Unexpected(f"grpc-status-details-bin contradicts the call: {mismatch}") from None
        for detail in status.details if status else []:
            info = error_details_pb2.ErrorInfo()
            bad_request = error_details_pb2.BadRequest()
            original = messages.SealedEvent()
            if detail.Unpack(info):
                failure.domain, failure.reason = info.domain, info.reason
                failure.metadata = dict(info.metadata)
            elif detail.Unpack(bad_request):
                failure.fields += [violation.field for violation in bad_request.field_violations]
            elif detail.Unpack(original):
                failure.original = original
        return failure

    def expect(self, code: grpc.StatusCode, reason: str | None = None) -> None:
        """The code, an ErrorInfo of the ledger's domain and, where given, its reason."""
        expect_equal(f"the code of {self.message!r}", self.code, code)
        expect_equal("the ErrorInfo's domain", self.domain, "ledger")
        if reason is not None:
            expect_equal("the ErrorInfo's reason", self.reason, reason)
        expect(self.reason, "the ErrorInfo has no reason")
        expect(self.message, "the status has no message")


class Ledger:
    """A service on which nobody else seals while the checks run."""

    def __init__(self, channel: grpc.Channel, admin: str, submitter: str):
        self.channel = channel
        self.admin = admin
        self.submitter = submitter
        self.stub = services.ImmutableLedgerStub(channel)
        self.health = services.HealthStub(channel)
        self._run = uuid.uuid4().hex[:8]
        self._count = 0

    def new_id(self, name: str = "event") -> str:
        """An event_id that no earlier run used."""
        self._count += 1
        return f"py-{self._run}-{self._count}-{name}"

    def event(self, **fields) -> messages.CertifiedEvent:
        """A valid event with a new id, and the fields given."""
        fields.setdefault("event_id", self.new_id())
        fields.setdefault("payload", b"payload of " + fields["event_id"].encode()[:64])
        fields.setdefault("veps_timestamp", 1_702_234_567_890)
        return messages.CertifiedEvent(**fields)

    def outcome(self, event) -> "messages.SealedEvent | Failure":
        """Submits an event, or its bytes, until the answer is definite."""
        submit = self.stub.SubmitEvent
        if isinstance(event, bytes):
            submit = self.channel.unary_unary(
                "/ledger.ImmutableLedger/SubmitEvent",
                request_serializer=bytes,
                response_deserializer=messages.SealedEvent.FromString,
            )
        deadline = time.monotonic() + RETRY_SECONDS
        may_be_sealed = False
        while True:
            try:
                return submit(event, timeout=RPC_SECONDS)
            except grpc.RpcError as error:
                failure = Failure.of(error)
            if may_be_sealed and failure.reason == "DUPLICATE_EVENT":
                return self.get(failure.original.sequence_number)
            if failure.reason not in TRANSIENT_REASONS or time.monotonic() >= deadline:
                return failure
            may_be_sealed = may_be_sealed or failure.reason == "OUTCOME_UNKNOWN"
            time.sleep(0.1)

    def seal(self, event: messages.CertifiedEvent | None = None) -> messages.SealedEvent:
        """Submits a valid event, by default a new one; fails unless it is sealed."""
        result = self.outcome(event if event is not None else self.event())
        if isinstance(result, Failure):
            raise Unexpected(f"not sealed: {result}")
        return result

    def refused(self, event) -> Failure:
        """Submits an event, or its bytes, that must not be sealed."""
        result = self.outcome(event)
        if not isinstance(result, Failure):
            raise Unexpected(f"sealed as number {result.sequence_number}")
        return result

    def get(self, number: int) -> messages.SealedEvent:
        """Reads one event by its number."""
        return self.stub.GetEvent(
            messages.GetEventRequest(sequence_number=number), timeout=RPC_SECONDS
        )

    def list(self, **fields) -> "list[messages.SealedEvent]":
        """Reads a range of events to its end."""
        return list(
            self.stub.ListEvents(messages.ListEventsRequest(**fields), timeout=RPC_SECONDS)
        )

    def verify(self, **fields) -> messages.VerifyEventsResponse:
        """Has a range of events verified by the service."""
        return self.stub.VerifyEvents(
            messages.VerifyEventsRequest(**fields), timeout=4 * RPC_SECONDS
        )

    def failure(self, call, *arguments, **keywords) -> Failure:
        """Makes a call that must fail, and returns how it did."""
        try:
            result = call(*arguments, **keywords)
        except grpc.RpcError as error:
            return Failure.of(error)
        raise Unexpected(f"answered OK: {result!r:.200}")

    def expect_last(self, number: int) -> None:
        """Fails unless the event with this number is the last one sealed."""
        failure = self.failure(self.get, number + 1)
        failure.expect(grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
