"""Breaks rendered manifests in one place each and expects the checks to say so."""

from __future__ import annotations

import copy
import unittest
from pathlib import Path
from typing import Any

from check import check_schemas, findings
from manifests import Manifests

RENDERED = Path(__file__).parents[2] / ".local/manifests"


class Overlay(unittest.TestCase):
    """Begins every test with a whole overlay, in which nothing is found."""

    name = "prod"
    whole: Manifests

    @classmethod
    def setUpClass(cls) -> None:
        cls.whole = Manifests.load(RENDERED / f"{cls.name}.yaml")

    def setUp(self) -> None:
        self.manifests = Manifests(copy.deepcopy(self.whole.objects))
        self.assertEqual(findings(self.manifests), [])

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found = self.manifests.get(kind, name)
        assert found is not None
        return found

    def spec(self, kind: str, name: str) -> dict[str, Any]:
        return self.get(kind, name)["spec"]

    def pod(self, kind: str, name: str) -> dict[str, Any]:
        spec = self.spec(kind, name)
        return spec.get("jobTemplate", {"spec": spec})["spec"]["template"]["spec"]

    def container(self, kind: str, name: str) -> dict[str, Any]:
        return self.pod(kind, name)["containers"][0]

    def variable(self, container: dict[str, Any], name: str) -> dict[str, Any]:
        return next(each for each in container["env"] if each["name"] == name)

    def remove(self, kind: str, name: str) -> None:
        self.manifests.objects.remove(self.get(kind, name))

    def expect(self, *texts: str) -> None:
        """Each text is in a finding, and each finding has one of the texts."""
        found = findings(self.manifests)
        for text in texts:
            self.assertTrue(any(text in each for each in found), f"{text!r} not in {found}")
        for each in found:
            self.assertTrue(any(text in each for text in texts), f"not expected: {each}")


class Certificates(Overlay):
    def test_common_name_on_the_client_certificate(self) -> None:
        self.spec("Certificate", "etcd-client")["commonName"] = "ledger"
        self.expect("Certificate etcd-client: has a commonName")

    def test_server_certificate_without_client_auth(self) -> None:
        self.spec("Certificate", "etcd-server")["usages"].remove("client auth")
        self.expect("Certificate etcd-server: usages are not")

    def test_renewal_too_late(self) -> None:
        self.spec("Certificate", "etcd-peer")["renewBefore"] = "1h0m0s"
        self.expect("Certificate etcd-peer: renewBefore")

    def test_duration_that_is_none(self) -> None:
        self.spec("Certificate", "etcd-peer")["duration"] = "90d"
        self.expect("Certificate etcd-peer: duration")

    def test_duration_that_the_server_writes_in_another_way(self) -> None:
        self.spec("Certificate", "etcd-peer")["duration"] = "2160h"
        self.expect("Certificate etcd-peer: duration is not written as the server writes it")

    def test_key_that_is_kept(self) -> None:
        self.spec("Certificate", "ledger-service")["privateKey"]["rotationPolicy"] = "Never"
        self.expect("Certificate ledger-service: rotationPolicy is not Always")

    def test_authority_whose_key_changes(self) -> None:
        self.spec("Certificate", "etcd-ca")["privateKey"]["rotationPolicy"] = "Always"
        self.expect("Certificate etcd-ca: rotationPolicy is not Never")

    def test_missing_issuer(self) -> None:
        self.spec("Certificate", "etcd-peer")["issuerRef"]["name"] = "nobody"
        self.expect("Certificate etcd-peer: there is no Issuer nobody")

    def test_issuer_without_authority(self) -> None:
        self.spec("Issuer", "etcd-ca")["ca"]["secretName"] = "etcd-client"
        self.expect("Issuer etcd-ca: no authority's Certificate")

    def test_client_certificate_from_the_peers_authority(self) -> None:
        self.spec("Certificate", "etcd-client")["issuerRef"]["name"] = "etcd-peer-ca"
        self.expect("Issuer etcd-peer-ca: signs others than etcd-peer")

    def test_two_certificates_in_one_secret(self) -> None:
        self.spec("Certificate", "etcd-operations")["secretName"] = "etcd-client"
        self.expect(
            "writes the same secret", "nobody makes the secret etcd-operations", "of nothing"
        )

    def test_name_that_members_do_not_have(self) -> None:
        self.spec("Certificate", "etcd-peer")["dnsNames"] = ["etcd.immutable-ledger.svc"]
        self.expect("Certificate etcd-peer: lacks the name etcd-")

    def test_quota_that_is_not_etcds(self) -> None:
        container = self.container("Deployment", "ledger-service")
        self.variable(container, "LEDGER_ETCD_QUOTA_BYTES")["value"] = "8589934592"
        self.expect("LEDGER_ETCD_QUOTA_BYTES is 8589934592, which is not etcd's quota")

    def test_replica_name_that_the_caller_does_not_expect(self) -> None:
        container = self.container("Deployment", "ledger-service")
        self.variable(container, "LEDGER_INTERNAL_TLS_NAME")["value"] = "replica.example"
        self.expect("Certificate ledger-replica: lacks the name replica.example")


