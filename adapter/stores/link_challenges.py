"""SQL of challenges: what a person has to prove before ABDM gives a link token.

One row for each link token that waits for an OTP typed at the desk or for the patient's own app.
Not secret: the OTP itself is never stored here. Decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from adapter.stores.db import Tx, care_context_link, link_challenge, link_token


@dataclass(frozen=True)
class Challenge:
    """`token_id`: the link token that it is about, and its name at the desk; `transaction_id`:
    ABDM's; `dialect`: in which it came and is answered; `sentence`: what became of the last try."""

    token_id: str
    hip_id: str
    transaction_id: str
    mode: str
    hint: str | None
    dialect: str
    created_at: datetime
    expires_at: datetime
    sentence: str | None = None


def put(tx: Tx, row: Challenge) -> None:
    """Keep this challenge in place of an earlier one of the same token."""
    drop(tx, row.token_id)
    tx.execute(sa.insert(link_challenge).values(asdict(row)))


def drop(tx: Tx, token_id: str) -> None:
    """The token's challenge is over, if there was one."""
    tx.execute(sa.delete(link_challenge).where(link_challenge.c.token_id == token_id))


def note(tx: Tx, token_id: str, sentence: str) -> None:
    """What became of the last try."""
    same = link_challenge.c.token_id == token_id
    tx.execute(sa.update(link_challenge).where(same).values(sentence=sentence[:500]))


def of_token(tx: Tx, token_id: str) -> Challenge | None:
    """The challenge of this token, held until the transaction ends."""
    return _one(tx, link_challenge.c.token_id == token_id)


def by_transaction(tx: Tx, hip_id: str, transaction_id: str) -> Challenge | None:
    """The challenge of a facility by ABDM's transaction id, held until the transaction ends."""
    same = link_challenge.c.transaction_id == transaction_id
    return _one(tx, sa.and_(link_challenge.c.hip_id == hip_id, same))


def waiting(tx: Tx, hip_ids: Collection[str], now: datetime) -> list[dict[str, Any]]:
    """What these facilities' desks can answer now, oldest first, with the patients it is about."""
    patients = (
        sa.select(sa.func.min(care_context_link.c.patient_id))
        .where(
            care_context_link.c.hip_id == link_token.c.hip_id,
            sa.func.lower(care_context_link.c.abha_address) == link_token.c.abha_address,
        )
        .scalar_subquery()
    )
    rows = tx.execute(
        sa.select(link_challenge, patients.label("patient_id"))
        .join(link_token, link_token.c.id == link_challenge.c.token_id)
        .where(link_challenge.c.hip_id.in_(hip_ids), link_challenge.c.expires_at > now)
        .order_by(link_challenge.c.created_at)
    )
    return [
        {
            "id": row.token_id,
            "hip_id": row.hip_id,
            "patient_id": row.patient_id,
            "mode": row.mode,
            "hint": row.hint,
            "expires_at": row.expires_at,
            "sentence": row.sentence,
        }
        for row in rows
    ]


def _one(tx: Tx, where: sa.ColumnElement[bool]) -> Challenge | None:
    row = tx.execute(sa.select(link_challenge).where(where).with_for_update()).one_or_none()
    return Challenge(**row._asdict()) if row is not None else None
