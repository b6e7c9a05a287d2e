"""A ledger that archives into a bucket of a real S3 server, and is trimmed.

    archive_s3_test.py --bin FOLDER

The server is OpenStack Swift with its S3 API (scripts/s3_server.py). The service has its credentials in
files; scripts/verify-archive.py, which shares no code with it, reads the bucket with a signature of
its own.
"""

import argparse
import os
import pathlib
import subprocess
import sys

import grpc

import checking
from checking import check, eventually, expect, expect_equal
from processes import ROOT, Service, TestCluster, make_signing_key, running_bucket_server
from processes import running_cluster, running_service
from stubs import messages, services

ORIGIN = "ledger.example.com/bucket"
EVENTS = 17_000
TRIMMED = 8_192


class Archived:
    """A ledger that archives into a bucket."""

    def __init__(self, service: Service, server: dict, key: str):
        self.service, self.server, self.key = service, server, key

    def verify(self) -> subprocess.CompletedProcess:
        environment = os.environ | {
            "AWS_ACCESS_KEY_ID": self.server["access_key"],
            "AWS_SECRET_ACCESS_KEY": self.server["secret_key"],
        }
        return subprocess.run(
            [
                sys.executable, ROOT / "scripts" / "verify-archive.py",
                f"s3://{self.server['bucket']}/ledger", "--verifier-key", self.key,
                "--endpoint", self.server["plain_endpoint"], "--region", self.server["region"],
                "--size-at-least", str(EVENTS),
            ],
            text=True, capture_output=True, env=environment,
        )  # fmt: skip


@check("what was sealed is in the bucket, and a program that shares nothing finds it right")
def right(archived: Archived) -> None:
    with grpc.insecure_channel(archived.service.address) as channel:
        stub = services.ImmutableLedgerStub(channel)
        events = (
            messages.CertifiedEvent(event_id=f"event-{number}", payload=b"payload")
            for number in range(1, EVENTS + 1)
        )
        for result in stub.SubmitEvents(events):
            expect(result.HasField("sealed"), f"not sealed: {result.rejection.message}")
    eventually(
        lambda: archived.service.metric("ledger_archive_through") >= EVENTS,
        "not everything was archived", 120,
    )  # fmt: skip
    done = archived.verify()
    expect(done.returncode == 0, done.stderr)
    print(f"    {done.stdout.strip()}")


@check("what has left etcd is read from the bucket")
def trimmed(archived: Archived) -> None:
    eventually(
        lambda: archived.service.metric("ledger_archive_trimmed") >= TRIMMED,
        "old events have not left etcd", 120,
    )  # fmt: skip
    with grpc.insecure_channel(archived.service.address) as channel:
        stub = services.ImmutableLedgerStub(channel)
        for number in (1, 256, 4_096, 4_097, TRIMMED, TRIMMED + 1, EVENTS):
            event = stub.GetEvent(messages.GetEventRequest(sequence_number=number))
            expect_equal(f"number {number}", event.event_id, f"event-{number}")
    expect_equal(
        "contradictions", archived.service.metric("ledger_archive_contradictions_total"), 0
    )


@check("no secret is in the log")
def secrets(archived: Archived) -> None:
    log = archived.service.child.last_lines(100_000)
    expect(archived.server["secret_key"] not in log, "the secret key is in the log")


def run(binaries: pathlib.Path, cluster: TestCluster, server: dict) -> int:
    """Runs the checks against a service of their own."""
    key_file = cluster.folder / "signing-key.pem"
    key = make_signing_key(binaries, ORIGIN, key_file)
    files = {}
    for name in ("access_key", "secret_key"):
        path = cluster.folder / name
        path.write_text(server[name] + "\n")
        files[f"LEDGER_ARCHIVE_{name.upper()}_FILE"] = str(path)
    with running_service(
        binaries, cluster, LEDGER_PREFIX="archived/", LEDGER_ORIGIN=ORIGIN,
        LEDGER_SIGNING_KEY=str(key_file), LEDGER_ARCHIVE=f"s3://{server['bucket']}/ledger",
        LEDGER_ARCHIVE_ENDPOINT=server["plain_endpoint"], LEDGER_ARCHIVE_REGION=server["region"],
        LEDGER_ARCHIVE_INTERVAL="2", LEDGER_ARCHIVE_RETAIN_EVENTS="8192", **files,
    ) as service:  # fmt: skip
        return checking.run_checks(Archived(service, server, key))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where ledger-service is")
    options = parser.parse_args()
    with running_bucket_server() as server, running_cluster(size=1) as cluster:
        return run(options.bin, cluster, server)


if __name__ == "__main__":
    sys.exit(main())
