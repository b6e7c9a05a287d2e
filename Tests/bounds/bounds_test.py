#!/usr/bin/env python3
"""Pushes each bound of the service, on a real etcd cluster of three, and measures memory.

    bounds_test.py --bin FOLDER [--quick] [--only PATTERN] [--write FILE]

Each push must be answered as the contract says, must not end the process, and must leave a
well-behaved caller served meanwhile, but where the bound is one that all callers share. Memory is
resident memory in MB, of the service and of etcd's three members together.
"""

import argparse
import pathlib
import platform
import re
import resource
import sys
import time
import traceback

from measuring import Bound, Measured, Run, bounds

# Each registers its bounds; the table has them in this order.
import request_bounds  # noqa: F401
import reading_bounds  # noqa: F401

from checking import Unexpected  # noqa: E402
from processes import running_cluster  # noqa: E402

LEDGER_BYTES, QUICK_LEDGER_BYTES = 180_000_000, 40_000_000
OPEN_FILES = 8_192
BEGIN, END = "<!-- made by `make bounds` -->", "<!-- end of what `make bounds` made -->"
COLUMNS = ["bound", "setting", "default", "metric", "pushed with", "what the caller is told",
           "service MB before / at / after", "etcd MB"]  # fmt: skip


def chosen(options: argparse.Namespace) -> list[Bound]:
    """The bounds to push. A name stands twice where a slower variant pushes the default."""
    return [
        one
        for one in bounds
        if re.search(options.only, one.name) and (one.is_quick or not options.quick)
    ]


def row(one: Bound, found: Measured) -> str:
    """A line of the table."""
    cells = [one.name, one.setting, one.default, one.metric, found.pushed, "; ".join(found.told),
             str(found.service), str(found.etcd)]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def push(run: Run, one: Bound) -> str | None:
    """Pushes a bound, prints how it went, and returns its row."""
    started = time.monotonic()
    try:
        found = one.push(run)
    except Unexpected as error:
        print(f"FAIL  {one.name}: {error}", flush=True)
        return None
    except Exception:  # One broken push must not hide the others.
        print(f"FAIL  {one.name}:", flush=True)
        traceback.print_exc(file=sys.stdout)
        return None
    took = time.monotonic() - started
    print(
        f"ok    {one.name}: {found.pushed}; {'; '.join(found.told)}; service {found.service} MB,"
        f" etcd {found.etcd} MB ({took:.1f} s)",
        flush=True,
    )
    return row(one, found)


def write(file: pathlib.Path, rows: list[str], binary: pathlib.Path) -> None:
    """Puts the rows in their place in the document; those of other bounds stay."""
    text = file.read_text()
    before, rest = text.split(BEGIN, 1)
    old, after = rest.split(END, 1)
    kept = [line for line in old.splitlines() if line.startswith("| ")][1:]
    pushed = {name_of(line) for line in rows}
    rows = [line for line in kept if name_of(line) not in pushed] + rows
    order = list(dict.fromkeys(one.name for one in bounds))
    rows.sort(key=lambda line: order.index(name_of(line)))
    kind = "An optimised" if "release" in str(binary.resolve()) else "A debug"
    head = f"{kind} build, {platform.machine()}, two cores for service, etcd and those who push."
    table = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS), *rows]
    file.write_text(f"{before}{BEGIN}\n{head}\n\n" + "\n".join(table) + f"\n{END}{after}")


def name_of(line: str) -> str:
    """The bound of a row."""
    return line.split("|")[1].strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where ledger-service is")
    parser.add_argument("--quick", action="store_true", help="only what takes seconds")
    parser.add_argument("--only", default="", help="only bounds whose name matches this")
    parser.add_argument("--write", type=pathlib.Path, help="the document with the table")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most), most))
    size = QUICK_LEDGER_BYTES if options.quick else LEDGER_BYTES
    with running_cluster() as cluster:
        run = Run(options.bin, cluster, size)
        rows = [push(run, one) for one in chosen(options)]
    passed = sum(1 for one in rows if one is not None)
    if options.write:
        write(options.write, [one for one in rows if one is not None], options.bin)
    print(f"{passed} passed, {len(rows) - passed} failed")
    return 0 if rows and passed == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
