"""An Adapter for tests: real tables, real HTTP clients, a clock that stands still until moved.

No pytest here. Parts that a test is not about point at a closed port, so using one by accident
fails as an outage would.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import event

from adapter import work
from adapter.config import Config
from adapter.crypto.sealing import generate_seal_key
from adapter.runtime import Adapter, build
from adapter.stores import facilities, migrate, watch
from adapter.stores.db import Database

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
    database_url: str,
    clock: Callable[[], datetime] | None = None,
    *,
    durable: bool = False,
    **settings: Any,
) -> Adapter:
    """An Adapter on migrated tables that serves HIP_ID; `settings` as of Config.

    A SQLite file is written as the product does only where `durable`, which a bench wants. Else no
    write waits for the disk: that guards against a power cut, and a killed process loses nothing.
    """
    made = build(config(database_url, **settings), clock=clock or FrozenClock())
    if made.db.sqlite:
        if not durable:
            event.listen(made.db.engine, "connect", _without_waiting_for_the_disk)
        file = Path(made.db.url.database or "")
        if not file.exists():
            shutil.copyfile(_migrated_file(), file)
    migrate.upgrade(made.db)
    with made.db.transaction() as tx:
        facilities.sync(tx, made.config)
        watch.prepare(tx, made.clock(), watching=made.config.watch_records)
    return made


def _without_waiting_for_the_disk(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=OFF")


@cache
def _migrated_file() -> Path:
    """A SQLite file of empty tables: walking through all migrations takes longer than most tests.

    It lasts as long as this process, in a folder that the system empties.
    """
    file = Path(tempfile.mkdtemp(prefix="migrated-"), "adapter.db")
    db = Database(f"sqlite:///{file}")
    migrate.upgrade(db)
    db.close()
    return file


def sqlite_url(folder: Path) -> str:
    """A database file in `folder`."""
    return f"sqlite:///{folder}/adapter.db"


def run_until_idle(adapter: Adapter, lanes: Sequence[str] = work.LANES) -> int:
    """Do everything that is due now, in this thread."""
    return work.run_due(adapter, lanes)
