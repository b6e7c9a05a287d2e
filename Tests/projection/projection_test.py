"""Follows a real ledger into a real PostgreSQL with examples/projection, and kills it under load.

    projection_test.py --bin FOLDER [--seconds N]

Passes over itself, and says so, where PostgreSQL is not installed.
"""

import argparse
import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/python"))

import grpc  # noqa: E402
import psycopg  # noqa: E402

import checking  # noqa: E402
import stubs  # noqa: E402
from checking import check, eventually, expect, expect_equal  # noqa: E402
from formats import event_hash  # noqa: E402
from processes import running_cluster, running_service  # noqa: E402
from stubs import messages, services  # noqa: E402

from loopback_ports import free_ports  # noqa: E402  isort: skip

PROGRAM = ROOT / "examples/projection/projection.py"
FOLDERS = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
CALLERS = 8


def program(name: str) -> str | None:
    path = os.pathsep.join([*map(str, FOLDERS), os.environ["PATH"]])
    return shutil.which(name, path=path)


@contextlib.contextmanager
def running_postgres():
    """The URL of a server with empty data. It refuses to be root."""
    user = {"user": "postgres"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="projection-", ignore_cleanup_errors=True) as name:
        folder = pathlib.Path(name)
        if user:
            shutil.chown(folder, "postgres")
        clean = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        data, port = folder / "data", free_ports(1)
        subprocess.run(
            [program("initdb"), "--pgdata", data, "--auth=trust", "--username=test", "--encoding=UTF8",
             "--no-locale", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, env=clean, cwd=folder, **user,
        )
        with open(folder / "log", "wb") as log:
            server = subprocess.Popen(
                [program("postgres"), "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1",
                 "-c", "unix_socket_directories=", "-c", "fsync=off"],
                stdout=log, stderr=log, env=clean, cwd=folder, **user,
            )
        url = f"postgresql://test@127.0.0.1:{port}/postgres"

        def is_up():
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url):
                return True
            return False

        try:
            eventually(is_up, "PostgreSQL does not answer", 60)
            yield url
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait()


class Projection:
    """The example, as many of it as are started."""

    def __init__(self, address: str, url: str, folder: pathlib.Path):
        self.folder = folder
        self.log = folder / "projection.log"
        self.environment = {
            "PATH": os.environ["PATH"], "LEDGER_ADDRESS": address, "DATABASE_URL": url,
            "PYTHONPATH": stubs._generated.name, "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.running: list[subprocess.Popen] = []

    def start(self) -> subprocess.Popen:
        with open(self.log, "ab") as log:
            one = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, PROGRAM], env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        self.running.append(one)
        return one

    def kill(self) -> None:
        for one in self.running:
            one.kill()
            one.wait()
        self.running = []


class Load:
    """Callers that submit until they are told to stop."""

    def __init__(self, address: str, name: str):
        self.address, self.name = address, name
        self.sealed = 0
        self._ends = threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(CALLERS)

    def __enter__(self):
        self._work = [self._pool.submit(self._submit, caller) for caller in range(CALLERS)]
        return self

    def __exit__(self, *_):
        self._ends.set()
        self.sealed = sum(one.result() for one in self._work)
        self._pool.shutdown()

    def _submit(self, caller: int) -> int:
        sealed = 0
        with grpc.insecure_channel(self.address) as channel:
            stub = services.ImmutableLedgerStub(channel)
            while not self._ends.is_set():
                event = messages.CertifiedEvent(
                    # Ids and metadata are any UTF-8: a NUL is not text to PostgreSQL.
                    event_id=f"{self.name}-{caller}-{sealed}\0é", payload=os.urandom(sealed % 300),
                    veps_timestamp=-sealed, metadata={"b": "\0", "a": f"{sealed}"},
                )
                with contextlib.suppress(grpc.RpcError):
                    stub.SubmitEvent(event, timeout=30)
                    sealed += 1
        return sealed


def rows_of(url: str):
    with psycopg.connect(url) as database:
        return database.execute(
            "SELECT sequence_number, event_id, payload, metadata_keys, metadata_values, event_hash,"
            " entry FROM ledger_events ORDER BY sequence_number"
        ).fetchall()


def position_of(url: str) -> int:
    with contextlib.suppress(psycopg.Error), psycopg.connect(url) as database:
        return database.execute("SELECT sequence_number FROM ledger_position").fetchone()[0]
    return 0


def events_of(address: str):
    with grpc.insecure_channel(address) as channel:
        return list(services.ImmutableLedgerStub(channel).ListEvents(messages.ListEventsRequest()))


def expect_same(url: str, address: str) -> None:
    """The table is the ledger: nothing missing, nothing twice, nothing else."""
    events = events_of(address)
    eventually(lambda: position_of(url) == len(events), "the projection does not follow", 120)
    rows = rows_of(url)
    expect_equal("rows", len(rows), len(events))
    for row, event in zip(rows, events):
        number, event_id, payload, keys, values, stored_hash, entry = row
        expect_equal("number", number, event.sequence_number)
        expect_equal("event_id", event_id, event.event_id.encode())
        expect_equal("payload", payload, event.payload)
        metadata = {key: value.decode() for key, value in zip(keys, values)}
        expect_equal("metadata", metadata, dict(event.metadata))
        expect_equal("hash", stored_hash.hex(), event_hash(event))
        expect_equal("hash of the entry", hashlib.sha256(entry).hexdigest(), event_hash(event))


