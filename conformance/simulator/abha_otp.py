"""Codes of the ABHA service: sent, resent, checked, and the limits on each.

A code goes to the SMS sink, where tests read it. Source: M0/M1 document, section 7.
"""

import secrets
from datetime import timedelta
from typing import Literal

from conformance.simulator.abha_errors import abha_refusal, invalid
from conformance.simulator.abha_state import Challenge, Transaction
from conformance.simulator.core import Call, Simulator
from conformance.simulator.errors import Refusal
from conformance.simulator.state import new_id
from conformance.simulator.times import now

Outcome = Literal["right", "wrong", "expired"]


def begin(simulator: Simulator, call: Call, accounts: list[str]) -> Transaction:
    """A new transaction on these accounts (by number). The state is held."""
    transaction = Transaction(new_id(), call.client_id, now(), accounts)
    simulator.state.abha.transactions[transaction.id] = transaction
    return transaction


def resumed(simulator: Simulator, call: Call, txn_id: str, unknown: Refusal) -> Transaction:
    """The caller's transaction of that id; raises `unknown` if there is none or it has expired."""
    transaction = simulator.state.abha.transactions.get(txn_id)
    lifetime = timedelta(seconds=simulator.config.abha_transaction_seconds)
    if (
        transaction is None
        or transaction.client_id != call.client_id
        or now() - transaction.started_at > lifetime
    ):
        raise unknown
    return transaction


def send(simulator: Simulator, transaction: Transaction, wanted: Challenge) -> None:
    """Send a code, the first or a further one of the same kind.

    Raises 1100 (422) when the login id is locked or this send is one too many. The state is held.
    """
    _refuse_locked(simulator, wanted.subject)
    known = transaction.challenge
    same = known is not None and (known.scope, known.subject) == (wanted.scope, wanted.subject)
    challenge = known if known is not None and same and not known.used else wanted
    if challenge.sends >= simulator.config.abha_otp_sends:
        raise _lock(simulator, wanted.subject)
    challenge.otp = f"{secrets.randbelow(1_000_000):06d}"
    challenge.sent_at = now()
    challenge.sends += 1
    transaction.challenge = challenge
    sender = "UIDAI" if challenge.system == "aadhaar" else "ABDM"
    simulator.state.sms.append(
        {
            "to": challenge.to,
            "text": f"{challenge.otp} is your {sender} code. Valid for 10 minutes.",
            "purpose": f"abha-{challenge.system}-otp",
            "at": now(),
        }
    )
    simulator.state.changed.notify_all()


def check(
    simulator: Simulator, transaction: Transaction, scope: frozenset[str], otp: str
) -> Outcome:
    """Whether this is the code that was sent for `scope`; a right one can be used once.

    Raises 400 for the txnId if no code of this scope is open, and 1100 (422) when the login id is
    locked or this was one wrong code too many. The state is held.
    """
    challenge = transaction.challenge
    if challenge is None or challenge.scope != scope or challenge.used:
        raise invalid("txnId", "no code is open for this scope")
    _refuse_locked(simulator, challenge.subject)
    age = now() - (challenge.sent_at or now())
    if age > timedelta(seconds=simulator.config.abha_otp_seconds):
        return "expired"
    if otp != challenge.otp:
        challenge.wrong += 1
        if challenge.wrong >= simulator.config.abha_otp_wrong:
            raise _lock(simulator, challenge.subject)
        return "wrong"
    challenge.used = True
    return "right"


def plain_otp(simulator: Simulator, text: str) -> str:
    """The code in an encrypted otpValue; raises 400 for the field if it is none."""
    otp = simulator.abha_keys.decrypt(text)
    if otp is None or len(otp) != 6 or not otp.isascii() or not otp.isdigit():
        raise invalid("otpValue", "the value does not decrypt to six digits")
    return otp


def _refuse_locked(simulator: Simulator, subject: str) -> None:
    until = simulator.state.abha.locked_until.get(subject)
    if until is not None and until > now():
        raise abha_refusal("ABDM-1100", status=422, why="this login id is locked")


def _lock(simulator: Simulator, subject: str) -> Refusal:
    pause = timedelta(seconds=simulator.config.abha_lock_seconds)
    simulator.state.abha.locked_until[subject] = now() + pause
    return abha_refusal("ABDM-1100", status=422, why="too many codes asked for or tried")
