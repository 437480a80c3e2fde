"""Which steps of an ABHA transaction may come next, and how often. Pure.

The state and a few facts decide; the table is the whole rule. Limits: an OTP may be sent again
after 60 s, twice at most; it is good for ten minutes; too many wrong ones end the transaction for
30 minutes, by ABDM's word (1100) or by our own count, which only stops what ABDM would refuse
anyhow. Source: M0 and M1, section 7; cases CRT_ABHA_106, 107, VRFY_ABHA_305.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from adapter.protocol.errors import Conflict, TooMany
from adapter.rules.states import AbhaState

RESEND_AFTER = timedelta(seconds=60)
MOST_SENDS = 3
MOST_WRONG = 5
OTP_LIFE = timedelta(minutes=10)
#: A transaction that nobody goes on with.
IDLE_LIFE = timedelta(minutes=60)


class Kind(StrEnum):
    """What a transaction is for: creating an ABHA, or proving to hold one."""

    ENROL = "enrol"
    LOGIN = "login"


class Step(StrEnum):
    """What may be asked for next."""

    SEND_OTP = "send_otp"
    VERIFY_OTP = "verify_otp"
    CHOOSE_ACCOUNT = "choose_account"
    ENROL = "enrol"
    SEND_MOBILE_OTP = "send_mobile_otp"
    VERIFY_MOBILE_OTP = "verify_mobile_otp"
    SUGGEST_ADDRESS = "suggest_address"
    SET_ADDRESS = "set_address"
    FETCH_PROFILE = "fetch_profile"
    LINK = "link"


@dataclass(frozen=True)
class Facts:
    """What the rule looks at. `has_profile`: ABDM has told us whom it is about (while creating: the
    ABHA is made); `mobile_pending`: the number for communication is not verified yet; `sends`,
    `wrong`: of the present OTP."""

    kind: Kind
    state: AbhaState
    has_profile: bool
    mobile_pending: bool
    sends: int
    sent_at: datetime | None
    wrong: int
    expires_at: datetime

    def on_its_way(self, now: datetime) -> bool:
        """Whether an OTP to the number for communication was sent within the minute."""
        sent = self.state is AbhaState.MOBILE_OTP_SENT and self.sent_at is not None
        return sent and now < (self.sent_at or now) + RESEND_AFTER


_ADDRESS = (Step.SUGGEST_ADDRESS, Step.SET_ADDRESS)

#: By state; the facts then take away what does not apply.
NEXT: dict[AbhaState, tuple[Step, ...]] = {
    AbhaState.STARTED: (Step.SEND_OTP,),
    AbhaState.OTP_SENT: (Step.VERIFY_OTP, Step.SEND_OTP),
    AbhaState.CHOOSING: (Step.CHOOSE_ACCOUNT,),
    AbhaState.NOT_FOUND: (Step.ENROL,),
    AbhaState.VERIFIED: (Step.SEND_MOBILE_OTP, *_ADDRESS, Step.FETCH_PROFILE, Step.LINK),
    AbhaState.MOBILE_OTP_SENT: (Step.VERIFY_MOBILE_OTP, Step.SEND_MOBILE_OTP),
    AbhaState.MOBILE_VERIFIED: (*_ADDRESS, Step.FETCH_PROFILE, Step.LINK),
    AbhaState.LINKED: _ADDRESS,
    AbhaState.EXPIRED: (),
    AbhaState.LOCKED: (),
}


def next_steps(facts: Facts) -> tuple[Step, ...]:
    """The steps that may come next, the usual one first."""
    steps = NEXT[facts.state]
    if facts.kind is not Kind.ENROL:
        steps = tuple(s for s in steps if s not in _ADDRESS)
    made = facts.has_profile or facts.kind is not Kind.ENROL
    if not made and facts.state in (AbhaState.VERIFIED, AbhaState.MOBILE_VERIFIED):
        # The OTP is spent and the ABHA not made: go on, perhaps with another mobile number.
        steps = (Step.FETCH_PROFILE, Step.SEND_MOBILE_OTP)
        return steps if facts.mobile_pending and not _used_up(facts) else steps[:1]
    if facts.state is AbhaState.VERIFIED:
        if facts.mobile_pending:
            # Mandatory where the mobile differs from the one at Aadhaar (CRT_ABHA_109).
            return (Step.SEND_MOBILE_OTP,)
        if not facts.has_profile:
            return (Step.FETCH_PROFILE,)
        return tuple(s for s in steps if s not in (Step.SEND_MOBILE_OTP, Step.FETCH_PROFILE))
    if facts.state is AbhaState.MOBILE_VERIFIED:
        return tuple(s for s in steps if s is not Step.FETCH_PROFILE)
    if _used_up(facts):
        return tuple(s for s in steps if s not in (Step.SEND_OTP, Step.SEND_MOBILE_OTP))
    return steps


def require(facts: Facts, step: Step, now: datetime) -> None:
    """Raises Conflict where `step` is not next, TooMany where it is but not now."""
    if facts.state is AbhaState.LOCKED:
        raise TooMany("Too many one-time passwords in this transaction; start again in 30 minutes.")
    if facts.state is AbhaState.EXPIRED or now >= facts.expires_at:
        raise Conflict("This transaction has lapsed; start again.")
    sending = step in (Step.SEND_OTP, Step.SEND_MOBILE_OTP)
    if sending and _used_up(facts) and step in NEXT[facts.state]:
        raise TooMany("The one-time password was sent three times; start again with a new one.")
    if step not in next_steps(facts):
        allowed = ", ".join(next_steps(facts)) or "none: the transaction is over"
        raise Conflict(f"The step {step} is not possible now; possible: {allowed}.")
    if facts.sent_at is None:
        return
    if sending and now < facts.sent_at + RESEND_AFTER:
        wait = int((facts.sent_at + RESEND_AFTER - now).total_seconds()) + 1
        raise TooMany(f"The one-time password is on its way; send it again in {wait} seconds.")
    if step in (Step.VERIFY_OTP, Step.VERIFY_MOBILE_OTP) and now >= facts.sent_at + OTP_LIFE:
        raise Conflict("The one-time password has expired; have a new one sent.")


def locks(wrong: int) -> bool:
    """Whether this many wrong one-time passwords end the transaction."""
    return wrong >= MOST_WRONG


def _used_up(facts: Facts) -> bool:
    return facts.sends >= MOST_SENDS
