#!/usr/bin/env python3
"""Lists what is in the ledger's image: a software bill of materials in CycloneDX 1.6 (JSON)."""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.parse
import uuid
from datetime import datetime, timezone

ROOT = pathlib.Path(__file__).resolve().parents[1]
DESCRIPTION = """\
Lists the Swift packages, the Swift toolchain whose libraries are linked in, and the Debian packages
of the ledger's image, as CycloneDX 1.6 (JSON) on standard output. The same image gives the same
list, byte for byte.

For what really is in an image, unpack it and name the folder:

  docker create --name ledger IMAGE && mkdir image && docker export ledger | tar -x -C image
  scripts/sbom.py --root image > sbom.cdx.json

Without --root the list tells what would be built from this folder: Package.resolved as it is here,
and the Debian packages that the Dockerfile names, without versions.
"""


def stop(message):
    sys.exit(f"sbom.py: {message}")


def read(path, remedy):
    try:
        return path.read_text()
    except OSError as error:
        stop(f"{path} cannot be read ({error.strerror}); {remedy}")


def swift_packages(resolved):
    """The packages of a Package.resolved, with the revision that was taken."""
    for pin in json.loads(resolved)["pins"]:
        state = pin["state"]
        location = pin["location"].removesuffix(".git")
        version = state.get("version") or state["revision"]
        path = urllib.parse.urlsplit(location)
        yield {
            "type": "library",
            "name": pin["identity"],
            "version": version,
            "purl": f"pkg:swift/{path.netloc}{path.path}@{version}",
            "externalReferences": [{"type": "vcs", "url": pin["location"]}],
            "properties": [{"name": "swift:revision", "value": state["revision"]}],
        }


def swift_toolchain(version_text):
    match = re.search(r"(?:Swift version |swift:)(\d+(?:\.\d+)*)", version_text)
    if not match:
        stop(f"no version of Swift is in {version_text!r}")
    version = match[1]
    return {
        "type": "framework",
        "name": "swift",
        "version": version,
        "description": "The standard library, Foundation and Dispatch, linked statically",
        "cpe": f"cpe:2.3:a:apple:swift:{version}:*:*:*:*:*:*:*",
    }


def installed_debian_packages(status, release):
    """What dpkg has installed, from its status file."""
    distribution = re.search(r'^VERSION_ID="?([^"\n]+)', release, re.MULTILINE)
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^([A-Z][\w-]*): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status") != "install ok installed":
            continue
        version = fields["Version"]
        qualifiers = f"arch={fields['Architecture']}"
        if distribution:
            qualifiers += f"&distro=debian-{distribution[1]}"
        purl = f"pkg:deb/debian/{quote(fields['Package'])}@{quote(version)}?{qualifiers}"
        source = fields.get("Source", fields["Package"])
        yield {
            "type": "library",
            "name": fields["Package"],
            "version": version,
            "purl": purl,
            "properties": [{"name": "debian:source", "value": source}],
        }


def quote(text):
    return urllib.parse.quote(text, safe="~")


def named_debian_packages(dockerfile):
    """What the last stage of the Dockerfile installs; its versions are known in an image only."""
    stage = dockerfile[dockerfile.rindex("\nFROM ") :]
    for line in re.findall(r"apt-get install (.*?)(?:\\?$)", stage, re.MULTILINE):
        for name in line.split():
            if not name.startswith("-"):
                yield {"type": "library", "name": name, "purl": f"pkg:deb/debian/{quote(name)}"}


def components_of_image(image):
    share = image / "usr/share/immutable-ledger"
    remedy = "is that the unpacked root of the ledger's image?"
    yield from swift_packages(read(share / "Package.resolved", remedy))
    yield swift_toolchain(read(share / "swift-version", remedy))
    yield from installed_debian_packages(
        read(image / "var/lib/dpkg/status", remedy), read(image / "usr/lib/os-release", remedy)
    )


def components_of_sources():
    dockerfile = read(ROOT / "Dockerfile", "run this in the project's folder")
    yield from swift_packages(
        read(ROOT / "Package.resolved", "swift package resolve makes it")
    )
    yield swift_toolchain(re.search(r"^ARG SWIFT_IMAGE=(.*)$", dockerfile, re.MULTILINE)[1])
    yield from named_debian_packages(dockerfile)


def git(*arguments):
    result = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return result.stdout.strip()


def timestamp():
    """The time of the revision, so that the same sources give the same list."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct") or 0
    return datetime.fromtimestamp(int(seconds), timezone.utc).isoformat()


def bill(components, version):
    components = sorted(components, key=lambda each: (each.get("purl", ""), each["name"]))
    for component in components:
        component["bom-ref"] = component.get("purl") or component["name"]
    ledger = {
        "type": "application",
        "name": "immutable-ledger",
        "version": version,
        "bom-ref": "immutable-ledger",
    }
    contents = json.dumps([ledger, components], sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, contents)}",
        "version": 1,
        "metadata": {"timestamp": timestamp(), "component": ledger},
        "components": components,
    }


def main():
    parser = argparse.ArgumentParser(
        description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=pathlib.Path, help="the root of an unpacked image")
    parser.add_argument("--version", help="the ledger's version (default: the git revision)")
    options = parser.parse_args()
    found = components_of_image(options.root) if options.root else components_of_sources()
    version = options.version or git("describe", "--always", "--dirty") or "unknown"
    print(json.dumps(bill(list(found), version), indent=2))


if __name__ == "__main__":
    main()
