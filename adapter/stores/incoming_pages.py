"""SQL of the pages of a transfer in: each as it came, and what became of each of its entries.

A page is stored before it is answered, its content (ciphertext) as 1 MiB rows beside its frame
(`protocol.page_frame`). The same bytes under the same number are one page; other bytes under a used
number are one more, since some HIPs push each care context as page 1 of 1. Content and frame are
dropped once every entry is settled. Decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from adapter.protocol.page_frame import Span
from adapter.rules.states import IncomingEntryState, IncomingPageState
from adapter.stores.db import Database, Tx, incoming_chunk, incoming_entry, incoming_page

if TYPE_CHECKING:
    from adapter.runtime import Adapter

CHUNK = 1024 * 1024
SENTENCE = 500
REFERENCE = 255


@dataclass(frozen=True)
class IncomingPage:
    """One page that came. `digest`: SHA-256 of its bytes, lower-case hex; `size`: their number."""

    id: str
    incoming_id: str
    number: int
    page_count: int
    transaction_id: str
    digest: str
    size: int
    state: IncomingPageState
    received_at: datetime
    sentence: str | None = None


@dataclass(frozen=True)
class Entry:
    """One entry of a page, by its place in it (from 0). `document_id`: the Binary it became."""

    page_id: str
    position: int
    reference: str
    state: IncomingEntryState
    attempts: int = 0
    document_id: str | None = None
    sentence: str | None = None


def add(
    tx: Tx,
    adapter: Adapter,
    page: IncomingPage,
    frame: bytes,
    references: Sequence[str],
    parts: Iterable[bytes],
) -> bool:
    """Store a page with the care contexts its entries name; False if it is here already.

    `parts`: its bytes, CHUNK each but the last; taken one by one.
    """
    values = {name: getattr(page, name) for name in IncomingPage.__dataclass_fields__}
    if not adapter.db.insert_new(tx, incoming_page, {**values, "frame": frame}):
        return False
    tx.execute(
        sa.insert(incoming_entry),
        [
            {
                "page_id": page.id,
                "position": position,
                "reference": reference[:REFERENCE],
                "state": IncomingEntryState.RECEIVED,
                "attempts": 0,
            }
            for position, reference in enumerate(references)
        ],
    )
    for n, data in enumerate(parts):
        tx.execute(sa.insert(incoming_chunk), {"page_id": page.id, "n": n, "data": data})
    return True


def of_transfer(tx: Tx, incoming_id: str) -> list[IncomingPage]:
    """Every page of a transfer in the order of arrival, without content."""
    return _pages(tx, incoming_page.c.incoming_id == incoming_id)


def waiting(tx: Tx, incoming_id: str) -> list[IncomingPage]:
    """The pages of a transfer that are still to be worked on, in the order of arrival."""
    return _pages(
        tx,
        incoming_page.c.incoming_id == incoming_id,
        incoming_page.c.state == IncomingPageState.RECEIVED,
    )


def _pages(tx: Tx, *where: sa.ColumnElement[bool]) -> list[IncomingPage]:
    rows = tx.execute(
        sa.select(*(incoming_page.c[name] for name in IncomingPage.__dataclass_fields__))
        .where(*where)
        .order_by(incoming_page.c.received_at, incoming_page.c.number, incoming_page.c.id)
    )
    return [
        IncomingPage(
            **{
                **{name: getattr(row, name) for name in IncomingPage.__dataclass_fields__},
                "state": IncomingPageState(row.state),
            }
        )
        for row in rows
    ]


def entries(tx: Tx, incoming_id: str) -> list[Entry]:
    """Every entry of a transfer, page by page in the order of arrival."""
    return _entries(tx, incoming_page.c.incoming_id == incoming_id)


def entries_of(tx: Tx, page_id: str) -> list[Entry]:
    """The entries of one page, in its order."""
    return _entries(tx, incoming_page.c.id == page_id)


def frame(tx: Tx, page_id: str) -> bytes | None:
    """A page's frame; None once it is settled or dropped."""
    found = tx.scalar(sa.select(incoming_page.c.frame).where(incoming_page.c.id == page_id))
    return None if found is None else bytes(found)


def read(db: Database, page_id: str, span: Span) -> bytes | None:
    """The bytes of a page within `span`; None where they are no longer there.

    One row at a time, and no transaction is open between two of them.
    """
    parts = []
    for n in range(span.start // CHUNK, (max(span.end, 1) - 1) // CHUNK + 1):
        with db.reading() as tx:
            data = tx.scalar(
                sa.select(incoming_chunk.c.data).where(
                    incoming_chunk.c.page_id == page_id, incoming_chunk.c.n == n
                )
            )
        if data is None:
            return None
        start, end = max(span.start - n * CHUNK, 0), min(span.end - n * CHUNK, CHUNK)
        parts.append(bytes(data[start:end]))
    return b"".join(parts)


def settle_entry(
    tx: Tx,
    entry: Entry,
    state: IncomingEntryState,
    *,
    document_id: str | None = None,
    sentence: str | None = None,
) -> None:
    """Write what became of an entry, once."""
    tx.execute(
        sa.update(incoming_entry)
        .where(
            incoming_entry.c.page_id == entry.page_id,
            incoming_entry.c.position == entry.position,
            incoming_entry.c.state == IncomingEntryState.RECEIVED,
        )
        .values(state=state, document_id=document_id, sentence=sentence and sentence[:SENTENCE])
    )


def count_attempt(tx: Tx, entry: Entry, sentence: str) -> None:
    """An entry could not be stored this time and will be tried again."""
    tx.execute(
        sa.update(incoming_entry)
        .where(
            incoming_entry.c.page_id == entry.page_id,
            incoming_entry.c.position == entry.position,
        )
        .values(attempts=incoming_entry.c.attempts + 1, sentence=sentence[:SENTENCE])
    )


def settle(tx: Tx, page_id: str, state: IncomingPageState, sentence: str | None = None) -> None:
    """Every entry of a page is settled: drop its content and frame."""
    tx.execute(
        sa.update(incoming_page)
        .where(incoming_page.c.id == page_id, incoming_page.c.state == IncomingPageState.RECEIVED)
        .values(state=state, frame=None, sentence=sentence and sentence[:SENTENCE])
    )
    tx.execute(sa.delete(incoming_chunk).where(incoming_chunk.c.page_id == page_id))


def _entries(tx: Tx, where: sa.ColumnElement[bool]) -> list[Entry]:
    rows = tx.execute(
        sa.select(incoming_entry)
        .join(incoming_page, incoming_page.c.id == incoming_entry.c.page_id)
        .where(where)
        .order_by(
            incoming_page.c.received_at,
            incoming_page.c.number,
            incoming_page.c.id,
            incoming_entry.c.position,
        )
    )
    return [
        Entry(
            row.page_id,
            row.position,
            row.reference,
            IncomingEntryState(row.state),
            row.attempts,
            row.document_id,
            row.sentence,
        )
        for row in rows
    ]
