#!/usr/bin/env -S python3 -B
"""Runs etcd members on this machine for a script or a test; see etcd_cluster.py.

When all members know a leader, one line of JSON goes to standard output: the folder, the members'
process ids and endpoints, and etcd's passwords where it has any. Then the members run until
standard input ends, or SIGTERM, SIGINT or SIGHUP comes; none of them outlives this program, or
whoever started it. A line of JSON on standard input is an order, and is answered with that line
anew, or with one that has an "error":

  {"do": "kill", "member": 0}                     its data stay
  {"do": "restart", "member": 0, "flags": [...]}  "flags" replaces the further flags of all members

To pause a member, send SIGSTOP and SIGCONT to its process.

Exit status: 0 after a clean stop, 1 when a member could not be started, ended by itself or had to
be killed.
"""

import argparse
import contextlib
import json
import os
import pathlib
import select
import signal
import sys

from etcd_cluster import ROOT, EtcdCluster, EtcdFailure, temporary_folder


class Command:
    """Runs a cluster for a caller who gives orders on standard input."""

    def __init__(self, cluster: EtcdCluster):
        self._cluster = cluster
        self.has_failed = False

    def report(self, **more: str) -> None:
        """Says on standard output how the cluster is."""
        cluster = self._cluster
        members = [
            {"name": one.name, "pid": one.pid, "endpoint": one.endpoint} for one in cluster.members
        ]
        state = {"folder": str(cluster.folder), "members": members, **more}
        if cluster.password:
            state |= {"password": cluster.password, "root_password": cluster.root_password}
        print(json.dumps(state), flush=True)

    def obey(self) -> None:
        """Takes orders until standard input ends."""
        pending = b""
        while True:
            if select.select([0], [], [], 1)[0]:
                got = os.read(0, 65536)
                if not got:
                    return
                *lines, pending = (pending + got).split(b"\n")
                for line in lines:
                    self._do(json.loads(line))
            self._tell_of_lost_members()

    def _do(self, order: dict) -> None:
        try:
            if order["do"] == "kill":
                self._cluster.members[order["member"]].kill()
            else:
                self._cluster.restart(order["member"], order.get("flags"))
            self.report()
        except EtcdFailure as failure:
            self.report(error=str(failure))

    def _tell_of_lost_members(self) -> None:
        for member in self._cluster.members:
            if member.process and member.process.poll() is not None:
                member.process = None
                what = f"etcd {member.name} ended by itself; the others go on while they are most"
                self.fail(member.failure(what))

    def fail(self, failure: EtcdFailure) -> None:
        print(failure, file=sys.stderr, flush=True)
        self.has_failed = True


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add, folder = parser.add_argument, pathlib.Path
    add("--data", type=folder, metavar="FOLDER",
        help="data that stay, and are stopped cleanly (in memory, and gone)")  # fmt: skip
    add("--certs", type=folder, metavar="FOLDER", default=ROOT / "certs/dev",
        help="certificates, made where there are none (certs/dev)")  # fmt: skip
    add("--logs", type=folder, metavar="FOLDER", help="etcd-NAME.log go there (beside the data)")
    add("--members", type=int, metavar="N", default=3, help="how many (3)")
    add("--port", type=int, help="the first of 3 N ports in a row (free ones)")
    add("--restrict", metavar="PREFIX",
        help="with users and roles: the ledger's may use keys below PREFIX alone")  # fmt: skip
    add("flags", nargs="*", metavar="FLAG", help="further flags of etcd, after --")
    return parser.parse_args()


class Stop(Exception):
    """A signal asked to stop."""


def on_signals(handler) -> None:
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, handler)


def stop(_number, _frame) -> None:
    on_signals(signal.SIG_IGN)
    raise Stop


def main() -> int:
    options = parse_arguments()
    on_signals(stop)
    keeps_data = options.data is not None
    place = contextlib.nullcontext(options.data) if keeps_data else temporary_folder()
    with place as folder:
        cluster = EtcdCluster(
            folder, options.certs, options.members, options.flags, options.port, options.logs
        )
        command = Command(cluster)
        try:
            cluster.start()
            if options.restrict:
                cluster.restrict_access(options.restrict)
            command.report()
            command.obey()
        except EtcdFailure as failure:
            command.fail(failure)
        except Stop:
            pass
        finally:
            on_signals(signal.SIG_IGN)
            if keeps_data:
                for failure in cluster.stop():
                    command.fail(failure)
            else:
                cluster.kill()
    return 1 if command.has_failed else 0


if __name__ == "__main__":
    sys.exit(main())
