"""Callbacks go first: background threads step aside while the gateway is being answered.

Threads of one process share one interpreter and one writer of the database, so a row worked on at
the wrong moment makes a callback wait several times its own length. The work bears a moment's
delay. It never waits longer than LONGEST_SECONDS before each row, so that a steady stream of
callbacks slows it down and cannot stop it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_SECONDS = 2.0
#: How long no callback may have been there: in a burst, the next one comes within milliseconds.
QUIET_SECONDS = 0.02


class Turns:
    """Who answers, and who waits for it. Usable by any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answering = 0
        self._quiet_since = 0.0

    @contextmanager
    def answering(self) -> Iterator[None]:
        """A callback is being answered while the block runs."""
        with self._lock:
            self._answering += 1
        try:
            yield
        finally:
            with self._lock:
                self._answering -= 1
                self._quiet_since = time.monotonic()

    def wait(self) -> None:
        """Return once callbacks have paused, or after LONGEST_SECONDS."""
        ends = time.monotonic() + LONGEST_SECONDS
        while (now := time.monotonic()) < ends:
            if not self._answering and now - self._quiet_since >= QUIET_SECONDS:
                return
            time.sleep(QUIET_SECONDS)
