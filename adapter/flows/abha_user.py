"""What may be fetched of an ABHA once its holder has logged in here: profile, card, QR.

The tokens are renewed when they run out; once the refresh token has ended too, or ABDM refuses it,
they are forgotten and the patient logs in again. A deactivated ABHA is marked so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from adapter.flows.abha_desk import Desk
from adapter.flows.abha_linking import Match
from adapter.protocol.abha_refusals import AbhaRefused, Reason
from adapter.protocol.errors import Conflict, NotFound
from adapter.rules.abha_profile import from_account
from adapter.runtime import Adapter
from adapter.stores import abha_profiles
from adapter.stores.abha_profiles import ProfileRow, Tokens
from adapter.upstream.abha_client import AbhaClient

#: A token that ends while the call is on its way is of no use.
SPARE = timedelta(seconds=60)

Result = TypeVar("Result")

_LOG_IN = "The patient's session with ABDM has ended; log in again with a one-time password."


def profile_of(adapter: Adapter, desk: Desk, profile_id: str) -> ProfileRow:
    """A profile that the desk's facilities have been shown. Raises NotFound."""
    with adapter.db.reading() as tx:
        row = abha_profiles.by_id(tx, adapter, profile_id)
    if row is None or not abha_profiles.seen_by(row, desk.hip_ids):
        raise NotFound("Your facilities know no such ABHA profile.")
    return row


def profile_of_patient(adapter: Adapter, desk: Desk, patient_id: str) -> ProfileRow:
    """The profile linked to a patient. Raises NotFound."""
    with adapter.db.reading() as tx:
        row = abha_profiles.by_patient(tx, adapter, patient_id)
    if row is None or not abha_profiles.seen_by(row, desk.hip_ids):
        raise NotFound("No ABHA is linked to this patient at your facilities.")
    return row


def described(row: ProfileRow, match: Match | None = None) -> dict[str, Any]:
    """A profile by the names of CARE's AbhaNumber, never its tokens."""
    profile = row.profile
    made: dict[str, Any] = {
        name: getattr(profile, name)
        for name in type(profile).__dataclass_fields__
        if name != "kyc_verified"
    }
    made |= {
        "id": row.id,
        "kyc_verified": profile.kyc_verified,
        "patient": row.patient_id if row.linked else None,
        "new": row.new,
        "verified": row.verified,
        "active": row.active,
        "source": row.source,
        "logged_in": row.tokens is not None,
        "message": row.sentence,
    }
    if match is not None:
        made |= {"matches": match.patient_id, "candidates": match.candidates}
    return made


def image(adapter: Adapter, desk: Desk, profile_id: str, what: str) -> tuple[bytes, str]:
    """(bytes, content type) of the patient's "card" or "qr", as ABDM draws it."""
    row = profile_of(adapter, desk, profile_id)
    return _as_patient(
        adapter,
        row,
        lambda service, tokens: service.image(tokens.token, what, of_address=tokens.of_address),
    )


def fetched_again(adapter: Adapter, desk: Desk, profile_id: str) -> ProfileRow:
    """The profile as ABDM has it now, also whether it is still active."""
    row = profile_of(adapter, desk, profile_id)
    data = _as_patient(
        adapter,
        row,
        lambda service, tokens: service.profile(tokens.token, of_address=tokens.of_address),
    )
    with adapter.db.transaction() as tx:
        return abha_profiles.note(
            tx,
            adapter,
            from_account(data),
            source=row.source,
            hip_id=row.seen_at[-1],
            verified=True,
        )


def _as_patient(
    adapter: Adapter, row: ProfileRow, call: Callable[[AbhaClient, Tokens], Result]
) -> Result:
    """`call` with tokens in force; once more where ABDM ended them before their time."""
    tokens = _in_force(adapter, row)
    service = _service(adapter, row, tokens)
    try:
        try:
            return call(service, tokens)
        except AbhaRefused as error:
            if error.reason is not Reason.USER_TOKEN:
                raise
        return call(service, _renewed(adapter, row, tokens))
    except AbhaRefused as error:
        if error.reason is Reason.DEACTIVATED:
            with adapter.db.transaction() as tx:
                abha_profiles.change(tx, row.id, active=False, sentence=error.sentence)
        raise


def _service(adapter: Adapter, row: ProfileRow, tokens: Tokens) -> AbhaClient:
    """The service that gave the tokens."""
    return adapter.abha_of(tokens.hip_id or row.seen_at[-1])


def _in_force(adapter: Adapter, row: ProfileRow) -> Tokens:
    if row.tokens is None:
        raise Conflict(_LOG_IN)
    if row.tokens.expires_at - SPARE > adapter.clock():
        return row.tokens
    return _renewed(adapter, row, row.tokens)


def _renewed(adapter: Adapter, row: ProfileRow, tokens: Tokens) -> Tokens:
    ends = tokens.refresh_expires_at
    if tokens.refresh_token is None or ends is None or ends - SPARE <= adapter.clock():
        _keep(adapter, row, None)
        raise Conflict(_LOG_IN)
    try:
        given = _service(adapter, row, tokens).refresh(tokens.refresh_token)
    except AbhaRefused as error:
        if error.reason in (Reason.REFRESH_TOKEN, Reason.USER_TOKEN):
            _keep(adapter, row, None)
            raise Conflict(_LOG_IN) from error
        raise
    new = abha_profiles.ends(adapter, given, hip_id=tokens.hip_id, of_address=tokens.of_address)
    if new.refresh_token is None:
        new = replace(
            new, refresh_token=tokens.refresh_token, refresh_expires_at=tokens.refresh_expires_at
        )
    _keep(adapter, row, new)
    return new


def _keep(adapter: Adapter, row: ProfileRow, tokens: Tokens | None) -> None:
    with adapter.db.transaction() as tx:
        present = abha_profiles.by_id(tx, adapter, row.id, hold=True)
        if present is not None:
            abha_profiles.put(tx, adapter, replace(present, tokens=tokens))
