"""That what one object names, another one is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from manifests import Manifests, Pod, title

CLUSTER_SCOPED = {"Namespace", "StorageClass", "PriorityClass"}
IMAGES = {"gcr.io/etcd-development/etcd", "immutable-ledger", "immutable-ledger-ops"}


def check_references(manifests: Manifests) -> Iterator[str]:
    for name, count in Counter(title(each) for each in manifests.objects).items():
        if count > 1:
            yield f"{name}: there are {count}"
    for each in manifests.objects:
        namespace = each["metadata"].get("namespace")
        if each["kind"] not in CLUSTER_SCOPED and namespace != manifests.namespace:
            yield f"{title(each)}: not in the namespace {manifests.namespace}"
        if each["kind"] == "Job":
            yield f"{title(each)}: a Job cannot be changed, so applying fails the second time"
    for pod in manifests.pods():
        yield from check_pod(manifests, pod)
        yield from check_selectors_of(pod)
    for service in manifests.all("Service"):
        yield from check_service(manifests, service)
    for budget in manifests.all("PodDisruptionBudget"):
        if not manifests.pods_selected(budget["spec"]["selector"]["matchLabels"]):
            yield f"{title(budget)}: selects no pod"
    claims = manifests.all("PersistentVolumeClaim")
    for owner in manifests.all("StatefulSet"):
        templates = owner["spec"].get("volumeClaimTemplates", [])
        claims = [*claims, *templates]
        for template in templates:
            if not {"apiVersion", "kind"} <= template.keys() or "volumeMode" not in template["spec"]:
                yield f"{title(owner)}: lacks what the server adds to a claim, and so always differs"
    for claim in claims:
        storage_class = claim["spec"].get("storageClassName")
        if storage_class and manifests.get("StorageClass", storage_class) is None:
            yield f"claim {claim['metadata']['name']}: there is no StorageClass {storage_class}"
    for autoscaler in manifests.all("HorizontalPodAutoscaler"):
        target = autoscaler["spec"]["scaleTargetRef"]
        scaled = manifests.get(target["kind"], target["name"])
        if scaled is None:
            yield f"{title(autoscaler)}: there is no {target['kind']} {target['name']}"
        elif "replicas" in scaled["spec"]:
            yield f"{title(scaled)}: replicas would undo what {title(autoscaler)} does"


def check_pod(manifests: Manifests, pod: Pod) -> Iterator[str]:
    spec = pod.spec
    account = manifests.get("ServiceAccount", spec.get("serviceAccountName", ""))
    if account is None:
        yield f"{pod.name}: there is no ServiceAccount {spec.get('serviceAccountName')}"
    for mounts_token in (spec, account or {}):
        if mounts_token.get("automountServiceAccountToken", account is not None):
            yield f"{pod.name}: a service account's token is mounted"
    priority = spec.get("priorityClassName")
    if priority and manifests.get("PriorityClass", priority) is None:
        yield f"{pod.name}: there is no PriorityClass {priority}"
    if spec.get("enableServiceLinks", True):
        yield f"{pod.name}: enableServiceLinks would set variables that look like settings"
    yield from check_volumes(manifests, pod)
    for container in pod.containers:
        yield from check_container(manifests, pod, container)
    scraped = pod.template["metadata"].get("annotations", {}).get("prometheus.io/port")
    if scraped and int(scraped) not in pod.ports.values():
        yield f"{pod.name}: prometheus.io/port {scraped} is not a port of it"


def check_volumes(manifests: Manifests, pod: Pod) -> Iterator[str]:
    claims = {each["metadata"]["name"] for each in manifests.all("PersistentVolumeClaim")}
    volumes = {each["name"]: each for each in pod.spec.get("volumes", [])}
    templates = pod.owner["spec"].get("volumeClaimTemplates", [])
    mounted = set()
    for volume in volumes.values():
        if "secret" in volume and manifests.secret_keys(volume["secret"]["secretName"]) is None:
            yield f"{pod.name}: nobody makes the secret {volume['secret']['secretName']}"
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim and claim not in claims:
            yield f"{pod.name}: there is no PersistentVolumeClaim {claim}"
    for template in templates:
        volumes[template["metadata"]["name"]] = template
    for container in pod.containers:
        for mount in container.get("volumeMounts", []):
            mounted.add(mount["name"])
            if mount["name"] not in volumes:
                yield f"{pod.name}: mounts {mount['name']}, which is no volume of it"
            elif "secret" in volumes[mount["name"]] and "subPath" in mount:
                yield f"{pod.name}: mounts {mount['name']} by subPath, where renewals do not arrive"
    for name in volumes.keys() - mounted:
        yield f"{pod.name}: nothing mounts the volume {name}"


def check_container(
    manifests: Manifests, pod: Pod, container: dict[str, Any]
) -> Iterator[str]:
    image, _, tag = container["image"].rpartition(":")
    if image not in IMAGES or tag in ("", "latest"):
        yield f"{pod.name}: unexpected image {container['image']}"
    names = Counter(variable["name"] for variable in container.get("env", []))
    for name, count in names.items():
        if count > 1:
            yield f"{pod.name}: {name} is set {count} times"
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {})
        if reference := source.get("secretKeyRef"):
            name, key = reference["name"], reference["key"]
            if key not in (manifests.secret_keys(name) or ()):
                yield f"{pod.name}: nobody makes the secret {name} with {key}"
        if reference := source.get("configMapKeyRef"):
            name, key = reference["name"], reference["key"]
            found = manifests.get("ConfigMap", name) or {}
            if not found.get("data", {}).get(key):
                yield f"{pod.name}: there is no ConfigMap {name} with {key}"
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        action = container.get(probe, {}).get("httpGet")
        if action and pod.port(action["port"]) is None:
            yield f"{pod.name}: {probe} asks port {action['port']}, which is no port of it"
        if container.get("ports") and not action and container in pod.spec["containers"]:
            yield f"{pod.name}: has no {probe} over HTTP"
    resources = container.get("resources", {})
    if not resources.get("requests", {}).keys() >= {"cpu", "memory"}:
        yield f"{pod.name}: requests no cpu or memory"
    if "memory" not in resources.get("limits", {}):
        yield f"{pod.name}: has no limit of memory"


def check_selectors_of(pod: Pod) -> Iterator[str]:
    """Selectors by which a pod's owner and its scheduling mean the pod itself."""
    selectors = [pod.owner["spec"].get("selector", {})]
    selectors += [each["labelSelector"] for each in pod.spec.get("topologySpreadConstraints", [])]
    anti_affinity = pod.spec.get("affinity", {}).get("podAntiAffinity", {})
    for term in anti_affinity.get("requiredDuringSchedulingIgnoredDuringExecution", []):
        selectors.append(term["labelSelector"])
    for selector in selectors:
        if not selector.get("matchLabels", {}).items() <= pod.labels.items():
            yield f"{pod.name}: {selector['matchLabels']} does not select its own pods"


def check_service(manifests: Manifests, service: dict[str, Any]) -> Iterator[str]:
    pods = manifests.pods_selected(service["spec"]["selector"])
    if not pods:
        yield f"{title(service)}: selects no pod"
    for pod in pods:
        for port in service["spec"]["ports"]:
            if pod.port(port.get("targetPort", port["port"])) != port["port"]:
                yield f"{title(service)}: port {port['port']} is not one of {pod.name}"
    for owner in manifests.all("StatefulSet"):
        named = manifests.get("Service", owner["spec"]["serviceName"])
        if named is None or named["spec"].get("clusterIP") != "None":
            yield f"{title(owner)}: serviceName is not a headless Service"
