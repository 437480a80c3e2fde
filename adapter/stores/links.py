"""SQL of linking: link tokens and the links of care contexts (link sessions: `link_sessions`).

Rows come and go as frozen dataclasses; link tokens and requests are sealed. State changes name the
states they may come from (`rules.states.sources`), so a late message changes nothing. Decides
nothing itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import sqlalchemy as sa

from adapter.protocol import stored
from adapter.protocol.messages import GenerateLinkTokenRequest
from adapter.rules import states
from adapter.rules.states import CareContextLinkState, LinkTokenState
from adapter.stores.db import Tx, care_context_link, link_token

if TYPE_CHECKING:
    from adapter.runtime import Adapter

#: SQLite takes at most 32766 parameters in a statement; long lists are asked for in parts.
_PART = 500

_KNOWN_TO_ABDM = (CareContextLinkState.LINKED, CareContextLinkState.SENT)


@dataclass(frozen=True)
class LinkToken:
    """One (HIP, ABHA address): the token, opened, and the request it is made with. Never log."""

    id: str
    hip_id: str
    abha_address: str
    state: LinkTokenState
    token: str | None
    request: GenerateLinkTokenRequest
    requested_at: datetime
    expires_at: datetime | None = None
    error: str | None = None
    sentence: str | None = None


@dataclass(frozen=True)
class ContextLink:
    """The link of one (HIP, patient, care context, HI type).

    `requester`: who asked for it; `batch`: the link request or link session it was last sent with;
    `notices`: how often ABDM was told of its content since it was linked or changed;
    `update_due_at`: when it is or was told of the latest change; `remark`: what a person has to
    know of it.
    """

    id: str
    hip_id: str
    patient_id: str
    patient_reference: str
    reference: str
    hi_type: str
    display: str
    abha_address: str | None
    state: CareContextLinkState
    requester: str
    created_at: datetime
    batch: str | None = None
    notices: int = 0
    error: str | None = None
    sentence: str | None = None
    linked_at: datetime | None = None
    update_due_at: datetime | None = None
    remark: str | None = None


# --- link tokens -----------------------------------------------------------------------------


def token_of(tx: Tx, adapter: Adapter, hip_id: str, abha_address: str) -> LinkToken | None:
    """The token row of a HIP and an ABHA address (any case), held until the transaction ends."""
    found = link_token.c.abha_address == abha_address.casefold()
    return _token(tx, adapter, sa.and_(link_token.c.hip_id == hip_id, found))


def hold_tokens(tx: Tx, abha_addresses: Sequence[str]) -> None:
    """Hold the token rows of these addresses until the transaction ends, before any of their links:
    every writer takes the two in this order, so none waits for another in a circle."""
    wanted = sorted({address.casefold() for address in abha_addresses})
    if tx.dialect.name == "postgresql":
        # The first row of an address cannot be held while another desk is writing it.
        for address in wanted:
            tx.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(address))))
    rows = sa.select(link_token.c.id).where(link_token.c.abha_address.in_(wanted))
    tx.execute(rows.order_by(link_token.c.id).with_for_update())


def token_by_id(tx: Tx, adapter: Adapter, token_id: str) -> LinkToken | None:
    """The token row of this id, held until the transaction ends."""
    return _token(tx, adapter, link_token.c.id == token_id)


def add_token(tx: Tx, adapter: Adapter, row: LinkToken) -> None:
    """Insert a row unless the HIP and address have one: another worker may be as quick."""
    adapter.db.insert_new(tx, link_token, _token_values(adapter, row))


def put_token(tx: Tx, adapter: Adapter, row: LinkToken) -> None:
    """Replace the row of this id."""
    values = _token_values(adapter, row)
    tx.execute(sa.update(link_token).where(link_token.c.id == row.id).values(values))


def _token_values(adapter: Adapter, row: LinkToken) -> dict[str, Any]:
    return {
        "id": row.id,
        "hip_id": row.hip_id,
        "abha_address": row.abha_address.casefold(),
        "state": row.state,
        "token": adapter.sealer.seal(row.token.encode()) if row.token else None,
        "request": adapter.sealer.seal(stored.dump(row.request)),
        "requested_at": row.requested_at,
        "expires_at": row.expires_at,
        "error": row.error,
        "sentence": row.sentence,
    }


def _token(tx: Tx, adapter: Adapter, where: sa.ColumnElement[bool]) -> LinkToken | None:
    row = tx.execute(sa.select(link_token).where(where).with_for_update()).one_or_none()
    if row is None:
        return None
    opened = adapter.sealer.open
    return LinkToken(
        id=row.id,
        hip_id=row.hip_id,
        abha_address=row.abha_address,
        state=LinkTokenState(row.state),
        token=opened(row.token).decode() if row.token else None,
        request=stored.load("GenerateLinkTokenRequest", opened(row.request)),
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        error=row.error,
        sentence=row.sentence,
    )


def token_error(tx: Tx, abha_address: str) -> str | None:
    """Why the newest request for a token of this ABHA address was refused, if it was."""
    found: str | None = tx.scalar(
        sa.select(link_token.c.error)
        .where(link_token.c.abha_address == abha_address.casefold())
        .order_by(link_token.c.requested_at.desc())
        .limit(1)
    )
    return found


# --- links of care contexts ------------------------------------------------------------------


def put_contexts(tx: Tx, rows: Iterable[ContextLink]) -> None:
    """Write links; a row of the same HIP, patient, reference and HI type is replaced, save for
    its id, dates and remark, if its state may move to the new one (or is it already).

    One that was withdrawn stays so, unless its patient links it by an own act (SENT).
    """
    key = ("hip_id", "patient_id", "reference", "hi_type")
    for row in rows:
        values = {name: getattr(row, name) for name in row.__dataclass_fields__}
        same = sa.and_(*(care_context_link.c[name] == values[name] for name in key))
        present = tx.scalar(sa.select(care_context_link.c.state).where(same).with_for_update())
        if present is None:
            tx.execute(sa.insert(care_context_link).values(values))
        elif (
            present == CareContextLinkState.WITHDRAWN and row.state is not CareContextLinkState.SENT
        ):
            continue
        elif states.allowed(CareContextLinkState(present), row.state):
            kept = {"id", "created_at", "linked_at", "update_due_at", "remark", *key}
            changed = {name: value for name, value in values.items() if name not in kept}
            tx.execute(sa.update(care_context_link).where(same).values(changed))


def contexts_of(tx: Tx, hip_id: str, patient_id: str, reference: str) -> list[ContextLink]:
    """The links of one care context, one per HI type."""
    return _links(
        tx,
        care_context_link.c.hip_id == hip_id,
        care_context_link.c.patient_id == patient_id,
        care_context_link.c.reference == reference,
    )


def waiting(tx: Tx, hip_id: str, abha_address: str) -> list[ContextLink]:
    """Links of an ABHA address that are to be sent."""
    return _links(
        tx,
        care_context_link.c.hip_id == hip_id,
        _address(abha_address),
        care_context_link.c.state.in_(
            [CareContextLinkState.PENDING, CareContextLinkState.WAITING_FOR_TOKEN]
        ),
    )


def of_patient(tx: Tx, patient_id: str) -> list[ContextLink]:
    """Every link of a patient, at all facilities."""
    return _links(tx, care_context_link.c.patient_id == patient_id)


def of_reference(tx: Tx, reference: str) -> list[ContextLink]:
    """Every link of a care context, whoever's."""
    return _links(tx, care_context_link.c.reference == reference)


