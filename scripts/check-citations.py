#!/usr/bin/env python3
"""Fails where a comment, a test's name or a document cites what is not there, and where a rule of
docs/protocol.md has no test.

    scripts/check-citations.py [ROOT]

What a citation may look like:

    DOCUMENT                        limits.md says what each bound costs
    DOCUMENT, "Section"             formats.md, "Keys in etcd"
    protocol.md NUMBERS             protocol.md 4; protocol.md 3 and 6; protocol.md 10, 11 and 23

DOCUMENT is a file of docs/, with or without that folder before it, or a path from the root, such as
README.md or k8s/README.md. A citation may go on in the next line of its comment.

Every rule has its number, from 1 on without a gap. It names tests in a list below "Tests:", each as
"- PLACE: `name`", or says "Not built yet". PLACE is a folder or a file of Tests. The name is a Swift
test's sentence without the rule that it may begin with ("protocol.md 4: "), or a Python function's.
"""

import functools
import os
import pathlib
import re
import sys
from collections.abc import Iterator

RULES = "docs/protocol.md"
NOT_BUILT = "Not built yet"
SKIPPED_FOLDERS = {".build", ".git", ".local", ".venv", "__pycache__", "node_modules"}
SUFFIXES = set(".c .go .h .java .md .proto .py .sh .swift .txt .yaml .yml".split())
NAMES = {"Dockerfile", "Makefile", "run"}
# What these hold of citations are examples, wrong ones above all.
EXAMPLES = {"scripts/check-citations.py", "Tests/docs/citations_test.py"}

