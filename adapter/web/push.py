"""`POST /push/<token>`: pages of records from other hospitals' systems. Stored, then answered.

The token in the URL is the credential (architecture 11): who has it was told it by ABDM in our name
for this one transfer. No Authorization is asked for, since peers send none. The body is spooled to
disk while it arrives, so neither memory nor a lock has to wait for a slow sender; only its frame is
parsed here. Nothing is decrypted before it is answered.
"""

from __future__ import annotations

import hashlib
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import IO

from flask import Blueprint, Response, request
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout

from adapter import metrics
from adapter.flows import hiu_receive
from adapter.flows.hiu_receive import Arrival
from adapter.protocol.errors import DependencyUnavailable
from adapter.protocol.page_frame import PageFrame
from adapter.runtime import Adapter

ACCEPTED = 202
PART = 1024 * 1024
#: A page of the largest size, at 4 Mbit/s.
PAGE_SECONDS = 300
#: A sender that falls silent for so long has gone.
SILENCE_SECONDS = 30


def blueprint(adapter: Adapter) -> Blueprint:
    """The one route that hospitals elsewhere call."""
    made = Blueprint("push", __name__)

    @made.post("/push/<token>")
    def receive(token: str) -> Response:
        try:
            outcome = _receive(adapter, token)
        except OperationalError:
            metrics.PAGES.labels("DependencyUnavailable").inc()
            raise DependencyUnavailable(
                "The adapter's database does not answer; send this page again later."
            ) from None
        except Exception as error:
            metrics.PAGES.labels(type(error).__name__).inc()
            raise
        metrics.PAGES.labels(outcome).inc()
        adapter.wake()
        return Response(status=ACCEPTED)

    return made


def _receive(adapter: Adapter, token: str) -> str:
    transfer = hiu_receive.expect_page(adapter, token)
    limit = adapter.config.max_page_bytes
    request.max_content_length = limit
    if (request.content_length or 0) > limit:
        raise RequestEntityTooLarge
    with tempfile.TemporaryFile(prefix="abdm-page-") as spool:
        with _not_silent():
            frame, digest, size = _spool(spool)
        arrival = Arrival(frame=frame, digest=digest, size=size, parts=lambda: _parts(spool))
        return hiu_receive.accept_page(adapter, transfer, arrival)


def _spool(spool: IO[bytes]) -> tuple[bytes, str, int]:
    """Write the body to `spool`; its frame, SHA-256 in hex, and size."""
    frame, digest, size = PageFrame(), hashlib.sha256(), 0
    ends = monotonic() + PAGE_SECONDS
    while part := request.stream.read(PART):
        if monotonic() > ends:
            raise RequestTimeout
        frame.feed(part)
        digest.update(part)
        spool.write(part)
        size += len(part)
    return frame.finish(), digest.hexdigest(), size


def _parts(spool: IO[bytes]) -> Iterator[bytes]:
    spool.seek(0)
    while part := spool.read(PART):
        yield part


@contextmanager
def _not_silent() -> Iterator[None]:
    """While the body is read, a silent connection ends after SILENCE_SECONDS: it holds a thread."""
    line = request.environ.get("gunicorn.socket")
    if not isinstance(line, socket.socket):
        yield
        return
    before = line.gettimeout()
    line.settimeout(SILENCE_SECONDS)
    try:
        yield
    finally:
        line.settimeout(before)
