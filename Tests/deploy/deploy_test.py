#!/usr/bin/env python3
"""Tests deploy.sh against a kubectl that writes down what it is asked to do.

    python3 Tests/deploy/deploy_test.py
"""

import concurrent.futures
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ["kubectl", "docker", "podman", "buildah", "kind", "minikube", "curl"]
READING = {"config", "kustomize", "get", "logs", "port-forward"}
GIVEN = [
    "--image", "registry.example/ledger:1.2.3",
    "--ops-image", "registry.example:5000/ledger-ops@sha256:" + "a" * 64,
]
UNDO_LEDGER = ["rollout", "undo", "deployment/ledger-service"]
UNDO_ETCD = ["rollout", "undo", "statefulset/etcd"]


class DeployTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="deploy-test."))
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(self.expect_nothing_runs)
        self.make_project()
        self.make_tools()
        self.cluster(current_context="kind-ledger")

    def expect_nothing_runs(self):
        """Whatever deploy.sh started in the background, a forwarded port above all, ended with it."""
        left = subprocess.run(["pgrep", "--full", str(self.folder / "tools")], stdout=subprocess.PIPE)
        self.assertEqual(left.stdout, b"", "still running")

    def make_project(self):
        """A copy of what deploy.sh needs, in a repository of its own: the real one may be dirty."""
        self.project = self.folder / "project"
        shutil.copytree(ROOT / "scripts/deploy", self.project / "scripts/deploy")
        shutil.copy(ROOT / "deploy.sh", self.project)
        namespace = self.project / "k8s/namespace/kustomization.yaml"
        namespace.parent.mkdir(parents=True)
        shutil.copy(ROOT / "k8s/namespace/kustomization.yaml", namespace)
        for name in ["k8s/overlays/dev/kustomization.yaml", "k8s/overlays/prod/kustomization.yaml"]:
            (self.project / name).parent.mkdir(parents=True, exist_ok=True)
            (self.project / name).write_text(f"# {name}\n")
        # This kubectl renders nothing: what is rendered stands there.
        for environment in ["dev", "prod"]:
            rendered = self.project / f"k8s/persistent/{environment}/kustomization.yaml"
            rendered.parent.mkdir(parents=True)
            rendered.write_text(
                f"# k8s/persistent/{environment}\n"
                + (ROOT / "k8s/persistent/base/namespace.yaml").read_text()
            )
        (self.project / ".gitignore").write_text(".local/\n")
        self.git("init", "--quiet")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "a project")

    def git(self, *arguments):
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", *identity, *arguments], cwd=self.project, check=True)

    def make_tools(self):
        tools = self.folder / "tools"
        tools.mkdir()
        for tool in TOOLS:
            (tools / tool).symlink_to(ROOT / "Tests/deploy/stand_in.py")
        self.environment = {
            "PATH": f"{tools}:{os.path.dirname(sys.executable)}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "STAND_IN": str(self.folder),
        }

    def cluster(self, **changes):
        """What the stand-in answers: a cluster with cert-manager only, but for these changes."""
        state = {
            "current_context": "",
            "existing": ["customresourcedefinition/certificates.cert-manager.io"],
            "revisions": {},
            "jobs": {},
            "failing": [],
            "applied": [],
            "fields": {
                "deployment/ledger-service": {".status.availableReplicas": "3", ".spec.replicas": "3"},
                "statefulset/etcd": {".status.readyReplicas": "3", ".spec.replicas": "3"},
                "job/etcd-backup-now": {
                    ".status.completionTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                },
            },
        }
        for name, fields in changes.pop("fields", {}).items():
            state["fields"].setdefault(name, {}).update(fields)
        state["existing"] += changes.pop("existing", [])
        state.update(changes)
        (self.folder / "cluster.json").write_text(json.dumps(state))

    def deploy(self, *arguments, answer=""):
        (self.folder / "calls").write_text("")
        result = subprocess.run(
            ["./deploy.sh", *arguments], cwd=self.project, env=self.environment, text=True,
            input=answer, capture_output=True, timeout=60,
        )
        lines = (self.folder / "calls").read_text().splitlines()
        self.calls = [json.loads(line) for line in lines]
        self.output = result.stdout + result.stderr
        return result.returncode

    def succeed(self, *arguments, answer=""):
        self.assertEqual(self.deploy(*arguments, answer=answer), 0, self.output)

    def refuse(self, *arguments, answer=""):
        """deploy.sh fails, and has changed nothing."""
        self.assertEqual(self.deploy(*arguments, answer=answer), 1, self.output)
        self.assertEqual(self.changes(), [])

    def kubectl(self, *words):
        """The calls of kubectl that begin with these words."""
        return [call for call in self.calls
                if call["tool"] == "kubectl" and call["words"][: len(words)] == list(words)]

    def changes(self):
        return [call["arguments"] for call in self.calls
                if call["tool"] == "kubectl"
                and call["words"][0] not in READING
                and call["words"][:2] != ["rollout", "status"]
                or call["tool"] != "kubectl" and call["arguments"][:1] != ["info"]]

    def position(self, *words, **having):
        for index, call in enumerate(self.calls):
            if call["words"][: len(words)] == list(words) and all(
                text in json.dumps(call[key]) for key, text in having.items()
            ):
                return index
        self.fail(f"{words} {having} was not called")

    # Deploying

    def test_the_steps_come_in_their_order(self):
        self.succeed("dev", *GIVEN)
        steps = [
            self.position("get", arguments="/readyz"),
            self.position("get", "customresourcedefinition"),
            self.position("kustomize"),
            self.position("apply", input="k8s/persistent/dev"),
            self.position("apply", arguments="--dry-run=server"),
            self.position("create", input="etcd-root-user"),
            self.position("create", input="etcd-ledger-user"),
            self.position("create", input="ledger-internal-token"),
            self.position("create", input="ledger-signing-key"),
            self.position("apply", input="name: try-tools"),
            self.position("get", "job", "try-tools"),
            self.calls.index(self.real_apply()),
            self.position("rollout", "status", "statefulset/etcd"),
            self.position("create", "job", "etcd-bootstrap-auth-now"),
            self.position("get", "job", "etcd-bootstrap-auth-now"),
            self.position("rollout", "status", "deployment/ledger-service"),
            self.position("create", "job", "etcd-backup-now"),
            self.position("get", "job", "etcd-backup-now"),
            self.position("apply", input="seal-event"),
            self.position("get", "job", "seal-event"),
            self.position("port-forward"),
        ]
        self.assertEqual(steps, sorted(steps))

    def real_apply(self):
        return next(call for call in self.kubectl("apply")
                    if "kind: Kustomization" in (call["input"] or "")
                    and "--dry-run=server" not in call["arguments"])

    def test_what_the_server_checked_is_what_is_applied(self):
        self.succeed("dev", *GIVEN)
        checked = self.calls[self.position("apply", arguments="--dry-run=server")]
        self.assertEqual(checked["input"], self.real_apply()["input"])

    def test_every_call_names_the_context(self):
        self.succeed("dev", *GIVEN)
        for call in self.kubectl():
            if call["words"][0] not in ("config", "kustomize"):
                self.assertEqual(call["arguments"][:2], ["--context", "kind-ledger"], call)

    def test_given_images_replace_those_of_the_overlay(self):
        self.succeed("dev", *GIVEN)
        overlay = self.real_apply()["input"]
        self.assertIn("../../../k8s/overlays/dev", overlay)
        self.assertIn("newName: registry.example/ledger\n    newTag: \"1.2.3\"", overlay)
        self.assertIn("newName: registry.example:5000/ledger-ops\n    digest: sha256:aaa", overlay)
        self.assertFalse([call for call in self.calls if call["tool"] == "docker"])

    def test_the_namespace_is_the_one_that_the_manifests_name(self):
        place = self.project / "k8s/namespace/kustomization.yaml"
        place.write_text(place.read_text().replace("immutable-ledger\n", "elsewhere\n"))
        manifest = self.project / "k8s/persistent/dev/kustomization.yaml"
        manifest.write_text(manifest.read_text().replace("name: immutable-ledger", "name: elsewhere"))
        self.succeed("dev", *GIVEN)
        for call in self.kubectl():
            self.assertNotIn("immutable-ledger", call["arguments"], call)
        proof = self.calls[self.position("apply", input="seal-event")]
        self.assertIn("ledger-service.elsewhere.svc:50051", proof["input"])

    def test_nothing_temporary_is_left(self):
        self.succeed("dev", *GIVEN)
        self.assertEqual(list((self.project / ".local").iterdir()), [])

    def test_a_refusal_of_the_server_stops_before_anything_is_made(self):
        self.cluster(current_context="kind-ledger", refuses=True)
        self.assertEqual(self.deploy("dev", *GIVEN), 1)
        self.assertEqual(self.kubectl("create"), [])
        self.assertEqual(len(self.kubectl("apply")), 2)  # what outlives all, and the refused trial
        self.assertIn("the server refuses the manifests", self.output)

    def test_a_missing_cert_manager_stops_with_how_to_install_it(self):
        self.cluster(current_context="kind-ledger")
        state = json.loads((self.folder / "cluster.json").read_text())
        state["existing"] = []
        (self.folder / "cluster.json").write_text(json.dumps(state))
        self.refuse("dev", *GIVEN)
        self.assertRegex(self.output, r"apply -f https://.*/v[0-9.]+/cert-manager.yaml")

    def test_a_storage_driver_that_the_cluster_lacks_stops_it(self):
        place = self.project / "k8s/persistent/prod/kustomization.yaml"
        place.write_text(place.read_text() + "---\nkind: StorageClass\nprovisioner: ebs.csi.aws.com\n")
        self.cluster(current_context="ledger-prod")
        self.refuse("prod", *GIVEN)
        self.assertIn("no storage driver ebs.csi.aws.com", self.output)

    def test_the_proof_is_applied_where_its_objects_lie(self):
        """kubectl refuses an object of one namespace when it is asked for another."""
        self.succeed("dev", *GIVEN)
        proof = self.calls[self.position("apply", input="seal-event")]
        self.assertIn("immutable-ledger-check", proof["arguments"])
        # Left behind by a run that was ended, it is no hindrance.
        self.cluster(current_context="kind-ledger")
        state = json.loads((self.folder / "cluster.json").read_text())
        state["existing"].append("namespace/immutable-ledger-check")
        state["objects"] = {"job/immutable-ledger-check/seal-event": proof["input"].split("---\n")[2]}
        (self.folder / "cluster.json").write_text(json.dumps(state))
        self.succeed("dev", *GIVEN)

    JOB = """
---
apiVersion: batch/v1
kind: Job
metadata:
  name: etcd-bootstrap-auth
  namespace: immutable-ledger
spec:
  template:
    spec: {image: %s}
"""
    ETCD = """
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: etcd
  namespace: immutable-ledger
spec:
  replicas: 3
  serviceName: %s
"""

    def render(self, text):
        state = json.loads((self.folder / "cluster.json").read_text())
        (self.folder / "cluster.json").write_text(json.dumps(state | {"rendered": text}))

    def test_a_job_among_the_manifests_would_fail_the_second_time(self):
        """Why there is none: k8s/checks refuses it."""
        self.render(self.JOB % "one")
        self.succeed("dev", *GIVEN)
        self.render(self.JOB % "two")
        self.assertEqual(self.deploy("dev", *GIVEN), 1)
        self.assertIn("field is immutable", self.output)

    def test_a_change_that_the_server_never_takes_stops_before_anything_is_made(self):
        self.render(self.ETCD % "one")
        self.succeed("dev", *GIVEN)
        self.render((self.ETCD % "one").replace("3", "5"))
        self.succeed("dev", *GIVEN)
        self.render(self.ETCD % "two")
        self.assertEqual(self.deploy("dev", *GIVEN), 1)
        self.assertIn("serviceName: field is immutable", self.output)
        self.assertIn("the server refuses the manifests", self.output)

    def test_manifests_of_another_namespace_are_refused(self):
        self.render((self.JOB % "one").replace("immutable-ledger", "elsewhere"))
        self.assertEqual(self.deploy("dev", *GIVEN), 1)
        self.assertIn('does not match the namespace "immutable-ledger"', self.output)

    def test_the_stand_in_refuses_what_kubectl_refuses(self):
        for line in ["frobnicate", "rollout frobnicate x", "get pods --frobnicate", "delete job x --tail 1",
                     "rollout undo x --to-revision seven", "delete job absent", "get pods --output"]:
            refused = subprocess.run(
                ["kubectl", *line.split()], env=self.environment, capture_output=True, text=True
            )
            self.assertEqual(refused.returncode, 1, line)
            self.assertIn("error: ", refused.stderr)

    # Secrets

    def test_secrets_are_random_and_pass_through_pipes_only(self):
        self.succeed("dev", *GIVEN)
        pattern = r'(?:password|token): "([0-9a-f]{64})"|KEY-----\n\s+(\S{32,})'
        found = [re.search(pattern, call["input"]) for call in self.created()]
        values = [match.group(1) or match.group(2) for match in found]
        self.assertEqual(len(set(values)), 4)
        arguments = json.dumps([call["arguments"] for call in self.calls])
        for value in values:
            self.assertNotIn(value, arguments)
            self.assertNotIn(value, self.output)

    def test_a_second_run_keeps_the_secrets(self):
        self.succeed("dev", *GIVEN)
        self.assertEqual(len(self.created()), 4)
        self.succeed("dev", *GIVEN)
        self.assertEqual(self.created(), [])
        self.assertIn("secret etcd-root-user is kept", self.output)

    def created(self):
        return [call for call in self.kubectl("create") if call["words"][1:2] != ["job"]]

    def test_secrets_that_come_from_elsewhere_are_not_made(self):
        self.cluster(current_context="kind-ledger", existing=["secret/etcd-root-user"])
        self.assertEqual(self.deploy("dev", "--no-secrets", *GIVEN), 1)
        self.assertEqual(self.created(), [])
        self.assertEqual(len(self.kubectl("apply")), 2)
        self.assertIn("etcd-ledger-user ledger-internal-token ledger-signing-key", self.output)
        names = ["etcd-root-user", "etcd-ledger-user", "ledger-signing-key"]
        self.cluster(current_context="ledger-prod", existing=[f"secret/{name}" for name in names])
        self.succeed("prod", "--no-secrets", *GIVEN)
        self.assertEqual(self.created(), [])

    def test_an_archive_in_a_bucket_needs_its_key(self):
        rendered = "---\nkind: Deployment\nspec:\n  secretName: ledger-archive-key\n"
        self.cluster(current_context="kind-ledger", rendered=rendered)
        self.assertEqual(self.deploy("dev", *GIVEN), 1)
        self.assertEqual(self.created(), [])
        self.assertIn("secret ledger-archive-key is missing", self.output)
        self.succeed("dev", "--dry-run", *GIVEN)
        self.assertIn("would stop: the secret ledger-archive-key is missing", self.output)
        self.cluster(
            current_context="kind-ledger", rendered=rendered, existing=["secret/ledger-archive-key"]
        )
        self.succeed("dev", *GIVEN)

    def test_a_second_run_applies_the_same(self):
        self.succeed("dev", *GIVEN)
        first = self.real_apply()["input"]
        self.succeed("dev", *GIVEN)
        self.assertEqual(self.real_apply()["input"], first)

    def test_a_question_without_an_answer_is_no_missing_secret(self):
        self.cluster(current_context="kind-ledger", silent_about=["secret"])
        self.assertEqual(self.deploy("dev", *GIVEN), 1)
        self.assertEqual(self.kubectl("create"), [])
        self.assertIn("could not be found out", self.output)

    def test_a_cluster_that_does_not_answer_stops_it(self):
        self.cluster(current_context="kind-ledger", unreachable=True)
        self.refuse("dev", *GIVEN)

    def test_volumes_without_the_secret_that_opens_them_stop_it(self):
        self.cluster(
            current_context="kind-ledger", existing=["persistentvolumeclaim/data-etcd-0"]
        )
        self.assertEqual(self.deploy("dev", *GIVEN), 1)
        self.assertEqual(self.kubectl("create"), [])
        self.assertIn("the secret etcd-root-user that opens them is gone", self.output)

    # The right cluster

    def test_the_context_must_look_like_the_environment(self):
        fitting = [
            ("dev", "kind-ledger"), ("dev", "minikube"), ("dev", "docker-desktop"),
            ("dev", "gke_ledger-dev_europe-west1_main"), ("dev", "kind-prod"),
            ("prod", "gke_ledger-prod_europe-west1_main"), ("prod", "ledger-production"),
        ]
        doubtful = [
            ("prod", "kind-ledger"), ("prod", "minikube"), ("prod", "docker-desktop"),
            ("dev", "gke_ledger-prod_europe-west1_main"), ("dev", "production"),
            ("prod", "staging"), ("dev", "ledger"), ("prod", "ledger"),
            ("prod", "gke_ledger-prod_europe-west1_test"),
            ("dev", "products"), ("prod", "products"),
        ]
        for environment, context in fitting:
            with self.subTest(environment=environment, context=context):
                self.cluster(current_context=context)
                self.succeed(environment, *GIVEN)
        for environment, context in doubtful:
            with self.subTest(environment=environment, context=context):
                self.cluster(current_context=context)
                self.refuse(environment, *GIVEN)
                self.refuse(environment, *GIVEN, answer="y\n")
                self.refuse(environment, "--yes", *GIVEN)
                self.assertIn(f"--context {context}", self.output)
                self.succeed(environment, *GIVEN, answer=f"{context}\n")
                self.succeed(environment, "--yes", "--context", context, *GIVEN)

    def test_without_yes_a_named_context_is_asked_about_too(self):
        self.refuse("prod", "--context", "kind-ledger", *GIVEN)

    def test_no_context_at_all(self):
        self.cluster()
        self.refuse("dev", *GIVEN)
        self.assertIn("no current context", self.output)

    # Undoing

    def test_a_ledger_that_does_not_get_ready_is_undone(self):
        self.cluster(
            current_context="kind-ledger", revisions={"deployment": "7", "statefulset": "3"},
            failing=["deployment/ledger-service"],
        )
        self.assertEqual(self.deploy("dev", *GIVEN), 1)
        [undo] = self.kubectl(*UNDO_LEDGER)
        self.assertEqual(undo["arguments"][-2:], ["--to-revision", "7"])
        self.assertEqual(self.kubectl(*UNDO_ETCD), [])
        self.assertIn("Undone: deployment/ledger-service is back at revision 7", self.output)
        self.assertIn("the last line of a log", self.output)
        self.assertLess(self.position("logs"), self.position(*UNDO_LEDGER))
        self.assertFalse([c for c in self.kubectl("apply") if "seal-event" in c["input"]])

    def test_an_etcd_that_does_not_get_ready_takes_the_ledger_back_with_it(self):
        self.cluster(
            current_context="kind-ledger", revisions={"deployment": "7", "statefulset": "3"},
            failing=["statefulset/etcd"],
        )
        self.assertEqual(self.deploy("dev", *GIVEN), 1)
        [undo] = self.kubectl(*UNDO_ETCD)
        self.assertEqual(undo["arguments"][-2:], ["--to-revision", "3"])
        self.assertEqual(len(self.kubectl(*UNDO_LEDGER)), 1)

    def test_a_bootstrap_that_fails_is_not_waited_for(self):
        self.cluster(
            current_context="kind-ledger", revisions={"deployment": "7"},
            jobs={"etcd-bootstrap-auth-now": "FailureTarget Failed"},
        )
        self.assertEqual(self.deploy("dev", *GIVEN), 1)
        self.assertEqual(len(self.kubectl(*UNDO_LEDGER)), 1)

    def test_a_ledger_that_does_not_seal_is_undone(self):
        self.cluster(
            current_context="kind-ledger", revisions={"deployment": "7"},
            jobs={"seal-event": "Failed"},
        )
        self.assertEqual(self.deploy("dev", *GIVEN), 1)
        self.assertEqual(len(self.kubectl(*UNDO_LEDGER)), 1)
        self.assertEqual(len(self.kubectl("delete", "namespace", "immutable-ledger-check")), 2)

    def test_a_first_deployment_has_nothing_to_go_back_to(self):
        self.cluster(current_context="kind-ledger", failing=["deployment/ledger-service"])
        self.assertEqual(self.deploy("dev", *GIVEN), 1)
        self.assertEqual(self.kubectl("rollout", "undo"), [])
        self.assertIn("Not undone: deployment/ledger-service", self.output)

    IMAGES = {
        f"cronjob/{name}": {"containers[0].image": "registry.example/ledger-ops:good"}
        for name in ["etcd-bootstrap-auth", "etcd-backup", "etcd-defragment"]
    }

    def test_an_image_of_the_tools_that_does_not_run_reaches_nothing(self):
        self.cluster(current_context="kind-ledger", jobs={"try-tools": "Failed"})
        self.assertEqual(self.deploy("dev", *GIVEN), 1)
        self.assertIn("does not run here", self.output)
        self.assertEqual([call for call in self.kubectl("apply")
                          if "kind: Kustomization" in (call["input"] or "")
                          and "--dry-run=server" not in call["arguments"]], [])
        self.assertEqual(self.kubectl("create", "job"), [])

    def test_tools_that_take_no_backup_do_not_stay_on_the_schedule(self):
        for failing in ["etcd-backup-now", "etcd-bootstrap-auth-now"]:
            self.cluster(current_context="kind-ledger", jobs={failing: "Failed"}, fields=self.IMAGES)
            self.assertEqual(self.deploy("dev", *GIVEN), 1)
            undone = [call["words"][2:] for call in self.kubectl("set", "image")]
            self.assertEqual(
                undone,
                [[f"cronjob/{name}", f"{name}=registry.example/ledger-ops:good"]
                 for name in ["etcd-bootstrap-auth", "etcd-backup", "etcd-defragment"]],
            )
            self.assertIn("cronjob/etcd-backup has the image registry.example/ledger-ops:good", self.output)

    def test_a_ledger_that_is_undone_takes_the_tools_back_with_it(self):
        self.cluster(current_context="kind-ledger", revisions={"deployment": "7"},
                     failing=["deployment/ledger-service"], fields=self.IMAGES)
        self.assertEqual(self.deploy("dev", *GIVEN), 1)
        self.assertEqual(len(self.kubectl("set", "image")), 3)

    def test_a_first_deployment_has_no_tools_to_go_back_to(self):
        self.cluster(current_context="kind-ledger", jobs={"etcd-backup-now": "Failed"})
        self.assertEqual(self.deploy("dev", *GIVEN), 1)
        self.assertEqual(self.kubectl("set", "image"), [])

    def test_prod_waits_for_as_many_replicas_as_the_autoscaler_keeps(self):
        self.cluster(
            current_context="ledger-prod", rendered="spec:\n  minReplicas: 3\n",
            fields={"deployment/ledger-service": {".status.availableReplicas": "1"}},
        )
        self.assertEqual(self.deploy("prod", "--timeout", "2", *GIVEN), 1)
        self.assertIn("only 1 of 3 replicas were ready", self.output)
        self.cluster(current_context="ledger-prod", rendered="spec:\n  minReplicas: 3\n")
        self.succeed("prod", *GIVEN)
        self.assertIn("Waiting for 3 replicas", self.output)

    # The proof

    def test_prod_seals_nothing_unless_it_is_asked_to(self):
        self.cluster(current_context="ledger-prod")
        self.succeed("prod", *GIVEN)
        self.assertFalse([c for c in self.kubectl("apply") if "seal-event" in (c["input"] or "")])
        self.succeed("prod", "--seal", *GIVEN)
        self.assertTrue([c for c in self.kubectl("apply") if "seal-event" in (c["input"] or "")])

    def test_the_event_is_sealed_with_tls_where_the_ledger_has_it(self):
        self.succeed("dev", *GIVEN)
        plain = self.calls[self.position("apply", input="seal-event")]["input"]
        self.assertNotIn("--tls-ca", plain)
        self.cluster(
            current_context="kind-ledger", rendered="            - name: LEDGER_TLS_CERT\n"
        )
        self.succeed("dev", *GIVEN)
        protected = self.calls[self.position("apply", input="seal-event")]["input"]
        self.assertIn("--tls-ca, /etc/ledger-ca/ca.crt", protected)
        self.assertIn('ca.crt: "Y2VydGlmaWNhdGU="', protected)

    def test_no_event_is_sealed_where_none_is_wanted(self):
        self.succeed("dev", "--no-seal", *GIVEN)
        self.assertFalse([c for c in self.kubectl("apply") if "seal-event" in (c["input"] or "")])

    # Dry runs and help

    def test_a_dry_run_lets_the_server_check_and_changes_nothing(self):
        for existing in [[], ["namespace/immutable-ledger"]]:
            for arguments in [["dev"], ["prod", *GIVEN], ["dev", "--no-secrets"]]:
                self.cluster(current_context="kind-ledger", existing=existing)
                self.succeed(*arguments, "--dry-run")
                where = "server" if existing else "client"
                tried = [call for call in self.kubectl("apply") if "Kustomization" in call["input"]]
                self.assertEqual([call["arguments"][-3] for call in tried], [f"--dry-run={where}"])
        self.cluster(current_context="kind-ledger", existing=existing, refuses=True)
        self.assertEqual(self.deploy("dev", "--dry-run"), 1)
        self.assertIn("webhook denied", self.output)

    def test_a_dry_run_changes_nothing(self):
        for arguments in [["dev"], ["prod", *GIVEN], ["dev", "--registry", "registry.example/x"],
                          ["destroy", "dev"], ["destroy", "prod", "--delete-data"]]:
            with self.subTest(arguments=arguments):
                self.succeed(*arguments, "--dry-run")
                asked = {(call["tool"], call["words"][0]) for call in self.calls
                         if not any("--dry-run=" in each for each in call["arguments"])}
                self.assertLessEqual(
                    asked,
                    {("kubectl", verb) for verb in ["config", "kustomize", "get", "rollout"]}
                    | {("docker", "info")},
                )
                self.assertEqual(self.kubectl("rollout", "undo"), [])
                self.assertIn("would ", self.output)
        status = subprocess.check_output(
            ["git", "status", "--porcelain"], cwd=self.project, text=True
        )
        self.assertEqual(status, "")

    def test_help_and_wrong_usage_touch_nothing(self):
        for arguments in [["--help"], ["dev", "--help"], ["status", "--help"],
                          ["destroy", "--help"], ["destroy", "prod", "--help"]]:
            self.succeed(*arguments)
            self.assertIn("Usage:", self.output)
            self.assertEqual(self.calls, [])
        for arguments in [[], ["deploy"], ["dev", "--what"], ["dev", "--image"], ["destroy"],
                          ["dev", "--timeout", "soon"], ["dev", "--delete-data"]]:
            self.assertEqual(self.deploy(*arguments), 2, arguments)
            self.assertEqual(self.calls, [])

    # Images

    def built(self):
        return [call["arguments"] for call in self.calls
                if call["tool"] in ("docker", "podman", "buildah") and call["words"][0] == "build"]

    def test_images_are_built_and_loaded_into_kind(self):
        self.succeed("dev")
        revision = subprocess.check_output(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=self.project, text=True
        ).strip()
        tags = [build[build.index("--tag") + 1] for build in self.built()]
        self.assertEqual(tags, [f"localhost/immutable-ledger:{revision}",
                                f"localhost/immutable-ledger-ops:{revision}"])
        loads = [call["arguments"] for call in self.calls if call["tool"] == "kind"]
        self.assertEqual(len(loads), 2)
        self.assertEqual(loads[0][-2:], ["--name", "ledger"])
        self.assertIn(f'newTag: "{revision}"', self.real_apply()["input"])

    def test_other_changes_get_another_tag(self):
        (self.project / "new-file").write_text("one")
        self.succeed("dev")
        first = self.built()[0]
        (self.project / "new-file").write_text("two")
        self.succeed("dev")
        self.assertRegex(" ".join(first), r"-dirty-[0-9a-f]{8}")
        self.assertNotEqual(first, self.built()[0])

    def test_prod_is_built_from_committed_sources_only(self):
        self.cluster(current_context="ledger-prod")
        (self.project / "new-file").write_text("one")
        self.refuse("prod", "--registry", "registry.example/x")
        self.assertIn("not committed", self.output)

    def test_images_are_pushed_to_a_registry(self):
        self.cluster(current_context="ledger-prod")
        self.refuse("prod")
        self.succeed("prod", "--registry", "registry.example/x")
        pushed = [call for call in self.calls
                  if call["tool"] == "docker" and call["words"][0] == "push"]
        self.assertEqual(len(pushed), 2)

    def test_a_docker_without_its_daemon_is_passed_over(self):
        self.cluster(current_context="kind-ledger", broken_tools=["docker"])
        self.succeed("dev")
        self.assertEqual({c["tool"] for c in self.calls} & {"docker", "podman", "buildah"},
                         {"docker", "podman"})
        self.cluster(current_context="kind-ledger", broken_tools=["docker", "podman", "buildah"])
        self.refuse("dev")

    def test_images_must_be_given_together_and_with_a_version(self):
        self.refuse("dev", *GIVEN[:2])
        self.refuse("dev", "--image", "registry.example:5000/ledger", *GIVEN[2:])
        self.assertIn("names no version", self.output)

    # Status and destruction

    def test_status_changes_nothing_and_tells_the_health(self):
        self.cluster(current_context="kind-ledger", existing=["deployment/ledger-service"])
        self.succeed("status")
        self.assertEqual([c for c in self.calls if c["tool"] == "kubectl"
                          and c["words"][0] not in READING], [])
        self.assertIn("HEALTHY", self.output)
        self.cluster(
            current_context="kind-ledger", existing=["deployment/ledger-service"],
            health='{"status":"UNHEALTHY"}',
        )
        self.assertEqual(self.deploy("status"), 1)

    def test_status_fails_where_anything_is_not_well(self):
        old = {"job/etcd-backup-now": {".status.completionTime": "2026-01-01T00:00:00Z"}}
        none = {"job/etcd-backup-now": {".status.completionTime": ""}}
        for text, changes in {
            "the ledger is not HEALTHY": {"health": '{"status":"DEGRADED","dependencies":'
                                                    '[{"status":"HEALTHY"}]}'},
            "statefulset/etcd has 2 of 3 ready": {
                "fields": {"statefulset/etcd": {".status.readyReplicas": "2"}}},
            "deployment/ledger-service has 0 of 3 ready": {
                "fields": {"deployment/ledger-service": {".status.availableReplicas": ""}}},
            "the certificate etcd-peer is not ready": {
                "fields": {"certificates.cert-manager.io/": {".items": "etcd-ca True\netcd-peer False"}}},
            "the last backup that succeeded is of 2026-01-01": {"fields": old},
            "no backup has succeeded yet": {"fields": none},
        }.items():
            with self.subTest(text):
                self.cluster(current_context="kind-ledger", existing=["deployment/ledger-service"],
                             **changes)
                self.assertEqual(self.deploy("status"), 1, self.output)
                self.assertIn(f"not well: {text}", self.output)

    def test_status_of_nothing(self):
        self.assertEqual(self.deploy("status"), 1)
        self.assertIn("no ledger is deployed", self.output)

    def test_destroying_keeps_volumes_and_secrets(self):
        applied = ["deployment.apps/ledger-service", "statefulset.apps/etcd"]
        self.cluster(current_context="kind-ledger", applied=applied)
        self.refuse("destroy", "dev")
        self.refuse("destroy", "dev", "--yes", answer="yes\n")
        self.succeed("destroy", "dev", answer="dev\n")
        [delete] = self.kubectl("delete")
        self.assertEqual(
            delete["words"][1:], ["deployment.apps/ledger-service", "statefulset.apps/etcd"]
        )

    def test_data_is_deleted_after_a_second_question_only(self):
        self.cluster(current_context="kind-ledger", applied=["statefulset.apps/etcd"])
        self.refuse("destroy", "dev", "--delete-data", answer="dev\n")
        self.refuse("destroy", "dev", "--delete-data", answer="dev\ndev\n")
        self.succeed("destroy", "dev", "--delete-data", answer="dev\ndelete-dev-data\n")
        self.assertEqual(len(self.kubectl("delete", "namespace", "immutable-ledger")), 1)


def run_alone(name: str) -> tuple[bool, str]:
    """Runs one test. Each has a folder and tools of its own, so that any number may run beside each other."""
    said = io.StringIO()
    suite = unittest.defaultTestLoader.loadTestsFromName(name, DeployTest)
    return unittest.TextTestRunner(said).run(suite).wasSuccessful(), said.getvalue()


def main() -> int:
    names = unittest.defaultTestLoader.getTestCaseNames(DeployTest)
    with concurrent.futures.ProcessPoolExecutor() as pool:
        results = list(pool.map(run_alone, names))
    failures = [said for succeeded, said in results if not succeeded]
    print("".join(failures), file=sys.stderr, end="")
    print(f"deploy.sh: {len(results)} tests, {len(failures)} failed")
    return 1 if failures or not results else 0


if __name__ == "__main__":
    # With the name of a test, that one alone: deploy_test.py DeployTest.test_no_context_at_all
    unittest.main() if len(sys.argv) > 1 else sys.exit(main())
