"""Runs etcd with the manifests' flags, and the scripts of k8s/ops on it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from etcd_cluster import ROOT, Cluster, free_ports

SCRIPTS = ROOT / "k8s/ops"
ROOT_PASSWORD = "root-password"
LEDGER_PASSWORD = "ledger-password"
HASH = "0123456789abcdef" * 4


class ClusterTest(unittest.TestCase):
    overlay = "prod"
    cluster: Cluster

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory(prefix="etcd-")
        cls.addClassCleanup(folder.cleanup)
        cls.cluster = Cluster(cls.overlay, Path(folder.name))
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()

    def run_script(
        self, name: str, user: str = "root", password: str = ROOT_PASSWORD, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPTS / name],
            env=self.cluster.environment(user, password) | variables,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )

    def bootstrap(self, **variables: str) -> subprocess.CompletedProcess[str]:
        defaults = {"LEDGER_ETCD_USERNAME": "ledger", "LEDGER_ETCD_PASSWORD": LEDGER_PASSWORD}
        return self.run_script("etcd-bootstrap-auth.sh", **(defaults | variables))

    def etcdctl(
        self, *arguments: str, user: str = "root", password: str = ROOT_PASSWORD,
        endpoint: str = "",
    ) -> subprocess.CompletedProcess[str]:
        environment = self.cluster.environment(user, password)
        if endpoint:
            environment["ETCDCTL_ENDPOINTS"] = endpoint
        return subprocess.run(
            ["etcdctl", *arguments],
            env=environment, capture_output=True, text=True, timeout=30, check=False,
        )

    def succeed(self, run: subprocess.CompletedProcess[str]) -> str:
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout

    def fail_with(self, text: str, run: subprocess.CompletedProcess[str]) -> None:
        self.assertNotEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertIn(text, run.stdout + run.stderr)

    def status(self, endpoint: str) -> dict[str, Any]:
        run = self.etcdctl("endpoint", "status", "--write-out=json", endpoint=endpoint)
        return json.loads(self.succeed(run))[0]["Status"]

    def leader(self) -> str:
        def leads(endpoint: str) -> bool:
            status = self.status(endpoint)
            return status["leader"] == status["header"]["member_id"]

        return next(filter(leads, self.cluster.endpoints))


class Flags(ClusterTest):
    """Three members that run with the flags of the overlay prod."""

    def handshake(self, port: int, certificate: str | None, *options: str) -> str:
        command = [
            "openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-alpn", "h2", *options
        ]
        if certificate:
            _, chain, key = self.cluster.certificate(certificate)
            command += ["-cert", str(chain), "-key", str(key)]
        # A refused client certificate is only told after the handshake of TLS 1.3: wait for it.
        run = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            run.wait(0.7)
        except subprocess.TimeoutExpired:
            run.terminate()
        return run.communicate()[0].decode(errors="replace")

    def test_every_member_is_healthy_and_shows_metrics_without_tls(self) -> None:
        for ordinal in range(3):
            url = f"http://127.0.0.1:{self.cluster.port(ordinal, 2)}/metrics"
            with urllib.request.urlopen(url, timeout=5) as answer:
                metrics = answer.read().decode()
            self.assertIn("etcd_server_quota_backend_bytes 2.147483648e+09", metrics)
            self.assertIn("etcd_server_has_leader 1", metrics)

    def test_clients_and_members_need_a_certificate_of_their_own_authority(self) -> None:
        client, peer = self.cluster.port(0), self.cluster.port(0, 1)
        self.assertNotIn("alert", self.handshake(client, "client"))
        self.assertIn("alert", self.handshake(client, None))
        self.assertIn("alert", self.handshake(client, "peer"))
        self.assertNotIn("alert", self.handshake(peer, "peer"))
        self.assertIn("alert", self.handshake(peer, None))
        self.assertIn("alert", self.handshake(peer, "client"))

    def test_nothing_below_tls_1_2(self) -> None:
        weak = ("-cipher", "DEFAULT@SECLEVEL=0")
        for which, certificate in enumerate(("client", "peer")):
            port = self.cluster.port(0, which)
            self.assertNotIn("alert", self.handshake(port, certificate, "-tls1_2", *weak))
            self.assertIn("alert protocol", self.handshake(port, certificate, "-tls1_1", *weak))

    def test_a_member_that_was_away_comes_back(self) -> None:
        self.cluster.stop_member(1)
        self.cluster.start_member(1)
        self.cluster.wait_for(1)


class Bootstrap(ClusterTest):
    """Each test begins with one new member, with the flags of the overlay dev."""

    overlay = "dev"

    @classmethod
    def setUpClass(cls) -> None:
        """Members are made by setUp."""

    def setUp(self) -> None:
        super().setUpClass()
        self.addCleanup(type(self).doClassCleanups)

    def ledger(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.etcdctl(*arguments, user="ledger", password=LEDGER_PASSWORD)

    def test_the_ledger_may_use_its_prefix_and_nothing_else(self) -> None:
        self.succeed(self.bootstrap())
        self.succeed(self.ledger("put", "ledger/head", "{}"))
        self.succeed(self.ledger("get", "--prefix", "ledger/"))
        for arguments in (
            ("get", "--prefix", ""),
            ("get", "ledger"),
            ("put", "ledger0", "x"),
            ("put", "elsewhere", "x"),
            ("del", "--prefix", "l"),
            ("user", "list"),
            ("snapshot", "save", str(self.cluster.folder / "stolen.db")),
        ):
            self.fail_with("permission denied", self.ledger(*arguments))
        self.fail_with("permission denied", self.etcdctl("get", "ledger/head", user=""))

    def test_it_changes_nothing_the_second_time(self) -> None:
        first = self.succeed(self.bootstrap())
        self.assertIn("granting", first)
        # A change of a role or user makes clients log in again, as this one would have to.
        token = self.gateway_login()
        second = self.succeed(self.bootstrap())
        self.assertEqual(len(second.splitlines()), 1, second)
        status, _ = self.gateway("/v3/kv/range", {"key": encode("ledger/head")}, token)
        self.assertEqual(status, 200)

    def test_another_password_of_the_ledger_is_set(self) -> None:
        self.succeed(self.bootstrap(LEDGER_ETCD_PASSWORD="older-password"))
        self.fail_with("invalid user ID or password", self.ledger("get", "ledger/head"))
        self.assertIn("setting the password", self.succeed(self.bootstrap()))
        self.succeed(self.ledger("get", "ledger/head"))

    def test_another_password_of_root_is_refused(self) -> None:
        self.succeed(self.bootstrap())
        self.fail_with("root has another password", self.bootstrap(ETCDCTL_PASSWORD="wrong"))
        self.succeed(self.etcdctl("user", "list"))

    def test_a_run_that_was_cut_off_is_finished(self) -> None:
        for arguments in (
            ("user", "add", "root:older-password"), ("role", "add", "root"),
            ("user", "grant-role", "root", "root"), ("role", "add", "ledger"),
            ("user", "add", "ledger:older-password"),
        ):
            self.succeed(self.etcdctl(*arguments, user=""))
        self.succeed(self.bootstrap())
        self.succeed(self.ledger("get", "ledger/head"))
        self.succeed(self.etcdctl("user", "list"))

    def test_the_gateway_lets_the_ledger_in(self) -> None:
        """The way the ledger goes: JSON, a certificate without CommonName, and a login."""
        self.succeed(self.bootstrap())
        token = self.gateway_login()
        inside, outside = {"key": encode("ledger/head")}, {"key": encode("elsewhere")}
        self.assertEqual(self.gateway("/v3/kv/range", inside, token)[0], 200)
        self.assertEqual(self.gateway("/v3/kv/range", outside, token)[0], 403)
        self.assertEqual(self.gateway("/v3/kv/range", inside)[0], 403)

    def test_it_waits_no_longer_than_told(self) -> None:
        self.cluster.stop()
        self.fail_with("knew no leader within 1 s", self.bootstrap(BOOTSTRAP_WAIT_SECONDS="1"))

    def gateway_login(self) -> str:
        user = {"name": "ledger", "password": LEDGER_PASSWORD}
        status, answer = self.gateway("/v3/auth/authenticate", user)
        self.assertEqual(status, 200, answer)
        return answer["token"]

    def gateway(
        self, path: str, body: dict[str, str], token: str = ""
    ) -> tuple[int, dict[str, Any]]:
        authority, certificate, key = self.cluster.certificate("client")
        context = ssl.create_default_context(cafile=str(authority))
        context.load_cert_chain(certificate, key)
        request = urllib.request.Request(
            self.cluster.endpoints[0] + path, json.dumps(body).encode(),
            {"Authorization": token} if token else {},
        )
        try:
            with urllib.request.urlopen(request, timeout=5, context=context) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Operations(ClusterTest):
    """Three members, with authentication on."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls().succeed(cls().bootstrap())

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="backups-")
        self.addCleanup(folder.cleanup)
        self.backups = Path(folder.name)

    def seal(self, sequence: int, event_hash: str = HASH) -> None:
        """Writes the head as the ledger does."""
        head = {"version": 1, "sequence": sequence, "event_hash": event_hash, "tree": [event_hash]}
        text = json.dumps(head, separators=(",", ":"))
        self.succeed(
            self.etcdctl("put", "ledger/head", text, user="ledger", password=LEDGER_PASSWORD)
        )

    def backup(self, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.run_script(
            "etcd-backup.sh", **({"BACKUP_DIRECTORY": str(self.backups)} | variables)
        )

    def files(self) -> list[str]:
        return sorted(path.name for path in self.backups.iterdir())

    def record(self) -> dict[str, Any]:
        return json.loads(max(self.backups.glob("*.json")).read_text())

    def test_a_snapshot_and_its_record_say_the_same(self) -> None:
        self.seal(41)
        self.succeed(self.backup())
        record = self.record()
        snapshot = self.backups / record["snapshot"]
        self.assertEqual(self.files(), [snapshot.name, snapshot.name + ".json"])
        self.assertEqual(record["sha256"], hashlib.sha256(snapshot.read_bytes()).hexdigest())
        self.assertEqual(record["bytes"], snapshot.stat().st_size)
        self.assertEqual((record["sequence_number"], record["event_hash"]), (41, HASH))
        # What was sealed afterwards is not in it: only a restored etcd can tell.
        self.seal(42)
        head = json.loads(self.restored(snapshot, "ledger/head"))
        self.assertEqual((head["sequence"], head["event_hash"]), (41, HASH))

    def restored(self, snapshot: Path, key: str) -> str:
        """One key of an etcd that was restored from the snapshot."""
        folder = self.backups / "restored"
        self.succeed(self.etcdctl("snapshot", "restore", str(snapshot), f"--data-dir={folder}"))
        first = free_ports(2)
        client, peer = f"http://127.0.0.1:{first}", f"http://127.0.0.1:{first + 1}"
        process = subprocess.Popen(
            [
                "etcd", f"--data-dir={folder}", f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
                "--logger=zap", "--log-level=error",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 30
            while True:
                run = self.etcdctl("get", "--print-value-only", key, endpoint=client)
                if run.returncode == 0 or time.monotonic() > deadline:
                    return self.succeed(run)
                time.sleep(0.2)
        finally:
            process.terminate()
            process.wait(20)

    def test_the_leader_is_spared(self) -> None:
        self.assertNotIn(f"from {self.leader()}:", self.succeed(self.backup()))

    def test_an_empty_ledger_has_no_events(self) -> None:
        self.succeed(self.backup(LEDGER_PREFIX="another/"))
        self.assertEqual((self.record()["sequence_number"], self.record()["event_hash"]), (0, ""))

    def test_a_snapshot_that_is_damaged_on_its_way_is_no_backup(self) -> None:
        path = self.shim(
            "etcdctl",
            f"""{self.etcdctl_path()} "$@" || exit
            if [[ "$1 $2" == "snapshot save" ]]; then
                printf x | dd of="$3" bs=1 seek=9000 conv=notrunc status=none
            fi""",
        )
        self.fail_with("was damaged on its way", self.backup(PATH=path))
        self.assertEqual(list(self.backups.glob("etcd-*")), [])

    def test_what_a_run_left_unfinished_is_removed(self) -> None:
        (self.backups / ".etcd-20260101T000000Z.db.partial").write_text("half")
        self.succeed(self.backup())
        self.assertEqual(list(self.backups.glob(".*")), [])

    def test_old_snapshots_are_thinned_out(self) -> None:
        def ago(**age: float) -> str:
            seconds = age.get("days", 0) * 86400 + age.get("hours", 0) * 3600
            return time.strftime("etcd-%Y%m%dT%H%M%SZ.db", time.gmtime(time.time() - seconds))

        kept = {ago(hours=47), ago(hours=47.5), ago(days=29)}
        day = ago(days=10)[5:13]
        kept.add(f"etcd-{day}T234500Z.db")
        removed = {ago(days=31), f"etcd-{day}T120000Z.db", f"etcd-{day}T000000Z.db"}
        for name in kept | removed:
            (self.backups / name).write_text("a snapshot")
            (self.backups / f"{name}.json").write_text("{}")
        (self.backups / "lost+found").mkdir()
        output = self.succeed(self.backup())
        left = {name for name in self.files() if name.endswith(".db")}
        self.assertEqual(left - {self.record()["snapshot"]}, kept, output)
        records = set(self.files()) - left - {"lost+found"}
        self.assertEqual(records, {f"{name}.json" for name in left})

    def test_a_ledger_that_was_set_back_is_told_and_nothing_deleted(self) -> None:
        old = self.backups / "etcd-20200101T000000Z.db"
        old.write_text("a snapshot")
        record = {"sequence_number": 1000, "event_hash": HASH}
        self.seal(999)
        for number, event_hash, text in (
            (1000, HASH, "the ledger ends with event 999, an earlier snapshot knew 1000"),
            (999, "f" * 64, f"event 999 has the hash {HASH}"),
        ):
            record = {"sequence_number": number, "event_hash": event_hash}
            record_file = self.backups / f"{old.name}.json"
            record_file.write_text(json.dumps(record, separators=(",", ":")) + "\n")
            self.fail_with(text, self.backup())
            self.assertTrue(old.exists())
        # The snapshots were written all the same.
        self.assertGreaterEqual(len(list(self.backups.glob("etcd-2*.db"))), 2)

    def test_a_full_volume_is_told_before_anything_is_written(self) -> None:
        path = self.shim("df", "echo Avail; echo 1000")
        self.fail_with("has only 1000 left", self.backup(PATH=path))

    def test_defragmentation_goes_member_by_member_and_the_leader_hands_over(self) -> None:
        filler = "x" * 100_000
        for number in range(60):
            self.succeed(self.etcdctl("put", f"filler/{number}", filler))
        self.succeed(self.etcdctl("del", "--prefix", "filler/"))
        leader = self.leader()
        revision = self.status(leader)["header"]["revision"]
        self.succeed(self.etcdctl("compact", "--physical", str(revision)))
        before = {each: self.wait_for_free_space(each) for each in self.cluster.endpoints}

        output = self.succeed(self.run_script("etcd-defragment.sh"))
        self.assertEqual(output.count("left as it is"), 3, output)

        output = self.succeed(self.run_script("etcd-defragment.sh", DEFRAGMENT_MIN_FREE_MIB="3"))
        done = [line.split()[1].rstrip(":") for line in output.splitlines() if ": from" in line]
        self.assertEqual(sorted(done), sorted(self.cluster.endpoints), output)
        self.assertEqual(done[-1], leader, output)
        self.assertIn(f"{leader} hands over to", output)
        self.assertNotEqual(self.leader(), leader)
        for endpoint, size in before.items():
            self.assertLess(self.status(endpoint)["dbSize"], size / 2)

    def test_a_member_that_lost_its_data_is_announced_anew(self) -> None:
        self.seal(500)
        lost = self.status(self.cluster.endpoints[1])["header"]["member_id"]
        self.cluster.stop_member(1)
        shutil.rmtree(self.cluster.folder / "etcd-1")
        self.cluster.start_member(1)
        self.assertNotEqual(self.cluster.processes.pop(1).wait(30), 0)
        log = (self.cluster.folder / "etcd-1.log").read_text()
        self.assertIn("has already been bootstrapped", log)

        peer = f"--peer-urls=https://localhost:{self.cluster.port(1, 1)}"
        shutil.rmtree(self.cluster.folder / "etcd-1")
        self.succeed(self.etcdctl("member", "remove", f"{lost:x}"))
        # etcd wants to have seen the others healthy for five seconds.
        deadline = time.monotonic() + 30
        added = self.etcdctl("member", "add", "etcd-1", peer)
        while "unhealthy cluster" in added.stderr and time.monotonic() < deadline:
            time.sleep(0.5)
            added = self.etcdctl("member", "add", "etcd-1", peer)
        self.succeed(added)
        self.cluster.start_member(1, "--initial-cluster-state=existing")
        self.cluster.wait_for(1)
        head = self.etcdctl(
            "get", "--print-value-only", "ledger/head", endpoint=self.cluster.endpoints[1]
        )
        self.assertEqual(json.loads(self.succeed(head))["sequence"], 500)

    def wait_for_free_space(self, endpoint: str) -> int:
        """The size of the member's file, once compaction freed some of it."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            # Pages count as free only after later writes.
            self.succeed(self.etcdctl("put", "filler/last", "x"))
            status = self.status(endpoint)
            if status["dbSize"] - status["dbSizeInUse"] > 4 << 20:
                return status["dbSize"]
            time.sleep(0.2)
        self.fail(f"{endpoint} has no free space: {status}")

    def test_a_snapshot_before_a_change_records_the_head_of_then(self) -> None:
        """The head changes between the snapshot and the question for it."""
        self.seal(7)
        changing = self.shim(
            "etcdctl",
            f"""{self.etcdctl_path()} "$@" || exit
            if [[ "$1 $2" == "snapshot save" ]]; then
                {self.etcdctl_path()} put ledger/head '{{"sequence":8,"event_hash":"{'a' * 64}"}}'
            fi""",
        )
        self.succeed(self.backup(PATH=changing))
        self.assertEqual((self.record()["sequence_number"], self.record()["event_hash"]), (7, HASH))

    def etcdctl_path(self) -> str:
        found = shutil.which("etcdctl")
        assert found is not None
        return found

    def shim(self, program: str, script: str) -> str:
        """A PATH on which something else stands for a program."""
        shim = self.backups / "bin" / program
        shim.parent.mkdir()
        shim.write_text(f"#!/bin/bash\n{script}\n")
        shim.chmod(0o755)
        return f"{shim.parent}:{os.environ['PATH']}"

    def test_no_member_pauses_while_another_is_away(self) -> None:
        self.cluster.stop_member(2)
        self.addCleanup(self.cluster.wait_for, 2)
        self.addCleanup(self.cluster.start_member, 2)
        run = self.run_script("etcd-defragment.sh", DEFRAGMENT_MIN_FREE_MIB="0")
        self.fail_with("is not healthy: no other member may pause now", run)
        self.assertNotIn(": from", run.stdout)
        # But a snapshot is taken of another.
        self.succeed(self.backup())


if __name__ == "__main__":
    unittest.main()
