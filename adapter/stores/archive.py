"""SQL of the archive: verbatim copies of received documents whose consent has ended, sealed.

A row says of which document, why and when, how large and with which SHA-256; its content is kept
in sealed chunks of 1 MiB until it is erased, the row for good. A copy is whole once all its chunks
are there, so that making it can be interrupted anywhere and go on. Nothing here, and nothing that
calls it, gives content out.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from adapter.protocol import timestamps
from adapter.stores.db import Tx, archive, archive_chunk

if TYPE_CHECKING:
    from adapter.runtime import Adapter

CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Copy:
    """One archived document. `id`: the document's; `size` in bytes; `reason`: REVOKED or EXPIRED;
    `erase_at`: when it is to be erased; `erased_at`: when it was."""

    id: str
    artefact_id: str
    hip_id: str
    hiu_id: str
    patient_id: str | None
    care_context: str
    hi_type: str | None
    sha256: str
    size: int
    reason: str
    ended_at: datetime
    archived_at: datetime
    erase_at: datetime
    erased_at: datetime | None = None


def keep(adapter: Adapter, copy: Copy, content: bytes) -> None:
    """Seal a document's content chunk by chunk, each in a transaction of its own.

    Chunks that are there already are left; a copy that has been erased meanwhile stays erased.
    """
    values = {name: getattr(copy, name) for name in Copy.__dataclass_fields__}
    with adapter.db.transaction() as tx:
        adapter.db.insert_new(tx, archive, values)
        there = chunks(tx, copy.id)
    for n, start in enumerate(range(0, len(content), CHUNK)):
        if n in there:
            continue
        sealed = adapter.sealer.seal(content[start : start + CHUNK])
        with adapter.db.transaction() as tx:
            if not _is_kept(tx, copy.id):
                return
            chunk = {"archive_id": copy.id, "n": n, "data": sealed}
            adapter.db.insert_new(tx, archive_chunk, chunk)


def is_whole(tx: Tx, copy_id: str) -> bool:
    """Whether this document needs no copying any more: all of it is there, or was erased."""
    row = tx.execute(
        sa.select(archive.c.size, archive.c.erased_at).where(archive.c.id == copy_id)
    ).one_or_none()
    if row is None:
        return False
    return row.erased_at is not None or len(chunks(tx, copy_id)) == -(-row.size // CHUNK)


def chunks(tx: Tx, copy_id: str) -> set[int]:
    """The numbers of the chunks that are there."""
    return set(
        tx.scalars(sa.select(archive_chunk.c.n).where(archive_chunk.c.archive_id == copy_id))
    )


def _is_kept(tx: Tx, copy_id: str) -> bool:
    """Whether the copy is not erased; holds its row, so that it can't be while a chunk is added."""
    kept = sa.select(archive.c.id).where(archive.c.id == copy_id, archive.c.erased_at.is_(None))
    return tx.scalar(kept.with_for_update()) is not None


# --- erasing ---------------------------------------------------------------------------------


def due(tx: Tx, now: datetime) -> list[Copy]:
    """Copies that should have been erased by now."""
    return _copies(tx, archive.c.erased_at.is_(None), archive.c.erase_at <= now)


def under(tx: Tx, artefact_id: str) -> list[Copy]:
    """Copies of an artefact's documents that are not erased."""
    return _copies(tx, archive.c.artefact_id == artefact_id, archive.c.erased_at.is_(None))


def erase(tx: Tx, copy_id: str, now: datetime) -> bool:
    """Remove a copy's content; the row stays. Whether there was something to erase."""
    changed = tx.execute(
        sa.update(archive)
        .where(archive.c.id == copy_id, archive.c.erased_at.is_(None))
        .values(erased_at=now)
    )
    tx.execute(sa.delete(archive_chunk).where(archive_chunk.c.archive_id == copy_id))
    return changed.rowcount == 1


# --- looking ---------------------------------------------------------------------------------


def by_id(tx: Tx, copy_id: str) -> Copy | None:
    """One archived document."""
    return next(iter(_copies(tx, archive.c.id == copy_id)), None)


def newest(tx: Tx, hiu_ids: Collection[str] | None, *, limit: int) -> list[Copy]:
    """What these facilities (None: all) archived, the latest first."""
    where = [] if hiu_ids is None else [archive.c.hiu_id.in_(sorted(hiu_ids))]
    return _copies(tx, *where, limit=limit)


def plain(copy: Copy) -> dict[str, Any]:
    """A copy as people and systems see it: everything that is known of it, nothing of what is in
    it; absent stays absent."""
    return {
        name: timestamps.format(value) if isinstance(value, datetime) else value
        for name, value in asdict(copy).items()
        if value is not None
    }


def _copies(tx: Tx, *where: sa.ColumnElement[bool], limit: int | None = None) -> list[Copy]:
    rows = tx.execute(
        sa.select(archive)
        .where(*where)
        .order_by(archive.c.archived_at.desc(), archive.c.id)
        .limit(limit)
    )
    return [Copy(**row._mapping) for row in rows]