class Case:
    """What every check has: a service, a database, and a folder."""

    def __init__(self, service, url: str, folder: pathlib.Path, seconds: float):
        self.service, self.url = service, url
        self.folder, self.seconds = folder, seconds

    def projection(self) -> Projection:
        return Projection(self.service.address, self.url, self.folder)


@check("killed under load, nothing is missing or doubled")
def is_killed_under_load(case: Case):
    projection = case.projection()
    seed = random.randrange(1 << 32)
    print(f"    seed {seed}", flush=True)
    chance = random.Random(seed)
    kills = 0
    with Load(case.service.address, "killed") as load:
        end = time.monotonic() + case.seconds
        while time.monotonic() < end:
            projection.start()
            # From before it has connected to long after it stores.
            time.sleep(chance.uniform(0.1, 2.5))
            projection.kill()
            kills += 1
    projection.start()
    try:
        expect_same(case.url, case.service.address)
    finally:
        projection.kill()
    expect(load.sealed > 100, f"only {load.sealed} events were sealed")
    print(f"    {load.sealed} events, {kills} kills", flush=True)


@check("two at once do no harm")
def runs_twice_at_once(case: Case):
    projection = case.projection()
    with Load(case.service.address, "twice"):
        for _ in range(2):
            projection.start()
        time.sleep(case.seconds / 2)
        # One of them goes without a word; the other goes on.
        projection.running[0].kill()
        time.sleep(1)
    try:
        expect_same(case.url, case.service.address)
        expect(projection.running[1].poll() is None, "the one that was left has ended")
    finally:
        projection.kill()


@check("the service restarts, and it goes on")
def survives_the_ledger(case: Case):
    """A restart of the service is an interruption, and no end."""
    projection = case.projection()
    one = projection.start()
    try:
        case.service.stop()
        time.sleep(1)
        case.service.start()
        with Load(case.service.address, "after"):
            time.sleep(1)
        expect_same(case.url, case.service.address)
        expect(one.poll() is None, projection.log.read_text()[-2000:])
    finally:
        projection.kill()


def refuses(case: Case, change: str, sentence: str):
    """With another past than the ledger's it ends, and stores nothing."""
    before = len(rows_of(case.url))
    with psycopg.connect(case.url) as database:
        kept = database.execute("SELECT sequence_number, event_hash FROM ledger_position").fetchone()
        database.execute(change)
    with Load(case.service.address, f"refused-{random.random()}"):
        time.sleep(0.5)
    projection = case.projection()
    projection.log.write_text("")
    one = projection.start()
    try:
        expect_equal("status", one.wait(60), 3)
        expect(sentence in projection.log.read_text(), projection.log.read_text()[-2000:])
        expect_equal("rows", len(rows_of(case.url)), before)
    finally:
        projection.kill()
        with psycopg.connect(case.url) as database:
            database.execute(
                "UPDATE ledger_position SET sequence_number = %s, event_hash = %s", kept
            )


@check("a changed event and a gap are refused")
def refuses_a_changed_event(case: Case):
    """Through a ledger that answers another payload: nothing of it is stored."""
    sys.path.insert(0, str(PROGRAM.parent))
    import projection

    [event] = [one for one in events_of(case.service.address) if one.sequence_number == 2]
    previous = bytes.fromhex(event.previous_hash)
    expect_equal("the whole event", projection.checked(event, 2, previous)[0], 2)
    for field, value in {
        "payload": b"another", "event_id": "another", "submitter": "another",
        "sealed_timestamp": 1, "veps_timestamp": 1, "veps_signature": "another",
    }.items():
        changed = messages.SealedEvent()
        changed.CopyFrom(event)
        setattr(changed, field, value)
        try:
            projection.checked(changed, 2, previous)
        except projection.BrokenChain:
            continue
        raise checking.Unexpected(f"{field} was changed, and taken")
    try:
        projection.checked(event, 3, previous)
    except projection.BrokenChain as broken:
        expect("event 3 is missing" in str(broken), str(broken))
    else:
        raise checking.Unexpected("a gap was taken")


@check("another past than the ledger's is refused")
def refuses_another_past(case: Case):
    refuses(case, "UPDATE ledger_position SET event_hash = sha256('another')", "links to")


@check("a position that is not the ledger's is refused")
def refuses_another_position(case: Case):
    refuses(case, "UPDATE ledger_position SET sequence_number = sequence_number - 1", "links to")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    if any(program(name) is None for name in ("initdb", "postgres")):
        print("PASSED OVER: PostgreSQL is not installed (apt-get install postgresql)")
        return 0
    with (
        running_postgres() as url, running_cluster(1) as cluster,
        tempfile.TemporaryDirectory() as folder, running_service(options.bin, cluster) as service,
    ):
        case = Case(service, url, pathlib.Path(folder), options.seconds)
        return checking.run_checks(case)


if __name__ == "__main__":
    sys.exit(main())