def of_address(tx: Tx, abha_address: str) -> list[ContextLink]:
    """Every link of an ABHA address, at all facilities."""
    return _links(tx, _address(abha_address))


def withdrawn(
    tx: Tx, hip_id: str, patient_ids: Collection[str], references: Sequence[str]
) -> frozenset[str]:
    """Those of these care contexts of which nothing may be released any more: withdrawn, and not
    linked for another of these patients (two records of one person, merged)."""
    gone, there = set[str](), set[str]()
    for start in range(0, len(references), _PART):
        rows = tx.execute(
            sa.select(care_context_link.c.reference, care_context_link.c.state).where(
                care_context_link.c.hip_id == hip_id,
                care_context_link.c.patient_id.in_(patient_ids),
                care_context_link.c.reference.in_(references[start : start + _PART]),
                care_context_link.c.state.in_([*_KNOWN_TO_ABDM, CareContextLinkState.WITHDRAWN]),
            )
        )
        for row in rows:
            (there if row.state in _KNOWN_TO_ABDM else gone).add(row.reference)
    return frozenset(gone - there)


def in_batch(tx: Tx, batch: str) -> list[ContextLink]:
    """The links sent together under this name."""
    return _links(tx, care_context_link.c.batch == batch)


def by_id(tx: Tx, link_id: str) -> ContextLink | None:
    """The link of this id."""
    return next(iter(_links(tx, care_context_link.c.id == link_id)), None)


