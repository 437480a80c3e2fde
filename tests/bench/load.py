"""A load generator: requests made beforehand, a few kept-alive connections, one thread each.

Writes and reads plain sockets, so that it costs little beside what it measures.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Answered:
    """`seconds`: how long all took together; `latencies`: of each request, in seconds."""

    seconds: float
    latencies: list[float]


def post(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A request's bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode() + body


def send(port: int, requests: Sequence[bytes], connections: int) -> Answered:
    """Send all requests, each connection its share one after the other; every answer must be 202.

    Raises RuntimeError for another status.
    """
    ready = threading.Barrier(connections + 1)
    latencies: list[list[float]] = [[] for _ in range(connections)]
    failures: list[Exception] = []

    def client(number: int) -> None:
        try:
            with socket.create_connection(("127.0.0.1", port), 30) as line:
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ready.wait()
                for request in requests[number::connections]:
                    began = time.perf_counter()
                    line.sendall(request)
                    _accepted(line)
                    latencies[number].append(time.perf_counter() - began)
        except Exception as error:
            failures.append(error)
            ready.abort()

    threads = [threading.Thread(target=client, args=(n,)) for n in range(connections)]
    for thread in threads:
        thread.start()
    with suppress(threading.BrokenBarrierError):  # a client failed; it is told below
        ready.wait(30)
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if failures:
        raise RuntimeError(f"The server did not take every request: {failures[0]}")
    return Answered(seconds, [each for some in latencies for each in some])


def _accepted(line: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = line.recv(65536)
        if not piece:
            raise RuntimeError("the connection was closed")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 202"):
        raise RuntimeError(f"answered {head.splitlines()[0].decode()} {body[:200]!r}")
    length = next(
        int(each.split(b":")[1])
        for each in head.splitlines()
        if each.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += line.recv(65536)
