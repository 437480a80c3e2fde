"""SQL of transfers in: what we asked for under an artefact, and the keys that open what comes.

The key pair is sealed; the push token, the one credential of whoever pushes, is kept as a keyed
hash only. State changes name the states they may come from (`rules.states.sources`). What arrives
is in `incoming_pages`, what became of it in `received`. `done_at` is set once nothing more will be
taken or done: the keys are gone then. Decides nothing itself; `work.py` claims due rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import sqlalchemy as sa

from adapter.rules import states
from adapter.rules.states import HiuArtefactState, IncomingState
from adapter.stores import claims
from adapter.stores.db import (
    Tx,
    hiu_artefact,
    incoming,
    incoming_chunk,
    incoming_context,
    incoming_page,
)

if TYPE_CHECKING:
    from adapter.runtime import Adapter

_TOKEN = "push-token"  # noqa: S105 - what the hash is for, not a token
SENTENCE = 500


@dataclass(frozen=True)
class Incoming:
    """One transfer in. `keys`: `ReceiverKey.export()`, opened; None once they are erased, while
    the public half (`public_key`, `nonce`, as they left) stays.

    `deadline`: when missing pages are missing for good; `keys_until`: when late ones are too.
    """

    id: str
    artefact_id: str
    transaction_id: str | None
    hip_id: str
    hiu_id: str
    patient_id: str | None
    dialect: str
    state: IncomingState
    keys: bytes | None
    keys_until: datetime
    created_at: datetime
    due_at: datetime
    deadline: datetime
    public_key: str | None = None
    nonce: str | None = None
    page_count: int | None = None
    last_page_at: datetime | None = None
    notified_at: datetime | None = None
    audited_at: datetime | None = None
    done_at: datetime | None = None
    error: str | None = None
    sentence: str | None = None


def add(tx: Tx, adapter: Adapter, row: Incoming, token: str, references: Sequence[str]) -> None:
    """Store a new transfer with the care contexts it is to bring; `token` as its keyed hash."""
    values = {name: getattr(row, name) for name in Incoming.__dataclass_fields__}
    values |= {
        "keys": row.keys and adapter.sealer.seal(row.keys),
        "push_token_hash": adapter.sealer.keyed_hash(token, purpose=_TOKEN),
        "attempts": 0,
        "sentence": row.sentence and row.sentence[:SENTENCE],
    }
    tx.execute(sa.insert(incoming).values(values))
    contexts = [
        {"incoming_id": row.id, "reference": reference, "position": position}
        for position, reference in enumerate(dict.fromkeys(references), 1)
    ]
    if contexts:
        tx.execute(sa.insert(incoming_context), contexts)


def by_id(tx: Tx, adapter: Adapter, incoming_id: str) -> Incoming | None:
    """The transfer of this id."""
    return _one(tx, adapter, incoming.c.id == incoming_id)


def newest_under(tx: Tx, adapter: Adapter, artefact_id: str) -> Incoming | None:
    """The transfer that was last asked for under an artefact."""
    found = sa.select(incoming.c.id).where(incoming.c.artefact_id == artefact_id)
    newest = tx.scalar(found.order_by(incoming.c.created_at.desc()).limit(1))
    return by_id(tx, adapter, newest) if newest else None


def by_token(tx: Tx, adapter: Adapter, token: str) -> Incoming | None:
    """The transfer that a page with this push token belongs to."""
    hashes = adapter.sealer.keyed_hashes(token, purpose=_TOKEN)
    return _one(tx, adapter, incoming.c.push_token_hash.in_(hashes))


def lock(tx: Tx, incoming_id: str) -> None:
    """Hold the row until the transaction ends: what is read of it and its pages stays true."""
    tx.execute(sa.select(incoming.c.id).where(incoming.c.id == incoming_id).with_for_update())


def contexts(tx: Tx, incoming_id: str) -> list[str]:
    """The care contexts that the transfer is to bring, in the artefact's order."""
    mine = incoming_context.c.incoming_id == incoming_id
    found = sa.select(incoming_context.c.reference).where(mine)
    return list(tx.scalars(found.order_by(incoming_context.c.position)))