def by_ids(tx: Tx, link_ids: Collection[str]) -> list[ContextLink]:
    """The links of these ids."""
    wanted = list(dict.fromkeys(link_ids))
    return [
        link
        for start in range(0, len(wanted), _PART)
        for link in _links(tx, care_context_link.c.id.in_(wanted[start : start + _PART]))
    ]


def linked_pairs(
    tx: Tx, hip_id: str, patient_id: str, abha_address: str
) -> frozenset[tuple[str, str]]:
    """(reference, HI type) of what is linked to this ABHA address already."""
    found = tx.execute(
        sa.select(care_context_link.c.reference, care_context_link.c.hi_type).where(
            care_context_link.c.hip_id == hip_id,
            care_context_link.c.patient_id == patient_id,
            _address(abha_address),
            care_context_link.c.state == CareContextLinkState.LINKED,
        )
    )
    return frozenset((row.reference, row.hi_type) for row in found)


def patients_of(
    tx: Tx, hip_id: str, abha_address: str, references: Sequence[str]
) -> dict[str, str]:
    """The patient id of each of these care contexts that was linked to this ABHA address.

    SENT counts: a consent may come faster than the answer to our link request. WITHDRAWN counts
    where no other patient has it linked: it is known, though nothing of it is released.
    """
    gone: dict[str, str] = {}
    found: dict[str, str] = {}
    for start in range(0, len(references), _PART):
        rows = tx.execute(
            sa.select(
                care_context_link.c.reference,
                care_context_link.c.patient_id,
                care_context_link.c.state,
            ).where(
                care_context_link.c.hip_id == hip_id,
                _address(abha_address),
                care_context_link.c.reference.in_(references[start : start + _PART]),
                care_context_link.c.state.in_([*_KNOWN_TO_ABDM, CareContextLinkState.WITHDRAWN]),
            )
        )
        for row in rows:
            place = gone if row.state == CareContextLinkState.WITHDRAWN else found
            place[row.reference] = row.patient_id
    return gone | found


def move(tx: Tx, rows: Collection[ContextLink], state: CareContextLinkState, **values: Any) -> None:
    """Move these links to `state` where that is allowed, with further columns in `values`."""
    if not rows:
        return
    values = {"again_at": None, **values}
    tx.execute(
        sa.update(care_context_link)
        .where(
            care_context_link.c.id.in_([row.id for row in rows]),
            care_context_link.c.state.in_([state, *states.sources(state)]),
        )
        .values(state=state, **values)
    )


def reopen(tx: Tx, hip_id: str, abha_address: str, error: str) -> None:
    """Links of an ABHA address that failed for this reason wait again."""
    tx.execute(
        sa.update(care_context_link)
        .where(
            care_context_link.c.hip_id == hip_id,
            _address(abha_address),
            care_context_link.c.state == CareContextLinkState.FAILED,
            care_context_link.c.error == error,
        )
        .values(state=CareContextLinkState.PENDING, error=None, sentence=None)
    )


def note(tx: Tx, link_id: str, **values: Any) -> None:
    """Change columns of a link that are not its state."""
    tx.execute(sa.update(care_context_link).where(care_context_link.c.id == link_id).values(values))


def new_id() -> str:
    """An id for a row of ours."""
    return str(uuid4())


def _address(abha_address: str) -> sa.ColumnElement[bool]:
    return sa.func.lower(care_context_link.c.abha_address) == abha_address.lower()


def _links(tx: Tx, *where: sa.ColumnElement[bool]) -> list[ContextLink]:
    rows = tx.execute(
        sa.select(care_context_link)
        .where(*where)
        .order_by(care_context_link.c.created_at, care_context_link.c.reference)
        .with_for_update()
    )
    return [
        ContextLink(
            **{
                **{name: getattr(row, name) for name in ContextLink.__dataclass_fields__},
                "state": CareContextLinkState(row.state),
            }
        )
        for row in rows
    ]
