"""How many rows of the work tables stand in which state; for `/metrics`."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from adapter.stores.db import Tx, inbox, incoming, outbox, transfer


def rows_by_state(tx: Tx) -> Iterator[tuple[str, str, int]]:
    """(table, state, number) for each state that occurs."""
    for table in (inbox, outbox, transfer, incoming):
        query = sa.select(table.c.state, sa.func.count()).group_by(table.c.state)
        for state, number in tx.execute(query):
            yield table.name, state, number