class References(Overlay):
    def test_wrong_selector_of_a_service(self) -> None:
        self.spec("Service", "ledger-service")["selector"] = {"app": "ledger"}
        self.expect("Service ledger-service: selects no pod")

    def test_wrong_selector_of_a_deployment(self) -> None:
        selector = self.spec("Deployment", "ledger-service")["selector"]
        selector["matchLabels"] = {"app.kubernetes.io/name": "ledger"}
        self.expect("does not select its own pods")

    def test_wrong_selector_of_a_budget(self) -> None:
        budget = self.spec("PodDisruptionBudget", "etcd")
        budget["selector"]["matchLabels"] = {"app": "etcd"}
        self.expect("PodDisruptionBudget etcd: selects no pod")

    def test_wrong_port(self) -> None:
        self.container("Deployment", "ledger-service")["ports"][0]["containerPort"] = 50050
        self.expect("port 50051", "its ports are not")

    def test_probe_of_a_port_that_is_not_there(self) -> None:
        probe = self.container("StatefulSet", "etcd")["livenessProbe"]
        probe["httpGet"]["port"] = "health"
        self.expect("livenessProbe asks port health")

    def test_missing_secret(self) -> None:
        volume = self.pod("Deployment", "ledger-service")["volumes"][0]
        volume["secret"]["secretName"] = "etcd-clients"
        self.expect("nobody makes the secret etcd-clients", "of nothing, not")

    def test_missing_key_of_a_secret(self) -> None:
        container = self.container("Deployment", "ledger-service")
        reference = self.variable(container, "ETCD_PASSWORD")["valueFrom"]["secretKeyRef"]
        reference["key"] = "pass"
        self.expect("nobody makes the secret etcd-ledger-user with pass")

    def test_missing_config_map(self) -> None:
        name = self.manifests.all("ConfigMap")[0]["metadata"]["name"]
        self.remove("ConfigMap", name)
        self.expect(
            "there is no ConfigMap", "etcd's endpoints are", "--initial-cluster is", "a quota of 0",
            "GOMEMLIMIT is not", "raft may keep 0",
        )

    def test_missing_volume_claim(self) -> None:
        self.remove("PersistentVolumeClaim", "etcd-backups")
        self.expect("there is no PersistentVolumeClaim etcd-backups")

    def test_missing_storage_class(self) -> None:
        self.remove("StorageClass", "etcd-ssd")
        self.expect("there is no StorageClass etcd-ssd")

    def test_missing_service_account(self) -> None:
        self.remove("ServiceAccount", "etcd-operations")
        self.expect("there is no ServiceAccount etcd-operations")

    def test_token_that_is_mounted(self) -> None:
        self.pod("StatefulSet", "etcd")["automountServiceAccountToken"] = True
        self.expect("StatefulSet etcd: a service account's token is mounted")

    def test_mount_of_a_volume_that_is_not_there(self) -> None:
        for kind in ("containers", "initContainers"):
            self.pod("StatefulSet", "etcd")[kind][0]["volumeMounts"][0]["name"] = "disk"
        self.expect("mounts disk, which is no volume", "nothing mounts the volume data")

    def test_mount_by_sub_path(self) -> None:
        mount = self.container("Deployment", "ledger-service")["volumeMounts"][0]
        mount["subPath"] = "tls.crt"
        self.expect("by subPath, where renewals do not arrive")

    def test_links_of_services(self) -> None:
        self.pod("Deployment", "ledger-service")["enableServiceLinks"] = True
        self.expect("enableServiceLinks")

    def test_number_of_replicas_beside_an_autoscaler(self) -> None:
        self.spec("Deployment", "ledger-service")["replicas"] = 3
        self.expect("replicas would undo")

    def test_image_without_a_tag(self) -> None:
        self.container("CronJob", "etcd-bootstrap-auth")["image"] = "immutable-ledger-ops"
        self.expect("unexpected image immutable-ledger-ops")


    def test_job(self) -> None:
        job = copy.deepcopy(self.get("CronJob", "etcd-backup"))
        job |= {"kind": "Job", "apiVersion": "batch/v1", "spec": job["spec"]["jobTemplate"]["spec"]}
        self.manifests.objects.append(job)
        self.expect("Job etcd-backup: a Job cannot be changed")

    def test_claim_without_what_the_server_adds(self) -> None:
        del self.spec("StatefulSet", "etcd")["volumeClaimTemplates"][0]["spec"]["volumeMode"]
        self.expect("lacks what the server adds to a claim")

    def test_missing_priority(self) -> None:
        self.remove("PriorityClass", "immutable-ledger")
        self.expect("there is no PriorityClass immutable-ledger")


