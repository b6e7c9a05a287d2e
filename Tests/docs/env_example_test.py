#!/usr/bin/env python3
"""Breaks the table of settings in one place each, and expects scripts/env-example.py to say so.

    python3 Tests/docs/env_example_test.py [--service PROGRAM]
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "README.md").read_text()
SERVICE: str | None = None


class EnvExampleTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="env-example-")
        self.addCleanup(folder.cleanup)
        self.readme = pathlib.Path(folder.name) / "README.md"
        self.file = pathlib.Path(folder.name) / ".env.example"

    def run_script(self, text, *arguments):
        self.readme.write_text(text)
        return subprocess.run(
            [sys.executable, "-B", ROOT / "scripts/env-example.py", "--readme", self.readme,
             "--file", self.file, *arguments],
            capture_output=True, text=True,
        )

    def expect(self, text, finding, *arguments):
        done = self.run_script(text, *arguments)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(finding, done.stderr)

    def test_what_is_written_is_what_is_checked(self):
        self.assertEqual(self.run_script(PAGE).returncode, 0)
        done = self.run_script(PAGE, "--check")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_every_setting_is_there_once_and_commented_out(self):
        self.run_script(PAGE)
        lines = self.file.read_text().splitlines()
        names = [match[1] for line in lines if (match := re.match(r"#([A-Z][A-Z0-9_]+)=", line))]
        self.assertEqual(len(names), len(set(names)))
        self.assertGreater(len(names), 60)
        self.assertEqual([line for line in lines if line and not line.startswith("#")], [])

    def test_a_setting_without_a_row(self):
        lines = [line for line in PAGE.splitlines() if not line.startswith("| `LEDGER_PREFIX`")]
        self.expect("\n".join(lines), "README.md lacks the setting LEDGER_PREFIX")

    def test_a_row_without_a_setting(self):
        self.expect(PAGE.replace("| `LEDGER_PREFIX`", "| `LEDGER_PREFIXES`"),
                    "README.md has LEDGER_PREFIXES, which is no setting")

    def test_a_file_that_is_stale(self):
        self.run_script(PAGE)
        self.expect(PAGE.replace("below which the keys are", "below which all keys are"),
                    "run make env-example", "--check")

    def test_a_default_that_is_another(self):
        if SERVICE is None:
            self.skipTest("no --service was given")
        done = self.run_script(PAGE, "--service", SERVICE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.expect(PAGE.replace("| `ledger/` |", "| `ledgers/` |"),
                    "LEDGER_PREFIX is ledgers/ by default, and it is ledger/", "--service", SERVICE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service")
    options, rest = parser.parse_known_args()
    SERVICE = options.service
    unittest.main(argv=[sys.argv[0], *rest])
