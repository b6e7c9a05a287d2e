#!/usr/bin/env python3
"""Tests create-prod-cluster.sh against a gcloud that writes down what it is asked to do.

    python3 Tests/deploy/cluster_test.py
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLACE = ["--project", "my-project", "--region", "europe-west1"]


class ClusterTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cluster-test."))
        self.addCleanup(shutil.rmtree, self.folder)
        for tool in ["gcloud", "kubectl", "gke-gcloud-auth-plugin"]:
            (self.folder / tool).symlink_to(ROOT / "Tests/deploy/stand_in.py")

    def run_script(self, *arguments, made_before=False):
        state = {"made_before": made_before, "failing": []}
        (self.folder / "cluster.json").write_text(json.dumps(state))
        (self.folder / "calls").write_text("")
        result = subprocess.run(
            [ROOT / "create-prod-cluster.sh", *arguments], capture_output=True, text=True,
            env={
                "PATH": f"{self.folder}:{os.path.dirname(sys.executable)}:/usr/bin:/bin",
                "STAND_IN": str(self.folder),
            },
        )
        lines = (self.folder / "calls").read_text().splitlines()
        self.calls = [json.loads(line)["arguments"] for line in lines]
        return result

    def creations(self):
        return [call for call in self.calls if "create" in call]

    def test_a_dry_run_prints_every_command_and_runs_none(self):
        dry = self.run_script(*PLACE, "--dry-run")
        self.assertEqual(dry.returncode, 0, dry.stderr)
        self.assertEqual(self.calls, [])
        printed = [line for line in dry.stdout.splitlines() if line.startswith("+ ")]
        real = self.run_script(*PLACE)
        self.assertEqual(real.returncode, 0, real.stderr)
        self.assertEqual(
            printed, [line for line in real.stdout.splitlines() if line.startswith("+ ")]
        )

    def test_the_cluster_is_made_as_the_ledger_needs_it(self):
        self.run_script(*PLACE)
        [cluster] = [call for call in self.creations() if "clusters" in call]
        for option in ["--enable-dataplane-v2", "--enable-private-nodes", "--enable-shielded-nodes",
                       "--shielded-secure-boot", "--workload-pool", "--release-channel",
                       "--service-account"]:
            self.assertIn(option, cluster)
        self.assertEqual(cluster[cluster.index("--disk-type") + 1], "pd-ssd")

    def test_the_archive_has_a_bucket_that_forgets_nothing_and_an_account_for_it_alone(self):
        self.run_script(*PLACE)
        [bucket] = [call for call in self.creations() if "buckets" in call]
        self.assertIn("gs://my-project-ledger-prod-archive", bucket)
        for option in ["--uniform-bucket-level-access", "--public-access-prevention"]:
            self.assertIn(option, bucket)
        [update] = [call for call in self.calls if "buckets" in call and "update" in call]
        self.assertIn("--versioning", update)
        granted = [call for call in self.calls if "add-iam-policy-binding" in call
                   and any("ledger-prod-store@" in each for each in call)]
        self.assertEqual([call[3:5] for call in granted], [["storage", "buckets"]])

    def test_what_exists_is_left_as_it_is(self):
        self.run_script(*PLACE)
        self.assertEqual(len(self.creations()), 6)
        self.run_script(*PLACE, made_before=True)
        self.assertEqual(self.creations(), [])

    def test_admin_networks_are_joined(self):
        self.run_script(
            *PLACE, "--admin-network", "192.0.2.0/24", "--admin-network", "198.51.100.7/32"
        )
        [cluster] = [call for call in self.creations() if "clusters" in call]
        self.assertIn("192.0.2.0/24,198.51.100.7/32", cluster)

    def test_wrong_usage_touches_nothing(self):
        for arguments in [[], PLACE[:2], [*PLACE, "--name", "Ledger"], [*PLACE, "--what"]]:
            self.assertEqual(self.run_script(*arguments).returncode, 2)
            self.assertEqual(self.calls, [])


if __name__ == "__main__":
    unittest.main()
