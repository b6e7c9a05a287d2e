"""That etcd, the ledger and the jobs are told what the other objects say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from certificates import covers
from manifests import Manifests, Pod
from network import labels_of

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
    """Every setting of the service, from its source; of secrets also the variables that name a file."""
    text = SETTING_NAMES.read_text()
    names = dict(re.findall(r'case (\w+) = "(\w+)"', text))
    secrets = text.partition("var isSecret")[2].partition("}")[0]
    return set(names.values()) | {
        f"{name}_FILE" for case, name in names.items() if re.search(rf"\.{case}\b", secrets)
    }


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
    expected = dict(LEDGER_PORTS)
    if port := settings.get("LEDGER_TILES_PORT"):
        expected["tiles"] = int(port)
    if pod.ports != expected:
        yield f"{pod.name}: its ports are not {expected}"
    yield from check_archive(pod, settings)
    yield from check_traces(manifests, pod, settings)
    if settings.get("LEDGER_BIND_ADDRESS", "::") != "::":
        yield f"{pod.name}: LEDGER_BIND_ADDRESS leaves out IPv4 or IPv6"
    yield from check_probes(container)
    yield from check_together(pod, {each["name"] for each in container["env"]})
    yield from check_names(manifests, settings)
    grace = pod.spec.get("terminationGracePeriodSeconds", 30)
    wait = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    if wait < 1 or grace < wait + 30:
        yield f"{pod.name}: it may be killed before it has stopped"


def check_archive(pod: Pod, settings: dict[str, str]) -> Iterator[str]:
    """A folder is on a volume, and files with keys are where a secret is mounted."""
    paths = [
        value for name, value in settings.items()
        if name.startswith("LEDGER_ARCHIVE_") and name.endswith(("_FILE", "_CA_CERT"))
    ]
    archive = settings.get("LEDGER_ARCHIVE", "")
    if archive.startswith("file://"):
        paths.append(archive.removeprefix("file://"))
        if pod.owner["spec"].get("strategy", {}).get("type") != "Recreate":
            yield f"{pod.name}: the volume of the archive cannot be at two nodes during an update"
    elif archive and not archive.startswith("s3://"):
        yield f"{pod.name}: LEDGER_ARCHIVE is neither a folder nor a bucket"
    yield from check_mounted(pod, paths)


def check_mounted(pod: Pod, paths: list[str]) -> Iterator[str]:
    mounts = {
        mount["mountPath"]
        for container in pod.containers
        for mount in container.get("volumeMounts", [])
    }
    for path in paths:
        if not any(f"{path}/".startswith(f"{mount}/") for mount in mounts):
            yield f"{pod.name}: nothing is mounted where {path} is"


def may_be_collector(peer: dict[str, Any], host: str) -> bool:
    """Whether a policy's peer can be a collector of that name: in a namespace of its own, or outside the cluster."""
    is_inside = host.count(".") < 2 or ".svc." in f"{host}."
    if "ipBlock" in peer:
        return not is_inside
    # Without a namespace it is the ledger's own; the cluster's DNS is no collector.
    namespace = peer.get("namespaceSelector")
    return (
        is_inside
        and namespace is not None
        and labels_of(namespace).get("kubernetes.io/metadata.name") != "kube-system"
    )


