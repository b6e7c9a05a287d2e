"""A bucket that misbehaves: an HTTP server in front of a real S3 server.

What it does wrong it chooses at random, from a seed. It takes every signature for right and signs its own
requests to the server behind it, so that it may keep and give other bytes than it was asked for; and it
knows conditional puts, which the server behind it does not.
"""

import base64
import collections
import email.utils
import hashlib
import hmac
import http.client
import http.server
import random
import socket
import socketserver
import threading
import time
import urllib.parse

BUSY = ("busy", "throttled", "broken")
# How often each happens, in thousandths of the requests of a kind.
FAULTS = {
    "PUT": {
        "dropped": 15, "answer lost": 30, "busy": 15, "throttled": 10, "broken": 10, "slow": 30,
        "not stored": 40, "says exists": 30, "condition disregarded": 20,
    },
    "GET": {
        "dropped": 15, "busy": 15, "throttled": 10, "broken": 10, "slow": 30, "cut": 15, "short": 15,
        "flipped": 20, "old": 60, "of another": 15, "hidden": 30,
    },
    "HEAD": {"dropped": 15, "busy": 10, "slow": 20, "hidden": 40, "invented": 40},
    "DELETE": {"dropped": 20, "answer lost": 20, "busy": 10, "not done": 50},
}  # fmt: skip
LONGEST_DELAY = 0.6
# Every so many requests of a kind, a fault of that kind has its turn that did not come up yet.
TURN = 20


def document(code: str) -> bytes:
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message></Error>'.encode()


class FaultyBucket:
    """Serves on a port of its own from `start` until `stop`."""

    def __init__(self, server: dict, seed: int):
        """
        :param server: what scripts/s3_server.py reports
        """
        self.server = server
        self.behind = urllib.parse.urlsplit(server["plain_endpoint"]).netloc
        # Set: nothing goes wrong any more.
        self.honest = threading.Event()
        self.counts: collections.Counter[str] = collections.Counter()
        self._asked: collections.Counter[str] = collections.Counter()
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        # What each object was, version after version; and one lock for the puts of each.
        self._versions: dict[str, list[bytes]] = collections.defaultdict(list)
        self._locks: dict[str, threading.Lock] = collections.defaultdict(threading.Lock)
        bucket = self

        class Handler(RequestHandler):
            pass

        Handler.bucket = bucket
        self._http = Server(("127.0.0.1", 0), Handler)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def start(self) -> None:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def fault(self, method: str, path: str) -> str | None:
        """What goes wrong with a request."""
        if self.honest.is_set():
            return None
        with self._lock:
            rates = dict(FAULTS.get(method, {}))
            if len(self._versions.get(path, [])) < 2:
                rates.pop("old", None)
            chosen = self._by_chance(rates)
            # What chance has left out has its turn: a run that is soon over has seen everything as well.
            self._asked[method] += 1
            if chosen is None and self._asked[method] % TURN == 0:
                never = (fault for fault in rates if not self.counts[f"{method} {fault}"])
                chosen = next(never, None)
            if chosen:
                self.counts[f"{method} {chosen}"] += 1
            return chosen

    def _by_chance(self, rates: dict[str, int]) -> str | None:
        place = self._random.randrange(1000)
        for fault, rate in rates.items():
            if place < rate:
                return fault
            place -= rate
        return None

    def number(self, bound: int) -> int:
        with self._lock:
            return self._random.randrange(max(1, bound))

    def old_version(self, path: str) -> bytes:
        """What an object was before."""
        with self._lock:
            return self._random.choice(self._versions[path][:-1])

    def other(self, path: str) -> str | None:
        """An object of the same kind."""
        folder = path.rpartition("/")[0] + "/"
        with self._lock:
            names = [name for name in self._versions if name.startswith(folder) and name != path]
            return self._random.choice(sorted(names)) if names else None

    def lock(self, path: str) -> threading.Lock:
        with self._lock:
            return self._locks[path]

    def keep(self, path: str, content: bytes) -> None:
        with self._lock:
            self._versions[path].append(content)

    def ask(
        self, method: str, target: str, body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """Asks the server behind, signed by the older way."""
        path = target.partition("?")[0]
        date = email.utils.formatdate(usegmt=True)
        digest = base64.b64encode(hashlib.md5(body).digest()).decode() if body else ""
        signed = f"{method}\n{digest}\n\n{date}\n{path}".encode()
        signature = hmac.digest(self.server["secret_key"].encode(), signed, hashlib.sha1)
        headers = {
            "Date": date,
            "Authorization": f"AWS {self.server['access_key']}:{base64.b64encode(signature).decode()}",
        }
        if body:
            headers["Content-MD5"] = digest
        connection = http.client.HTTPConnection(self.behind, timeout=60)
        try:
            connection.request(method, target, body or None, headers)
            answer = connection.getresponse()
            kept = ("etag", "last-modified", "content-type", "content-length")
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, {n: v for n, v in fields.items() if n in kept}, answer.read()
        finally:
            connection.close()


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, _request, _address) -> None:
        """Who asked may go in the middle of an answer, as processes that are killed do."""


class RequestHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bucket: FaultyBucket

    def log_message(self, *_arguments) -> None:
        pass

    def do_PUT(self) -> None:
        bucket, path = self.bucket, self.path
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        fault = bucket.fault("PUT", path)
        if self.is_refused(fault):
            return
        conditional = self.headers.get("if-none-match") == "*"
        if fault == "not stored":
            return self.answer(200)
        if fault == "says exists" and conditional:
            return self.answer(412, document("PreconditionFailed"))
        with bucket.lock(path):
            if conditional and fault != "condition disregarded":
                status, _, _ = bucket.ask("HEAD", path)
                if status == 200:
                    return self.answer(412, document("PreconditionFailed"))
            status, fields, content = bucket.ask("PUT", path, body)
            if status == 200:
                bucket.keep(path, body)
        if fault == "answer lost":
            return self.cut()
        self.answer(status, content, fields)

    def do_GET(self) -> None:
        bucket, path = self.bucket, self.path
        fault = bucket.fault("GET", path)
        if self.is_refused(fault):
            return
        if fault == "hidden":
            return self.answer(404, document("NoSuchKey"))
        if fault == "old":
            return self.answer(200, bucket.old_version(path))
        status, fields, content = bucket.ask(
            "GET", (bucket.other(path) or path) if fault == "of another" else path
        )
        if status == 200 and content:
            if fault == "short":
                content = content[: bucket.number(len(content))]
            elif fault == "flipped":
                place = bucket.number(len(content))
                wrong = bytearray(content)
                wrong[place] ^= 1 << bucket.number(8)
                content = bytes(wrong)
            elif fault == "cut":
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2])
                return self.cut()
        self.answer(status, content, fields)

    def do_HEAD(self) -> None:
        fault = self.bucket.fault("HEAD", self.path)
        if self.is_refused(fault):
            return
        if fault == "hidden":
            return self.answer(404, head=True)
        if fault == "invented":
            return self.answer(200, head=True)
        status, fields, content = self.bucket.ask("HEAD", self.path)
        self.answer(status, content, fields, head=True)

    def do_DELETE(self) -> None:
        fault = self.bucket.fault("DELETE", self.path)
        if self.is_refused(fault):
            return
        if fault == "not done":
            return self.answer(204)
        status, fields, content = self.bucket.ask("DELETE", self.path)
        if fault == "answer lost":
            return self.cut()
        self.answer(status, content, fields)

    def is_refused(self, fault: str | None) -> bool:
        """Whether nothing is done, of which the caller hears or not; may take its time."""
        if fault == "slow":
            time.sleep(self.bucket.number(1000) / 1000 * LONGEST_DELAY)
        elif fault == "dropped":
            self.cut()
            return True
        elif fault in BUSY:
            statuses = [(503, "SlowDown"), (429, "TooManyRequests"), (500, "InternalError")]
            status, code = statuses[BUSY.index(fault)]
            self.answer(status, document(code), head=self.command == "HEAD")
            return True
        return False

    def cut(self) -> None:
        """Ends the connection as a broken network does."""
        self.close_connection = True
        self.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
        )
        self.connection.close()

    def answer(
        self, status: int, content: bytes = b"", fields: dict[str, str] | None = None, head=False
    ) -> None:
        self.send_response(status)
        for name, value in (fields or {}).items():
            if name != "content-length":
                self.send_header(name, value)
        length = (fields or {}).get("content-length", "0") if head else str(len(content))
        if status != 204:
            self.send_header("Content-Length", length)
        self.end_headers()
        if not head and status != 204:
            self.wfile.write(content)
