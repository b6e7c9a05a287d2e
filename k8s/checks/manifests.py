"""The objects of one rendered overlay, and how they point at each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# What is there before anything is applied: passwords have no place in manifests.
GENERATED_SECRETS = {
    "etcd-root-user": {"username", "password"},
    "etcd-ledger-user": {"username", "password"},
    "ledger-internal-token": {"token"},
    "ledger-signing-key": {"signing.pem"},
    # Only with components/archive-bucket.
    "ledger-archive-key": {"access-key-id", "secret-access-key"},
}


@dataclass(frozen=True)
class Pod:
    """A pod as its owner (Deployment, StatefulSet, Job or CronJob) makes it."""

    owner: dict[str, Any]
    template: dict[str, Any]

    @property
    def name(self) -> str:
        return title(self.owner)

    @property
    def labels(self) -> dict[str, str]:
        return self.template["metadata"].get("labels", {})

    @property
    def spec(self) -> dict[str, Any]:
        return self.template["spec"]

    @property
    def containers(self) -> list[dict[str, Any]]:
        return self.spec.get("initContainers", []) + self.spec["containers"]

    @property
    def ports(self) -> dict[str, int]:
        """Container ports by name."""
        return {
            port["name"]: port["containerPort"]
            for container in self.containers
            for port in container.get("ports", [])
        }

    def port(self, reference: int | str) -> int | None:
        """The number of a port that is given by number or name; None where the pod has none."""
        if isinstance(reference, str):
            return self.ports.get(reference)
        return reference if reference in self.ports.values() else None


class Manifests:
    def __init__(self, objects: list[dict[str, Any]]) -> None:
        self.objects = objects

    @classmethod
    def load(cls, path: Path) -> Manifests:
        return cls([each for each in yaml.safe_load_all(path.read_text()) if each])

    @property
    def namespace(self) -> str:
        """The namespace that the manifests bring along, in which everything has to be."""
        found = self.all("Namespace")
        return found[0]["metadata"]["name"] if found else ""

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.objects if each["kind"] == kind]

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        found = (each for each in self.all(kind) if each["metadata"]["name"] == name)
        return next(found, None)

    def pods(self) -> Iterator[Pod]:
        for each in self.objects:
            match each["kind"]:
                case "Deployment" | "StatefulSet" | "Job":
                    yield Pod(each, each["spec"]["template"])
                case "CronJob":
                    yield Pod(each, each["spec"]["jobTemplate"]["spec"]["template"])

    def pods_selected(self, labels: dict[str, str]) -> list[Pod]:
        return [pod for pod in self.pods() if labels.items() <= pod.labels.items()]

    def secret_keys(self, name: str) -> set[str] | None:
        """The keys of a secret that deploy.sh or a Certificate makes; None where nobody does."""
        for certificate in self.all("Certificate"):
            if certificate["spec"].get("secretName") == name:
                return {"ca.crt", "tls.crt", "tls.key"}
        return GENERATED_SECRETS.get(name)

    def certificate_for(self, pod: Pod, path: str) -> tuple[dict[str, Any] | None, str]:
        """The Certificate whose secret a pod sees at this path, and the key in the secret."""
        folder, _, key = path.rpartition("/")
        for container in pod.containers:
            for mount in container.get("volumeMounts", []):
                if mount["mountPath"] == folder:
                    volumes = {each["name"]: each for each in pod.spec.get("volumes", [])}
                    secret = volumes.get(mount["name"], {}).get("secret", {}).get("secretName")
                    for certificate in self.all("Certificate"):
                        if certificate["spec"].get("secretName") == secret:
                            return certificate, key
        return None, key

    def environment(self, container: dict[str, Any]) -> dict[str, str]:
        """The container's variables whose values stand in the manifests."""
        values = {}
        for variable in container.get("env", []):
            if "value" in variable:
                values[variable["name"]] = variable["value"]
            elif reference := variable.get("valueFrom", {}).get("configMapKeyRef"):
                data = (self.get("ConfigMap", reference["name"]) or {}).get("data", {})
                values[variable["name"]] = data.get(reference["key"], "")
        return values

    def etcd_members(self) -> list[str]:
        """The names by which members and clients find the members of the cluster."""
        etcd = self.get("StatefulSet", "etcd")
        if etcd is None:
            return []
        service = etcd["spec"]["serviceName"]
        return [
            f"etcd-{ordinal}.{service}"
            for ordinal in range(etcd["spec"].get("replicas", 1))
        ]

    def etcd_arguments(self, ordinal: int) -> list[str]:
        """The arguments of one member, as Kubernetes would fill them in."""
        container = self.get("StatefulSet", "etcd")["spec"]["template"]["spec"]["containers"][0]
        values = self.environment(container) | {"POD_NAME": f"etcd-{ordinal}"}
        return [
            re.sub(r"\$\((\w+)\)", lambda match: values[match[1]], argument)
            for argument in container["args"]
        ]


def title(each: dict[str, Any]) -> str:
    return f"{each['kind']} {each['metadata']['name']}"
