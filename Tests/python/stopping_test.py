"""Peers that hold a connection open must not hold up a stop.

    stopping_test.py --bin FOLDER

For each kind of peer a service is started, connected to and asked to stop: it ends with status 0
within STOP_SECONDS. Without any peer that takes a small part of a second.
"""

import argparse
import pathlib
import socket
import sys
import time
from collections.abc import Callable

import checking
from checking import check, expect, expect_equal
from processes import Service, TestCluster, running_cluster, running_service

# "A few seconds", on a machine that does other things as well.
STOP_SECONDS = 6
CONNECTIONS = 10
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
NO_WINDOW = b"\0\0\6\4\0\0\0\0\0" + b"\0\4\0\0\0\0"
CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(40)


def literal(*fields: tuple[str, str]) -> bytes:
    """Header fields without compression, each shorter than 127 bytes."""
    return b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields
    )


def headers(path: str, stream: int = 1) -> bytes:
    """The frame that opens a call."""
    block = literal(
        (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "ledger"),
        ("content-type", "application/grpc"), ("te", "trailers"),
    )  # fmt: skip
    return len(block).to_bytes(3, "big") + b"\1\4" + stream.to_bytes(4, "big") + block


def data(content: bytes, stream: int = 1, end: bool = False) -> bytes:
    """A frame of a call's bytes."""
    flags = b"\1" if end else b"\0"
    return len(content).to_bytes(3, "big") + b"\0" + flags + stream.to_bytes(4, "big") + content


SUBMIT, LIST = "/ledger.ImmutableLedger/SubmitEvents", "/ledger.ImmutableLedger/ListEvents"
CHECK = "/grpc.health.v1.Health/Check"
HALF_MESSAGE = b"\0\0\x0f\x42\x40" + bytes(1_000)
FOLLOW = b"\0\0\0\0\2\x18\1"
# What a peer sends before it is silent, and to which ports.
PEERS = {
    "nothing": (b"", "all"),
    "half a preface": (PREFACE[:10], "grpc"),
    "a preface": (PREFACE, "grpc"),
    "a preface and settings": (PREFACE + SETTINGS, "grpc"),
    "a call's header fields": (PREFACE + SETTINGS + headers(SUBMIT), "grpc"),
    "half a message": (PREFACE + SETTINGS + headers(CHECK) + data(HALF_MESSAGE), "grpc"),
    "a list that follows, with no window": (
        PREFACE + NO_WINDOW + headers(LIST) + data(FOLLOW, end=True), "grpc"
    ),
    "half an HTTP request": (b"GET /livez HTTP/1.1\r\nHost: x\r\nX-", "admin"),
    "a whole HTTP request": (b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", "admin"),
    "half a TLS hello": (CLIENT_HELLO, "tls"),
    "nothing, to a port with TLS": (b"", "tls"),
}  # fmt: skip


class Stops:
    """Where services can be started."""

    def __init__(self, binaries: pathlib.Path, cluster: TestCluster):
        self._binaries, self._cluster = binaries, cluster

    def stop_beside(self, connect: Callable[[Service], list[socket.socket]], tls: bool) -> float:
        """Starts a service, connects peers, and returns how many seconds its stop took."""
        certificates = self._cluster.certificates
        settings = {
            "LEDGER_TLS_CERT": str(certificates / "ledger-service.pem"),
            "LEDGER_TLS_KEY": str(certificates / "ledger-service-key.pem"),
        }
        with running_service(
            self._binaries, self._cluster, LEDGER_PREFIX=f"stop{time.monotonic_ns()}/",
            **(settings if tls else {}),
        ) as service:  # fmt: skip
            peers = connect(service)
            try:
                # So that the service has seen them; nothing says when.
                time.sleep(0.3)
                started = time.monotonic()
                status = service.stop()
                took = time.monotonic() - started
            finally:
                for peer in peers:
                    peer.close()
            expect_equal("the exit status", status, 0)
            return took


def ports(service: Service, which: str) -> list[int]:
    """The ports that a peer of this kind connects to."""
    chosen = {
        "all": [service.port, service.internal_port, service.admin_port],
        "grpc": [service.port, service.internal_port],
        "admin": [service.admin_port],
        "tls": [service.port],
    }
    return chosen[which]


for _what, (_content, _which) in PEERS.items():

    @check(f"peers that send {_what} do not hold up a stop")
    def stops(context: Stops, content=_content, which=_which) -> None:
        def connect(service: Service) -> list[socket.socket]:
            peers = []
            for port in ports(service, which) * CONNECTIONS:
                peer = socket.create_connection(("127.0.0.1", port), timeout=15)
                peers.append(peer)
                peer.sendall(content)
            return peers

        took = context.stop_beside(connect, tls=which == "tls")
        expect(took < STOP_SECONDS, f"the stop took {took:.1f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where ledger-service is")
    options = parser.parse_args()
    with running_cluster(size=1) as cluster:
        return checking.run_checks(Stops(options.bin, cluster))


if __name__ == "__main__":
    sys.exit(main())
