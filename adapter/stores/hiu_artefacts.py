"""SQL of the artefacts given to us: ids, states and times; what they permit is in the FHIR Consent.

A state here takes effect at once, whatever the FHIR server does: `GRANTED` is the only one under
which records may be asked for, stored or shown. How an artefact ends, and what follows, is
`stores.endings`'. State changes name the states they may come from, so a late message changes
nothing. Decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from adapter.protocol import stored
from adapter.protocol.messages import OnConsentFetch
from adapter.rules import states
from adapter.rules.states import HiuArtefactState
from adapter.stores.consent_requests import ConsentRequest
from adapter.stores.db import Tx, hiu_artefact

if TYPE_CHECKING:
    from adapter.runtime import Adapter

#: For columns that the claim of due rows needs and no step of ours uses: no end to the work.
_NEVER = datetime.fromisoformat("9999-01-01T00:00:00+00:00")

ENDED = frozenset(
    {
        HiuArtefactState.REVOKED,
        HiuArtefactState.EXPIRED,
        HiuArtefactState.ARCHIVED,
        HiuArtefactState.ERASED,
    }
)


@dataclass(frozen=True)
class HiuArtefact:
    """One artefact. `request_id`: our request that it answers; `reason`: REVOKED or EXPIRED once
    it has ended; `asked_at`, `asks`: when ABDM was last asked for it, and how often."""

    id: str
    request_id: str | None
    hiu_id: str
    hip_id: str | None
    patient_id: str | None
    dialect: str
    state: HiuArtefactState
    created_at: datetime
    erase_at: datetime | None = None
    asked_at: datetime | None = None
    asks: int = 0
    reason: HiuArtefactState | None = None
    ended_at: datetime | None = None
    archived_at: datetime | None = None
    error: str | None = None
    sentence: str | None = None


def add_notified(
    tx: Tx, adapter: Adapter, artefact_id: str, request: ConsentRequest, now: datetime
) -> bool:
    """Store an artefact that a notice named, NOTIFIED; False where it is known already."""
    return adapter.db.insert_new(
        tx,
        hiu_artefact,
        {
            "id": artefact_id,
            "request_id": request.id,
            "hiu_id": request.hiu_id,
            "patient_id": request.patient_id,
            "dialect": request.dialect,
            "state": HiuArtefactState.NOTIFIED,
            "due_at": _NEVER,
            "deadline": _NEVER,
            "attempts": 0,
            "asks": 0,
            "created_at": now,
        },
    )


def by_id(tx: Tx, artefact_id: str) -> HiuArtefact | None:
    """The artefact of this id, as ABDM wrote it."""
    return next(iter(_rows(tx, hiu_artefact.c.id == artefact_id)), None)


def state_of(tx: Tx, artefact_id: str) -> HiuArtefactState | None:
    """How an artefact stands, None where it is not known; readable while FHIR is down."""
    found = tx.scalar(sa.select(hiu_artefact.c.state).where(hiu_artefact.c.id == artefact_id))
    return HiuArtefactState(found) if found else None


def of_request(tx: Tx, request_id: str) -> list[HiuArtefact]:
    """The artefacts of a request, in the order they were named."""
    return _rows(tx, hiu_artefact.c.request_id == request_id)


def of_facilities(
    tx: Tx, hiu_ids: Collection[str], *, patient_id: str | None = None, limit: int = 500
) -> list[HiuArtefact]:
    """Artefacts given to these facilities, those of a patient if so asked."""
    where: list[sa.ColumnElement[bool]] = [hiu_artefact.c.hiu_id.in_(hiu_ids)]
    if patient_id is not None:
        where.append(hiu_artefact.c.patient_id == patient_id)
    return _rows(tx, *where, limit=limit)


def grant(
    tx: Tx, artefact_id: str, hip_id: str, patient_id: str | None, erase_at: datetime
) -> bool:
    """NOTIFIED → GRANTED until `erase_at`, when it is due to end; whether it moved."""
    return move(
        tx,
        artefact_id,
        HiuArtefactState.GRANTED,
        hip_id=hip_id,
        patient_id=patient_id,
        erase_at=erase_at,
        due_at=erase_at,
        error=None,
        sentence=None,
    )


def keep_content(tx: Tx, adapter: Adapter, artefact_id: str, fetched: OnConsentFetch) -> None:
    """Keep what was fetched, sealed: it names the patient and visits of another hospital."""
    note(tx, artefact_id, content=adapter.sealer.seal(stored.dump(fetched)))


def content(tx: Tx, adapter: Adapter, artefact_id: str) -> OnConsentFetch | None:
    """What was fetched, None where nothing was (yet)."""
    sealed = tx.scalar(sa.select(hiu_artefact.c.content).where(hiu_artefact.c.id == artefact_id))
    if sealed is None:
        return None
    fetched: OnConsentFetch = stored.load(OnConsentFetch.__name__, adapter.sealer.open(sealed))
    return fetched


def move(tx: Tx, artefact_id: str, state: HiuArtefactState, **values: Any) -> bool:
    """Move an artefact where that is allowed, with further columns; whether it moved."""
    changed = tx.execute(
        sa.update(hiu_artefact)
        .where(hiu_artefact.c.id == artefact_id, hiu_artefact.c.state.in_(states.sources(state)))
        .values(state=state, **_cut(values))
    )
    return changed.rowcount == 1


def note(tx: Tx, artefact_id: str, **values: Any) -> None:
    """Change columns of an artefact that are not its state."""
    tx.execute(
        sa.update(hiu_artefact).where(hiu_artefact.c.id == artefact_id).values(**_cut(values))
    )


def asked(tx: Tx, row: HiuArtefact, now: datetime) -> bool:
    """ABDM is being asked for this artefact (again); False where another process was faster."""
    changed = tx.execute(
        sa.update(hiu_artefact)
        .where(hiu_artefact.c.id == row.id, hiu_artefact.c.asks == row.asks)
        .values(asked_at=now, asks=row.asks + 1)
    )
    return changed.rowcount == 1


def unfetched(tx: Tx, *, limit: int = 500) -> list[HiuArtefact]:
    """Artefacts of which nothing is known but their id, those asked for longest ago first."""
    found = _rows(tx, hiu_artefact.c.state == HiuArtefactState.NOTIFIED, limit=limit)
    return sorted(found, key=lambda row: row.asked_at or row.created_at)


def unconfirmed(tx: Tx, *, limit: int = 100) -> list[HiuArtefact]:
    """Ended artefacts whose end ABDM was not asked to confirm."""
    return _rows(
        tx,
        hiu_artefact.c.state.in_(ENDED),
        sa.or_(
            hiu_artefact.c.asked_at.is_(None), hiu_artefact.c.asked_at < hiu_artefact.c.ended_at
        ),
        limit=limit,
    )


def _cut(values: dict[str, Any]) -> dict[str, Any]:
    if values.get("sentence"):
        values["sentence"] = values["sentence"][:500]
    return values


def _rows(tx: Tx, *where: sa.ColumnElement[bool], limit: int | None = None) -> list[HiuArtefact]:
    found = tx.execute(
        sa.select(*(hiu_artefact.c[name] for name in HiuArtefact.__dataclass_fields__))
        .where(*where)
        .order_by(hiu_artefact.c.created_at, hiu_artefact.c.id)
        .limit(limit)
    )
    return [
        HiuArtefact(
            **{
                **row._mapping,
                "state": HiuArtefactState(row.state),
                "reason": HiuArtefactState(row.reason) if row.reason else None,
            }
        )
        for row in found
    ]
