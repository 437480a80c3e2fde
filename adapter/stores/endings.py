"""SQL of what goes when an artefact given to us ends: transfers in, and what was written to FHIR.

Which FHIR resources were or may have been written is known from `received_resource`, whose rows are
committed before the write. The artefact's own row is `hiu_artefacts`'. Decides nothing;
`flows.archive` does, `work.py` claims the artefacts that are due (`OPEN`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from adapter.rules import states
from adapter.rules.states import HiuArtefactState, IncomingPageState, IncomingState
from adapter.stores import outbox
from adapter.stores.db import (
    Tx,
    hiu_artefact,
    incoming,
    incoming_chunk,
    incoming_page,
    received_document,
    received_resource,
)

#: Artefacts that wait for their end or have something to be done after it.
OPEN = sa.and_(
    hiu_artefact.c.done_at.is_(None),
    hiu_artefact.c.state.in_(
        [
            HiuArtefactState.GRANTED,
            HiuArtefactState.REVOKED,
            HiuArtefactState.EXPIRED,
            HiuArtefactState.ARCHIVED,
        ]
    ),
)


@dataclass(frozen=True)
class Document:
    """A received document as noted in SQL; its content is `Binary/<id>`."""

    id: str
    hip_id: str
    patient_id: str | None
    care_context: str
    hi_type: str | None
    sha256: str


def lock(tx: Tx, artefact_id: str) -> None:
    """Hold the artefact and its transfers in until the transaction ends: what is read stays true.

    The artefact first, as whoever takes in a page or stores a document does, so that none of them
    waits for the other.
    """
    artefact = sa.select(hiu_artefact.c.id).where(hiu_artefact.c.id == artefact_id)
    tx.execute(artefact.with_for_update())
    mine = sa.select(incoming.c.id).where(incoming.c.artefact_id == artefact_id)
    tx.execute(mine.order_by(incoming.c.id).with_for_update())


# --- transfers in ----------------------------------------------------------------------------


def close_incoming(tx: Tx, artefact_id: str, now: datetime, error: str, sentence: str) -> None:
    """Cancel the artefact's open transfers in; drop the keys and stored pages of all of them.

    What they still wanted to say to the gateway is not said any more.
    """
    mine = incoming.c.artefact_id == artefact_id
    for incoming_id in tx.scalars(sa.select(incoming.c.id).where(mine)).all():
        outbox.withdraw(tx, incoming_id, now, error, sentence)
    tx.execute(
        sa.update(incoming)
        .where(
            mine,
            incoming.c.done_at.is_(None),
            incoming.c.state.in_(states.sources(IncomingState.CANCELLED)),
        )
        .values(state=IncomingState.CANCELLED, error=error, sentence=sentence[:500])
    )
    # `keys` as an attribute is the collection's method.
    tx.execute(sa.update(incoming).where(mine, incoming.c["keys"].is_not(None)).values(keys=None))
    tx.execute(sa.update(incoming).where(mine, incoming.c.done_at.is_(None)).values(done_at=now))
    pages = (
        sa.select(incoming_page.c.id)
        .join(incoming, incoming.c.id == incoming_page.c.incoming_id)
        .where(mine)
    )
    tx.execute(sa.delete(incoming_chunk).where(incoming_chunk.c.page_id.in_(pages)))
    tx.execute(
        sa.update(incoming_page)
        .where(incoming_page.c.id.in_(pages), incoming_page.c.state == IncomingPageState.RECEIVED)
        .values(state=IncomingPageState.FAILED, sentence=sentence[:500])
    )
    # Short contents stand in the frame itself.
    tx.execute(sa.update(incoming_page).where(incoming_page.c.id.in_(pages)).values(frame=None))


def being_written(tx: Tx, artefact_id: str, now: datetime) -> bool:
    """Whether a worker may still be writing what came under this artefact to FHIR."""
    found = sa.select(incoming.c.id).where(
        incoming.c.artefact_id == artefact_id, incoming.c.lease_until > now
    )
    return tx.execute(found.limit(1)).first() is not None


# --- what was written to FHIR ----------------------------------------------------------------


def documents(tx: Tx, artefact_id: str) -> list[Document]:
    """Every document that was received under the artefact, in the order of their ids."""
    rows = tx.execute(
        sa.select(*(received_document.c[name] for name in Document.__dataclass_fields__))
        .where(received_document.c.artefact_id == artefact_id)
        .order_by(received_document.c.id)
    )
    return [Document(**row._mapping) for row in rows]


def resources(tx: Tx, artefact_id: str) -> list[str]:
    """Every FHIR resource (`Observation/abc`) that was or may have been written under it."""
    found = (
        sa.select(received_resource.c.resource)
        .where(received_resource.c.artefact_id == artefact_id)
        .order_by(received_resource.c.resource)
    )
    return list(tx.scalars(found))


def forget_resources(tx: Tx, artefact_id: str) -> None:
    """Nothing that was written under it is in the FHIR server any more."""
    tx.execute(sa.delete(received_resource).where(received_resource.c.artefact_id == artefact_id))
