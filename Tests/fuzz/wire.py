"""One HTTP/2 connection of which every byte can be chosen, and what came back over it."""

import base64
import contextlib
import dataclasses
import socket
import struct
import time

import hpack
from google.rpc import error_details_pb2, status_pb2

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE = range(9)
CONTINUATION = 9
INITIAL_WINDOW_SIZE = 4
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 0x1, 0x1, 0x4, 0x8, 0x20
MAX_FRAME, FIRST_WINDOW = 16_384, 65_535
# Long enough for a debug build on a busy machine: what never answers is what is looked for.
ANSWER_SECONDS = 12


def frame(kind: int, flags: int, stream: int, payload: bytes = b"", length: int | None = None):
    """The bytes of a frame; its length may lie."""
    size = len(payload) if length is None else length
    return struct.pack(">I", size & 0xFFFFFF)[1:] + bytes([kind, flags]) + struct.pack(
        ">I", stream & 0xFFFFFFFF
    ) + payload  # fmt: skip


def integer(value: int, bits: int, first: int) -> bytes:
    """A number of HPACK with so many bits in its first byte."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([first | value])
    encoded, value = bytearray([first | limit]), value - limit
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(encoded + bytes([value]))


def octets(text: "str | bytes") -> bytes:
    """Text as the bytes that are sent."""
    return text.encode() if isinstance(text, str) else text


def literal(fields) -> bytes:
    """Header fields without compression, whatever their bytes are."""
    block = bytearray()
    for name, value in fields:
        name, value = octets(name), octets(value)
        block += b"\0" + integer(len(name), 7, 0) + name + integer(len(value), 7, 0) + value
    return bytes(block)


def message(content: bytes, flag: int = 0, length: int | None = None) -> bytes:
    """A message as gRPC frames it; its flag and its length may lie."""
    return struct.pack(">BI", flag, len(content) if length is None else length) + content


def call_headers(path: "str | bytes", *more) -> list:
    """The header fields of an ordinary call, and more after them."""
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "ledger"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        *more,
    ]


@dataclasses.dataclass
class Answer:
    """What came back on one stream."""

    fields: dict[str, str] = dataclasses.field(default_factory=dict)
    data: bytearray = dataclasses.field(default_factory=bytearray)
    ended: bool = False
    reset: int | None = None
    window: int = 0
    sent: int = 0

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None

    @property
    def status(self) -> int | None:
        """The gRPC status; None where the stream was closed without one."""
        text = self.fields.get("grpc-status", "")
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def reason(self) -> str | None:
        """The reason in an ErrorInfo of the ledger's domain."""
        encoded = self.fields.get("grpc-status-details-bin", "")
        status = status_pb2.Status()
        with contextlib.suppress(ValueError):
            status.ParseFromString(base64.b64decode(encoded + "=" * (-len(encoded) % 4)))
        for detail in status.details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info) and info.domain == "ledger":
                return info.reason
        return None

    def __str__(self) -> str:
        if self.status is not None:
            said = self.fields.get("grpc-message", "")[:120]
            return f"status {self.status}, reason {self.reason}, {said!r}"
        end = "reset" if self.reset is not None else "ended" if self.ended else "open"
        return f"{end} ({self.reset}) without a status, fields {self.fields}"


