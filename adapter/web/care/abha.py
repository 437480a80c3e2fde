"""CARE's abha_number and v3/health_id: create an ABHA, log in, scan a card, link it, show it.

`transaction_id` is that of our own transaction, `abha_number` in a request the id of a profile.
CARE's page lets nobody send an Aadhaar number before ABDM's terms are ticked there, and sends no
word of it; that is what is recorded as the person's consent.
"""

from __future__ import annotations

import json
from typing import Any

from flask import Response, jsonify, request

from adapter.flows import abha_desk, abha_enrolment, abha_linking, abha_login, abha_qr, abha_user
from adapter.flows.abha_desk import Desk
from adapter.flows.abha_enrolment import Consent
from adapter.protocol import ids
from adapter.protocol.errors import Conflict, MalformedRequest, NotFound
from adapter.rules.abha_profile import Profile
from adapter.rules.abha_steps import Step, next_steps
from adapter.rules.states import AbhaState
from adapter.runtime import Adapter
from adapter.stores import abha_profiles
from adapter.stores.abha_profiles import ProfileRow
from adapter.stores.abha_transactions import AbhaTransaction
from adapter.web.answering import asking_facility, body_of, desk_of, facility_of, text_of
from adapter.web.auth import Caller
from adapter.web.care import shapes

_TICKED = (
    "Ticked on the page of the hospital's own system, which shows the terms and sends no text, "
    "before the Aadhaar number was sent."
)

#: Where an OTP goes: CARE's `otp_system`, and the names of its `auth_methods`.
_OTP_TO = {"abdm": "mobile", "aadhaar": "aadhaar"}
METHODS = {"mobile": "MOBILE_OTP", "aadhaar": "AADHAAR_OTP"}

#: CARE's names of what stood in a scanned QR, and the QR's own.
_QR = {
    "abha_number": "hidn",
    "health_id": "phr",
    "name": "name",
    "gender": "gender",
    "date_of_birth": "dob",
    "address": "address",
    "district": "district_name",
    "state": "state name",
    "mobile": "mobile",
}


# --- profiles -------------------------------------------------------------------------------------


def show(adapter: Adapter, caller: Caller, abha_id: str) -> Response:
    """A profile by its ABHA number, its ABHA address or its patient."""
    return jsonify(shapes.abha_number(_profile(adapter, desk_of(adapter, caller), abha_id)))


def create(adapter: Adapter, caller: Caller) -> Response:
    """The profile of a scanned QR."""
    body = body_of('{"abha_number", "health_id", "name", "gender", "date_of_birth", …}')
    read = {theirs: body[ours] for ours, theirs in _QR.items() if body.get(ours)}
    hip_id = facility_of(adapter, caller, None)
    row, _ = abha_qr.scan(adapter, desk_of(adapter, caller), hip_id, json.dumps(read))
    response = jsonify(shapes.abha_number(row))
    response.status_code = 201
    return response


def card(adapter: Adapter, caller: Caller) -> Response:
    """The ABHA card as ABDM draws it; CARE's `type` changes nothing, there or here."""
    desk = desk_of(adapter, caller)
    row = _profile(adapter, desk, request.args.get("abha_id", ""))
    content, kind = abha_user.image(adapter, desk, row.id, "card")
    return Response(content, content_type=kind)


def link_patient(adapter: Adapter, caller: Caller) -> Response:
    """Link a profile with a patient."""
    body = body_of('{"abha_number": "<id of the profile>", "patient"}')
    desk = desk_of(adapter, caller)
    row = abha_user.profile_of(adapter, desk, text_of(body, "abha_number"))
    row = linked(adapter, desk, row, text_of(body, "patient"))
    return jsonify(shapes.abha_number(row) | {"detail": "The ABHA is linked with the patient."})


def linked(adapter: Adapter, desk: Desk, row: ProfileRow, patient_id: str) -> ProfileRow:
    """The profile, linked with this patient (see `abha_linking.link_profile`)."""
    return abha_linking.link_profile(
        adapter,
        row.id,
        requester=desk.requester,
        hip_id=next((each for each in row.seen_at if each in desk.hip_ids), None),
        patient_id=patient_id,
    )


