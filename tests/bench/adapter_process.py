"""The real adapter as a child process, as `abdm-adapter serve` starts it, for the benches."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet

from conformance.stack import Child, free_port, spawn, wait_until_ready


@dataclass(frozen=True)
class AdapterProcess:
    """The running adapter: its port, its process, its database file."""

    port: int
    child: Child
    database: Path

    def waiting(self) -> int:
        """How many rows its background work has not finished."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as sql:
            queries = (
                f"SELECT count(*) FROM {t} WHERE done_at IS NULL" for t in ("inbox", "outbox")
            )
            return sum(sql.execute(query).fetchone()[0] for query in queries)


@contextmanager
def adapter_process(folder: Path, **settings: str) -> Iterator[AdapterProcess]:
    """Start it with these settings (by field name); end it with the block."""
    port = free_port()
    database = folder / "adapter.db"
    env = {
        "ENABLE_ABDM": "true",
        "ABDM_CLIENT_ID": "SBXID_BENCH",
        "ABDM_CLIENT_SECRET": "secret-of-a-bench",
        "PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "DATABASE_URL": f"sqlite:///{database}",
        "REDIS_URL": "",
        "SEAL_KEYS": Fernet.generate_key().decode(),
        "ALLOW_LOCAL_PUSH": "true",
        "LOG_LEVEL": "INFO",
        **{name.upper(): value for name, value in settings.items()},
    }
    child = spawn("adapter", ["adapter", "serve"], env, folder)
    try:
        wait_until_ready(child, f"http://127.0.0.1:{port}/healthz")
        yield AdapterProcess(port, child, database)
    finally:
        child.stop(30)
