"""SQL of the documents received: ids, digests and remarks, never content (that is in FHIR).

Every FHIR resource that a document was or will be written to is noted BEFORE the write, in a
transaction that checks that its artefact still stands. So what has to go when the artefact ends is
known, whatever was interrupted. These notes are never taken back here, also not for a resource that
a later version of its document lacks: an older write may still be on its way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from adapter.stores.db import Tx, incoming, received_document, received_resource
from adapter.stores.incoming import Incoming

if TYPE_CHECKING:
    from adapter.runtime import Adapter


@dataclass(frozen=True)
class Document:
    """One document received. `id`: that of its Binary; `stored`: resources it became.

    `flags`: what is wrong with it, each `{"code", "sentence"}`. `stored_at`: None while its write
    is under way, or if it was interrupted.
    """

    id: str
    artefact_id: str
    incoming_id: str
    transaction_id: str | None
    hip_id: str
    patient_id: str | None
    care_context: str
    hi_type: str | None
    sha256: str
    size: int
    received_at: datetime
    stored: int = 0
    flags: list[dict[str, str]] = field(default_factory=list)
    stored_at: datetime | None = None


def note(tx: Tx, adapter: Adapter, document: Document, names: Sequence[str]) -> list[str]:
    """Note a document and the resources (`Observation/rcv-…`) it is about to be written to.

    Returns the resources of an earlier version of it that this one lacks.
    """
    values = {name: getattr(document, name) for name in Document.__dataclass_fields__}
    if not adapter.db.insert_new(tx, received_document, values):
        tx.execute(
            sa.update(received_document).where(received_document.c.id == document.id).values(values)
        )
    before = set(resources_of(tx, [document.id]))
    new = [
        {"artefact_id": document.artefact_id, "resource": name, "document_id": document.id}
        for name in dict.fromkeys(names)
        if name not in before
    ]
    if new:
        tx.execute(sa.insert(received_resource), new)
    return sorted(before.difference(names))


def stored(
    tx: Tx, document_id: str, now: datetime, count: int, flags: list[dict[str, str]]
) -> None:
    """The document is in FHIR: `count` resources besides its verbatim bytes."""
    tx.execute(
        sa.update(received_document)
        .where(received_document.c.id == document_id)
        .values(stored=count, flags=flags, stored_at=now)
    )


def resources_of(tx: Tx, document_ids: Iterable[str]) -> list[str]:
    """Every FHIR resource ever noted of these documents."""
    found = sa.select(received_resource.c.resource).where(
        received_resource.c.document_id.in_(list(document_ids))
    )
    return list(tx.scalars(found.order_by(received_resource.c.resource)))


def unfinished(tx: Tx, incoming_id: str) -> list[str]:
    """Ids of the documents of a transfer whose write is not known to have succeeded."""
    found = sa.select(received_document.c.id).where(
        received_document.c.incoming_id == incoming_id, received_document.c.stored_at.is_(None)
    )
    return list(tx.scalars(found))


def replaced(tx: Tx, row: Incoming, references: Sequence[str]) -> list[str]:
    """Ids of documents that earlier transfers of the artefact brought for these care contexts."""
    found = (
        sa.select(received_document.c.id)
        .join(incoming, incoming.c.id == received_document.c.incoming_id)
        .where(
            received_document.c.artefact_id == row.artefact_id,
            received_document.c.care_context.in_(list(references)),
            received_document.c.incoming_id != row.id,
            incoming.c.created_at < row.created_at,
        )
    )
    return list(tx.scalars(found))


def forget(tx: Tx, document_ids: Sequence[str]) -> None:
    """These documents are no longer here; the notes of their resources stay (see above)."""
    tx.execute(sa.delete(received_document).where(received_document.c.id.in_(list(document_ids))))


def of_transfer(tx: Tx, incoming_id: str) -> list[Document]:
    """The documents that a transfer brought and that are still of its bringing."""
    return _documents(tx, received_document.c.incoming_id == incoming_id)


def _documents(tx: Tx, where: sa.ColumnElement[bool]) -> list[Document]:
    rows = tx.execute(
        sa.select(received_document)
        .where(where)
        .order_by(received_document.c.received_at, received_document.c.id)
    )
    return [_document(row) for row in rows]


def _document(row: sa.Row[Any]) -> Document:
    return Document(**{name: getattr(row, name) for name in Document.__dataclass_fields__})
