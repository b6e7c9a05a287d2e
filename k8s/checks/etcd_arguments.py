#!/usr/bin/env python3
"""Prints the arguments of one etcd member of a rendered overlay, one a line, for this machine.

    etcd_arguments.py MANIFEST.yaml ORDINAL FOLDER PORT

The flags are the manifest's, all of them. Only places differ: the member listens on loopback (from
PORT on, four ports a member), and what is below /etc/etcd and /var/lib/etcd is below FOLDER.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from manifests import Manifests

PORTS = {"2379": 0, "2380": 1, "2381": 2}
# And one at which a member without data waits: etcd-rejoin.sh.
PORTS_PER_MEMBER = 4


def localise(argument: str, ordinal: int, folder: str, base: int) -> str:
    def address(match: re.Match[str]) -> str:
        member = ordinal if match["member"] is None else int(match["member"])
        host = "127.0.0.1" if match["member"] is None else "localhost"
        return f"//{host}:{base + PORTS_PER_MEMBER * member + PORTS[match['port']]}"

    argument = re.sub(
        r"//(?:0\.0\.0\.0|etcd-(?P<member>\d+)\.[a-z.-]+):(?P<port>\d+)", address, argument
    )
    argument = argument.replace("=/var/lib/etcd", f"={folder}/etcd-{ordinal}")
    return argument.replace("=/etc/etcd", f"={folder}/certificates")


if __name__ == "__main__":
    path, ordinal, folder, base = sys.argv[1:]
    for argument in Manifests.load(Path(path)).etcd_arguments(int(ordinal)):
        print(localise(argument, int(ordinal), folder, int(base)))
