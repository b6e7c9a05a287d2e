#!/usr/bin/env python3
"""Writes .env.example, which has every setting of the service, out of the table in README.md.

    scripts/env-example.py            writes it
    scripts/env-example.py --check    fails where it is not what would be written
                           --service PROGRAM   and where a default is not that of this ledger-service

Fails in any case where the table lacks a setting that the service has (SettingName.swift), or has one
that it does not have. So a new setting needs its row in README.md, and nothing else.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
SETTING_NAMES = "Sources/LedgerServer/Configuration/SettingName.swift"
# Not settings of their own: see SettingName.
PASSED_OVER = {"POD_IP"}
HEAD = """\
# Every setting of ledger-service, with its default. Made from README.md, "Configuration", by
# `make env-example`: change it there. Copy this file to .env in the folder where the service is started,
# and take the # away from what is to differ; the environment overrides the file. Never commit the copy.
# NAME_FILE is the absolute path of a file with the value, instead of NAME.
"""


def row_cells(line: str) -> list[str]:
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def plain(text: str) -> str:
    """A cell without Markdown."""
    text = re.sub(r"\[([^\]]*)\]\(([^)]*)\)", r"\1", text)
    return re.sub(r"\*\*|`", "", text)


def defaults_of(cell: str, names: list[str]) -> list[str]:
    """The default of each name: nothing where it is described rather than told."""
    if not cell:
        return [""] * len(names)
    parts = [part.strip().strip("`") for part in cell.split(", ")]
    if len(parts) != len(names) or any(" " in part for part in parts):
        return [""] * len(names)
    return parts


def read_table(text: str) -> list[tuple[list[str], list[str], str, str]]:
    """Of each row: names, defaults, the default as it is told, and what it says."""
    rows = []
    section = text.partition("\n## Configuration\n")[2].partition("\n## ")[0]
    for line in section.splitlines():
        if not line.startswith("| `"):
            continue
        cells = row_cells(line)
        names = re.findall(r"`([A-Z][A-Z0-9_]+)`", cells[0])
        rows.append((names, defaults_of(cells[1], names), plain(cells[1]), plain(cells[2])))
    return rows


def render(rows: list[tuple[list[str], list[str], str, str]]) -> str:
    lines = [HEAD]
    known = settings()
    listed = {name for names, *_ in rows for name in names}
    for names, defaults, told, meaning in rows:
        said = [meaning] if meaning else []
        if told and not any(defaults):
            said.append(f"Default: {told}")
        text = ". ".join(said)
        # One line that is nothing but a comment for each line of text; then what can be set.
        lines += [f"# {line}" for line in textwrap.wrap(text, 98)]
        for name, default in zip(names, defaults):
            lines.append(f"#{name}={default}")
            if f"{name}_FILE" in known - listed:
                lines.append(f"#{name}_FILE=")
        lines.append("")
    return "\n".join(lines)


def settings() -> set[str]:
    """Every variable of the service; of secrets also those that name a file with the value."""
    text = (ROOT / SETTING_NAMES).read_text()
    names = dict(re.findall(r'case (\w+) = "(\w+)"', text))
    secrets = text.partition("var isSecret")[2].partition("}")[0]
    files = {f"{name}_FILE" for case, name in names.items() if re.search(rf"\.{case}\b", secrets)}
    return (set(names.values()) | files) - PASSED_OVER


def problems(rows: list[tuple[list[str], list[str], str, str]]) -> list[str]:
    known = settings()
    listed = [name for names, *_ in rows for name in names]
    # A secret's file needs no row of its own.
    implied = {f"{name}_FILE" for name in listed}
    found = [f"README.md lacks the setting {name}" for name in sorted(known - set(listed) - implied)]
    found += [f"README.md has {name}, which is no setting" for name in sorted(set(listed) - known)]
    found += [f"README.md has {name} twice" for name in sorted({n for n in listed if listed.count(n) > 1})]
    return found


def wrong_defaults(rows: list[tuple[list[str], list[str], str, str]], program: str) -> list[str]:
    output = subprocess.run(
        [pathlib.Path(program).resolve(), "--print-config", "--output", "json"], cwd="/", check=True, capture_output=True,
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
    ).stdout
    actual = json.loads(output)
    return [
        f"README.md says that {name} is {default} by default, and it is {actual[name]}"
        for names, defaults, *_ in rows
        for name, default in zip(names, defaults)
        if default and name in actual and actual[name] != default
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--service", metavar="PROGRAM")
    parser.add_argument("--readme", type=pathlib.Path, default=ROOT / "README.md")
    parser.add_argument("--file", type=pathlib.Path, default=ROOT / ".env.example")
    options = parser.parse_args()
    rows = read_table(options.readme.read_text())
    found = problems(rows)
    if options.service:
        found += wrong_defaults(rows, options.service)
    text = render(rows)
    if options.check and (not options.file.exists() or options.file.read_text() != text):
        found.append(f"{options.file.name} is not what README.md says: run make env-example")
    for one in found:
        print(one, file=sys.stderr)
    if not options.check and not found:
        options.file.write_text(text)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