class Network(Overlay):
    def test_nothing_denied(self) -> None:
        self.remove("NetworkPolicy", "default-deny")
        self.expect("none denies everything")

    def test_policy_for_nobody(self) -> None:
        policy = self.spec("NetworkPolicy", "etcd-operations")
        policy["podSelector"]["matchLabels"] = {"app.kubernetes.io/name": "jobs"}
        self.expect("etcd-operations: selects no pod", "cannot leave the caller")

    def test_callee_closed(self) -> None:
        peers = self.spec("NetworkPolicy", "etcd")["ingress"][0]["from"]
        del peers[0]
        self.expect("Deployment ledger-service to StatefulSet etcd, port 2379, cannot enter")

    def test_wrong_port(self) -> None:
        self.spec("NetworkPolicy", "etcd")["egress"][0]["ports"][1]["port"] = 2389
        self.expect("port 2389 is not one of StatefulSet etcd", "port 2380, cannot leave")

    def test_every_namespace_let_in(self) -> None:
        rule = self.spec("NetworkPolicy", "ledger-service")["ingress"][0]
        rule["from"] = [{"namespaceSelector": {}}]
        self.expect("lets in the namespaces {}")

    def test_all_ports_open(self) -> None:
        del self.spec("NetworkPolicy", "ledger-service")["ingress"][2]["ports"]
        self.expect("lets in all peers or all ports")


class Security(Overlay):
    def test_namespace_that_enforces_nothing(self) -> None:
        labels = self.get("Namespace", "immutable-ledger")["metadata"]["labels"]
        labels["pod-security.kubernetes.io/enforce"] = "baseline"
        self.expect("enforce is not restricted")

    def test_root(self) -> None:
        del self.pod("CronJob", "etcd-backup")["securityContext"]["runAsNonRoot"]
        self.expect("CronJob etcd-backup: may run as root")

    def test_writable_root_file_system(self) -> None:
        context = self.container("Deployment", "ledger-service")["securityContext"]
        context["readOnlyRootFilesystem"] = False
        self.expect("can write to its root file system")

    def test_capability(self) -> None:
        context = self.container("StatefulSet", "etcd")["securityContext"]
        context["capabilities"]["add"] = ["SYS_ADMIN"]
        self.expect("does not drop all capabilities")

    def test_folder_of_the_host(self) -> None:
        volumes = self.pod("CronJob", "etcd-backup")["volumes"]
        volumes[1] = {"name": "backups", "hostPath": {"path": "/srv"}}
        self.expect("of a forbidden type")


