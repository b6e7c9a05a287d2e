"""Bounds of what reading may cost the service, etcd and those who submit."""

import concurrent.futures
import contextlib

import grpc

from measuring import CALL_SECONDS, Measured, Run, bound, connected, large_event, wait_until
from checking import expect, expect_equal
from ledger import Failure
from stubs import messages, services
from wire import call_headers, message

LIST = "/ledger.ImmutableLedger/ListEvents"
LOOK_UPS_TOLD = {
    "ALREADY_EXISTS/`DUPLICATE_EVENT`", "RESOURCE_EXHAUSTED/`OVERLOADED`",
    "UNAVAILABLE/`NOT_SEALED`", "DEADLINE_EXCEEDED/`NOT_SEALED`",
}  # fmt: skip
# What one bulk read may bring and what etcd needs to write it as JSON, several times over.
ETCD_MARGIN_MB = 400
SERVICE_MARGIN_MB = 250


def read_all(address: str, count: int) -> int:
    """Reads the large ledger and compares every event; returns how many there were."""
    request = messages.ListEventsRequest(first=1, last=count)
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        number = 0
        for event in services.ImmutableLedgerStub(channel).ListEvents(request):
            number += 1
            expect_equal("the number", event.sequence_number, number)
            prefix = b"%08d" % (number - 1)
            expect(event.payload.startswith(prefix), f"number {number} has another payload")
        return number


def lists_at_once(run: Run, count: int) -> Measured:
    """So many read everything at the same time."""
    with run.service(large=True) as service, run.measured(service) as found:
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            read = list(pool.map(read_all, [service.address] * count, [run.large_events] * count))
        expect_equal("the events read", set(read), {run.large_events})
        expect_growth(found, service, run)
        size = run.large_events * 49_000 / 1e6
        found.pushed = f"{count} lists at once of {size:.0f} MB"
        found.tell("nothing: each waits for its turn")
    return found


def expect_growth(found: Measured, service, run: Run) -> None:
    """Neither memory grew with the ledger."""
    etcd, own = run.cluster.peak - found.etcd.before, service.child.peak - found.service.before
    expect(etcd < ETCD_MARGIN_MB, f"etcd grew by {etcd:.0f} MB")
    expect(own < SERVICE_MARGIN_MB, f"the service grew by {own:.0f} MB")


@bound("pages while loading", "9 MiB, mostly 1 MiB", "", "`ledger_etcd_requests_total`")
def loading(run: Run) -> Measured:
    # Filled before, so that what is measured is one start.
    run.large_prefix()
    before = run.cluster.memory
    for member in run.cluster.footprints:
        member.reset_peak()
    with run.service(large=True) as service:
        grown = run.cluster.peak - before
        with run.measured(service) as found:
            found.etcd.before = before
            requests = service.metric("ledger_etcd_requests_total")
            head = service.metric("ledger_head_sequence_number")
            expect(head >= run.large_events, f"the head is {head}")
        found.etcd.at = max(found.etcd.at, before + grown)
        expect(grown < ETCD_MARGIN_MB, f"etcd grew by {grown:.0f} MB")
        size = run.large_events * 49_000 / 1e6
        found.pushed = f"a start on {size:.0f} MB of events of 49 kB: {requests:.0f} requests"
        found.tell("nothing")
    return found


READS = ("`LEDGER_MAX_BULK_READS`, `LEDGER_MAX_WAITING_READS`", "2, 4096",
         '`ledger_reads{kind="page"}`, `ledger_reads_refused_total`')  # fmt: skip


@bound("lists at once", *READS)
def lists(run: Run) -> Measured:
    return lists_at_once(run, 12)


@bound("lists at once", *READS, quick=False)
def many_lists(run: Run) -> Measured:
    return lists_at_once(run, 30)


@bound("lists that are not read", "`LEDGER_MAX_LISTING_BYTES`", "67108864",
       "`ledger_listing_bytes`, `ledger_listings`")  # fmt: skip