def may_be_kept(tx: Tx, artefact_id: str) -> bool:
    """Whether records may be stored under the artefact now, and until this transaction ends.

    Its end, noted in another transaction, comes either before this one or after it.
    """
    row = sa.select(hiu_artefact.c.state).where(hiu_artefact.c.id == artefact_id)
    return tx.scalar(row.with_for_update(read=True)) == HiuArtefactState.GRANTED


def move(tx: Tx, incoming_id: str, state: IncomingState, **values: Any) -> bool:
    """Move a transfer where that is allowed, with further columns; whether it moved."""
    changed = tx.execute(
        sa.update(incoming)
        .where(incoming.c.id == incoming_id, incoming.c.state.in_(states.sources(state)))
        .values(state=state, **_cut(values))
    )
    return changed.rowcount == 1


def change(tx: Tx, incoming_id: str, **values: Any) -> None:
    """Change columns other than the state of a transfer that is not over."""
    tx.execute(
        sa.update(incoming)
        .where(incoming.c.id == incoming_id, incoming.c.done_at.is_(None))
        .values(**_cut(values))
    )


def begin(tx: Tx, incoming_id: str, deadline: datetime, keys_until: datetime) -> None:
    """The request is out: pages are waited for from now, unless one was faster."""
    change(tx, incoming_id, deadline=deadline, keys_until=keys_until)
    waiting = incoming.c.state.in_((IncomingState.REQUESTED, IncomingState.ACKNOWLEDGED))
    tx.execute(
        sa.update(incoming).where(incoming.c.id == incoming_id, waiting).values(due_at=deadline)
    )


def name_transaction(tx: Tx, incoming_id: str, transaction_id: str) -> None:
    """Note the ABDM transaction; the first one told stays."""
    tx.execute(
        sa.update(incoming)
        .where(incoming.c.id == incoming_id, incoming.c.transaction_id.is_(None))
        .values(transaction_id=transaction_id)
    )


def close(tx: Tx, incoming_id: str, now: datetime) -> None:
    """Nothing more is taken or done: erase the keys, drop what is left of its pages."""
    change(tx, incoming_id, keys=None, done_at=now)
    _drop_pages(tx, incoming_id)


def is_open(tx: Tx, incoming_id: str) -> bool:
    """Whether it is not over (the end of its consent may have ended it meanwhile)."""
    done_at = sa.select(incoming.c.done_at).where(incoming.c.id == incoming_id)
    return tx.execute(done_at).scalar_one() is None


def hold(tx: Tx, incoming_id: str, now: datetime) -> None:
    """Keep the lease for its full length beyond the worker's return: what the worker began may
    still be going on."""
    tx.execute(
        sa.update(incoming)
        .where(incoming.c.id == incoming_id)
        .values(lease_until=now + claims.LEASE, lease_id=str(uuid4()))
    )


def _drop_pages(tx: Tx, incoming_id: str) -> None:
    mine = incoming_page.c.incoming_id == incoming_id
    pages = sa.select(incoming_page.c.id).where(mine)
    tx.execute(sa.delete(incoming_chunk).where(incoming_chunk.c.page_id.in_(pages)))
    tx.execute(sa.update(incoming_page).where(mine).values(frame=None))


def _cut(values: dict[str, Any]) -> dict[str, Any]:
    if values.get("sentence"):
        values["sentence"] = values["sentence"][:SENTENCE]
    return values


def _one(tx: Tx, adapter: Adapter, where: sa.ColumnElement[bool]) -> Incoming | None:
    row = tx.execute(sa.select(incoming).where(where)).one_or_none()
    if row is None:
        return None
    values = {name: getattr(row, name) for name in Incoming.__dataclass_fields__}
    values["keys"] = row.keys and adapter.sealer.open(row.keys)
    values["state"] = IncomingState(row.state)
    return Incoming(**values)
