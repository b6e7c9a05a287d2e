#!/usr/bin/env python3
"""Tests what real services write: how much while etcd is gone, what per call, the audit log, and that no secret is in it.

    logs_test.py --bin FOLDER      where ledger-service is; --help tells of more
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import grpc
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Tests/python"), str(ROOT / "scripts")]

import checking  # noqa: E402
import setting_canaries  # noqa: E402, F401  (its checks are registered)
from checking import check, eventually, expect, expect_equal, run_checks  # noqa: E402
from ledger import Ledger  # noqa: E402
from processes import running_cluster, running_service  # noqa: E402
from stubs import messages, services  # noqa: E402

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
# Without a quorum for so long: the first part has the changes, the second what is said again.
STORM_SECONDS = 75
# What may be written when the quorum is lost: changes of the members, of the state and of the part, each kind of error once.
MOST_AT_FIRST = 20
MOST_A_MINUTE = 10


class Context:
    def __init__(self, binaries: pathlib.Path, folder: pathlib.Path, cluster):
        self.binaries = binaries
        self.folder = folder
        self.cluster = cluster
        self._count = 0

    @contextlib.contextmanager
    def service(self, **settings: str):
        """A service on a ledger of its own."""
        self._count += 1
        settings.setdefault("LEDGER_PREFIX", f"logs-{self._count}/")
        with running_service(self.binaries, self.cluster, **settings) as service:
            yield service

    def audit_file(self) -> pathlib.Path:
        self._count += 1
        return self.folder / f"audit-{self._count}.jsonl"


def ledger_of(service) -> Ledger:
    return Ledger(grpc.insecure_channel(service.address), service.admin, "")


def log_of(service) -> list[str]:
    return service.child.log.read_text(errors="replace").splitlines()


def entries(path: pathlib.Path) -> list[dict]:
    """The lines of an audit log; each must be one JSON object."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def events_of(service, message: str) -> list[dict]:
    """What the JSON lines of a log with this message carry."""
    lines = [json.loads(line) for line in log_of(service) if line.startswith("{")]
    return [line.get("metadata", {}) for line in lines if line["message"] == message]


@check("the lines of a call carry its request's name and trace, on every way, and of an event its id")
def correlated(context: Context) -> None:
    metadata = [("x-request-id", "mine/42"), ("traceparent", f"00-{TRACE}-{PARENT}-01")]
    for direct in ["on", "off"]:
        with context.service(
            LEDGER_DIRECT_SUBMIT=direct, LOG_LEVEL="debug", LOG_FORMAT="json"
        ) as service:
            ledger = ledger_of(service)
            ledger.stub.SubmitEvent(ledger.event(event_id="alone"), timeout=15, metadata=metadata)
            stream = ledger.stub.SubmitEvents(
                iter([ledger.event(event_id="streamed")]), timeout=15, metadata=metadata
            )
            expect(len(list(stream)) == 1, "the stream has one answer")
            ledger.stub.GetEvent(
                messages.GetEventRequest(sequence_number=1), timeout=15, metadata=metadata
            )
            wrong = [("x-request-id", "two words"), ("traceparent", "00-wrong")]
            ledger.stub.GetEvent(
                messages.GetEventRequest(sequence_number=1), timeout=15, metadata=wrong
            )
            found = eventually(
                lambda: len(events_of(service, "a call ended")) >= 4
                and {one["event_id"]: one for one in events_of(service, "a submission ended")},
                "four calls are logged",
            )
            for event in ["alone", "streamed"]:
                expect(event in found, f"{direct}: no line of {event}: {found}")
                expect_equal(f"{direct}: request_id", found[event].get("request_id"), "mine/42")
                expect_equal(f"{direct}: trace_id", found[event].get("trace_id"), TRACE)
                expect_equal(f"{direct}: parent_id", found[event].get("parent_id"), PARENT)
                expect_equal(f"{direct}: outcome", found[event]["outcome"], "sealed")
            calls = [
                one for one in events_of(service, "a call ended") if "ImmutableLedger" in one["method"]
            ]
            named = [one for one in calls if one.get("request_id") == "mine/42"]
            expect_equal(f"{direct}: calls with the name", len(named), 3)
            expect(all(one.get("trace_id") == TRACE for one in named), f"{named}")
            others = [one for one in calls if one not in named]
            expect_equal(f"{direct}: calls without", len(others), 1)
            expect("trace_id" not in others[0], "a trace that is none is left out")
            expect(others[0]["request_id"] not in ("", "two words"), f"{others}")


