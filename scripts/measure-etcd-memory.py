#!/usr/bin/env -S python3 -B
"""Measures how much memory an etcd member takes for a ledger of a given size.

    .local/venv/bin/python scripts/measure-etcd-memory.py [--etcd PROGRAM] [--write docs/etcd.md]

One member is filled as a ledger fills it: a key for each sealed block, here of events with 256-byte
payloads, written with the flags of etcd-flags.txt (but for TLS, which costs connections and not
keys). Three kinds of load:

  single    blocks of one event: the most keys. They are written many in a transaction, which is
            faster, and then raft's log is made to forget these large transactions by small ones
  batches   blocks of 100 and of 1,000 events, a transaction each, as group commit makes them: few
            keys, but raft keeps its last transactions in memory
  history   the same two keys rewritten again and again, as every transaction does with counter and
            head: what compaction has not yet taken away
  full      the sizes of k8s/overlays: single events up to half of the quota, then batches of 1,000
            until etcd has no space left. Here etcd has the overlay's GOMEMLIMIT

Of each are told: keys, database, live heap (what Go's collector found in use), and the most
anonymous memory that was resident, which is what a limit of memory is compared with. The mapped
database counts for that limit as well, but the kernel takes those pages back before it kills.

Takes about six minutes and 10 GB of disk. `--quick` measures a tenth, to see that it works.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import grpc

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
from loopback_ports import free_ports  # noqa: E402

# An event of formats.md with a payload of 256 bytes, as it is stored in a block.
EVENT_BYTES = 340
HEAD_BYTES = 1_000
BEGIN, END = "<!-- memory: scripts/measure-etcd-memory.py -->", "<!-- end of memory -->"
LOADS = ["single", "batches", "history", "full"]
MIB = 1 << 20


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of protocol buffers."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def put(key: bytes, value: bytes) -> bytes:
    """A RequestOp of a transaction, as an entry of its list `success`."""
    return field(2, field(2, field(1, key) + field(2, value)))


class Member:
    """One etcd without TLS, with data in a folder of its own."""

    def __init__(self, program: str, flags: list[str], environment: dict[str, str]):
        self.folder = tempfile.TemporaryDirectory(prefix="etcd-memory-", dir="/var/tmp")
        first = free_ports(3)
        client, peer, metrics = (f"127.0.0.1:{first + offset}" for offset in range(3))
        lines = (ROOT / "scripts/etcd-flags.txt").read_text().splitlines()
        shared = [line for line in lines if line.startswith("--") and "cert-auth" not in line]
        self.log = open(f"{self.folder.name}/log", "wb")
        self.process = subprocess.Popen(
            [
                program, f"--data-dir={self.folder.name}/data",
                f"--listen-client-urls=http://{client}", f"--advertise-client-urls=http://{client}",
                f"--listen-peer-urls=http://{peer}", f"--initial-advertise-peer-urls=http://{peer}",
                f"--initial-cluster=default=http://{peer}",
                f"--listen-metrics-urls=http://{metrics}", *shared, "--max-txn-ops=2000",
                "--auto-compaction-retention=0", *flags,
            ],
            stdout=self.log, stderr=self.log, env=environment,
        )
        self.metrics_url = f"http://{metrics}/metrics"
        self.channel = grpc.insecure_channel(client)
        self.call = self.channel.unary_unary("/etcdserverpb.KV/Txn")
        self.peak = 0
        self.revision = 1
        self._ends = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        deadline = time.monotonic() + 60
        while True:
            try:
                self.call(put(b"ready", b""), timeout=2, wait_for_ready=True)
                break
            except grpc.RpcError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    self.stop()
                    sys.exit("etcd did not start; its log is gone, run it by hand to see why")

    def resident(self) -> int:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) << 10

    def _watch(self) -> None:
        while not self._ends.wait(0.05):
            try:
                self.peak = max(self.peak, self.resident())
            except (OSError, TypeError):
                return

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(self.metrics_url, timeout=30) as answer:
            text = answer.read().decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])

    def send(self, transactions, width: int = 4) -> None:
        """Sends them in their order, some of them at a time."""
        pending = []
        for one in transactions:
            pending.append(self.call.future(one, timeout=60))
            if len(pending) >= width:
                pending.pop(0).result()
        for one in pending:
            one.result()

    def live_heap(self) -> int:
        # The next collection begins when the heap is twice what the last one found in use.
        return int(self.metric("go_memstats_next_gc_bytes")) // 2

    def database(self) -> int:
        return int(self.metric("etcd_mvcc_db_total_size_in_bytes"))

    def stop(self) -> None:
        self._ends.set()
        self.process.kill()
        self.process.wait()
        self.channel.close()
        self.log.close()
        self.folder.cleanup()


class Measurement:
    def __init__(self, program: str, scale: int):
        self.program = program
        self.scale = scale
        self.rows: list[tuple[str, ...]] = []
        self.value = bytes((37 * i + i // 7) & 255 for i in range(EVENT_BYTES))

    def member(self, *flags: str, **environment: str) -> Member:
        return Member(self.program, list(flags), {"PATH": "/usr/bin:/bin", **environment})

    def catch_up(self, entries: int) -> list[str]:
        """The flag for the transactions that raft keeps beyond a snapshot: none before 3.5.14."""
        for name in ("snapshot-catchup-entries", "experimental-snapshot-catchup-entries"):
            flag = f"--{name}={entries}"
            tried = subprocess.run([self.program, flag, "--version"], capture_output=True)
            if tried.returncode == 0:
                return [flag]
        return []

    def note(self, what: str, events: int, member: Member, transactions: str = "") -> None:
        keys = int(member.metric("etcd_debugging_mvcc_keys_total"))
        row = (
            what, f"{events:,}", f"{keys:,}", f"{member.database() / MIB:,.0f}",
            f"{member.live_heap() / MIB:,.0f}", f"{member.peak / MIB:,.0f}", transactions,
        )
        self.rows.append(row)
        print("| " + " | ".join(row) + " |", flush=True)

    def single(self, milestones: list[int], label: str) -> None:
        member = self.member()
        done = 0
        for milestone in milestones:
            milestone //= self.scale

            def transactions(begin: int, end: int):
                for first in range(begin, end, 500):
                    yield b"".join(
                        put(b"ledger/events/%019d" % number, self.value)
                        for number in range(first, min(first + 500, end))
                    )

            member.send(transactions(done, milestone))
            done = milestone
            # Small transactions push the large ones out of raft's memory.
            member.send((put(b"turn", b"") for _ in range(11_000)), 64)
            member.peak = 0
            # As much garbage as the collector lets come about.
            member.send((put(b"turn", b"x" * 1000) for _ in range(11_000)), 64)
            self.note(label, done, member)
        member.stop()

    def batches(self, events: int, count: int, label: str, *flags: str) -> None:
        member = self.member(*flags)
        count //= self.scale
        value = self.value * events
        head = b"h" * HEAD_BYTES
        member.send(
            put(b"ledger/events/%019d" % number, value) + put(b"ledger/head", head)
            + put(b"ledger/sequence_counter", b"%d" % number)
            for number in range(count)
        )
        self.note(label, events * count, member, f"{count:,}")
        member.stop()

    def history(self, count: int) -> None:
        member = self.member()
        count //= self.scale
        head = b"h" * HEAD_BYTES
        member.send(
            (put(b"ledger/head", head) + put(b"ledger/sequence_counter", b"%d" % number)
             for number in range(count)), 64,
        )
        self.note("head and counter alone", 0, member, f"{count:,}")
        member.stop()

    def full(self, overlay: str) -> None:
        """Until nothing fits any more, with the sizes of an overlay."""
        text = (ROOT / f"k8s/overlays/{overlay}/kustomization.yaml").read_text()
        names = "quota-backend-bytes|snapshot-catchup-entries|memory-goal"
        sizes = dict(re.findall(rf"- ({names})=(\S+)", text))
        quota = int(sizes["quota-backend-bytes"]) // self.scale
        member = self.member(
            f"--quota-backend-bytes={quota}",
            *self.catch_up(int(sizes["snapshot-catchup-entries"])),
            GOMEMLIMIT=sizes["memory-goal"],
        )
        number = sent = 0
        single = True
        try:
            while True:
                if single and number % 40 == 0:
                    single = member.database() < quota // 2
                first = number * 1000
                keys, value = (500, self.value) if single else (1, self.value * 1000)
                member.call(
                    b"".join(
                        put(b"ledger/events/%019d" % (first + i), value) for i in range(keys)
                    ),
                    timeout=60,
                )
                number += 1
                sent += 500 if single else 1000
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
        self.note(f"{overlay}'s sizes, until full", sent, member)
        member.stop()

    def table(self, version: str) -> str:
        lines = [
            BEGIN,
            f"etcd {version}, payloads of 256 bytes; MiB:", "",
            "| load | events | keys | database | live heap | most resident | transactions |",
            "|---|---:|---:|---:|---:|---:|---:|",
        ]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join([*lines, END])


def write(path: pathlib.Path, table: str) -> None:
    text = path.read_text()
    if BEGIN not in text or END not in text:
        sys.exit(f"{path} has no place for the table: {BEGIN} ... {END}")
    before, _, rest = text.partition(BEGIN)
    path.write_text(before + table + rest.partition(END)[2])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--etcd", default=shutil.which("etcd"), help="the program (etcd)")
    parser.add_argument("--write", type=pathlib.Path, help="put the table into this document")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--only", choices=LOADS, action="append", help="these loads")
    options = parser.parse_args()
    if options.etcd is None:
        sys.exit("etcd is missing; ./setup-env.sh installs it")
    version = subprocess.run([options.etcd, "--version"], capture_output=True, text=True).stdout
    version = re.search(r"etcd Version: (\S+)", version)[1]
    only = options.only or LOADS
    measurement = Measurement(options.etcd, 10 if options.quick else 1)
    if "single" in only:
        measurement.single(
            [250_000, 500_000, 1_000_000, 2_000_000, 4_000_000], "single events"
        )
    if "batches" in only:
        # Raft's defaults, and then what the overlay prod has.
        former = ["--snapshot-count=5000"]
        measurement.batches(100, 12_000, "batches of 100, 5,000 kept", *former)
        measurement.batches(1000, 12_000, "batches of 1,000, 5,000 kept", *former)
        if flags := measurement.catch_up(1000):
            measurement.batches(1000, 5_000, "batches of 1,000, 1,000 kept", *flags)
    if "history" in only:
        measurement.history(300_000)
    if "full" in only:
        measurement.full("dev")
        measurement.full("prod")
    table = measurement.table(version)
    if options.write:
        write(options.write, table)
    else:
        print(table)


if __name__ == "__main__":
    main()
