#!/usr/bin/env python3
"""Checks rendered manifests: Kubernetes' schemas first, then what these cannot see.

    check.py MANIFEST.yaml...     prints each finding; exit status 1 where there is one
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate

from certificates import check_certificates
from manifests import Manifests, title
from network import check_network
from pod_security import check_pod_security
from references import check_references
from settings import check_settings

KUBERNETES_VERSIONS = ("1.34", "1.35", "1.36", "1.37")
# These have no schema there; check_certificates knows them.
CUSTOM_KINDS = {"Certificate", "Issuer"}

CHECKS = (
    check_certificates, check_references, check_network, check_pod_security, check_settings,
)


def check_schemas(manifests: Manifests) -> Iterator[str]:
    for each in manifests.objects:
        if each["kind"] in CUSTOM_KINDS:
            continue
        for version in KUBERNETES_VERSIONS:
            try:
                kubernetes_validate.validate(each, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{title(each)}: Kubernetes {version}: {error.message}"


def findings(manifests: Manifests) -> list[str]:
    """What is wrong, each thing once."""
    return list(dict.fromkeys(found for check in CHECKS for found in check(manifests)))


def main(paths: list[str]) -> int:
    status = 0
    for path in paths:
        manifests = Manifests.load(Path(path))
        found = list(check_schemas(manifests)) + findings(manifests)
        for finding in found:
            print(f"{path}: {finding}")
        print(f"{path}: {len(manifests.objects)} objects, {len(found)} findings")
        status |= bool(found)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
