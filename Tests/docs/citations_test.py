#!/usr/bin/env python3
"""Tests scripts/check-citations.py on small projects.

    python3 Tests/docs/citations_test.py
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/check-citations.py"
PROTOCOL = """\
# Protocol

## Claims

### 1. The first rule

It says "no".

Tests:
- CoreTests: `it says "no"`
- backup/backup_test.py: `test_disaster`

### 2. The second rule

**Not built yet.**

### 3. The third rule

Tests:
- CoreTests/Rules: `one sentence that goes on in the next line of
  this list`
- CoreTests: `plain`
- CoreTests: `in backticks`

## The end
"""
TESTS = """\
struct RuleTests {
    @Test("protocol.md 1: it says \\"no\\"") func no() {}
    @Test(
        "protocol.md 1 and 3: one sentence that goes on in the next line of this list",
        arguments: [1, 2])
    func sentence(_ number: Int) {}
    @Test func plain() {}
    @Test(.tags(.slow)) func `in backticks`() {}
    // @Test("it is switched off") func off() {}
}
"""
SOURCE = """\
/// The first rule (protocol.md 1), and others (protocol.md 1, 2 and 3); formats.md, "Keys in etcd".
/// A citation may go on in the next line (protocol.md
/// 3, formats.md, "Keys
/// in etcd"), and docs/formats.md is formats.md. See https://example.org/elsewhere.md 7.
let protocol = 4  // README.md, "Use"; k8s/README.md
"""
README = """\
# Project

## Use

See [the rules](docs/protocol.md#1-the-first-rule), [here](#use), [there](https://a.example/b.md#c).
"""
FORMATS = """\
# Formats

## Keys in etcd

protocol.md 1, [k8s](../k8s/README.md)

```
# no heading
[no](link)
```
"""
PROJECT = {
    "README.md": README,
    "Makefile": "# formats.md\nall:\n",
    "Sources/Core/Core.swift": SOURCE,
    "Tests/CoreTests/Rules/RuleTests.swift": TESTS,
    "Tests/backup/backup_test.py": "def test_disaster():\n    pass\n",
    "docs/formats.md": FORMATS,
    "docs/protocol.md": PROTOCOL,
    "k8s/README.md": "# Manifests\n",
    ".build/checkouts/other.swift": "// PROTOCOL.md 99\n",
}


class CitationsTest(unittest.TestCase):
    def check(self, files):
        """Runs the script on the project with other files; returns its status and its findings."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (PROJECT | files).items():
                file = pathlib.Path(folder, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            command = [sys.executable, SCRIPT, folder]
            result = subprocess.run(command, capture_output=True, text=True)
            return result.returncode, result.stderr

    def expect_finding(self, finding, files):
        status, said = self.check(files)
        self.assertEqual(status, 1, f"not found: {finding}")
        self.assertIn(finding, said)
        self.assertIn("lead nowhere: 1\n", said)

    def expect_in_comment(self, finding, comment):
        files = {"Sources/more.swift": f"\n/// {comment}\n"}
        self.expect_finding(f"Sources/more.swift:2: {finding}", files)

    def expect_in_protocol(self, finding, old, new):
        self.assertIn(old, PROTOCOL)
        self.expect_finding(finding, {"docs/protocol.md": PROTOCOL.replace(old, new)})

    def test_a_project_in_which_everything_leads_somewhere_passes(self):
        self.assertEqual(self.check({}), (0, ""))

    def test_every_kind_of_file_is_read(self):
        names = ["a.py", "a.sh", "a.yaml", "a.proto", "Dockerfile", "docs/a.md", "Tests/a.swift"]
        for name in names:
            self.expect_finding(f"{name}:1: there is no document lost.md", {name: "# lost.md\n"})

    def test_a_document_that_is_not_there(self):
        self.expect_in_comment("there is no document PROTOCOL.md", "as said (PROTOCOL.md 1)")
        self.expect_in_comment("there is no document docs/lost.md", "as said (docs/lost.md)")

    def test_a_rule_that_is_not_there(self):
        self.expect_in_comment("protocol.md has no rule 4", "protocol.md 1, 3 and 4")
        self.expect_in_comment("docs/protocol.md has no rule 0", "docs/protocol.md\n/// 0")

    def test_a_section_that_is_not_there(self):
        self.expect_in_comment('formats.md has no section "Keys"', 'formats.md, "Keys"')
        self.expect_in_comment('formats.md has no section "no heading"', 'formats.md, "no heading"')

    def test_other_forms_are_refused(self):
        loose = "a number that is no citation: write"
        self.expect_in_comment(f"{loose} protocol.md 4", "protocol.md, 1")
        self.expect_in_comment(f"{loose} protocol.md 4", "protocol.md, rule 1")
        self.expect_in_comment(f'{loose} formats.md, "Section"', "formats.md 1")
        finding = 'put the section in quotes: "Keys in etcd"'
        self.expect_in_comment(finding, "formats.md, Keys in etcd.")
        self.expect_in_comment("PROTOCOL is no document", "PROTOCOL 1")
        self.expect_in_comment("PROTOCOL is no document", "PROTOCOL, rule 1")
        self.expect_in_comment("FORMATS is no document", 'FORMATS, "Keys in etcd"')
        self.expect_finding(
            "Tests/CoreTests/B.swift:1: FORMATS is no document",
            {"Tests/CoreTests/B.swift": '@Test("FORMATS: bytes are bytes") func bytes() {}\n'},
        )

    def test_a_link_that_leads_nowhere(self):
        self.expect_finding("the link leads nowhere: lost.png", {"docs/a.md": "[a](lost.png)\n"})
        files = {"docs/a.md": "[a](formats.md#lost)\n"}
        self.expect_finding("the link's place is not there: formats.md#lost", files)

    def test_a_rule_without_a_test(self):
        finding = 'rule 2 has no test and is not "Not built yet"'
        self.expect_in_protocol(finding, "**Not built yet.**", "")

    def test_a_test_that_is_not_there(self):
        for old, new, place, name in [
            ("`plain`", "`plane`", "CoreTests", "plane"),
            ("`plain`", "`it is switched off`", "CoreTests", "it is switched off"),
            ("CoreTests: `plain`", "backup: `plain`", "backup", "plain"),
            ("`test_disaster`", "`test_lost`", "backup/backup_test.py", "test_lost"),
        ]:
            self.expect_in_protocol(f"Tests/{place} has no test '{name}'", old, new)

    def test_a_line_that_names_no_test(self):
        finding = "rule 3: not a test's place and name: - plain"
        self.expect_in_protocol(finding, "- CoreTests: `plain`", "- plain")

    def test_numbers_of_rules_have_no_gap(self):
        more = "### 5. The fifth\n\nNot built yet.\n\n## The end"
        self.expect_in_protocol("rule 5 stands where rule 4 should", "## The end", more)
        again = more.replace("5", "1")
        self.expect_in_protocol("rule 1 stands where rule 4 should", "## The end", again)

    def test_no_rules_at_all(self):
        nothing = {name: "" for name in PROJECT if not name.endswith("_test.py")}
        self.expect_finding("there are no rules", nothing | {"docs/protocol.md": "# Protocol\n"})


if __name__ == "__main__":
    unittest.main()
