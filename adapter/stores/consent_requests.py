"""SQL of our consent requests: ids, states and times; what was asked for is in the FHIR Consent.

State changes name the states they may come from (`rules.states.sources`), so a late or repeated
message changes nothing. `shown` is the state that the Consent in FHIR shows; where SQL went on
without FHIR, the sweep brings the Consent into line. Decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from adapter.rules import states
from adapter.rules.states import ConsentRequestState, HiuArtefactState
from adapter.stores.db import Tx, consent_request, hiu_artefact


@dataclass(frozen=True)
class ConsentRequest:
    """One request. `abdm_id`: its handle at ABDM, once told; `repeat_id`: a second one, where the
    request went out twice and both were answered; `requester`: who asked here; `sentence`: why it
    ended as it did; `poll_at`: when ABDM is to be asked how it stands."""

    id: str
    hiu_id: str
    dialect: str
    requester: str
    state: ConsentRequestState
    shown: ConsentRequestState
    created_at: datetime
    patient_id: str | None = None
    abdm_id: str | None = None
    repeat_id: str | None = None
    poll_at: datetime | None = None
    polls: int = 0
    done_at: datetime | None = None
    error: str | None = None
    sentence: str | None = None


def add(tx: Tx, row: ConsentRequest) -> None:
    """Store a new request."""
    values = {name: getattr(row, name) for name in ConsentRequest.__dataclass_fields__}
    tx.execute(sa.insert(consent_request).values(values))


def by_id(tx: Tx, request_id: str) -> ConsentRequest | None:
    """The request of our own id."""
    return next(iter(_rows(tx, consent_request.c.id == request_id)), None)


def by_abdm_id(tx: Tx, abdm_id: str) -> ConsentRequest | None:
    """The request that ABDM knows by this id."""
    named = sa.or_(consent_request.c.abdm_id == abdm_id, consent_request.c.repeat_id == abdm_id)
    return next(iter(_rows(tx, named)), None)


def of_facilities(
    tx: Tx,
    hiu_ids: Collection[str],
    *,
    patient_id: str | None = None,
    state: ConsentRequestState | None = None,
    limit: int = 500,
    offset: int = 0,
) -> list[ConsentRequest]:
    """The newest requests of these facilities, those of a patient or in a state if so asked."""
    where = _of_facilities(hiu_ids, patient_id)
    if state is not None:
        where.append(consent_request.c.state == state)
    return _rows(tx, *where, limit=limit, offset=offset)


def count_of_facilities(tx: Tx, hiu_ids: Collection[str], *, patient_id: str | None = None) -> int:
    """How many requests these facilities have, those of a patient if so asked."""
    counted = sa.select(sa.func.count()).where(*_of_facilities(hiu_ids, patient_id))
    return tx.scalar(counted.select_from(consent_request)) or 0


def _of_facilities(
    hiu_ids: Collection[str], patient_id: str | None
) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = [consent_request.c.hiu_id.in_(hiu_ids)]
    if patient_id is not None:
        where.append(consent_request.c.patient_id == patient_id)
    return where


def move(tx: Tx, request_id: str, state: ConsentRequestState, **values: Any) -> bool:
    """Move a request where that is allowed, with further columns in `values`; whether it moved."""
    changed = tx.execute(
        sa.update(consent_request)
        .where(
            consent_request.c.id == request_id,
            consent_request.c.state.in_(states.sources(state)),
        )
        .values(state=state, **_cut(values))
    )
    return changed.rowcount == 1


def note(tx: Tx, request_id: str, **values: Any) -> None:
    """Change columns of a request that are not its state."""
    tx.execute(
        sa.update(consent_request).where(consent_request.c.id == request_id).values(**_cut(values))
    )


def to_poll(tx: Tx, now: datetime, *, limit: int = 100) -> list[ConsentRequest]:
    """Requests that ABDM is to be asked about."""
    return _rows(
        tx,
        consent_request.c.poll_at <= now,
        consent_request.c.state == ConsentRequestState.REQUESTED,
        limit=limit,
    )


def polled(tx: Tx, row: ConsentRequest, poll_at: datetime | None) -> bool:
    """ABDM is being asked about this request, and will be again at `poll_at`; False where another
    process was faster."""
    changed = tx.execute(
        sa.update(consent_request)
        .where(consent_request.c.id == row.id, consent_request.c.polls == row.polls)
        .values(polls=row.polls + 1, poll_at=poll_at)
    )
    return changed.rowcount == 1


def outlived(tx: Tx, *, limit: int = 100) -> list[ConsentRequest]:
    """Granted requests of which every artefact has ended."""
    of_it = hiu_artefact.c.request_id == consent_request.c.id
    ended = hiu_artefact.c.ended_at.is_not(None)
    alive = hiu_artefact.c.state.in_([HiuArtefactState.NOTIFIED, HiuArtefactState.GRANTED])
    return _rows(
        tx,
        consent_request.c.state == ConsentRequestState.GRANTED,
        sa.exists().where(of_it, ended),
        ~sa.exists().where(of_it, alive),
        limit=limit,
    )


def to_show(tx: Tx, *, limit: int = 100) -> list[ConsentRequest]:
    """Requests whose Consent in FHIR shows another state than they have."""
    return _rows(tx, consent_request.c.state != consent_request.c.shown, limit=limit)


def _cut(values: dict[str, Any]) -> dict[str, Any]:
    if values.get("sentence"):
        values["sentence"] = values["sentence"][:500]
    return values


def _rows(
    tx: Tx, *where: sa.ColumnElement[bool], limit: int | None = None, offset: int = 0
) -> list[ConsentRequest]:
    found = tx.execute(
        sa.select(*(consent_request.c[name] for name in ConsentRequest.__dataclass_fields__))
        .where(*where)
        .order_by(consent_request.c.created_at.desc(), consent_request.c.id)
        .limit(limit)
        .offset(offset)
    )
    return [
        ConsentRequest(
            **{
                **row._mapping,
                "state": ConsentRequestState(row.state),
                "shown": ConsentRequestState(row.shown),
            }
        )
        for row in found
    ]