class Settings(Overlay):
    def test_setting_that_the_service_does_not_have(self) -> None:
        container = self.container("Deployment", "ledger-service")
        self.variable(container, "LOG_FORMAT")["name"] = "LEDGER_LOG_FORMAT"
        self.expect("no setting LEDGER_LOG_FORMAT")

    def test_address_that_leaves_out_ipv6(self) -> None:
        container = self.container("Deployment", "ledger-service")
        container["env"].append({"name": "LEDGER_BIND_ADDRESS", "value": "0.0.0.0"})
        self.expect("LEDGER_BIND_ADDRESS leaves out IPv4 or IPv6")

    def test_setting_that_a_script_does_not_have(self) -> None:
        container = self.container("CronJob", "etcd-backup")
        self.variable(container, "BACKUP_KEEP_DAYS")["name"] = "KEEP_FOR_EVER"
        self.expect("etcd-backup.sh does not read KEEP_FOR_EVER")

    def test_other_certificate_at_the_path(self) -> None:
        container = self.container("Deployment", "ledger-service")
        self.variable(container, "LEDGER_TLS_CERT")["value"] = "/etc/ledger/replica/tls.crt"
        self.expect("LEDGER_TLS_CERT is tls.crt of ledger-replica")

    def test_key_and_certificate_confused(self) -> None:
        arguments = self.container("StatefulSet", "etcd")["args"]
        index = arguments.index("--peer-key-file=/etc/etcd/peer/tls.key")
        arguments[index] = "--peer-key-file=/etc/etcd/peer/tls.crt"
        self.expect("--peer-key-file is tls.crt of etcd-peer", "rejoin has other flags")

    def test_clients_without_certificates(self) -> None:
        self.container("StatefulSet", "etcd")["args"].remove("--client-cert-auth=true")
        self.expect("--client-cert-auth is None", "rejoin has other flags")

    def test_member_that_nobody_is_told_of(self) -> None:
        self.spec("StatefulSet", "etcd")["replicas"] = 5
        self.expect("etcd's endpoints are", "--initial-cluster is")

    def test_even_number_of_members(self) -> None:
        self.spec("StatefulSet", "etcd")["replicas"] = 2
        self.expect("an even number", "etcd's endpoints are", "--initial-cluster is")

    def test_other_release_of_etcd_than_of_its_tools(self) -> None:
        container = self.container("StatefulSet", "etcd")
        container["image"] = "gcr.io/etcd-development/etcd:v3.5.2"
        self.expect("takes etcd's tools from another image")

    def test_volumes_that_go_with_the_set(self) -> None:
        self.spec("StatefulSet", "etcd")["persistentVolumeClaimRetentionPolicy"] = {
            "whenDeleted": "Delete",
            "whenScaled": "Retain",
        }
        self.expect("its volumes may be deleted")

    def test_liveness_that_depends_on_etcd(self) -> None:
        probe = self.container("Deployment", "ledger-service")["livenessProbe"]
        probe["httpGet"]["path"] = "/readyz"
        self.expect("livenessProbe is not /livez")

    def test_too_little_time_to_stop(self) -> None:
        self.pod("Deployment", "ledger-service")["terminationGracePeriodSeconds"] = 20
        self.expect("may be killed before it has stopped")

    def test_half_of_tls(self) -> None:
        container = self.container("Deployment", "ledger-service")
        container["env"].remove(self.variable(container, "LEDGER_TLS_KEY"))
        self.expect("LEDGER_TLS_KEY is missing")

    def test_schema(self) -> None:
        self.assertEqual(list(check_schemas(self.manifests)), [])
        self.spec("Deployment", "ledger-service")["replica"] = 3
        found = list(check_schemas(self.manifests))
        self.assertEqual(len(found), 4, found)
        self.assertIn("replica", found[0])


    def test_quota_that_does_not_fit_the_memory(self) -> None:
        for config in self.manifests.all("ConfigMap"):
            config["data"]["quota-backend-bytes"] = "8589934592"
        self.expect("a quota of 8589934592 bytes does not fit")

    def test_memory_that_the_collector_does_not_know(self) -> None:
        container = self.container("StatefulSet", "etcd")
        container["env"].remove(self.variable(container, "GOMEMLIMIT"))
        self.expect("GOMEMLIMIT is not between")

    def test_transactions_that_fill_the_memory(self) -> None:
        for config in self.manifests.all("ConfigMap"):
            config["data"]["snapshot-catchup-entries"] = "5000"
        self.expect("too many for")

    def test_member_that_does_not_come_back(self) -> None:
        del self.pod("StatefulSet", "etcd")["initContainers"]
        self.expect("does not come back by itself", "nothing mounts the volume", "port 2382")

    def test_member_that_comes_back_with_other_flags(self) -> None:
        rejoin = self.pod("StatefulSet", "etcd")["initContainers"][0]
        rejoin["args"] = rejoin["args"][:-1]
        self.expect("rejoin has other flags than etcd")

    def test_member_that_comes_back_without_a_variable(self) -> None:
        rejoin = self.pod("StatefulSet", "etcd")["initContainers"][0]
        rejoin["env"].remove(self.variable(rejoin, "QUOTA_BACKEND_BYTES"))
        self.expect("rejoin lacks QUOTA_BACKEND_BYTES")


