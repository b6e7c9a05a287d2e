"""TCP ports of 127.0.0.1 for servers that are about to start, below those that the kernel hands out.

A port on which nobody listens is not free: its server may have yet to start, or start again in a moment. So every process
has slices of its own, each held by a socket on its first port, and hands out no port twice. Tests in Swift do the same
from 20,000 on (Tests/TestSupport/EtcdClusterPorts.swift).
"""

import random
import socket
import threading

LOOPBACK = "127.0.0.1"
FIRST, END, SLICE = 10_000, 20_000, 100

_lock = threading.Lock()
# Bound as long as this process lives; what it starts does not inherit them.
_holders: list[socket.socket] = []
_rest = range(0)


def free_ports(count: int) -> int:
    """The first of so many ports in a row, below 100."""
    global _rest
    with _lock:
        while True:
            if len(_rest) < count:
                _rest = _take_slice()
            ports, _rest = _rest[:count], _rest[count:]
            if all(map(_can_be_bound, ports)):
                return ports[0]


def _take_slice() -> range:
    firsts = range(FIRST, END, SLICE)
    for first in random.SystemRandom().sample(firsts, len(firsts)):
        holder = socket.socket()
        try:
            holder.bind((LOOPBACK, first))
        except OSError:
            holder.close()
            continue
        _holders.append(holder)
        return range(first + 1, first + SLICE)
    raise OSError(f"no free ports of {LOOPBACK} between {FIRST} and {END}")


def _can_be_bound(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
