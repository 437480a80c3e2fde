"""SQL of link sessions: a discovery and the user-initiated linking that follows it.

What was offered and chosen names a patient, so both are sealed; of the one-time password only a
keyed hash is kept. Decides nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from adapter.protocol import stored
from adapter.protocol.messages import OnLinkConfirmRequest, PatientEntry
from adapter.rules import states
from adapter.rules.states import LinkSessionState
from adapter.stores.db import Tx, link_session

if TYPE_CHECKING:
    from adapter.runtime import Adapter


@dataclass(frozen=True)
class LinkSession:
    """One discovery transaction. `init_request_id`: the REQUEST-ID of the LinkInit to answer;
    `otp_hint`: the masked number that the OTP went to."""

    transaction_id: str
    hip_id: str
    abha_address: str
    patient_id: str
    state: LinkSessionState
    offered: tuple[PatientEntry, ...]
    dialect: str
    created_at: datetime
    expires_at: datetime
    chosen: tuple[PatientEntry, ...] = ()
    link_reference: str | None = None
    otp_hash: str | None = None
    otp_hint: str | None = None
    otp_expires_at: datetime | None = None
    tries: int = 0
    init_request_id: str | None = None


def open_session(tx: Tx, adapter: Adapter, session: LinkSession) -> None:
    """Store a new session; one of the same transaction is replaced until an OTP went out."""
    values = {name: getattr(session, name) for name in session.__dataclass_fields__}
    values |= {
        "offered": _sealed(adapter, session.offered),
        "chosen": _sealed(adapter, session.chosen) if session.chosen else None,
    }
    if not adapter.db.insert_new(tx, link_session, values):
        tx.execute(
            sa.update(link_session)
            .where(
                link_session.c.transaction_id == session.transaction_id,
                link_session.c.state == LinkSessionState.DISCOVERED,
            )
            .values(values)
        )


def by_transaction(tx: Tx, adapter: Adapter, transaction_id: str) -> LinkSession | None:
    """The session of a discovery's transaction id."""
    return _session(tx, adapter, link_session.c.transaction_id == transaction_id)


def by_link_reference(tx: Tx, adapter: Adapter, link_reference: str) -> LinkSession | None:
    """The session whose OTP was sent under this reference, held until the transaction ends."""
    return _session(tx, adapter, link_session.c.link_reference == link_reference)


def choose(tx: Tx, adapter: Adapter, transaction_id: str, **values: Any) -> bool:
    """Move to OTP_SENT (also again) with what was chosen; False if the session is past that."""
    values["chosen"] = _sealed(adapter, values["chosen"])
    return _move(tx, transaction_id, LinkSessionState.OTP_SENT, again=True, **values)


def move(tx: Tx, transaction_id: str, state: LinkSessionState, **values: Any) -> bool:
    """Move a session where that is allowed; whether it moved."""
    return _move(tx, transaction_id, state, again=False, **values)


def count_try(tx: Tx, transaction_id: str) -> None:
    """One more wrong one-time password."""
    tx.execute(
        sa.update(link_session)
        .where(link_session.c.transaction_id == transaction_id)
        .values(tries=link_session.c.tries + 1)
    )


def lapse_sessions(tx: Tx, now: datetime) -> None:
    """Sessions that nobody went on with expire."""
    tx.execute(
        sa.update(link_session)
        .where(
            link_session.c.expires_at <= now,
            link_session.c.state.in_(states.sources(LinkSessionState.EXPIRED)),
        )
        .values(state=LinkSessionState.EXPIRED, otp_hash=None)
    )


def _move(
    tx: Tx, transaction_id: str, state: LinkSessionState, *, again: bool, **values: Any
) -> bool:
    allowed = [*states.sources(state), *([state] if again else [])]
    changed = tx.execute(
        sa.update(link_session)
        .where(link_session.c.transaction_id == transaction_id, link_session.c.state.in_(allowed))
        .values(state=state, **values)
    )
    return changed.rowcount == 1


def _sealed(adapter: Adapter, entries: tuple[PatientEntry, ...]) -> bytes:
    return adapter.sealer.seal(stored.dump(OnLinkConfirmRequest(entries)))


def _opened(adapter: Adapter, sealed: bytes | None) -> tuple[PatientEntry, ...]:
    if sealed is None:
        return ()
    message: OnLinkConfirmRequest = stored.load("OnLinkConfirmRequest", adapter.sealer.open(sealed))
    return message.patients


def _session(tx: Tx, adapter: Adapter, where: sa.ColumnElement[bool]) -> LinkSession | None:
    row = tx.execute(sa.select(link_session).where(where).with_for_update()).one_or_none()
    if row is None:
        return None
    values = {name: getattr(row, name) for name in LinkSession.__dataclass_fields__}
    values |= {
        "state": LinkSessionState(row.state),
        "offered": _opened(adapter, row.offered),
        "chosen": _opened(adapter, row.chosen),
    }
    return LinkSession(**values)
