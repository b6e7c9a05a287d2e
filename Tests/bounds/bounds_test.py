#!/usr/bin/env python3
"""Pushes each bound of the service, on a real etcd cluster of three, and measures memory.

    bounds_test.py --bin FOLDER [--quick] [--only TEXT] [--write FILE]

Each push must be answered as the contract says, must not end the process, and must leave a
well-behaved caller served meanwhile, but where the bound is one that all callers share. Memory is
resident memory in MB, of the service and of etcd's three members together.
"""

import argparse
import pathlib
import platform
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
        if options.only in one.name and (one.is_quick or not options.quick)
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
    """Puts the table in its place in the document."""
    text = file.read_text()
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    kind = "an optimised" if "release" in str(binary.resolve()) else "a debug"
    head = (
        f"Measured with `{kind} build` on {platform.machine()} with two cores, three members of"
        " etcd beside it.\n\n"
    ).replace("`", "")
    table = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS), *rows]
    file.write_text(f"{before}{BEGIN}\n{head}" + "\n".join(table) + f"\n{END}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where ledger-service is")
    parser.add_argument("--quick", action="store_true", help="only what takes seconds")
    parser.add_argument("--only", default="", help="only bounds whose name holds this")
    parser.add_argument("--write", type=pathlib.Path, help="the document with the table")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most), most))
    size = QUICK_LEDGER_BYTES if options.quick else LEDGER_BYTES
    with running_cluster() as cluster:
        run = Run(options.bin, cluster, size)
        rows = [push(run, one) for one in chosen(options)]
    passed = sum(1 for one in rows if one is not None)
    if options.write and passed == len(rows):
        write(options.write, rows, options.bin)
    print(f"{passed} passed, {len(rows) - passed} failed")
    return 0 if rows and passed == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