# --- creating -------------------------------------------------------------------------------------


def send_aadhaar_otp(adapter: Adapter, caller: Caller) -> Response:
    """Begin; with a `transaction_id`, send the OTP again."""
    body = body_of('{"aadhaar"}, with {"transaction_id"} to send the OTP again')
    desk = desk_of(adapter, caller)
    if body.get("transaction_id"):
        return _step(abha_login.resend(adapter, desk, text_of(body, "transaction_id")))
    hip_id = facility_of(adapter, caller, None)
    consent = Consent(True, adapter.abha_of(hip_id).consent_version, _TICKED)
    return _step(abha_enrolment.begin(adapter, desk, hip_id, text_of(body, "aadhaar"), consent))


def verify_aadhaar_otp(adapter: Adapter, caller: Caller) -> Response:
    """Create the ABHA, or find that there is one. Where the mobile number has to be proven first,
    the page is told of a new ABHA of which nothing is known, and asks for that proof."""
    body = body_of('{"transaction_id", "otp", "mobile"}')
    desk, transaction = desk_of(adapter, caller), text_of(body, "transaction_id")
    otp, mobile = text_of(body, "otp"), text_of(body, "mobile")
    row = _gone_on(adapter, desk, transaction)
    row = row or abha_login.verify_any(adapter, desk, transaction, otp, mobile)
    if row.profile_id is None:
        profile = ProfileRow("", Profile(), "enrolment", row.created_at, row.created_at, new=True)
    else:
        profile = abha_user.profile_of(adapter, desk, row.profile_id)
    return _step(
        row,
        is_new=profile.new,
        created=profile.new and row.profile_id is not None,
        abha_number=shapes.abha_number(profile),
    )


def link_mobile_number(adapter: Adapter, caller: Caller) -> Response:
    """Send an OTP to the number for communication."""
    body = body_of('{"transaction_id", "mobile"}')
    desk = desk_of(adapter, caller)
    transaction, mobile = text_of(body, "transaction_id"), text_of(body, "mobile")
    row = abha_desk.shown(adapter, desk, transaction)
    known = row.profile_id is None and row.secret.mobile == mobile[-10:]
    if known and row.facts.on_its_way(adapter.clock()):
        return _step(row)  # sent when the Aadhaar OTP was verified, which the page knows nothing of
    return _step(abha_enrolment.send_mobile_otp(adapter, desk, transaction, mobile))


def verify_mobile_otp(adapter: Adapter, caller: Caller) -> Response:
    """The number for communication is the person's own."""
    body = body_of('{"transaction_id", "otp"}')
    desk = desk_of(adapter, caller)
    transaction, otp = text_of(body, "transaction_id"), text_of(body, "otp")
    row = _gone_on(adapter, desk, transaction)
    return _step(row or abha_enrolment.verify_mobile(adapter, desk, transaction, otp))


def _gone_on(adapter: Adapter, desk: Desk, transaction: str) -> AbhaTransaction | None:
    """The transaction a step further where its OTP is spent already: the page asks for the same
    again after a failure. None where the OTP is still to be verified."""
    if Step.FETCH_PROFILE not in next_steps(abha_desk.shown(adapter, desk, transaction).facts):
        return None
    return abha_login.fetch_profile(adapter, desk, transaction)


def suggest_addresses(adapter: Adapter, caller: Caller) -> Response:
    """Free ABHA addresses to choose from."""
    transaction = text_of(body_of('{"transaction_id"}'), "transaction_id")
    found = abha_enrolment.suggestions(adapter, desk_of(adapter, caller), transaction)
    return jsonify(transaction_id=transaction, abha_addresses=found)


