"""Things between two parties that break when told: a TCP proxy, and a relay that loses hooks."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests


class TcpProxy:
    """Passes bytes to a server of this machine; while down it cuts and refuses every connection.

    `delay`: seconds by which each part of an answer comes later.
    """

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._down = False
        self.delay = 0.0
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def down(self) -> None:
        """Cut what is open and refuse what comes."""
        self._down = True
        with self._lock:
            cut, self._open = self._open, set()
        for each in cut:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def up(self) -> None:
        """Pass bytes again."""
        self._down = False

    def close(self) -> None:
        """End for good."""
        self.down()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._down:
                client.close()
                continue
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        with self._lock:
            self._open |= {client, server}
        back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
        back.start()
        self._pump(client, server, late=False)
        back.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def _pump(self, source: socket.socket, target: socket.socket, *, late: bool = True) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if late and self.delay:
                    time.sleep(self.delay)
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


class HookRelay:
    """Passes the FHIR server's hooks on to `target` (a base URL) and loses a share of them."""

    def __init__(self, url: str, target: str, lost: float, chance: random.Random) -> None:
        self.url, self.target = url, target
        self.passed = self.dropped = 0
        self._lost, self._chance = lost, chance

    def take(self, path: str, headers: dict[str, str]) -> int:
        """One hook: the status that the FHIR server is told."""
        if self._chance.random() < self._lost:
            self.dropped += 1
            return 200
        self.passed += 1
        with suppress(requests.RequestException):
            return requests.post(self.target + path, headers=headers, timeout=5).status_code
        return 503


@contextmanager
def hook_relay(target: str, lost: float, chance: random.Random) -> Iterator[HookRelay]:
    """A relay on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            secret = {"X-Watch-Secret": self.headers.get("X-Watch-Secret", "")}
            self.send_response(relay.take(self.path, secret))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    relay = HookRelay(f"http://127.0.0.1:{server.server_port}", target, lost, chance)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield relay
    finally:
        server.shutdown()
        server.server_close()