class Components(Overlay):
    """prod with the archive in a bucket, tiles, traces and witnesses."""

    name = "prod-components"

    def test_all_of_the_cluster_let_out_to(self) -> None:
        block = self.spec("NetworkPolicy", "ledger-witnesses")["egress"][0]["to"][0]["ipBlock"]
        block["except"].remove("169.254.0.0/16")
        self.expect("lets out to addresses that are not public")

    def test_more_than_https_let_out(self) -> None:
        self.spec("NetworkPolicy", "ledger-witnesses")["egress"][0]["ports"].append({"port": 80})
        self.expect("opens more than HTTPS")

    def test_port_of_tiles_that_is_another(self) -> None:
        container = self.container("Deployment", "ledger-service")
        self.variable(container, "LEDGER_TILES_PORT")["value"] = "8081"
        self.expect("its ports are not")

    def test_key_of_the_archive_that_is_nowhere(self) -> None:
        container = self.container("Deployment", "ledger-service")
        name = "LEDGER_ARCHIVE_SECRET_KEY_FILE"
        self.variable(container, name)["value"] = "/etc/ledger/keys/secret"
        self.expect("nothing is mounted where /etc/ledger/keys/secret is")

    def test_collector_at_a_port_that_is_closed(self) -> None:
        self.spec("NetworkPolicy", "ledger-traces")["egress"][0]["ports"] = [{"port": 4317}]
        self.expect("no policy lets it out to its collector at http://otel-collector")

    def test_collector_without_a_way_out(self) -> None:
        self.remove("NetworkPolicy", "ledger-traces")
        self.expect("no policy lets it out to its collector")

    def test_collector_inside_with_a_way_to_the_outside_only(self) -> None:
        container = self.container("Deployment", "ledger-service")
        endpoint = self.variable(container, "OTEL_EXPORTER_OTLP_ENDPOINT")
        endpoint.pop("valueFrom", None)
        endpoint["value"] = "https://otel-collector.observability"
        self.expect("no policy lets it out to its collector at https://otel-collector.observability")

    def test_collector_of_any_namespace(self) -> None:
        peer = self.spec("NetworkPolicy", "ledger-traces")["egress"][0]["to"][0]
        peer["namespaceSelector"] = {}
        self.expect("lets in the namespaces {}")

    def test_authority_of_the_collector_that_is_nowhere(self) -> None:
        container = self.container("Deployment", "ledger-service")
        file = {"name": "OTEL_EXPORTER_OTLP_CERTIFICATE", "value": "/etc/ledger/collector/ca.crt"}
        container["env"].append(file)
        self.expect("nothing is mounted where /etc/ledger/collector/ca.crt is")


class FolderArchive(Overlay):
    """dev with the archive in a folder."""

    name = "dev-components"

    def test_folder_that_is_on_no_volume(self) -> None:
        container = self.container("Deployment", "ledger-service")
        self.variable(container, "LEDGER_ARCHIVE")["value"] = "file:///srv/archive"
        self.expect("nothing is mounted where /srv/archive is")

    def test_two_replicas_at_one_volume(self) -> None:
        self.spec("Deployment", "ledger-service")["strategy"] = {"type": "RollingUpdate"}
        self.expect("cannot be at two nodes")


class Elsewhere(Overlay):
    """The same manifests, where the one line names another namespace."""

    name = "prod-elsewhere"

    def test_nothing_is_left_in_the_usual_namespace(self) -> None:
        names = {each["metadata"].get("namespace") for each in self.manifests.objects}
        self.assertEqual(names, {"elsewhere", None})
        [namespace] = self.manifests.all("Namespace")
        self.assertEqual(namespace["metadata"]["name"], "elsewhere")
        for certificate in self.manifests.all("Certificate"):
            for name in certificate["spec"].get("dnsNames", []):
                # What replicas are called is no address.
                if certificate["metadata"]["name"] != "ledger-replica":
                    self.assertNotIn("immutable-ledger", name)

    def test_name_that_kept_the_usual_namespace(self) -> None:
        names = self.spec("Certificate", "ledger-service")["dnsNames"]
        names[:] = [each.replace("elsewhere", "immutable-ledger") for each in names]
        self.expect("Certificate ledger-service: lacks the name ledger-service")


class Dev(Overlay):
    name = "dev"

    def test_replicas_without_anything_to_know_each_other_by(self) -> None:
        container = self.container("Deployment", "ledger-service")
        container["env"].remove(self.variable(container, "LEDGER_INTERNAL_TOKEN"))
        self.expect("replicas have nothing to know each other by")


if __name__ == "__main__":
    unittest.main()