def enrol_address(adapter: Adapter, caller: Caller) -> Response:
    """Give the ABHA its address. `health_id` is the ABHA number here, as in CARE's own answer."""
    body = body_of('{"transaction_id", "abha_address"}')
    desk = desk_of(adapter, caller)
    transaction, chosen = text_of(body, "transaction_id"), text_of(body, "abha_address")
    row = abha_enrolment.set_address(adapter, desk, transaction, chosen)
    profile = abha_user.profile_of(adapter, desk, row.profile_id or "")
    return _step(
        row,
        health_id=profile.profile.abha_number,
        preferred_abha_address=profile.profile.health_id,
        abha_number=shapes.abha_number(profile),
    )


# --- logging in -----------------------------------------------------------------------------------


def auth_methods(adapter: Adapter, caller: Caller) -> Response:
    """Where ABDM may send an OTP for an ABHA address; the number is told after the OTP only."""
    address = with_suffix(adapter, text_of(body_of('{"abha_address"}'), "abha_address"))
    hip_id = asking_facility(adapter, caller, None)
    found = abha_login.search(adapter, hip_id, abha_address=address)
    return jsonify(abha_number=None, auth_methods=[METHODS[each] for each in found.otp_to])


def with_suffix(adapter: Adapter, address: str) -> str:
    """An ABHA address with its consent manager, which CARE's pages let people leave out."""
    return address if "@" in address else f"{address}@{adapter.config.x_cm_id}"


def send_login_otp(adapter: Adapter, caller: Caller) -> Response:
    """Send an OTP to log in with."""
    body = body_of('{"type", "value", "otp_system": "abdm|aadhaar"}')
    otp_to = _OTP_TO.get(text_of(body, "otp_system"))
    if otp_to is None:
        raise MalformedRequest(f"otp_system must be one of {', '.join(_OTP_TO)}.")
    row = abha_login.begin(
        adapter,
        desk_of(adapter, caller),
        facility_of(adapter, caller, None),
        text_of(body, "type").replace("-", "_"),
        text_of(body, "value"),
        otp_to,
    )
    if row.state is AbhaState.NOT_FOUND:
        raise NotFound(row.sentence or "ABDM knows no ABHA of this Aadhaar number.")
    return _step(row)


def verify_login_otp(adapter: Adapter, caller: Caller) -> Response:
    """The profile of whoever read out the OTP; CARE's page cannot ask which of several it is."""
    body = body_of('{"type", "otp", "transaction_id", "otp_system"}')
    desk = desk_of(adapter, caller)
    row = abha_login.verify_any(
        adapter, desk, text_of(body, "transaction_id"), text_of(body, "otp")
    )
    if row.state is AbhaState.CHOOSING:
        row = abha_login.choose(adapter, desk, row.id, _only_account(row))
    if row.state is AbhaState.NOT_FOUND:
        raise NotFound(row.sentence or "ABDM knows no ABHA of this Aadhaar number.")
    profile = abha_user.profile_of(adapter, desk, row.profile_id or "")
    return jsonify(
        abha_number=shapes.abha_number(profile),
        created=profile.created_at == profile.updated_at,
    )


def _only_account(row: AbhaTransaction) -> str:
    accounts = row.secret.accounts
    if len(accounts) != 1:
        raise Conflict(
            f"{len(accounts)} ABHAs use this mobile number; log in with the ABHA number or the "
            "ABHA address of the person who is here."
        )
    return accounts[0].key


def _profile(adapter: Adapter, desk: Desk, abha_id: str) -> ProfileRow:
    """By ABHA number, ABHA address or patient. Raises NotFound."""
    number, address = _number(abha_id), abha_id if "@" in abha_id else None
    if number is None and address is None:
        return abha_user.profile_of_patient(adapter, desk, abha_id)
    with adapter.db.reading() as tx:
        found = abha_profiles.by_identifiers(tx, adapter, number, address, hold=False)
    for row in found:
        if abha_profiles.seen_by(row, desk.hip_ids):
            return row
    raise NotFound("Your facilities know no such ABHA profile.")


def _number(abha_id: str) -> str | None:
    try:
        return ids.digits(abha_id)
    except ValueError:  # the id of a patient, or an address
        return None


def _step(row: AbhaTransaction, **more: Any) -> Response:
    return jsonify(transaction_id=row.id, detail=row.secret.hint or row.sentence or "Done.", **more)
