"""The outside world of the benches in one small process: a gateway that takes everything, and the
receiver of pages.

As lean as a Python server can be, since its cost is on both sides of each comparison. The key set
and the tokens of callbacks come from the simulated realm, made by the process that runs the bench.
"""

from __future__ import annotations

import argparse
import json
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

from conformance.simulator.tokens import Realm
from conformance.stack import free_port, spawn, wait_until_ready

PIECE = 1024 * 1024
TOKEN_SECONDS = 3600


@dataclass(frozen=True)
class Outside:
    """The running process, seen from the bench. `push_url` takes pages."""

    url: str
    realm: Realm

    @property
    def push_url(self) -> str:
        return f"{self.url}/push"

    def counts(self) -> dict[str, int]:
        """How many requests each path got, and the bytes that came to /push (`push bytes`)."""
        found: dict[str, int] = requests.get(f"{self.url}/counts", timeout=10).json()
        return found

    def last_page(self) -> dict[str, Any]:
        """The page pushed last (only those up to 1 MiB are kept)."""
        page: dict[str, Any] = requests.get(f"{self.url}/last", timeout=10).json()
        return page

    def callback_headers(self, hip_id: str, token: str | None = None) -> dict[str, str]:
        """Headers of a signed callback with a REQUEST-ID of its own."""
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "Authorization": f"Bearer {token or self.realm.callback(TOKEN_SECONDS)}",
            "Content-Type": "application/json",
            "REQUEST-ID": str(uuid4()),
            "TIMESTAMP": moment,
            "X-HIP-ID": hip_id,
        }


@contextmanager
def outside() -> Iterator[Outside]:
    """Start the process on a free port; end it with the block."""
    realm = Realm()
    with tempfile.TemporaryDirectory(prefix="bench-outside-") as folder:
        keys = Path(folder, "keys.json")
        keys.write_text(json.dumps(realm.published()))
        port = free_port()
        arguments = ["tests.bench.outside", "--port", str(port), "--keys", str(keys)]
        child = spawn("outside", arguments, {}, Path(folder))
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(child, f"{url}/counts")
            yield Outside(url, realm)
        finally:
            child.stop()


class _Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        while line := self.rfile.readline():
            method, path, _ = line.split(b" ", 2)
            length = 0
            while (header := self.rfile.readline()) not in (b"\r\n", b""):
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            body = self._body(length)
            self._answer(*self.server.answer(method.decode(), path.decode(), length, body))

    def _body(self, length: int) -> bytes:
        """The body if it is small; a large one is read and forgotten."""
        if length <= PIECE:
            return self.rfile.read(length)
        while length > 0:
            piece = self.rfile.read(min(PIECE, length))
            if not piece:
                break
            length -= len(piece)
        return b""

    def _answer(self, status: str, body: bytes) -> None:
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
            f"Date: {formatdate(usegmt=True)}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.wfile.write(head.encode() + body)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, keys: bytes) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self._keys = keys
        self._counts: dict[str, int] = {}
        self._last = b"{}"
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, length: int, body: bytes) -> tuple[str, bytes]:
        if path == "/counts":
            with self._lock:
                return "200 OK", json.dumps(self._counts).encode()
        if path == "/last":
            return "200 OK", self._last
        if path.endswith("/certs"):
            return "200 OK", self._keys
        with self._lock:
            self._counts[path] = self._counts.get(path, 0) + 1
            if path == "/push":
                self._counts["push bytes"] = self._counts.get("push bytes", 0) + length
                self._last = body or self._last
        if path.endswith("/sessions"):
            session = {"accessToken": "bench", "expiresIn": TOKEN_SECONDS, "tokenType": "bearer"}
            return "202 Accepted", json.dumps(session).encode()
        return "202 Accepted", b""


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--keys", type=Path, required=True)
    given = parser.parse_args()
    with _Server(given.port, given.keys.read_bytes()) as server:
        server.serve_forever()
