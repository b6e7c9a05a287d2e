#!/usr/bin/env python3
"""Tests deploy.sh against a kubectl that writes down what it is asked to do.

    python3 Tests/deploy/deploy_test.py
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
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
        for name in ["k8s/base/namespace.yaml", "k8s/overlays/dev/kustomization.yaml",
                     "k8s/overlays/prod/kustomization.yaml"]:
            (self.project / name).parent.mkdir(parents=True, exist_ok=True)
            (self.project / name).write_text(f"# {name}\n")
        namespace = self.project / "k8s/base/namespace.yaml"
        namespace.write_text(namespace.read_text() + (ROOT / "k8s/base/namespace.yaml").read_text())
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
        }
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
            self.position("apply", input="namespace.yaml"),
            self.position("delete", "job", "etcd-bootstrap-auth"),
            self.position("apply", arguments="--dry-run=server"),
            self.position("create", input="etcd-root-user"),
            self.position("create", input="etcd-ledger-user"),
            self.position("create", input="ledger-internal-token"),
            self.position("create", input="ledger-signing-key"),
            self.calls.index(self.real_apply()),
            self.position("rollout", "status", "statefulset/etcd"),
            self.position("get", "job", "etcd-bootstrap-auth"),
            self.position("rollout", "status", "deployment/ledger-service"),
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

    def test_the_job_that_is_waited_for_does_not_go_by_itself(self):
        self.succeed("dev", *GIVEN)
        self.assertIn("spec: {ttlSecondsAfterFinished: null}", self.real_apply()["input"])

    def test_nothing_temporary_is_left(self):
        self.succeed("dev", *GIVEN)
        self.assertEqual(list((self.project / ".local").iterdir()), [])

    def test_a_refusal_of_the_server_stops_before_anything_is_made(self):
        self.cluster(current_context="kind-ledger", refuses=True)
        self.assertEqual(self.deploy("dev", *GIVEN), 1)
        self.assertEqual(self.kubectl("create"), [])
        self.assertEqual(len(self.kubectl("apply")), 2)  # the namespace, and the refused trial
        self.assertIn("the server refuses the manifests", self.output)

    def test_a_missing_cert_manager_stops_with_how_to_install_it(self):
        self.cluster(current_context="kind-ledger")
        state = json.loads((self.folder / "cluster.json").read_text())
        state["existing"] = []
        (self.folder / "cluster.json").write_text(json.dumps(state))
        self.refuse("dev", *GIVEN)
        self.assertRegex(self.output, r"apply -f https://.*/v[0-9.]+/cert-manager.yaml")

    def test_a_storage_driver_that_the_cluster_lacks_stops_it(self):
        self.cluster(current_context="ledger-prod", rendered="provisioner: ebs.csi.aws.com\n")
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

    def test_a_job_whose_template_changes_is_replaced(self):
        self.render(self.JOB % "one")
        self.succeed("dev", *GIVEN)
        self.render(self.JOB % "two")
        self.succeed("dev", *GIVEN)

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
        found = [re.search(pattern, call["input"]) for call in self.kubectl("create")]
        values = [match.group(1) or match.group(2) for match in found]
        self.assertEqual(len(set(values)), 4)
        arguments = json.dumps([call["arguments"] for call in self.calls])
        for value in values:
            self.assertNotIn(value, arguments)
            self.assertNotIn(value, self.output)

    def test_a_second_run_keeps_the_secrets(self):
        self.succeed("dev", *GIVEN)
        self.assertEqual(len(self.kubectl("create")), 4)
        self.succeed("dev", *GIVEN)
        self.assertEqual(self.kubectl("create"), [])
        self.assertIn("secret etcd-root-user is kept", self.output)

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
            jobs={"etcd-bootstrap-auth": "FailureTarget Failed"},
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

    # The proof

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

    def test_a_dry_run_asks_the_cluster_nothing_and_changes_nothing(self):
        for arguments in [["dev"], ["prod", *GIVEN], ["dev", "--registry", "registry.example/x"],
                          ["destroy", "dev"], ["destroy", "prod", "--delete-data"]]:
            with self.subTest(arguments=arguments):
                self.succeed(*arguments, "--dry-run")
                asked = {(call["tool"], call["words"][0]) for call in self.calls}
                self.assertLessEqual(
                    asked, {("kubectl", "config"), ("kubectl", "kustomize"), ("docker", "info")}
                )
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

    def test_status_of_nothing(self):
        self.assertEqual(self.deploy("status"), 1)
        self.assertIn("no ledger is deployed", self.output)

    def test_destroying_keeps_volumes_and_secrets(self):
        applied = ["namespace/immutable-ledger", "deployment.apps/ledger-service",
                   "persistentvolumeclaim/etcd-backups", "storageclass.storage.k8s.io/etcd-ssd",
                   "statefulset.apps/etcd"]
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


if __name__ == "__main__":
    unittest.main()