@check("at level info nothing is written for a call")
def quiet(context: Context) -> None:
    with context.service() as service:
        ledger = ledger_of(service)
        ledger.seal()
        before = len(log_of(service))
        for _ in range(50):
            ledger.seal()
            ledger.get(1)
        expect(len(log_of(service)) - before <= 2, "\n".join(log_of(service)[before:]))


@check("the audit log has one line for each submission, on both ways, with what the caller was told")
def audited(context: Context) -> None:
    for direct in ["on", "off"]:
        path = context.audit_file()
        with context.service(LEDGER_DIRECT_SUBMIT=direct, LEDGER_AUDIT_LOG=str(path)) as service:
            ledger = ledger_of(service)
            event = ledger.event(event_id="first")
            ledger.stub.SubmitEvent(event, timeout=15, metadata=[("x-request-id", "named")])
            ledger.refused(event)
            other = ledger.event(event_id="first", payload=b"another")
            ledger.refused(other)
            ledger.refused(ledger.event(event_id="x" * 300))
            answers = list(
                ledger.stub.SubmitEvents(
                    iter([ledger.event(event_id="s1"), ledger.event(event_id=""), event]), timeout=15
                )
            )
            expect_equal(f"{direct}: answers", len(answers), 3)
            lines = eventually(
                lambda: len(entries(path)) >= 7 and entries(path), "seven lines are written"
            )
            told = [(one["event_id"][:8], one["outcome"], one.get("reason")) for one in lines]
            expected = [
                ("first", "sealed", None),
                ("first", "duplicate", "DUPLICATE_EVENT"),
                ("first", "conflicting", "CONFLICTING_EVENT"),
                ("x" * 8, "invalid", "INVALID_EVENT"),
                ("s1", "sealed", None),
                ("", "invalid", "INVALID_EVENT"),
                ("first", "duplicate", "DUPLICATE_EVENT"),
            ]
            expect_equal(f"{direct}: lines", sorted(map(str, told)), sorted(map(str, expected)))
            first = lines[0]
            expect_equal("its number", first["sequence_number"], 1)
            expect_equal("its request", first["request_id"], "named")
            expect(first["latency_ms"] >= 1 and first["address"].startswith("127.0.0.1:"), f"{first}")
            total = service.metric("ledger_submissions_total")
            expect_equal(f"{direct}: submissions and lines", total, len(lines))
            expect_equal("lines written", service.metric("ledger_audit_log_lines_total"), len(lines))
            expect_equal("lines lost", service.metric("ledger_audit_log_dropped_total"), 0)


@check("an event that is forwarded has its line where it was submitted, and nowhere else")
def forwarded(context: Context) -> None:
    paths = [context.audit_file(), context.audit_file()]
    with context.service(LEDGER_PREFIX="forwarded/", LEDGER_AUDIT_LOG=str(paths[0])) as one:
        with context.service(LEDGER_PREFIX="forwarded/", LEDGER_AUDIT_LOG=str(paths[1])) as other:
            for service in [one, other]:
                ledger = ledger_of(service)
                for _ in range(10):
                    ledger.seal()
            eventually(
                lambda: sum(map(lambda path: len(entries(path)), paths)) >= 20, "all lines are written"
            )
            for path in paths:
                sealed = [line for line in entries(path) if line["outcome"] == "sealed"]
                expect_equal("lines of one replica", len(sealed), 10)


