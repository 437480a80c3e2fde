"""Every sealed column, and how all of them come under a new key.

With a new key put first in SEAL_KEYS, what was sealed before still opens under the old ones;
`rotate` seals it again under the first, so that an old key can be taken away. Row by row, each
written only where it still holds what was read, so the service may run meanwhile; may be repeated
and interrupted at any time. Nothing here reads what is sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import sqlalchemy as sa

from adapter.crypto.errors import SealBroken
from adapter.stores import db as tables

if TYPE_CHECKING:
    from adapter.runtime import Adapter

#: Sealed columns. Every other binary column holds ciphertext of ABDM's own encryption.
SEALED: tuple[sa.Column[bytes], ...] = (
    tables.inbox.c.body,
    tables.outbox.c.body,
    tables.link_token.c.token,
    tables.link_token.c.request,
    tables.link_session.c.offered,
    tables.link_session.c.chosen,
    tables.transfer.c.request,
    tables.hiu_artefact.c.content,
    tables.incoming.c["keys"],
    tables.archive_chunk.c.data,
    tables.abha_profile.c.profile,
    tables.abha_profile.c.tokens,
    tables.abha_transaction.c.secret,
)
BATCH = 100


def count(adapter: Adapter) -> int:
    """How many sealed values there are."""
    with adapter.db.reading() as tx:
        return sum(
            tx.scalar(
                sa.select(sa.func.count()).select_from(column.table).where(column.isnot(None))
            )
            or 0
            for column in SEALED
        )


def rotate(adapter: Adapter, on_value: Callable[[], None] = lambda: None) -> tuple[int, list[str]]:
    """Seal everything under the first key: how many values were, and which could not be opened.

    The latter as `table.column` with a number: their key is no longer in SEAL_KEYS. `on_value` is
    called after each value.
    """
    done, broken = 0, dict[str, int]()
    for column in SEALED:
        for key, sealed in _values(adapter, column):
            try:
                fresh = adapter.sealer.rotate(sealed)
            except SealBroken:
                name = f"{column.table.name}.{column.name}"
                broken[name] = broken.get(name, 0) + 1
            else:
                with adapter.db.transaction() as tx:
                    # A value changed or blanked meanwhile is sealed under the first key already.
                    where = sa.and_(_is(column.table, key), column == sealed)
                    tx.execute(sa.update(column.table).where(where).values({column.name: fresh}))
                done += 1
            on_value()
    return done, [f"{name}: {number}" for name, number in broken.items()]


def _values(
    adapter: Adapter, column: sa.Column[bytes]
) -> Iterator[tuple[tuple[object, ...], bytes]]:
    """Primary key and value of every row that has one, read in batches in the key's order."""
    keys = list(column.table.primary_key)
    last: tuple[object, ...] | None = None
    while True:
        rows = sa.select(*keys, column).where(column.isnot(None)).order_by(*keys).limit(BATCH)
        if last is not None:
            rows = rows.where(sa.tuple_(*keys) > sa.tuple_(*map(sa.literal, last)))
        with adapter.db.reading() as tx:
            found = [(tuple(row[:-1]), bytes(row[-1])) for row in tx.execute(rows)]
        yield from found
        if len(found) < BATCH:
            return
        last = found[-1][0]


def _is(table: sa.FromClause, key: tuple[object, ...]) -> sa.ColumnElement[bool]:
    pairs = zip(table.primary_key, key, strict=True)
    return sa.and_(*(column == value for column, value in pairs))
