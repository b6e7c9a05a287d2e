"""That network policies deny first, mean pods that exist, and open both ends of a connection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from manifests import Manifests, Pod, title

# Labels that the owner of another namespace sets to be let in, or to be spoken to.
NAMESPACE_LABELS = (
    {"immutable-ledger/caller": "true"},
    {"immutable-ledger/collector": "true"},
    {"immutable-ledger/monitoring": "true"},
    {"immutable-ledger/reader": "true"},
)
# Where an attacker in a pod would go first: the cluster, its neighbours, and the cloud's metadata.
NOT_PUBLIC = {"10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"}

Connection = tuple[str, str, int]


def check_network(manifests: Manifests) -> Iterator[str]:
    policies = manifests.all("NetworkPolicy")
    if not any(denies_everything(policy["spec"]) for policy in policies):
        yield "NetworkPolicy: none denies everything to begin with"
    entering: set[Connection] = set()
    leaving: set[Connection] = set()
    for policy in policies:
        spec = policy["spec"]
        selected = manifests.pods_selected(labels_of(spec["podSelector"]))
        if not selected:
            yield f"{title(policy)}: selects no pod"
        for direction, peers, connections in (
            ("ingress", "from", entering),
            ("egress", "to", leaving),
        ):
            if direction in spec and direction.capitalize() not in spec.get("policyTypes", []):
                yield f"{title(policy)}: has {direction} rules, but not in policyTypes"
            for rule in spec.get(direction, []):
                if not rule.get(peers) or not rule.get("ports"):
                    yield f"{title(policy)}: an {direction} rule lets in all peers or all ports"
                for peer in rule.get(peers, []):
                    yield from check_peer(manifests, policy, peer)
                    if "ipBlock" in peer:
                        yield from check_block(policy, direction, rule, peer["ipBlock"])
                    others = peers_of(manifests, peer)
                    for pod in selected:
                        targets = [pod] if direction == "ingress" else others
                        yield from check_ports(policy, rule, targets)
                        for other in others:
                            caller, callee = (
                                (other, pod) if direction == "ingress" else (pod, other)
                            )
                            connections.update(
                                (caller.name, callee.name, number)
                                for port in rule.get("ports", [])
                                if (number := callee.port(port["port"])) is not None
                            )
    for caller, callee, port in sorted(entering ^ leaving):
        closed = "leave the caller" if (caller, callee, port) in entering else "enter the callee"
        yield f"NetworkPolicy: {caller} to {callee}, port {port}, cannot {closed}"


def denies_everything(spec: dict[str, Any]) -> bool:
    return (
        spec.get("podSelector") == {}
        and set(spec.get("policyTypes", [])) == {"Ingress", "Egress"}
        and not spec.get("ingress")
        and not spec.get("egress")
    )


def labels_of(selector: dict[str, Any]) -> dict[str, str]:
    return selector.get("matchLabels", {})


def peers_of(manifests: Manifests, peer: dict[str, Any]) -> list[Pod]:
    """The ledger's own pods that a peer means."""
    if "podSelector" not in peer or "namespaceSelector" in peer:
        return []
    return manifests.pods_selected(labels_of(peer["podSelector"]))


def check_peer(manifests: Manifests, policy: dict[str, Any], peer: dict[str, Any]) -> Iterator[str]:
    if "namespaceSelector" in peer:
        labels = labels_of(peer["namespaceSelector"])
        is_dns = labels == {"kubernetes.io/metadata.name": "kube-system"} and "podSelector" in peer
        if labels not in NAMESPACE_LABELS and not is_dns:
            yield f"{title(policy)}: lets in the namespaces {labels}"
    elif "ipBlock" not in peer and not peers_of(manifests, peer):
        yield f"{title(policy)}: {peer} means no pod"


def check_block(
    policy: dict[str, Any], direction: str, rule: dict[str, Any], block: dict[str, Any]
) -> Iterator[str]:
    """Addresses outside of the cluster: only out, only by HTTPS, and none that are not public."""
    if direction != "egress" or [port["port"] for port in rule.get("ports", [])] != [443]:
        yield f"{title(policy)}: opens more than HTTPS to {block['cidr']}"
    if block["cidr"] == "0.0.0.0/0" and not NOT_PUBLIC <= set(block.get("except", [])):
        yield f"{title(policy)}: lets out to addresses that are not public"


def check_ports(
    policy: dict[str, Any], rule: dict[str, Any], targets: list[Pod]
) -> Iterator[str]:
    for pod in targets:
        for port in rule.get("ports", []):
            if pod.port(port["port"]) is None:
                yield f"{title(policy)}: port {port['port']} is not one of {pod.name}"
