"""SQL of how artefacts given to us end: the end itself, transfers in, and what was written to FHIR.

An end is one UPDATE that no later message undoes; keys and stored pages go with it. Which FHIR
resources were or may have been written is known from `received_resource`, whose rows are committed
before the write. Decides nothing; `flows.archive` does, `work.py` claims due rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from adapter.rules import states
from adapter.rules.states import HiuArtefactState, IncomingPageState, IncomingState
from adapter.stores import claims
from adapter.stores.db import (
    Database,
    Tx,
    hiu_artefact,
    incoming,
    incoming_chunk,
    incoming_page,
    received_document,
    received_resource,
)

#: The states in which an artefact waits for its end or has something to be done after it.
_LIVING = (
    HiuArtefactState.GRANTED,
    HiuArtefactState.REVOKED,
    HiuArtefactState.EXPIRED,
    HiuArtefactState.ARCHIVED,
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


def claim(db: Database, now: datetime) -> tuple[str, str] | None:
    """Claim the artefact that has been due longest: its id and the lease; None if none is due."""
    open_ = sa.and_(hiu_artefact.c.done_at.is_(None), hiu_artefact.c.state.in_(_LIVING))
    row = claims.claim(db, hiu_artefact, now, open_=open_, count=False)
    return None if row is None else (row.id, row.lease_id)


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


def postpone(tx: Tx, artefact_id: str, due_at: datetime, error: str, sentence: str) -> None:
    """Go on at `due_at`; says why for the operator."""
    tx.execute(
        sa.update(hiu_artefact)
        .where(hiu_artefact.c.id == artefact_id, hiu_artefact.c.done_at.is_(None))
        .values(due_at=due_at, error=error, sentence=sentence[:500])
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
        .values(state=IncomingState.CANCELLED, done_at=now, error=error, sentence=sentence[:500])
    )
    tx.execute(sa.update(incoming).where(mine, incoming.c["keys"].is_not(None)).values(keys=None))
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


def forget_resources(tx: Tx, artefact_id: str, names: Iterable[str]) -> None:
    """These are gone from the FHIR server."""
    rows = [{"b_artefact": artefact_id, "b_resource": name} for name in names]
    if rows:
        tx.execute(
            sa.delete(received_resource).where(
                received_resource.c.artefact_id == sa.bindparam("b_artefact"),
                received_resource.c.resource == sa.bindparam("b_resource"),
            ),
            rows,
        )
