"""A small collector of OTLP over HTTP in JSON, which keeps what it is sent. Shares nothing with the service's code."""

import contextlib
import http.server
import json
import sys
import threading
from collections.abc import Iterator

import otlp_messages


class Span:
    """One span as it came, with the resource it came under."""

    def __init__(self, fields: dict, resource: dict, scope: dict):
        self.fields = fields
        self.resource = attributes(resource.get("attributes", []))
        self.scope = scope.get("name")
        self.trace = fields["traceId"]
        self.id = fields["spanId"]
        self.parent = fields.get("parentSpanId", "")
        self.name = fields["name"]
        self.kind = fields["kind"]
        self.start = int(fields["startTimeUnixNano"])
        self.end = int(fields["endTimeUnixNano"])
        self.attributes = attributes(fields.get("attributes", []))
        self.status = fields.get("status", {}).get("code", 0)

    @property
    def replica(self) -> str:
        return self.resource["service.instance.id"]

    def __repr__(self) -> str:
        return f"{self.name} {self.id} in {self.parent or 'nothing'} at {self.replica[:8]} {self.attributes}"


def attributes(pairs: list) -> dict:
    """Names and values; each value must be of exactly one kind."""
    found = {}
    for pair in pairs:
        ((kind, value),) = pair["value"].items()
        if kind == "intValue":
            assert isinstance(value, str), f"a 64-bit integer is text in JSON: {value!r}"
            value = int(value)
        assert pair["key"] not in found, f"{pair['key']} comes twice"
        found[pair["key"]] = value
    return found


class Collector:
    """Answers as `answer` says, and keeps the bodies it has taken with 200."""

    def __init__(self):
        self.bodies: list[bytes] = []
        self.requests = 0
        self.headers: list[dict] = []
        self.paths: set[str] = set()
        # Status, headers, body; None never answers.
        self.answer: "tuple[int, dict, bytes] | None" = (200, {}, b"{}")
        self.over = threading.Event()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802 - the base class's name
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.requests += 1
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                collector.paths.add(self.path)
                answer = collector.answer
                if answer is None:
                    collector.over.wait(600)
                    return
                status, headers, text = answer
                if status == 200:
                    collector.bodies.append(body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, address):
                # Who is not answered may go.
                if not isinstance(sys.exception(), OSError):
                    super().handle_error(request, address)

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def spans(self) -> list[Span]:
        found = []
        for body in list(self.bodies):
            document = json.loads(body)
            for of_resource in document["resourceSpans"]:
                for of_scope in of_resource["scopeSpans"]:
                    for fields in of_scope["spans"]:
                        found.append(Span(fields, of_resource["resource"], of_scope["scope"]))
        return found

    def trace(self, trace: str) -> list[Span]:
        return [span for span in self.spans if span.trace == trace]

    def stop(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


@contextlib.contextmanager
def running_collector() -> Iterator[Collector]:
    collector = Collector()
    try:
        yield collector
        # What no test asked about too is what any other collector takes.
        for body in collector.bodies:
            otlp_messages.parse(body)
    finally:
        collector.stop()
