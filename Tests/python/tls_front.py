"""What stands with TLS in front of a server that speaks without: a witness, or a collector of traces."""

import contextlib
import pathlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator

from authority import Pair

HANDSHAKE_SECONDS = 60


class TLSFront:
    """Takes connections with TLS 1.2 or 1.3 and hands on what comes over them to a port of this machine."""

    def __init__(self, port: int, pair: Pair, callers: pathlib.Path | None = None):
        self.target = port
        # The certificate that was shown with each connection that both sides agreed to.
        self.accepted: list[str] = []
        # Handshakes that one of the two sides has ended. Who finds another name than he wants may do so after it only.
        self.refused = 0
        # Bytes that came over connections and were handed on.
        self.received = 0
        self.show(pair, callers)
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def show(self, pair: Pair, callers: pathlib.Path | None = None) -> None:
        """Shows this certificate from the next connection on, and wants one of that authority where it is given."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.path, pair.key)
        if callers:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(callers)
        self._shown = context, pair.path.stem

    @property
    def attempts(self) -> int:
        """How many connections were begun with TLS, and came to something or not."""
        return len(self.accepted) + self.refused

    def cut(self) -> None:
        """Ends the connections that are open."""
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        context, name = self._shown
        connection.settimeout(HANDSHAKE_SECONDS)
        try:
            encrypted = context.wrap_socket(connection, server_side=True)
        except OSError:
            self.refused += 1
            connection.close()
            return
        encrypted.settimeout(None)
        self._open.add(encrypted)
        self.accepted.append(name)
        with contextlib.suppress(OSError), encrypted:
            with socket.create_connection(("127.0.0.1", self.target)) as plain:
                self._hand_on(encrypted, plain)
        self._open.discard(encrypted)

    def _hand_on(self, encrypted: ssl.SSLSocket, plain: socket.socket) -> None:
        while True:
            # What was decrypted already does not show at the socket.
            ready = [encrypted] if encrypted.pending() else select.select([encrypted, plain], [], [])[0]
            for one in ready:
                piece = one.recv(65_536)
                if not piece:
                    return
                if one is encrypted:
                    self.received += len(piece)
                (plain if one is encrypted else encrypted).sendall(piece)


@contextlib.contextmanager
def running_front(port: int, pair: Pair, callers: pathlib.Path | None = None) -> Iterator[TLSFront]:
    front = TLSFront(port, pair, callers)
    try:
        yield front
    finally:
        front.stop()
