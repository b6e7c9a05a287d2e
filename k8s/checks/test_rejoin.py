"""Takes the data of etcd members away, and runs what runs before a member starts: ops/etcd-rejoin.sh."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from etcd_arguments import localise
from etcd_cluster import ROOT, Cluster

SCRIPT = ROOT / "k8s/ops/etcd-rejoin.sh"
ROOT_PASSWORD = "root-password"


class Rejoin(unittest.TestCase):
    """Every test has three members of its own, with the flags of the overlay prod."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="rejoin-")
        self.addCleanup(folder.cleanup)
        self.cluster = Cluster("prod", Path(folder.name))
        self.addCleanup(self.cluster.stop)
        self.running: dict[int, subprocess.Popen[str]] = {}
        self.addCleanup(self.end_scripts)

    def end_scripts(self) -> None:
        for run in self.running.values():
            run.terminate()
            run.communicate()

    def begin(self, ordinal: int, password: str = ROOT_PASSWORD, seconds: int = 60) -> None:
        """Starts the script, as the init container of a member does."""
        self.data(ordinal).parent.mkdir(exist_ok=True)
        arguments = [
            localise(each, ordinal, str(self.cluster.folder), self.cluster.base)
            for each in self.cluster.manifests.etcd_arguments(ordinal)
        ]
        self.running[ordinal] = subprocess.Popen(
            [SCRIPT, *arguments],
            env=self.cluster.environment("root", password) | {"REJOIN_WAIT_SECONDS": str(seconds)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )

    def end(self, ordinal: int) -> tuple[int, str]:
        """What the script came to, and what it said."""
        run = self.running[ordinal]
        output, _ = run.communicate(timeout=180)
        del self.running[ordinal]
        return run.returncode, output

    def succeed(self, ordinal: int) -> str:
        status, output = self.end(ordinal)
        self.assertEqual(status, 0, output)
        return output

    def refuse(self, ordinal: int, text: str) -> None:
        status, output = self.end(ordinal)
        self.assertEqual(status, 1, output)
        self.assertIn(text, output)
        self.assertFalse(self.data(ordinal).exists(), "it has made data")

    def data(self, ordinal: int) -> Path:
        return self.cluster.folder / f"etcd-{ordinal}/data"

    def lose(self, *ordinals: int) -> None:
        for ordinal in ordinals:
            self.cluster.stop_member(ordinal)
            shutil.rmtree(self.data(ordinal))

    def start(self, users: bool = True) -> None:
        self.cluster.start()
        if users:
            run = subprocess.run(
                [ROOT / "k8s/ops/etcd-bootstrap-auth.sh"], capture_output=True, text=True,
                env=self.cluster.environment("root", ROOT_PASSWORD)
                | {"LEDGER_ETCD_USERNAME": "ledger", "LEDGER_ETCD_PASSWORD": "ledger-password"},
            )
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.etcdctl("put", "ledger/head", "event 500")

    def etcdctl(self, *arguments: str, ordinal: int = 0) -> str:
        environment = self.cluster.environment("root", ROOT_PASSWORD)
        environment["ETCDCTL_ENDPOINTS"] = self.cluster.endpoints[ordinal]
        run = subprocess.run(
            ["etcdctl", *arguments], env=environment, capture_output=True, text=True, timeout=30
        )
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout

    def members(self, ordinal: int = 0) -> dict[str, tuple[str, str]]:
        """Id and state of every member by name."""
        lines = self.etcdctl("member", "list", ordinal=ordinal).splitlines()
        fields = [line.split(", ") for line in lines]
        return {each[2]: (each[0], each[1]) for each in fields}

    def expect_whole(self, ordinal: int) -> None:
        """The member runs, with what was sealed before and after."""
        self.cluster.start_member(ordinal)
        self.cluster.wait_for(ordinal)
        self.etcdctl("put", "ledger/after", "event 501", ordinal=ordinal)
        for each in range(3):
            value = self.etcdctl("get", "--print-value-only", "ledger/head", ordinal=each)
            self.assertEqual(value.strip(), "event 500")
            self.etcdctl("endpoint", "health", ordinal=each)
        self.assertEqual({state for _, state in self.members().values()}, {"started"})
        self.assertEqual(len(self.members()), 3)

    def test_members_without_data_begin_a_cluster_together(self) -> None:
        for ordinal in range(3):
            self.begin(ordinal)
        # Each starts when it is done, while others may still look around: the last one may find the first two running.
        begun = 0
        deadline = time.monotonic() + 90
        while self.running and time.monotonic() < deadline:
            for ordinal in [each for each, run in self.running.items() if run.poll() is not None]:
                said = self.succeed(ordinal)
                begun += "begins a new cluster" in said
                if begun < 2:
                    self.assertIn("begins a new cluster", said)
                else:
                    self.assertRegex(said, "begins a new cluster|begun without it")
                self.cluster.start_member(ordinal)
            time.sleep(0.2)
        for ordinal in range(3):
            self.cluster.wait_for(ordinal)
        self.etcdctl("put", "ledger/head", "event 500")

    def test_a_member_that_comes_late_to_a_new_cluster_just_starts(self) -> None:
        for ordinal in (0, 1):
            self.cluster.start_member(ordinal)
        for ordinal in (0, 1):
            self.cluster.wait_for(ordinal)
        self.begin(2)
        self.assertIn("starts for the first time", self.succeed(2))
        self.cluster.start_member(2)
        self.cluster.wait_for(2)

    def test_a_member_with_data_is_left_alone(self) -> None:
        self.start()
        before = self.members()
        self.cluster.stop_member(1)
        self.begin(1)
        self.assertEqual(self.succeed(1), "")
        self.cluster.start_member(1)
        self.cluster.wait_for(1)
        self.assertEqual(self.members(), before)

    def test_a_member_that_lost_its_data_comes_back(self) -> None:
        self.start()
        before = self.members()
        self.lose(1)
        self.begin(1)
        output = self.succeed(1)
        self.assertIn(f"removed as {before['etcd-1'][0]}", output)
        self.expect_whole(1)
        self.assertNotEqual(self.members()["etcd-1"][0], before["etcd-1"][0])

    def test_so_it_does_before_etcd_has_users(self) -> None:
        self.start(users=False)
        self.lose(2)
        self.begin(2)
        self.succeed(2)
        self.expect_whole(2)

    def test_the_leader_that_lost_its_data_comes_back(self) -> None:
        self.start()
        leader = next(
            ordinal for ordinal in range(3)
            if ", true, " in self.etcdctl("endpoint", "status", ordinal=ordinal)
        )
        self.lose(leader)
        self.begin(leader)
        self.succeed(leader)
        self.cluster.start_member(leader)
        self.cluster.wait_for(leader)
        value = self.etcdctl("get", "--print-value-only", "ledger/head", ordinal=leader)
        self.assertEqual(value.strip(), "event 500")

    def test_what_was_cut_off_is_done_again(self) -> None:
        self.start()
        self.lose(1)
        # Between removal and announcement, then between announcement and the first start.
        self.etcdctl("member", "remove", self.members()["etcd-1"][0])
        self.begin(1)
        deadline = time.monotonic() + 60
        while not any(state == "unstarted" for _, state in self.members().values()):
            if "etcd-1" in self.members() or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        self.running[1].terminate()
        self.end(1)
        self.assertFalse(self.data(1).exists())
        self.begin(1)
        self.succeed(1)
        self.expect_whole(1)

    def test_two_lost_members_of_three_are_refused(self) -> None:
        self.start()
        self.lose(1, 2)
        self.begin(1, seconds=6)
        self.begin(2, seconds=6)
        for ordinal in (1, 2):
            self.refuse(ordinal, "etcd-0 member")
        # The one that is left still runs, with all that it has.
        self.assertIsNone(self.cluster.processes[0].poll())
        self.assertTrue((self.data(0) / "member/wal").is_dir())

    def test_a_lost_member_waits_while_another_is_away(self) -> None:
        self.start()
        self.lose(1)
        self.cluster.stop_member(2)
        self.begin(1, seconds=4)
        self.refuse(1, "needs a quorum")
        # When the other is back it is taken in.
        self.begin(1)
        self.cluster.start_member(2)
        self.succeed(1)
        self.expect_whole(1)

    def test_nothing_begins_anew_while_the_others_are_merely_away(self) -> None:
        self.start()
        self.lose(1)
        self.cluster.stop_member(0)
        self.cluster.stop_member(2)
        self.begin(1, seconds=4)
        self.refuse(1, "whether the ledger has begun is not known")

    def test_a_wrong_password_changes_nothing(self) -> None:
        self.start()
        before = self.members()
        self.lose(1)
        self.begin(1, password="wrong")
        self.refuse(1, "refuses ETCDCTL_USER and ETCDCTL_PASSWORD")
        self.assertEqual(self.members(), before)


if __name__ == "__main__":
    unittest.main()
