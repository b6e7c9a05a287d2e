"""That etcd, the ledger and the jobs are told what the other objects say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from certificates import covers
from manifests import NAMESPACE, Manifests, Pod

ROOT = Path(__file__).parents[2]
SETTING_NAMES = ROOT / "Sources/LedgerServer/Configuration/SettingName.swift"
# The port of each setting's default; the manifests set none of them.
LEDGER_PORTS = {"grpc": 50051, "internal": 50052, "admin": 9464}
CERTIFICATE_SETTINGS = {
    "ETCD_CA_CERT": ("etcd-client", "ca.crt"),
    "ETCD_CLIENT_CERT": ("etcd-client", "tls.crt"),
    "ETCD_CLIENT_KEY": ("etcd-client", "tls.key"),
    "LEDGER_TLS_CERT": ("ledger-service", "tls.crt"),
    "LEDGER_TLS_KEY": ("ledger-service", "tls.key"),
    "LEDGER_INTERNAL_TLS_CERT": ("ledger-replica", "tls.crt"),
    "LEDGER_INTERNAL_TLS_KEY": ("ledger-replica", "tls.key"),
    "LEDGER_INTERNAL_TLS_CA": ("ledger-replica", "ca.crt"),
    "ETCDCTL_CACERT": ("etcd-operations", "ca.crt"),
    "ETCDCTL_CERT": ("etcd-operations", "tls.crt"),
    "ETCDCTL_KEY": ("etcd-operations", "tls.key"),
    "--cert-file": ("etcd-server", "tls.crt"),
    "--key-file": ("etcd-server", "tls.key"),
    "--trusted-ca-file": ("etcd-server", "ca.crt"),
    "--peer-cert-file": ("etcd-peer", "tls.crt"),
    "--peer-key-file": ("etcd-peer", "tls.key"),
    "--peer-trusted-ca-file": ("etcd-peer", "ca.crt"),
}


def setting_names() -> set[str]:
    """Every setting of the service, from its source."""
    return set(re.findall(r'case \w+ = "(\w+)"', SETTING_NAMES.read_text()))


def check_settings(manifests: Manifests) -> Iterator[str]:
    for pod in manifests.pods():
        if pod.name == "Deployment ledger-service":
            yield from check_ledger(manifests, pod)
        elif pod.name == "StatefulSet etcd":
            yield from check_etcd(manifests, pod)
        else:
            yield from check_job(manifests, pod)


def check_files(manifests: Manifests, pod: Pod, settings: dict[str, str]) -> Iterator[str]:
    for name, (expected, key) in CERTIFICATE_SETTINGS.items():
        if name in settings:
            certificate, found = manifests.certificate_for(pod, settings[name])
            actual = certificate["metadata"]["name"] if certificate else "nothing"
            if (actual, found) != (expected, key):
                yield f"{pod.name}: {name} is {found} of {actual}, not {key} of {expected}"


def check_endpoints(manifests: Manifests, pod: Pod, endpoints: str) -> Iterator[str]:
    expected = [f"https://{member}:2379" for member in manifests.etcd_members()]
    if endpoints.split(",") != expected:
        yield f"{pod.name}: etcd's endpoints are {endpoints}, the members {','.join(expected)}"


def check_quota(manifests: Manifests, pod: Pod, quota: str) -> Iterator[str]:
    for ordinal in range(len(manifests.etcd_members())):
        if f"--quota-backend-bytes={quota}" not in manifests.etcd_arguments(ordinal):
            yield f"{pod.name}: LEDGER_ETCD_QUOTA_BYTES is {quota}, which is not etcd's quota"
            return


def check_ledger(manifests: Manifests, pod: Pod) -> Iterator[str]:
    container = pod.spec["containers"][0]
    for variable in container["env"]:
        if variable["name"] not in setting_names():
            yield f"{pod.name}: the service has no setting {variable['name']}"
    settings = manifests.environment(container)
    yield from check_files(manifests, pod, settings)
    yield from check_endpoints(manifests, pod, settings.get("ETCD_ENDPOINTS", ""))
    yield from check_quota(manifests, pod, settings.get("LEDGER_ETCD_QUOTA_BYTES", ""))
    if pod.ports != LEDGER_PORTS:
        yield f"{pod.name}: its ports are not {LEDGER_PORTS}"
    if settings.get("LEDGER_BIND_ADDRESS", "::") != "::":
        yield f"{pod.name}: LEDGER_BIND_ADDRESS leaves out IPv4 or IPv6"
    yield from check_probes(container)
    yield from check_together(pod, {each["name"] for each in container["env"]})
    yield from check_names(manifests, settings)
    grace = pod.spec.get("terminationGracePeriodSeconds", 30)
    wait = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
    if wait[:1] != ["/bin/sleep"] or grace < int(wait[1]) + 30:
        yield f"{pod.name}: it may be killed before it has stopped"


def check_probes(container: dict[str, Any]) -> Iterator[str]:
    paths = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    for probe, path in paths.items():
        action = container.get(probe, {}).get("httpGet", {})
        if (action.get("path"), action.get("port")) != (path, "admin"):
            yield f"Deployment ledger-service: {probe} is not {path} on the admin port"


def check_together(pod: Pod, names: set[str]) -> Iterator[str]:
    """Settings that only make sense with others."""
    internal_tls = {f"LEDGER_INTERNAL_TLS_{each}" for each in ("CERT", "KEY", "CA")}
    for group in ({"LEDGER_TLS_CERT", "LEDGER_TLS_KEY"}, internal_tls):
        if names & group and not group <= names:
            yield f"{pod.name}: {', '.join(sorted(group - names))} is missing"
    if not names & (internal_tls | {"LEDGER_INTERNAL_TOKEN"}):
        yield f"{pod.name}: replicas have nothing to know each other by"
    if not {"ETCD_USERNAME", "ETCD_PASSWORD", "POD_IP"} <= names:
        yield f"{pod.name}: etcd's user or POD_IP is missing"


def check_names(manifests: Manifests, settings: dict[str, str]) -> Iterator[str]:
    """The names by which the ledger is called, against its certificates."""
    serving = manifests.get("Certificate", "ledger-service")
    for service in ("ledger-service", "ledger-service-headless"):
        host = f"{service}.{NAMESPACE}.svc.cluster.local"
        if manifests.get("Service", service) is None:
            yield f"Service {service} is missing"
        if serving and not covers(serving, host):
            yield f"Certificate ledger-service: lacks the name {host}"
    replica = manifests.get("Certificate", "ledger-replica")
    name = settings.get("LEDGER_INTERNAL_TLS_NAME", f"ledger-replica.{NAMESPACE}.svc")
    if replica and not covers(replica, name):
        yield f"Certificate ledger-replica: lacks the name {name}"


def check_etcd(manifests: Manifests, pod: Pod) -> Iterator[str]:
    members = manifests.etcd_members()
    for ordinal, host in enumerate(members):
        flags = dict(argument.split("=", 1) for argument in manifests.etcd_arguments(ordinal))
        yield from check_files(manifests, pod, flags)
        expected = {
            "--name": f"etcd-{ordinal}",
            "--advertise-client-urls": f"https://{host}:2379",
            "--initial-advertise-peer-urls": f"https://{host}:2380",
            "--initial-cluster": ",".join(
                f"etcd-{other}=https://{name}:2380" for other, name in enumerate(members)
            ),
            "--listen-client-urls": f"https://0.0.0.0:{pod.ports.get('client')}",
            "--listen-peer-urls": f"https://0.0.0.0:{pod.ports.get('peer')}",
            "--listen-metrics-urls": f"http://0.0.0.0:{pod.ports.get('metrics')}",
            "--client-cert-auth": "true",
            "--peer-client-cert-auth": "true",
        }
        for flag, value in expected.items():
            if flags.get(flag) != value:
                yield f"{pod.name}: {flag} is {flags.get(flag)}, not {value}"
        for name in ("etcd-server", "etcd-peer"):
            certificate = manifests.get("Certificate", name)
            if certificate and not covers(certificate, host):
                yield f"Certificate {name}: lacks the name {host}"
    tools = re.search(r"^ARG ETCD_IMAGE=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    if tools is None or pod.spec["containers"][0]["image"] != tools[1]:
        yield f"{pod.name}: the Dockerfile takes etcd's tools from another image"
    if len(members) % 2 == 0:
        yield f"{pod.name}: an even number of members"
    retention = pod.owner["spec"].get("persistentVolumeClaimRetentionPolicy", {})
    if retention != {"whenDeleted": "Retain", "whenScaled": "Retain"}:
        yield f"{pod.name}: its volumes may be deleted"


def check_job(manifests: Manifests, pod: Pod) -> Iterator[str]:
    container = pod.spec["containers"][0]
    settings = manifests.environment(container)
    yield from check_files(manifests, pod, settings)
    yield from check_endpoints(manifests, pod, settings.get("ETCDCTL_ENDPOINTS", ""))
    script = ROOT / "k8s/ops" / Path(container["command"][0]).name
    if not script.is_file():
        yield f"{pod.name}: there is no script {script.name}"
        return
    text = script.read_text() + (script.parent / "etcd-common.sh").read_text()
    for variable in container["env"]:
        if variable["name"] not in text:
            yield f"{pod.name}: {script.name} does not read {variable['name']}"
    paths = {mount["mountPath"] for mount in container["volumeMounts"]}
    if (folder := settings.get("BACKUP_DIRECTORY")) and folder not in paths:
        yield f"{pod.name}: nothing is mounted at {folder}"
