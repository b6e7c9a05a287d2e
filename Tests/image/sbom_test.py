#!/usr/bin/env python3
"""Tests scripts/sbom.py, with the schema of CycloneDX.

    .local/lint/bin/python Tests/image/sbom_test.py
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESOLVED = {
    "pins": [
        {
            "identity": "swift-log",
            "location": "https://github.com/apple/swift-log.git",
            "state": {"revision": "0123abc", "version": "1.16.2"},
        }
    ]
}
STATUS = """\
Package: libcurl4
Status: install ok installed
Architecture: amd64
Source: curl
Version: 7.88.1-10+deb12u15
Description: client-side URL transfer library
 with a second line

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1:2.0
"""


class SbomTest(unittest.TestCase):
    def make_image(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        image = pathlib.Path(folder.name)
        for name, text in {
            "usr/share/immutable-ledger/Package.resolved": json.dumps(RESOLVED),
            "usr/share/immutable-ledger/swift-version": "Swift version 6.3.1 (swift-6.3.1-RELEASE)",
            "usr/lib/os-release": 'NAME="Debian GNU/Linux"\nVERSION_ID="12"\n',
            "var/lib/dpkg/status": STATUS,
        }.items():
            (image / name).parent.mkdir(parents=True, exist_ok=True)
            (image / name).write_text(text)
        return image

    def run_script(self, *arguments):
        return subprocess.run(
            [sys.executable, ROOT / "scripts/sbom.py", *arguments], capture_output=True, text=True
        )

    def bill(self, *arguments):
        result = self.run_script(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(result.stdout)
        self.assertIsNone(error, error)
        return json.loads(result.stdout)

    def test_an_image_is_listed_with_versions(self):
        bill = self.bill("--root", self.make_image())
        components = {each["name"]: each for each in bill["components"]}
        self.assertEqual(set(components), {"swift-log", "swift", "libcurl4"})
        self.assertEqual(
            components["swift-log"]["purl"], "pkg:swift/github.com/apple/swift-log@1.16.2"
        )
        self.assertEqual(components["swift-log"]["properties"][0]["value"], "0123abc")
        self.assertEqual(components["swift"]["version"], "6.3.1")
        self.assertEqual(
            components["libcurl4"]["purl"],
            "pkg:deb/debian/libcurl4@7.88.1-10%2Bdeb12u15?arch=amd64&distro=debian-12",
        )

    def test_the_same_image_gives_the_same_list(self):
        image = self.make_image()
        self.assertEqual(self.bill("--root", image), self.bill("--root", image))

    def test_the_sources_are_listed_where_packages_are_resolved(self):
        if not (ROOT / "Package.resolved").exists():
            self.assertIn("swift package resolve", self.run_script().stderr)
            return
        purls = [each.get("purl", "") for each in self.bill()["components"]]
        self.assertIn("pkg:deb/debian/libcurl4", purls)
        swift_nio = "pkg:swift/github.com/apple/swift-nio@"
        self.assertTrue(any(purl.startswith(swift_nio) for purl in purls))

    def test_a_folder_that_is_no_image_is_refused(self):
        with tempfile.TemporaryDirectory() as empty:
            result = self.run_script("--root", empty)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("unpacked root of the ledger's image", result.stderr)


if __name__ == "__main__":
    unittest.main()