def slow_lists(run: Run) -> Measured:
    with run.service(large=True) as service, run.measured(service) as found:
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(connected(service)) for _ in range(4)]
            for wire in wires:
                wire.updates_windows = False
                for number in range(50):
                    wire.open(2 * number + 1, call_headers(LIST))
                    follows = b"\x18\x01" if number % 2 else b""
                    wire.data(2 * number + 1, message(b"\x08\x01" + follows))
            for wire in wires:
                wire.pump(2, lambda: False)
            expect_growth(found, service, run)
        found.pushed = "200 lists over 4 connections that read nothing, half of them follow"
        found.tell("nothing: HTTP/2's windows stay closed until answers are read")
    return found


@bound("lists that follow", "`LEDGER_FOLLOW_BYTES`", "16777216", "`ledger_follow_bytes`")
def followers(run: Run) -> Measured:
    count = 2_000
    with run.service() as service, run.measured(service) as found:
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(connected(service)) for _ in range(4)]
            for wire in wires:
                for number in range(count // 4):
                    wire.open(2 * number + 1, call_headers(LIST))
                    wire.data(2 * number + 1, message(b"\x18\x01"))
            # The other caller seals all the while: each follower gets what it seals.
            streams = range(1, count // 2, 2)
            for wire in wires:
                wire.pump(CALL_SECONDS, lambda w=wire: all(w.answer(s).data for s in streams))
                silent = sum(1 for s in streams if not wire.answer(s).data)
                expect_equal("followers that got nothing", silent, 0)
            expect_growth(found, service, run)
        found.pushed = f"{count} lists that follow, over 4 connections"
        found.tell("nothing")
    return found


@bound("look-ups of old duplicates", "`LEDGER_MAX_LOOKUPS`", "8",
       "`ledger_lookups_running`, `ledger_lookups_waiting`")  # fmt: skip
def look_ups(run: Run) -> Measured:
    count = 4_000
    with run.service(large=True) as service, run.measured(service) as found:
        # What was sealed under the id, and what is sealed now.
        numbers = [n * 7919 % run.large_events for n in range(count)]
        with grpc.insecure_channel(service.address) as channel:
            stub = services.ImmutableLedgerStub(channel)
            pending = [
                stub.SubmitEvent.future(large_event(number), timeout=CALL_SECONDS)
                for number in numbers
            ]
            told: dict[str, int] = {}
            for call in pending:
                error = call.exception()
                expect(error is not None, "an old event was sealed again")
                failure = Failure.of(error)
                expect(failure.reason, f"a status without an ErrorInfo: {failure}")
                said = f"{failure.code.name}/`{failure.reason}`"
                told[said] = told.get(said, 0) + 1
        expect(set(told) <= LOOK_UPS_TOLD, f"told {told}")
        expect(told.get("ALREADY_EXISTS/`DUPLICATE_EVENT`"), f"told {told}")
        expect_growth(found, service, run)
        for said in told:
            found.tell(said)
        found.pushed = f"{count} old duplicates of 49 kB at once"
    return found


@bound("VerifyEvents whose callers have gone", "none: one pass at a time, 8 wait", "",
       "`ledger_verified_events`")  # fmt: skip
def verifying(run: Run) -> Measured:
    with run.service(large=True) as service, run.measured(service) as found:
        with grpc.insecure_channel(service.address) as channel:
            stub = services.ImmutableLedgerStub(channel)
            request = messages.VerifyEventsRequest()
            gone = [stub.VerifyEvents.future(request, timeout=0.05) for _ in range(9)]
            codes = {call.exception().code().name for call in gone}
            expect_equal("those with 50 ms", codes, {"DEADLINE_EXCEEDED"})
            # The tenth: its callers before have gone, and so has their work.
            tenth = wait_until(lambda: verified(stub, request), "a tenth caller is served", 15)
            expect(tenth.valid, f"the ledger is not valid: {tenth.first_finding}")
            expect(tenth.events_verified >= run.large_events, "not every event was verified")
            expect_growth(found, service, run)
        found.pushed = "9 VerifyEvents with 50 ms, then a tenth"
        found.tell("DEADLINE_EXCEEDED; the tenth that waits: RESOURCE_EXHAUSTED/`OVERLOADED`")
    return found


def verified(stub, request):
    """A whole pass, or None where it was refused for others."""
    try:
        return stub.VerifyEvents(request, timeout=4 * CALL_SECONDS)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
            return None
        raise
