"""SQL of how artefacts given to us end: the end itself, transfers in, and what was written to FHIR.

An end is one UPDATE that no later message undoes; keys and stored pages go with it. Which FHIR
resources were or may have been written is known from `received_resource`, whose rows are committed
before the write. Decides nothing; `flows.archive` does, `work.py` claims due rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from adapter.rules import states
from adapter.rules.states import HiuArtefactState, IncomingPageState, IncomingState
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
class Ending:
    """An artefact as far as its end is concerned. `reason`: REVOKED or EXPIRED once it ended."""

    id: str
    hiu_id: str
    hip_id: str | None
    patient_id: str | None
    state: HiuArtefactState
    erase_at: datetime | None
    reason: HiuArtefactState | None
    ended_at: datetime | None
    archived_at: datetime | None
    due_at: datetime


@dataclass(frozen=True)
class Document:
    """A received document as noted in SQL; its content is `Binary/<id>`."""

    id: str
    hip_id: str
    patient_id: str | None
    care_context: str
    hi_type: str | None
    sha256: str


def by_id(tx: Tx, artefact_id: str) -> Ending | None:
    """The artefact of this id, as ABDM wrote it."""
    row = tx.execute(sa.select(hiu_artefact).where(hiu_artefact.c.id == artefact_id)).one_or_none()
    if row is None:
        return None
    values = {name: getattr(row, name) for name in Ending.__dataclass_fields__}
    values["state"] = HiuArtefactState(row.state)
    values["reason"] = HiuArtefactState(row.reason) if row.reason else None
    return Ending(**values)


def end(tx: Tx, artefact_id: str, reason: HiuArtefactState, now: datetime) -> bool:
    """The artefact is REVOKED or EXPIRED from now on; whether it moved."""
    return _move(tx, artefact_id, reason, reason=reason, ended_at=now, due_at=now)


def archived(tx: Tx, artefact_id: str, now: datetime, keep_until: datetime) -> bool:
    """Its records are gone from the FHIR server; sealed copies live until `keep_until`."""
    return _move(tx, artefact_id, HiuArtefactState.ARCHIVED, archived_at=now, due_at=keep_until)


def erased(tx: Tx, artefact_id: str, now: datetime) -> bool:
    """Its sealed copies are gone too; nothing is left to do."""
    return _move(tx, artefact_id, HiuArtefactState.ERASED, done_at=now)


def postpone(
    tx: Tx, artefact_id: str, due_at: datetime, error: str | None, sentence: str | None
) -> None:
    """Go on at `due_at`; says why for the operator."""
    tx.execute(
        sa.update(hiu_artefact)
        .where(hiu_artefact.c.id == artefact_id, hiu_artefact.c.done_at.is_(None))
        .values(due_at=due_at, error=error, sentence=sentence and sentence[:500])
    )


def _move(tx: Tx, artefact_id: str, state: HiuArtefactState, **values: object) -> bool:
    changed = tx.execute(
        sa.update(hiu_artefact)
        .where(hiu_artefact.c.id == artefact_id, hiu_artefact.c.state.in_(states.sources(state)))
        .values(state=state, error=None, sentence=None, **values)
    )
    return changed.rowcount == 1


# --- transfers in ----------------------------------------------------------------------------


def close_incoming(tx: Tx, artefact_id: str, now: datetime, error: str, sentence: str) -> None:
    """Cancel the artefact's open transfers in; drop the keys and stored pages of all of them."""
    mine = incoming.c.artefact_id == artefact_id
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
