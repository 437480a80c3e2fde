"""An Adapter for tests: real tables, real HTTP clients, a clock that stands still until moved.

No pytest here. Parts that a test is not about point at a closed port, so using one by accident
fails as an outage would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapter import work
from adapter.config import Config
from adapter.crypto.sealing import generate_seal_key
from adapter.runtime import Adapter, build
from adapter.stores import facilities, migrate, watch

HIP_ID = "IN2710000123"
NOWHERE = "http://127.0.0.1:9"


class FrozenClock:
    """Aware UTC; moves only when told."""

    def __init__(self, now: datetime = datetime(2026, 11, 23, 18, 29, 30, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float = 0, **parts: float) -> datetime:
        """Move on by seconds, minutes, hours, days."""
        self.now += timedelta(seconds=seconds, **parts)
        return self.now


def config(database_url: str, **settings: Any) -> Config:
    """Settings for tests; nothing is read from the environment's `.env`."""
    defaults: dict[str, Any] = {
        "abdm_client_id": "SBX_000001",
        "abdm_client_secret": "secret-of-a-test",
        "abdm_facilities": HIP_ID,
        "seal_keys": generate_seal_key(),
        "database_url": database_url,
        "abdm_url": NOWHERE,
        "fhir_base_url": f"{NOWHERE}/fhir",
        "otp_url": f"{NOWHERE}/otp",
        # $validate costs a second each; tests of the gate switch it on.
        "validate_before_push": "off",
        # The tests' FHIR server is full of other tests' records; tests of the watch switch it on.
        "watch_records": False,
    }
    return Config(_env_file=None, **(defaults | settings))


def adapter_over(
    database_url: str, clock: Callable[[], datetime] | None = None, **settings: Any
) -> Adapter:
    """An Adapter on migrated tables that serves HIP_ID; `settings` as of Config."""
    made = build(config(database_url, **settings), clock=clock or FrozenClock())
    migrate.upgrade(made.db)
    with made.db.transaction() as tx:
        facilities.sync(tx, made.config)
        watch.prepare(tx, made.clock())
    return made


def sqlite_url(folder: Path) -> str:
    """A database file in `folder`."""
    return f"sqlite:///{folder}/adapter.db"


def run_until_idle(adapter: Adapter, lanes: Sequence[str] = work.LANES) -> int:
    """Do everything that is due now, in this thread."""
    return work.run_due(adapter, lanes)
