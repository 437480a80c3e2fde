"""The engine, the one way to write, and every table by name.

SQLite (WAL) serves one process; several processes need PostgreSQL. Every writing transaction takes
its lock at the start (`BEGIN IMMEDIATE`): with four writers, deferred transactions failed 324 times
in 400, immediate ones never. The tables are declared in `tables_*.py`, journey by journey; the
schema is made from them by Alembic (`migrations/`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import URL, Connection, make_url

from adapter.stores.schema import Utc, metadata
from adapter.stores.tables_abha import (
    abha_profile,
    abha_transaction,
    queue_counter,
    queue_token,
)
from adapter.stores.tables_linking import (
    care_context_link,
    link_challenge,
    link_pace,
    link_session,
    link_token,
    opt_out,
    sms_notice,
    watch,
    watch_item,
    watch_seen,
)
from adapter.stores.tables_messages import (
    entity_resource,
    facility,
    inbox,
    outbox,
    outbox_attempt,
    setting,
)
from adapter.stores.tables_received import (
    archive,
    archive_chunk,
    consent_request,
    hiu_artefact,
    incoming,
    incoming_chunk,
    incoming_context,
    incoming_entry,
    incoming_page,
    received_document,
    received_resource,
)
from adapter.stores.tables_transfers import (
    ended_consent,
    page,
    page_chunk,
    transfer,
    transfer_context,
)

__all__ = [
    "Database",
    "Tx",
    "Utc",
    "abha_profile",
    "abha_transaction",
    "archive",
    "archive_chunk",
    "care_context_link",
    "consent_request",
    "ended_consent",
    "entity_resource",
    "facility",
    "hiu_artefact",
    "inbox",
    "incoming",
    "incoming_chunk",
    "incoming_context",
    "incoming_entry",
    "incoming_page",
    "link_challenge",
    "link_pace",
    "link_session",
    "link_token",
    "metadata",
    "opt_out",
    "outbox",
    "outbox_attempt",
    "page",
    "page_chunk",
    "queue_counter",
    "queue_token",
    "received_document",
    "received_resource",
    "setting",
    "sms_notice",
    "transfer",
    "transfer_context",
    "watch",
    "watch_item",
    "watch_seen",
]

Tx = Connection


class Database:
    """An engine and its transactions. Make it after a fork, never before."""

    def __init__(self, url: str) -> None:
        self.url: URL = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        if self.url.get_backend_name() == "postgresql" and "+" not in self.url.drivername:
            self.url = self.url.set(drivername="postgresql+psycopg")
        if self.sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        # Parameters hold identifiers and ciphertext: they stay out of error texts.
        self.engine = sa.create_engine(
            self.url, pool_pre_ping=not self.sqlite, hide_parameters=True
        )
        self._writer = threading.RLock()
        self._writing: Connection | None = None
        if self.sqlite:
            event.listen(self.engine, "connect", _sqlite_connect)
            event.listen(self.engine, "begin", _sqlite_begin)

    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        """A writing transaction: commits on leaving, rolls back on any exception."""
        if not self.sqlite:
            with self.engine.begin() as tx:
                yield tx
            return
        with self._writer:
            # Always the same connection: another one would first have to read again what this one
            # has just written, and its statements are compiled already.
            connection = self._writing
            if connection is None:
                connection = self.engine.connect().execution_options(immediate=True)
            self._writing = None
            try:
                with connection.begin():
                    yield connection
            except BaseException:
                connection.close()
                raise
            self._writing = connection

    @contextmanager
    def reading(self) -> Iterator[Tx]:
        """A transaction that only reads."""
        with self.engine.connect() as connection:
            yield connection

    def insert_new(self, tx: Tx, table: sa.Table, values: dict[str, Any]) -> bool:
        """Insert a row unless one of its unique keys is taken; whether it was inserted."""
        done = tx.execute(_insert_new(table, self.sqlite), values)
        return done.rowcount == 1

    def close(self) -> None:
        """Release the connections."""
        with self._writer:
            if self._writing is not None:
                self._writing.close()
                self._writing = None
        self.engine.dispose()


@cache
def _insert_new(table: sa.Table, sqlite: bool) -> sa.Executable:
    # Built once: building it anew costs as much as running it, and each callback runs it.
    insert = sqlite_insert if sqlite else postgresql_insert
    # Without the option SQLAlchemy reports -1 for an INSERT on PostgreSQL.
    return insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


def _sqlite_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "busy_timeout=5000",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
