"""Kubernetes' Pod Security Standard "restricted", which the namespace enforces."""

from __future__ import annotations

from collections.abc import Iterator

from manifests import Manifests

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}


def check_pod_security(manifests: Manifests) -> Iterator[str]:
    namespace = manifests.get("Namespace", manifests.namespace) or {"metadata": {}}
    for mode in ("enforce", "audit", "warn"):
        label = f"pod-security.kubernetes.io/{mode}"
        if namespace["metadata"].get("labels", {}).get(label) != "restricted":
            yield f"Namespace {manifests.namespace}: {label} is not restricted"
    for pod in manifests.pods():
        context = pod.spec.get("securityContext", {})
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.spec.get(field):
                yield f"{pod.name}: {field}"
        if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
            yield f"{pod.name}: may run as root"
        if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{pod.name}: seccompProfile is not RuntimeDefault"
        for volume in pod.spec.get("volumes", []):
            if not volume.keys() - {"name"} <= VOLUMES:
                yield f"{pod.name}: the volume {volume['name']} is of a forbidden type"
        for container in pod.containers:
            security = container.get("securityContext", {})
            where = f"{pod.name}, container {container['name']}"
            if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
                yield f"{where}: may gain privileges"
            if security.get("capabilities") != {"drop": ["ALL"]}:
                yield f"{where}: does not drop all capabilities"
            if security.get("readOnlyRootFilesystem") is not True:
                yield f"{where}: can write to its root file system"
            if security.get("runAsUser") == 0 or security.get("runAsNonRoot") is False:
                yield f"{where}: may run as root"
            if any("hostPort" in port for port in container.get("ports", [])):
                yield f"{where}: has a hostPort"
