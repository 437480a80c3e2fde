"""What every step at the desk shares: who acts, the transaction it holds, what a refusal leaves.

A step first looks whether it is next (`rules.abha_steps`), then holds the row while ABDM is asked,
then stores what came of it. When ABDM is away nothing has changed and the step may be repeated;
when it refuses, the row keeps the reason, counts a wrong one-time password, or ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from adapter.protocol import abha
from adapter.protocol.abha_refusals import AbhaRefused, Reason
from adapter.protocol.errors import Conflict, NotFound, UpstreamError
from adapter.rules.abha_steps import IDLE_LIFE, Step, locks, require
from adapter.rules.states import AbhaState
from adapter.runtime import Adapter
from adapter.stores import abha_transactions
from adapter.stores.abha_transactions import AbhaTransaction, with_secret

_ANEW = "ABDM no longer knows this transaction; have a new one-time password sent."
_MOBILE_ANEW = (
    "ABDM takes this one-time password no more; have a new one sent to the mobile number."
)


@dataclass(frozen=True)
class Desk:
    """Who acts (a person's name), and for which facilities (HIP service ids)."""

    requester: str
    hip_ids: frozenset[str]


def shown(adapter: Adapter, desk: Desk, transaction_id: str) -> AbhaTransaction:
    """A transaction of the desk's facilities. Raises NotFound."""
    with adapter.db.reading() as tx:
        row = abha_transactions.by_id(tx, adapter, transaction_id, desk.hip_ids)
    if row is None:
        raise NotFound("Your facilities know no such ABHA transaction.")
    return row


def begun(adapter: Adapter, row: AbhaTransaction) -> AbhaTransaction:
    """Store a new transaction, held by its first step."""
    with adapter.db.transaction() as tx:
        abha_transactions.insert(tx, adapter, row)
    return row


def held(adapter: Adapter, desk: Desk, transaction_id: str, step: Step) -> AbhaTransaction:
    """The transaction, held for `step`.

    Raises NotFound, Conflict (not this step now, or another desk is at it), TooMany.
    """
    now = adapter.clock()
    with adapter.db.transaction() as tx:
        # Held before it is read: else two desks could both see that the step is next.
        name = abha_transactions.hold(tx, transaction_id, now)
        row = abha_transactions.by_id(tx, adapter, transaction_id, desk.hip_ids)
        if row is None:
            raise NotFound("Your facilities know no such ABHA transaction.")
        if name is None:
            raise Conflict("This transaction is being worked on; look again in a moment.")
        require(row.facts, step, now)
    return row


@contextmanager
def asking(adapter: Adapter, row: AbhaTransaction) -> Iterator[None]:
    """Around calls to ABDM: a refusal changes the row as it must, and the hold ends."""
    try:
        yield
    except UpstreamError as error:
        with adapter.db.transaction() as tx:
            abha_transactions.store(tx, adapter, refused(row, error))
        raise
    except BaseException:
        with adapter.db.transaction() as tx:
            abha_transactions.let_go(tx, row)
        raise


def refused(row: AbhaTransaction, error: UpstreamError) -> AbhaTransaction:
    """The row after a refusal."""
    changed = replace(row, error=type(error).__name__, sentence=error.sentence)
    reason = error.reason if isinstance(error, AbhaRefused) else None
    if reason is Reason.OTP_WRONG:
        changed = replace(changed, wrong=row.wrong + 1)
        return replace(changed, state=AbhaState.LOCKED) if locks(changed.wrong) else changed
    if reason is Reason.LOCKED:
        return replace(changed, state=AbhaState.LOCKED)
    if reason is Reason.TRANSACTION and row.state is AbhaState.OTP_SENT and row.secret.login_id:
        # Perhaps the answer to the right OTP was lost: begin anew, without asking who it is again.
        again = with_secret(changed, transaction="")
        return replace(again, state=AbhaState.STARTED, sends=0, sent_at=None, sentence=_ANEW)
    if reason is Reason.TRANSACTION and row.state is AbhaState.MOBILE_OTP_SENT:
        # Likewise; the Aadhaar number is proven, and a new OTP to the mobile tells more.
        again = replace(changed, state=AbhaState.VERIFIED, sends=0, sent_at=None)
        return replace(again, sentence=_MOBILE_ANEW)
    if reason is Reason.TRANSACTION:
        return replace(changed, state=AbhaState.EXPIRED)
    return changed


def stored(adapter: Adapter, row: AbhaTransaction, **changes: Any) -> AbhaTransaction:
    """Store what a step came to, and let go. Raises Conflict where the hold was lost."""
    row = stepped(adapter, row, **changes)
    with adapter.db.transaction() as tx:
        done = abha_transactions.store(tx, adapter, row)
    if not done:
        raise Conflict("This step took too long and another began; look at the transaction again.")
    return row


def kept(adapter: Adapter, row: AbhaTransaction, **changes: Any) -> AbhaTransaction:
    """Store that an OTP is spent before anything else is asked; the row stays held.

    Raises Conflict where the hold was lost.
    """
    row = stepped(adapter, row, sends=0, sent_at=None, wrong=0, **changes)
    with adapter.db.transaction() as tx:
        if not abha_transactions.store(tx, adapter, row, keep=True):
            raise Conflict("This step took too long and another began; look again.")
    return row


def otp_sent(
    adapter: Adapter,
    row: AbhaTransaction,
    sent: abha.OtpSent,
    *,
    state: AbhaState = AbhaState.OTP_SENT,
    **secret: Any,
) -> AbhaTransaction:
    """Store that an OTP is on its way, with changes of the secret part."""
    # Sent again, not every service says where to: to where it went before.
    hint = abha.hint(sent.message) if sent.message else row.secret.hint or abha.hint("")
    row = with_secret(row, transaction=sent.transaction, hint=hint, **secret)
    now = adapter.clock()
    return stored(adapter, row, state=state, sends=row.sends + 1, sent_at=now)


def stepped(adapter: Adapter, row: AbhaTransaction, **changes: Any) -> AbhaTransaction:
    """The row a step further: alive for another while, without the last refusal."""
    fresh: dict[str, Any] = {"error": None, "sentence": None}
    return replace(row, expires_at=adapter.clock() + IDLE_LIFE, **(fresh | changes))
