"""The gateway's public keys, kept by key id, for checking the callbacks' tokens.

A callback never waits longer than WAIT_SECONDS for a key: the fetch runs in a thread of its own,
shared by all who wait, at most once a minute while keys are known. Old keys are replaced in the
background, so a key the gateway withdraws stops being accepted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import jwt
import structlog

from adapter.protocol.errors import DependencyUnavailable

log = structlog.get_logger(__name__)

WAIT_SECONDS = 2.0
REFETCH_AFTER = timedelta(minutes=1)
# With no keys at all every callback is lost to a 503 until the gateway repeats it.
RETRY_AFTER_FAILURE = timedelta(seconds=1)
RENEW_AFTER = timedelta(hours=1)

# Security options written out: asymmetric only, and the algorithm is the key's, not the token's.
ALGORITHMS = ("RS256", "RS512")


class KeySet:
    """Keys by id. `fetch` returns the JWK set as the gateway publishes it, or raises."""

    def __init__(self, fetch: Callable[[], dict[str, Any]], clock: Callable[[], datetime]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked_at: datetime | None = None
        self._fetched_at: datetime | None = None
        self._failed = False
        self._running: threading.Event | None = None

    def get(self, kid: str) -> jwt.PyJWK | None:
        """The key `kid`, fetched if unknown; None if the gateway does not have it.

        Raises DependencyUnavailable when the keys cannot be had now: nothing may be accepted
        unverified, and nothing condemned.
        """
        known = self._keys.get(kid)
        if known is not None:
            if self._fetched_at and self._clock() - self._fetched_at >= RENEW_AFTER:
                self._start()
            return known
        running = self._start()
        if running is not None and not running.wait(WAIT_SECONDS):
            raise self._unobtainable()
        if kid in self._keys:
            return self._keys[kid]
        if self._failed:
            raise self._unobtainable()
        return None

    def prefetch(self) -> None:
        """Fetch in the background, so that the first callback finds the keys."""
        self._start()

    def _start(self) -> threading.Event | None:
        """The running fetch, a new one, or None when it is too early for one."""
        with self._lock:
            if self._running is not None:
                return self._running
            pause = RETRY_AFTER_FAILURE if self._failed and not self._keys else REFETCH_AFTER
            if self._asked_at is not None and self._clock() - self._asked_at < pause:
                return None
            self._asked_at = self._clock()
            self._running = running = threading.Event()
        threading.Thread(target=self._run, args=(running,), name="jwks", daemon=True).start()
        return running

    def _run(self, done: threading.Event) -> None:
        try:
            keys = _usable(self._fetch())
        except Exception as error:  # noqa: BLE001 - those who wait must be told, whatever it is
            log.warning("the gateway's keys cannot be fetched", error=type(error).__name__)
            keys = {}
        with self._lock:
            # An empty set is a fault of the gateway: what was known stays.
            self._failed = not keys
            if keys:
                self._keys = keys
                self._fetched_at = self._clock()
            self._running = None
        done.set()

    @staticmethod
    def _unobtainable() -> DependencyUnavailable:
        return DependencyUnavailable(
            "The gateway's keys cannot be fetched now, so the token cannot be checked; try again."
        )


def _usable(key_set: dict[str, Any]) -> dict[str, jwt.PyJWK]:
    """The RSA signing keys of a JWK set by kid; others, and broken ones, are left out."""
    keys = {}
    for entry in key_set["keys"]:
        kid, algorithm = entry.get("kid"), entry.get("alg", "RS256")
        if entry.get("kty") != "RSA" or algorithm not in ALGORITHMS or not kid:
            continue
        if entry.get("use", "sig") != "sig":
            continue
        try:
            keys[str(kid)] = jwt.PyJWK(entry, algorithm=algorithm)
        except jwt.PyJWTError:
            continue
    return keys