@check("the audit log on standard output, apart from the log, and lines wait for the end of the service")
def standard_output(context: Context) -> None:
    with context.service(LEDGER_AUDIT_LOG="stdout") as service:
        ledger = ledger_of(service)
        for _ in range(20):
            ledger.seal()
        expect_equal("exit status", service.stop(), 0)
        lines = [line for line in log_of(service) if line.startswith('{"timestamp"')]
        expect_equal("lines", len(lines), 20)


@check("an audit log that cannot be opened ends the start with one line that names the setting")
def unwritable(context: Context) -> None:
    try:
        with context.service(LEDGER_AUDIT_LOG="/does/not/exist/audit"):
            raise checking.Unexpected("the service started")
    except checking.Unexpected as ended:
        expect("LEDGER_AUDIT_LOG" in str(ended) and "ledger-service ended" in str(ended), str(ended))


@check("no secret, payload, signature or metadata of an event is in any output")
def canaries(context: Context) -> None:
    path = context.audit_file()
    secrets = {
        "the token": "canary-token-canary-token",
        "a payload": "canary-payload",
        "a signature": "canary-signature",
        "a key of metadata": "canary-key",
        "a value of metadata": "canary-value",
        "a header": "canary-header",
        "a binary header": "canary-binary",
        "an unknown header": "canary-unknown",
    }
    settings = {
        "LEDGER_PREFIX": "canaries/",
        "LEDGER_AUDIT_LOG": str(path),
        "LOG_LEVEL": "trace",
        # One secret from a file, the other (etcd's password) from its variable.
        "LEDGER_INTERNAL_TOKEN_FILE": str(context.folder / "token"),
        "LEDGER_SIGNING_KEY": str(context.folder / "signing.pem"),
    }
    (context.folder / "token").write_text(secrets["the token"])
    key = Ed25519PrivateKey.generate()
    encoding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    text = key.private_bytes(*encoding, serialization.NoEncryption())
    (context.folder / "signing.pem").write_bytes(text)
    secrets["the signing key"] = text.decode().splitlines()[1]
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(running_cluster(1))
        cluster.restrict_access("canaries/")
        secrets["etcd's password"] = cluster.password
        client_key = pathlib.Path(cluster.environment["ETCD_CLIENT_KEY"]).read_text()
        secrets["the key of etcd's client"] = client_key.splitlines()[1]
        service = stack.enter_context(running_service(context.binaries, cluster, **settings))
        ledger = ledger_of(service)
        metadata = [
            ("authorization", secrets["a header"]),
            ("canary-bin", secrets["a binary header"].encode()),
            ("x-canary", secrets["an unknown header"]),
        ]

        def event(**fields) -> messages.CertifiedEvent:
            whole = {
                "payload": secrets["a payload"].encode(),
                "veps_signature": secrets["a signature"],
                "metadata": {secrets["a key of metadata"]: secrets["a value of metadata"]},
            }
            return ledger.event(**{**whole, **fields})

        def submit(one) -> None:
            with contextlib.suppress(grpc.RpcError):
                ledger.stub.SubmitEvent(one, timeout=15, metadata=metadata)
            with contextlib.suppress(grpc.RpcError):
                list(ledger.stub.SubmitEvents(iter([one]), timeout=15, metadata=metadata))

        submit(event())
        submit(event(event_id=""))
        submit(event(veps_timestamp=-1))
        submit(event(payload=secrets["a payload"].encode() * 10_000))
        submit(event(veps_signature=secrets["a signature"] * 1_000))
        submit(event(metadata={secrets["a key of metadata"] * 200: secrets["a value of metadata"]}))
        submit(event(metadata={secrets["a key of metadata"]: secrets["a value of metadata"] * 9_999}))
        submit(event(metadata={f"{secrets['a key of metadata']}{index}": "x" for index in range(99)}))
        broken = ledger.channel.unary_unary("/ledger.ImmutableLedger/SubmitEvent", bytes, bytes)
        for text in [b"\x0a\xff" + b"canary-payload", b"canary-payload", b"\x12\x0ecanary-payload\xff"]:
            with contextlib.suppress(grpc.RpcError):
                broken(text, timeout=15, metadata=metadata)
        with contextlib.suppress(grpc.RpcError):
            ledger.stub.GetEvent(messages.GetEventRequest(sequence_number=1), metadata=metadata)
        services.HealthStub(ledger.channel).GetHealth(messages.GetHealthRequest(), metadata=metadata)
        outputs = {}
        for name in ["metrics", "health", "readyz", "livez"]:
            with contextlib.suppress(urllib.error.HTTPError):
                with urllib.request.urlopen(f"http://{service.admin}/{name}", timeout=15) as answer:
                    outputs[name] = answer.read().decode()
        expect_equal("exit status", service.stop(), 0)
        outputs["the log"] = "\n".join(log_of(service))
        outputs["the audit log"] = path.read_text()
        printed = subprocess.run(
            [context.binaries / "ledger-service", "--print-config"],
            env={"PATH": os.environ["PATH"], **cluster.environment, **settings},
            capture_output=True, text=True,
        )  # fmt: skip
        expect("ETCD_PASSWORD=(set)" in printed.stdout, printed.stdout + printed.stderr)
        outputs["the printed settings"] = printed.stdout + printed.stderr
        expect("a submission ended" in outputs["the log"], "submissions are in the log")
        expect(len(entries(path)) >= 16, "submissions are in the audit log")
        for output, text in outputs.items():
            for what, secret in secrets.items():
                expect(secret not in text, f"{what} is in {output}: {context_of(secret, text)}")


