"""Requests to the admin port that no library would send."""

import random
import socket
import urllib.error
import urllib.request

from attacks import ADMIN, Finding, Target, attack, case
from wire import PREFACE

SECONDS = 12
HOST = b"Host: ledger\r\n"
GET = b"GET /livez HTTP/1.1\r\n" + HOST
# Requests that a proxy before the service and the service itself might read differently.
SMUGGLED = {
    "a length and chunks": b"POST /livez HTTP/1.1\r\n" + HOST + b"Content-Length: 6\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    "two lengths": GET + b"Content-Length: 0\r\nContent-Length: 30\r\n\r\n",
    "a list of lengths": GET + b"Content-Length: 0, 30\r\n\r\n",
    "a length with a sign": GET + b"Content-Length: +5\r\n\r\nhello",
    "a negative length": GET + b"Content-Length: -1\r\n\r\n",
    "a length beyond Int": GET + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "chunked twice": GET + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunks of another name": GET + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a blank before the colon": GET + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a chunk beyond Int": GET + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\nx",
    "a negative chunk": GET + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nx",
    "a chunk extension of 100 kB": GET + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 100_000,
    "a bare LF": b"GET /livez HTTP/1.1\nHost: x\n\n",
    "a bare CR": b"GET /livez HTTP/1.1\rHost: x\r\r",
    "a folded line": GET + b"X-Folded: a\r\n b\r\n\r\n",
    "a NUL in a name": GET + b"X\0Y: 1\r\n\r\n",
    "no colon": GET + b"nothing\r\n\r\n",
    "two hosts": GET + HOST + b"\r\n",
    "no host": b"GET /livez HTTP/1.1\r\n\r\n",
    "HTTP/0.9": b"GET /livez\r\n",
    "HTTP/9.9": b"GET /livez HTTP/9.9\r\n\r\n",
    "no method": b" /livez HTTP/1.1\r\n\r\n",
    "an unknown method": b"BREW /livez HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT": b"CONNECT x:1 HTTP/1.1\r\n" + HOST + b"\r\n",
    "an absolute address": b"GET http://x/livez HTTP/1.1\r\n" + HOST + b"\r\n",
    "an address of 1 MB": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n\r\n",
    "a path that climbs": b"GET /tile/../../../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path of per cents": b"GET /%00%ff%2e%2e/%zz HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path of no UTF-8": b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tile beyond": b"GET /tile/64/x999/999 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a field of 1 MB": GET + b"X-Long: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "20,000 fields": GET + b"".join(b"X-%d: 1\r\n" % n for n in range(20_000)) + b"\r\n",
    "an expectation": GET + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    "an upgrade": GET + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "HTTP/2": PREFACE,
    "zeros": bytes(10_000),
    "a body of 4 MB": GET + b"Content-Length: 4000000\r\n\r\n" + bytes(4_000_000),
}


def exchange(target: Target, content: bytes, seconds: float = 0.2) -> bytes:
    """Sends bytes and returns what comes back until it is silent or closed."""
    received = b""
    with socket.create_connection(("127.0.0.1", target.port), timeout=SECONDS) as connection:
        try:
            connection.sendall(content)
            connection.settimeout(seconds)
            while part := connection.recv(65_536):
                received += part
        except OSError:
            pass
    return received


def expect_alive(target: Target, what: str) -> None:
    """The port answers others."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{target.port}/livez", timeout=SECONDS):
            pass
    except OSError as error:
        raise Finding(f"{what}: /livez does not answer: {error}") from None


def smuggling_case(name: str, content: bytes) -> None:
    @case(f"an HTTP request with {name}", ADMIN)
    def run(target: Target, _) -> None:
        received = exchange(target, content)
        if b"ledger_submissions_total" in received:
            raise Finding(f"{name}: a request inside another one's body was answered")
        if received.startswith(b"HTTP/1.1 5"):
            raise Finding(f"{name}: {received[:100]!r}")
        expect_alive(target, name)


for _name, _content in SMUGGLED.items():
    smuggling_case(_name, _content)


@case("2,000 HTTP requests at once on one connection, unread", ADMIN)
def pipelined(target: Target, _) -> None:
    request = b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n"
    with socket.create_connection(("127.0.0.1", target.port), timeout=2) as connection:
        try:
            connection.sendall(request * 2_000)
        except OSError:
            pass
        expect_alive(target, "pipelined requests")


@case("100 HTTP requests that never end", ADMIN)
def slow(target: Target, _) -> None:
    connections = []
    try:
        for _ in range(100):
            connection = socket.create_connection(("127.0.0.1", target.port), timeout=SECONDS)
            connections.append(connection)
            connection.sendall(GET[:20])
        expect_alive(target, "slow requests")
    finally:
        for connection in connections:
            connection.close()


@attack("random HTTP requests", ADMIN)
def random_requests(target: Target, rng: random.Random) -> None:
    content = bytearray(rng.choice(list(SMUGGLED.values()))[:5_000] + GET + b"\r\n")
    for _ in range(rng.randrange(1, 20)):
        at = rng.randrange(len(content))
        if rng.random() < 0.5:
            content[at] = rng.randrange(256)
        else:
            content[at:at] = rng.choice([b"\r\n", b"\0", b":", b" ", b"\n\n", b"Content-Length: 1"])
    exchange(target, bytes(content), seconds=0.02)
