"""SQL of transactions with the ABHA service: what each has come to, and what may come next.

The secret part is sealed: ABDM's transaction id, tokens on their way to a profile, and of an
Aadhaar number only the ciphertext that ABDM alone can open. It is blanked when the transaction
ends. A step holds its row (`hold`) while ABDM is asked, so that two clicks make one call.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import sqlalchemy as sa
from pydantic import TypeAdapter

from adapter.protocol.abha import Account, UserTokens
from adapter.rules.abha_steps import IDLE_LIFE, Facts, Kind
from adapter.rules.states import AbhaState, sources
from adapter.stores.db import Tx, abha_transaction

if TYPE_CHECKING:
    from adapter.runtime import Adapter

#: Longer than one call to the ABHA service with its repetition can take.
HOLD = timedelta(seconds=120)
#: Rows of ended transactions: who asked for what, and the consent; no person's data.
RETENTION = timedelta(days=30)


@dataclass(frozen=True)
class Secret:
    """The sealed part. Never log. `by`, `otp_to`: the way of logging in; `login_id`: ciphertext of
    what the person logs in with; `mobile`: the number for communication; `hint`: the last digits of
    the number that the OTP went to."""

    transaction: str = ""
    by: str = ""
    otp_to: str = ""
    login_id: str = ""
    mobile: str = ""
    hint: str = ""
    transfer_token: str = ""
    tokens: UserTokens | None = None
    accounts: tuple[Account, ...] = ()


@dataclass(frozen=True)
class AbhaTransaction:
    """One row, opened. `patient_id`: whom the desk wants it linked to; `sends`, `sent_at`,
    `wrong`: of the present one-time password."""

    id: str
    kind: Kind
    state: AbhaState
    hip_id: str
    requester: str
    expires_at: datetime
    created_at: datetime
    secret: Secret = Secret()
    patient_id: str | None = None
    profile_id: str | None = None
    consent: dict[str, Any] | None = None
    mobile_pending: bool = False
    sends: int = 0
    sent_at: datetime | None = None
    wrong: int = 0
    busy_id: str | None = None
    error: str | None = None
    sentence: str | None = None

    @property
    def facts(self) -> Facts:
        """What decides on the next step."""
        return Facts(
            kind=self.kind,
            state=self.state,
            has_profile=self.profile_id is not None,
            mobile_pending=self.mobile_pending,
            sends=self.sends,
            sent_at=self.sent_at,
            wrong=self.wrong,
            expires_at=self.expires_at,
        )


_SECRET = TypeAdapter(Secret)
_ENDED = (AbhaState.EXPIRED, AbhaState.LOCKED)


def new(
    adapter: Adapter, kind: Kind, hip_id: str, requester: str, *, patient_id: str | None
) -> AbhaTransaction:
    """A transaction that has only begun; held, and not stored yet."""
    now = adapter.clock()
    return AbhaTransaction(
        id=str(uuid4()),
        kind=kind,
        state=AbhaState.STARTED,
        hip_id=hip_id,
        requester=requester,
        expires_at=now + IDLE_LIFE,
        created_at=now,
        patient_id=patient_id,
        busy_id=str(uuid4()),
    )


def insert(tx: Tx, adapter: Adapter, row: AbhaTransaction) -> None:
    """Store a new transaction."""
    tx.execute(
        sa.insert(abha_transaction).values(_values(adapter, row) | {"created_at": row.created_at})
    )


def by_id(
    tx: Tx, adapter: Adapter, transaction_id: str, hip_ids: Collection[str]
) -> AbhaTransaction | None:
    """A transaction of these facilities."""
    query = sa.select(abha_transaction).where(
        abha_transaction.c.id == transaction_id, abha_transaction.c.hip_id.in_(hip_ids)
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else _row(adapter, row)


def hold(tx: Tx, transaction_id: str, now: datetime) -> str | None:
    """Keep others from working on it for a while; the name of the hold, None if it is held."""
    free = sa.or_(abha_transaction.c.busy_until.is_(None), abha_transaction.c.busy_until <= now)
    name = str(uuid4())
    changed = tx.execute(
        sa.update(abha_transaction)
        .where(abha_transaction.c.id == transaction_id, free)
        .values(busy_until=now + HOLD, busy_id=name)
    )
    return name if changed.rowcount == 1 else None


def store(tx: Tx, adapter: Adapter, row: AbhaTransaction, *, keep: bool = False) -> bool:
    """Write what a step came to and let go (`keep`: go on holding); False if the hold was lost."""
    values = _values(adapter, row)
    values["busy_until"] = adapter.clock() + HOLD if keep else None
    held = abha_transaction.c.busy_id == row.busy_id
    changed = tx.execute(
        sa.update(abha_transaction).where(abha_transaction.c.id == row.id, held).values(values)
    )
    return changed.rowcount == 1


def let_go(tx: Tx, row: AbhaTransaction) -> None:
    """End the hold and change nothing."""
    held = abha_transaction.c.busy_id == row.busy_id
    tx.execute(
        sa.update(abha_transaction)
        .where(abha_transaction.c.id == row.id, held)
        .values(busy_until=None)
    )


def lapse(tx: Tx, now: datetime) -> None:
    """End transactions that nobody went on with, and forget those of a month ago."""
    over = abha_transaction.c.expires_at <= now
    tx.execute(
        sa.update(abha_transaction)
        .where(over, abha_transaction.c.state.in_(sources(AbhaState.EXPIRED)))
        .values(state=AbhaState.EXPIRED, secret=None)
    )
    tx.execute(
        sa.update(abha_transaction)
        .where(over, abha_transaction.c.state.in_(_ENDED), abha_transaction.c.secret.is_not(None))
        .values(secret=None)
    )
    long_ago = now - RETENTION
    tx.execute(sa.delete(abha_transaction).where(abha_transaction.c.expires_at <= long_ago))


def _values(adapter: Adapter, row: AbhaTransaction) -> dict[str, Any]:
    names = set(AbhaTransaction.__dataclass_fields__) - {"secret", "created_at"}
    values = {name: getattr(row, name) for name in names}
    sealed = adapter.sealer.seal(_SECRET.dump_json(row.secret))
    return values | {
        "secret": None if row.state in _ENDED else sealed,
        "updated_at": adapter.clock(),
        "sentence": row.sentence[:500] if row.sentence else None,
    }


def _row(adapter: Adapter, row: sa.Row[Any]) -> AbhaTransaction:
    values = {name: getattr(row, name) for name in AbhaTransaction.__dataclass_fields__}
    values |= {
        "kind": Kind(row.kind),
        "state": AbhaState(row.state),
        "secret": _SECRET.validate_json(adapter.sealer.open(row.secret))
        if row.secret
        else Secret(),
    }
    return AbhaTransaction(**values)


def with_secret(row: AbhaTransaction, **changes: Any) -> AbhaTransaction:
    """The row with parts of its secret changed."""
    return replace(row, secret=replace(row.secret, **changes))
