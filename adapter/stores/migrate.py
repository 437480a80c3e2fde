"""Brings the tables to the newest revision, one process at a time.

`serve`, `worker` and `up` call it at start; several may start at once. PostgreSQL: an advisory
lock; SQLite: a lock file beside the database (a write lock would be lost when Alembic commits).
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy.engine import Connection

from adapter.stores.db import Database

FOLDER = Path(__file__).parent / "migrations"

#: Any number, the same in every process of ours and in no other program of this database.
_ADVISORY_LOCK = 7_236_110_451


def upgrade(db: Database) -> None:
    """Create or change the tables as far as needed; nothing if they are as they should be."""
    with _alone(db) as connection:
        config = AlembicConfig()
        config.set_main_option("script_location", str(FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _alone(db: Database) -> Iterator[Connection]:
    if db.sqlite:
        with _locked_file(db), db.engine.connect() as connection:
            connection.execution_options(immediate=True)
            with connection.begin():
                yield connection
        return
    with db.engine.connect() as holder:
        # Held by this session until it is closed, whatever the migration commits.
        holder.execute(sa.text("SELECT pg_advisory_lock(:number)"), {"number": _ADVISORY_LOCK})
        try:
            with db.engine.begin() as connection:
                yield connection
        finally:
            holder.execute(
                sa.text("SELECT pg_advisory_unlock(:number)"), {"number": _ADVISORY_LOCK}
            )


@contextmanager
def _locked_file(db: Database) -> Iterator[None]:
    if not db.url.database or db.url.database == ":memory:":
        yield
        return
    with Path(f"{db.url.database}.migrating").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