# Between two words of a comment: a space, or the end of its line and the beginning of the next.
GAP = r"(?:[ \t]+|[ \t]*\n[ \t]*(?:/{2,}|\#|\*)?[ \t]*)"
DOCUMENT = re.compile(r"(?<![\w./-])(?:\.\./)*(?:[\w.-]+/)*[\w-]+\.md\b")
NUMBERS = re.compile(rf"{GAP}(\d+(?:,{GAP}\d+)*(?:{GAP}and{GAP}\d+)?)\b")
SECTION = re.compile(rf',{GAP}"([^"]{{1,120}})"')
LOOSE_NUMBER = re.compile(rf",?{GAP}(?:rules?{GAP})?\d+\b")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
RULE = re.compile(r"^#{2,4} +(\d+)\. ", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
TEST_ITEM = re.compile(r"- ([\w./-]+): (`+)(.+?)\2")
RULE_PREFIX = re.compile(r"^[\w-]+(?:\.md)?(?: \d[\d, and]*)?: ")
COMMENTED = re.compile(r"^\s*//.*$", re.MULTILINE)
SWIFT_TESTS = [
    re.compile(r'@Test\s*\(\s*"((?:[^"\\]|\\.)*)"'),
    re.compile(r"@Test\b[^{}]*?\bfunc\s+`([^`]+)`"),
    re.compile(r"@Test\b[^{}]*?\bfunc\s+(\w+)"),
]
PYTHON_TEST = re.compile(r"^\s*def (test_\w+)", re.MULTILINE)


def blanked(pattern: re.Pattern[str], text: str) -> str:
    """The text with spaces in place of what matches, so that every offset stays."""
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def anchor(heading: str) -> str:
    """The part of an address after # that leads to a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


class Tree:
    """A project's text files, its documents' sections, and its findings."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        self.texts = dict(self._read())
        self.documents = {
            path: [heading[1] for heading in HEADING.finditer(blanked(FENCE, text))]
            for path, text in self.texts.items()
            if path.endswith(".md")
        }
        # PROTOCOL and so on before a number, a section, or what a test is called: no file's name.
        stems = {pathlib.PurePath(path).stem.upper() for path in self.documents}
        names = "|".join(sorted(stems))
        self.bare_name = re.compile(
            rf'(?<![\w./-])({names})(?=,?{GAP}(?:rules?{GAP})?\d|,{GAP}")'
            rf'|(?<=")({names})(?=:{GAP}[a-z])'
        )
        self.findings: list[str] = []
        self.citations = 0

    def _read(self) -> Iterator[tuple[str, str]]:
        for folder, folders, files in os.walk(self.root):
            folders[:] = sorted(set(folders) - SKIPPED_FOLDERS)
            for name in sorted(files):
                file = pathlib.Path(folder, name)
                path = file.relative_to(self.root).as_posix()
                if path in EXAMPLES or (file.suffix not in SUFFIXES and name not in NAMES):
                    continue
                try:
                    yield path, file.read_text(encoding="utf-8")
                except (UnicodeDecodeError, OSError):
                    continue

    def report(self, path: str, offset: int, what: str) -> None:
        """Notes what is wrong at a place of a file."""
        line = self.texts[path].count("\n", 0, offset) + 1
        self.findings.append(f"{path}:{line}: {what}")

    def resolve(self, name: str, path: str) -> str | None:
        """The document that a name in a file means; None where there is none."""
        candidates = [name] if "/" in name else [f"docs/{name}", name]
        if path.endswith(".md"):
            beside = pathlib.PurePosixPath(path).parent / name
            candidates.insert(0, os.path.normpath(beside))
        return next((each for each in candidates if each in self.documents), None)

    # Citations

    def check_citations(self) -> None:
        """Follows every citation of every file."""
        rules = self.rule_numbers()
        for path, text in self.texts.items():
            for found in DOCUMENT.finditer(text):
                self.citations += 1
                self.check_citation(path, text, found, rules)
            for found in self.bare_name.finditer(text):
                name = found[1] or found[2]
                what = f"{name} is no document: cite it by its file's name"
                self.report(path, found.start(), what)

    def check_citation(self, path: str, text: str, found: re.Match[str], rules: set[int]) -> None:
        """Follows one citation."""
        document = self.resolve(found[0], path)
        if document is None:
            self.report(path, found.start(), f"there is no document {found[0]}")
            return
        headings = self.documents[document]
        if section := SECTION.match(text, found.end()):
            name = re.sub(GAP, " ", section[1])
            if name not in headings:
                self.report(path, found.start(), f'{found[0]} has no section "{name}"')
        elif document == RULES and (numbers := NUMBERS.match(text, found.end())):
            for number in re.findall(r"\d+", numbers[1]):
                if int(number) not in rules:
                    self.report(path, found.start(), f"{found[0]} has no rule {number}")
        elif LOOSE_NUMBER.match(text, found.end()):
            form = f"{found[0]} 4" if document == RULES else f'{found[0]}, "Section"'
            self.report(path, found.start(), f"a number that is no citation: write {form}")
        else:
            rest = re.sub(GAP, " ", text[found.end() : found.end() + 160])
            for name in headings:
                if re.match(rf", {re.escape(name)}(?!\w)", rest):
                    self.report(path, found.start(), f'put the section in quotes: "{name}"')
                    break

    def check_links(self) -> None:
        """Follows the documents' links to one another."""
        for path in self.documents:
            text = blanked(FENCE, self.texts[path])
            for found in LINK.finditer(text):
                if "://" in found[1]:
                    continue
                name, _, place = found[1].partition("#")
                target = os.path.normpath(pathlib.PurePosixPath(path).parent / name)
                target = target if name else path
                if not (self.root / target).exists():
                    self.report(path, found.start(), f"the link leads nowhere: {found[1]}")
                elif place and place not in map(anchor, self.documents.get(target, [])):
                    self.report(path, found.start(), f"the link's place is not there: {found[1]}")

    # Rules

    def rule_numbers(self) -> set[int]:
        """The numbers of the rules."""
        return {int(found[1]) for found in RULE.finditer(self.texts.get(RULES, ""))}

    def check_rules(self) -> None:
        """Sees that every rule has its number, and tests that exist."""
        text = self.texts.get(RULES)
        starts = list(RULE.finditer(text or ""))
        if text is None or not starts:
            self.findings.append(f"{RULES}: there are no rules")
            return
        ends = [found.start() for found in HEADING.finditer(blanked(FENCE, text))] + [len(text)]
        for expected, found in enumerate(starts, start=1):
            number = int(found[1])
            if number != expected:
                what = f"rule {number} stands where rule {expected} should"
                self.report(RULES, found.start(), what)
            end = next(end for end in ends if end > found.start())
            self.check_rule(number, found.start(), text[found.start() : end])

    def check_rule(self, number: int, start: int, body: str) -> None:
        """Sees that a rule's tests exist."""
        _, _, listed = body.partition("\nTests:\n")
        items = [re.sub(r"\s+", " ", item).strip() for item in re.split(r"(?m)^(?=- )", listed)]
        items = [item for item in items if item]
        if not items and NOT_BUILT not in body:
            self.report(RULES, start, f'rule {number} has no test and is not "{NOT_BUILT}"')
        for item in items:
            found = TEST_ITEM.fullmatch(item)
            if found is None:
                self.report(RULES, start, f"rule {number}: not a test's place and name: {item}")
            elif found[3] not in self.tests(found[1]):
                what = f"rule {number}: Tests/{found[1]} has no test {found[3]!r}"
                self.report(RULES, start, what)

    @functools.cache
    def tests(self, place: str) -> frozenset[str]:
        """The names of the tests in a folder or file of Tests."""
        names: set[str] = set()
        for path, text in self.texts.items():
            if path != f"Tests/{place}" and not path.startswith(f"Tests/{place}/"):
                continue
            if path.endswith(".swift"):
                text = blanked(COMMENTED, text)
                for name in (name for pattern in SWIFT_TESTS for name in pattern.findall(text)):
                    sentence = re.sub(r"\\(.)", r"\1", name)
                    names |= {sentence, RULE_PREFIX.sub("", sentence)}
            elif path.endswith(".py"):
                names |= set(PYTHON_TEST.findall(text))
        return frozenset(names)


def main() -> int:
    """Prints every finding, and returns the exit status."""
    default = pathlib.Path(__file__).resolve().parent.parent
    tree = Tree(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default)
    tree.check_citations()
    tree.check_links()
    tree.check_rules()
    for finding in tree.findings:
        print(finding, file=sys.stderr)
    if tree.findings:
        print(f"citations and rules that lead nowhere: {len(tree.findings)}", file=sys.stderr)
        return 1
    rules = len(tree.rule_numbers())
    print(f"{tree.citations} citations of documents and {rules} rules lead somewhere.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