class Wire:
    """A connection that reads whatever comes, and sends what it is told."""

    def __init__(self, port: int, greet: bool = True, settings: bytes = b""):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answers: dict[int, Answer] = {}
        self.pongs = 0
        self.goaway: int | None = None
        self.farewell = ""
        self.closed = False
        self.settled = False
        self.updates_windows = True
        self._buffer = bytearray()
        self._decoder = hpack.Decoder(max_header_list_size=1 << 24)
        # What a hostile setting allows the other side.
        self._decoder.max_allowed_table_size = 1 << 32
        self._block = b""
        self._window, self._first_window, self._sent = FIRST_WINDOW, FIRST_WINDOW, 0
        if greet:
            self.send(PREFACE, frame(SETTINGS, 0, 0, settings))

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_) -> None:
        self.socket.close()

    def answer(self, stream: int) -> Answer:
        return self.answers.setdefault(stream, Answer())

    # Sending

    def send(self, *parts: bytes) -> bool:
        """Sends bytes; false, and `closed`, where the other side no longer takes them."""
        try:
            for part in parts:
                self.socket.sendall(part)
        except OSError:
            self.closed = True
        return not self.closed

    def open(self, stream: int, fields, end: bool = False) -> None:
        """Sends header fields, in as many frames as they need."""
        block = literal(fields)
        pieces = [block[at : at + MAX_FRAME] for at in range(0, len(block), MAX_FRAME)] or [b""]
        for index, piece in enumerate(pieces):
            flags = END_HEADERS if index == len(pieces) - 1 else 0
            if index == 0:
                self.send(frame(HEADERS, flags | (END_STREAM if end else 0), stream, piece))
            else:
                self.send(frame(CONTINUATION, flags, stream, piece))

    def data(self, stream: int, content: bytes, end: bool = True) -> None:
        """Sends bytes of a call as the windows allow, until it is answered or all are sent."""
        at = 0
        while True:
            piece = content[at : at + min(MAX_FRAME, self.room(stream))]
            if len(piece) < min(MAX_FRAME, len(content) - at) and not self.pump(
                ANSWER_SECONDS, lambda: self.answer(stream).over or self.room(stream) >= MAX_FRAME
            ):
                # Windows that never open again: an answer is still waited for by the caller.
                return
            if self.answer(stream).over:
                return
            piece = content[at : at + min(MAX_FRAME, self.room(stream))]
            at += len(piece)
            self._sent += len(piece)
            self.answer(stream).sent += len(piece)
            last = at == len(content)
            if not self.send(frame(DATA, END_STREAM if end and last else 0, stream, piece)) or last:
                return

    def room(self, stream: int) -> int:
        """How many bytes the windows of the stream and of the connection allow now."""
        answer = self.answer(stream)
        return max(
            0,
            min(
                self._window - self._sent,
                self._first_window + answer.window - answer.sent,
            ),
        )

    # Receiving

    def pump(self, seconds: float, until) -> bool:
        """Reads until the condition holds, the other side closes or the time is over."""
        deadline = time.monotonic() + seconds
        while not until() and not self.closed:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.socket.settimeout(left)
            try:
                received = self.socket.recv(65_536)
            except TimeoutError:
                return until()
            except OSError:
                received = b""
            finally:
                self.socket.settimeout(ANSWER_SECONDS)
            if not received:
                self.closed = True
            self._buffer += received
            self._parse()
        return until()

    def wait(self, stream: int, seconds: float = ANSWER_SECONDS) -> Answer:
        """Reads until the stream is over."""
        self.pump(seconds, lambda: self.answer(stream).over)
        return self.answer(stream)

    def call(self, stream: int, path, content: bytes = b"", *more, framed=True) -> Answer:
        """Makes one ordinary call and waits for its end."""
        self.open(stream, call_headers(path, *more))
        self.data(stream, message(content) if framed else content)
        return self.wait(stream)

    def ping(self, seconds: float = ANSWER_SECONDS) -> bool:
        """Whether the connection still answers."""
        before = self.pongs
        self.send(frame(PING, 0, 0, b"are you?"))
        return self.pump(seconds, lambda: self.pongs > before)

    def _parse(self) -> None:
        while len(self._buffer) >= 9:
            size = int.from_bytes(self._buffer[:3], "big")
            if len(self._buffer) < 9 + size:
                return
            kind, flags = self._buffer[3], self._buffer[4]
            stream = int.from_bytes(self._buffer[5:9], "big") & 0x7FFFFFFF
            payload = bytes(self._buffer[9 : 9 + size])
            del self._buffer[: 9 + size]
            self._take(kind, flags, stream, payload)

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            for identifier, value in struct.iter_unpack(">HI", payload):
                if identifier == INITIAL_WINDOW_SIZE:
                    self._first_window = value
            self.settled = True
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload, "big")
        elif kind == WINDOW_UPDATE:
            self.answer(stream).window += int.from_bytes(payload, "big")
        elif kind == PING and flags & ACK:
            self.pongs += 1
        elif kind == PING:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
            self.farewell = payload[8:].decode(errors="replace")
        elif kind == RST_STREAM:
            self.answer(stream).reset = int.from_bytes(payload, "big")
        elif kind == DATA:
            self.answer(stream).data += payload
            if payload and self.updates_windows:
                update = struct.pack(">I", len(payload))
                self.send(frame(WINDOW_UPDATE, 0, 0, update))
                self.send(frame(WINDOW_UPDATE, 0, stream, update))
        elif kind in (HEADERS, CONTINUATION):
            self._block += payload
            if flags & END_HEADERS:
                for name, value in self._decoder.decode(self._block):
                    self.answer(stream).fields[name] = value
                self._block = b""
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.answer(stream).ended = True
