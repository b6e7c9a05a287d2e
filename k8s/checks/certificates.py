"""cert-manager's objects, of which no schema comes with Kubernetes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from manifests import Manifests, title

BOTH = {"digital signature", "server auth", "client auth"}
# Who shows a certificate, and so what it must be good for.
USAGES = {
    "etcd-server": BOTH,  # the JSON gateway is a client of its own server
    "etcd-peer": BOTH,
    "etcd-client": {"digital signature", "client auth"},
    "etcd-operations": {"digital signature", "client auth"},
    "ledger-service": {"digital signature", "server auth"},
    "ledger-replica": BOTH,
}


def check_certificates(manifests: Manifests) -> Iterator[str]:
    secrets: dict[str, str] = {}
    for certificate in manifests.all("Certificate"):
        name, spec = title(certificate), certificate["spec"]
        for field in ("secretName", "issuerRef", "duration", "renewBefore", "usages", "privateKey"):
            if not spec.get(field):
                yield f"{name}: {field} is missing"
        if (other := secrets.setdefault(spec.get("secretName", ""), name)) != name:
            yield f"{name}: writes the same secret as {other}"
        yield from check_issuer(manifests, certificate)
        yield from check_validity(name, spec)
        yield from check_key(name, spec)
        yield from (check_authority if spec.get("isCA") else check_leaf)(manifests, certificate)
    for issuer in manifests.all("Issuer"):
        yield from check_issuer_secret(manifests, issuer)
    for expected in USAGES:
        if manifests.get("Certificate", expected) is None:
            yield f"Certificate {expected} is missing"
    yield from check_separate_authorities(manifests)


def check_issuer(manifests: Manifests, certificate: dict[str, Any]) -> Iterator[str]:
    reference = certificate["spec"].get("issuerRef", {})
    if reference.get("group") != "cert-manager.io" or reference.get("kind") != "Issuer":
        yield f"{title(certificate)}: issuerRef is not an Issuer of cert-manager.io"
    elif manifests.get("Issuer", reference.get("name", "")) is None:
        yield f"{title(certificate)}: there is no Issuer {reference.get('name')}"


def check_issuer_secret(manifests: Manifests, issuer: dict[str, Any]) -> Iterator[str]:
    kinds = issuer["spec"].keys()
    if kinds == {"selfSigned"}:
        return
    if kinds != {"ca"}:
        yield f"{title(issuer)}: neither selfSigned nor ca"
        return
    secret = issuer["spec"]["ca"].get("secretName")
    if not any(
        each["spec"].get("isCA") and each["spec"].get("secretName") == secret
        for each in manifests.all("Certificate")
    ):
        yield f"{title(issuer)}: no authority's Certificate writes the secret {secret}"


def hours(duration: str) -> float:
    """A duration as Go writes it; not a number where it is none."""
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", duration or "")
    if not duration or parts is None:
        return float("nan")
    h, m, s = (int(part or 0) for part in parts.groups())
    return h + m / 60 + s / 3600


def check_validity(name: str, spec: dict[str, Any]) -> Iterator[str]:
    for field in ("duration", "renewBefore"):
        if not re.fullmatch(r"\d+h\d+m\d+s", spec.get(field, "")):
            yield f"{name}: {field} is not written as the server writes it, 1h0m0s"
    duration, renew_before = hours(spec.get("duration", "")), hours(spec.get("renewBefore", ""))
    if not duration >= 1:
        yield f"{name}: duration {spec.get('duration')} is not at least an hour"
    elif not duration / 20 <= renew_before <= duration / 2:
        yield f"{name}: renewBefore is not between a twentieth and half of duration"


def check_key(name: str, spec: dict[str, Any]) -> Iterator[str]:
    key = spec.get("privateKey", {})
    if (key.get("algorithm"), key.get("size"), key.get("encoding")) != ("ECDSA", 256, "PKCS8"):
        yield f"{name}: the key is not ECDSA P-256 in PKCS8"
    expected = "Never" if spec.get("isCA") else "Always"
    if key.get("rotationPolicy") != expected:
        yield f"{name}: rotationPolicy is not {expected}"


def check_authority(manifests: Manifests, certificate: dict[str, Any]) -> Iterator[str]:
    name, spec = title(certificate), certificate["spec"]
    if "cert sign" not in spec.get("usages", []):
        yield f"{name}: an authority without the usage cert sign"
    if not spec.get("commonName"):
        yield f"{name}: an authority without a commonName"


def check_leaf(manifests: Manifests, certificate: dict[str, Any]) -> Iterator[str]:
    name, spec = title(certificate), certificate["spec"]
    if "commonName" in spec or "literalSubject" in spec:
        yield f"{name}: has a commonName, which etcd takes for a user's name"
    if not spec.get("dnsNames"):
        yield f"{name}: has no dnsNames"
    expected = USAGES.get(certificate["metadata"]["name"])
    if expected is None:
        yield f"{name}: not known to the check; say in USAGES what it is for"
    elif set(spec.get("usages", [])) != expected:
        yield f"{name}: usages are not {', '.join(sorted(expected))}"
    if certificate["metadata"]["name"] == "etcd-peer" and spec.get("ipAddresses"):
        yield f"{name}: has ipAddresses, and etcd would compare nothing else"


def check_separate_authorities(manifests: Manifests) -> Iterator[str]:
    """Members and replicas are known by their authority: it may sign nobody else."""
    issuers: dict[str, set[str]] = {}
    for certificate in manifests.all("Certificate"):
        if not certificate["spec"].get("isCA"):
            issuer = certificate["spec"].get("issuerRef", {}).get("name", "")
            issuers.setdefault(issuer, set()).add(certificate["metadata"]["name"])
    for alone in ("etcd-peer", "ledger-replica"):
        for issuer, names in issuers.items():
            if alone in names and names != {alone}:
                yield f"Issuer {issuer}: signs others than {alone}"


def covers(certificate: dict[str, Any], host: str) -> bool:
    """Whether one of the certificate's names is that of the host."""
    wildcard = "*." + host.partition(".")[2]
    return bool({host, wildcard} & set(certificate["spec"].get("dnsNames", [])))