def check_traces(manifests: Manifests, pod: Pod, settings: dict[str, str]) -> Iterator[str]:
    """A policy lets the ledger out to its collector's port, and files for it are where something is mounted."""
    files = ("_FILE", "_CERTIFICATE", "_CLIENT_KEY")
    yield from check_mounted(
        pod,
        [path for name, path in settings.items() if name.startswith("OTEL_") and name.endswith(files)],
    )
    names = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    endpoint = next((settings[name] for name in names if name in settings), None)
    if endpoint is None:
        return
    url = urlsplit(endpoint)
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    outward = {
        open_port["port"]
        for policy in manifests.all("NetworkPolicy")
        if pod in manifests.pods_selected(labels_of(policy["spec"]["podSelector"]))
        for rule in policy["spec"].get("egress", [])
        if any(may_be_collector(peer, url.hostname or "") for peer in rule.get("to", []))
        for open_port in rule.get("ports", [])
    }
    if port not in outward:
        yield f"{pod.name}: no policy lets it out to its collector at {endpoint}"


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
        host = f"{service}.{manifests.namespace}.svc.cluster.local"
        if manifests.get("Service", service) is None:
            yield f"Service {service} is missing"
        if serving and not covers(serving, host):
            yield f"Certificate ledger-service: lacks the name {host}"
    replica = manifests.get("Certificate", "ledger-replica")
    name = settings.get("LEDGER_INTERNAL_TLS_NAME", "ledger-replica.immutable-ledger.svc")
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
            for each in (host, f"{host}.{manifests.namespace}.svc"):
                if certificate and not covers(certificate, each):
                    yield f"Certificate {name}: lacks the name {each}"
    yield from check_rejoin(manifests, pod)
    yield from check_sizes(manifests, pod)
    tools = re.search(r"^ARG ETCD_IMAGE=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    if tools is None or pod.spec["containers"][0]["image"] != tools[1]:
        yield f"{pod.name}: the Dockerfile takes etcd's tools from another image"
    if len(members) % 2 == 0:
        yield f"{pod.name}: an even number of members"
    retention = pod.owner["spec"].get("persistentVolumeClaimRetentionPolicy", {})
    if retention != {"whenDeleted": "Retain", "whenScaled": "Retain"}:
        yield f"{pod.name}: its volumes may be deleted"


def check_rejoin(manifests: Manifests, pod: Pod) -> Iterator[str]:
    """A member that comes back joins as it then runs."""
    [etcd] = pod.spec["containers"]
    found = [each for each in pod.spec.get("initContainers", []) if each["name"] == "rejoin"]
    if not found:
        yield f"{pod.name}: a member that lost its data does not come back by itself"
        return
    rejoin = found[0]
    if rejoin.get("args") != etcd["args"]:
        yield f"{pod.name}: rejoin has other flags than etcd"
    if rejoin.get("resources") != etcd["resources"]:
        yield f"{pod.name}: rejoin has other resources than etcd"
    settings = manifests.environment(rejoin)
    yield from check_files(manifests, pod, settings)
    yield from check_endpoints(manifests, pod, settings.get("ETCDCTL_ENDPOINTS", ""))
    for argument in etcd["args"]:
        for name in re.findall(r"\$\((\w+)\)", argument):
            if name not in {each["name"] for each in rejoin["env"]}:
                yield f"{pod.name}: rejoin lacks {name}, which the flags use"


def number_of_bytes(quantity: str) -> int:
    """A quantity as Kubernetes or as Go writes it; 0 where it is none."""
    match = re.fullmatch(r"(\d+)(?:(Ki|Mi|Gi)B?)?", quantity)
    units = {None: 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
    return int(match[1]) * units[match[2]] if match else 0


def check_sizes(manifests: Manifests, pod: Pod) -> Iterator[str]:
    """docs/etcd.md, "Memory": a member is to run out of quota before it runs out of memory."""
    [etcd] = pod.spec["containers"]
    values = manifests.environment(etcd)
    limit = number_of_bytes(etcd.get("resources", {}).get("limits", {}).get("memory", ""))
    quota = number_of_bytes(values.get("QUOTA_BACKEND_BYTES", ""))
    goal = number_of_bytes(values.get("GOMEMLIMIT", ""))
    kept = number_of_bytes(values.get("ETCD_SNAPSHOT_CATCHUP_ENTRIES", ""))
    if not 0 < quota <= limit // 2:
        yield f"{pod.name}: a quota of {quota} bytes does not fit {limit} bytes of memory"
    if not limit * 3 // 4 <= goal <= limit * 9 // 10:
        yield f"{pod.name}: GOMEMLIMIT is not between 75 and 90 % of the limit of memory"
    # With batches of 1,000 events a transaction has about 350 kB.
    if not 0 < kept * 350_000 <= limit // 4:
        yield f"{pod.name}: raft may keep {kept} transactions, too many for {limit} bytes of memory"


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