def context_of(secret: str, text: str) -> str:
    place = text.find(secret)
    return text[max(0, place - 200) : place + 100]


@check("without a quorum a replica under load says each thing once, then once a minute")
def storm(context: Context) -> None:
    with running_cluster() as cluster, running_service(context.binaries, cluster) as service:
        ledger = ledger_of(service)
        ledger.seal()
        over = threading.Event()

        def load() -> None:
            while not over.is_set():
                with contextlib.suppress(grpc.RpcError):
                    ledger.stub.SubmitEvent(ledger.event(), timeout=1)

        threads = [threading.Thread(target=load, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        before = len(log_of(service))
        # One that answers, and cannot do anything: who asks it is refused, again and again.
        for member in cluster.members[:2]:
            member.kill()
        counts = []
        for _ in range(2):
            time.sleep(STORM_SECONDS / 2)
            counts.append(len(log_of(service)) - before - sum(counts))
        over.set()
        for thread in threads:
            thread.join()
        service.expect_alive()
        said = "\n".join(log_of(service)[before:])
        print(f"      lines in {STORM_SECONDS / 2} s each: {counts}")
        expect(counts[0] >= 2, f"it says that etcd is gone:\n{said}")
        expect("READ_ONLY" in said, f"it says what it is now:\n{said}")
        expect(counts[0] <= MOST_AT_FIRST, f"{counts[0]} lines:\n{said}")
        expect(counts[1] <= MOST_A_MINUTE, f"{counts[1]} lines:\n{said}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--only", default="", help="checks with this word in their sentence")
    parser.add_argument("--skip", help="no check with this word in its sentence")
    options = parser.parse_args()
    checking._checks[:] = [
        one
        for one in checking._checks
        if options.only in one[0] and not (options.skip and options.skip in one[0])
    ]
    with tempfile.TemporaryDirectory() as folder, running_cluster() as cluster:
        return run_checks(Context(options.bin, pathlib.Path(folder), cluster))


if __name__ == "__main__":
    sys.exit(main())
