"""CARE's healthid, the ABHA dialogue of its older front end: log in, scan, card, link a visit.

Only creation is missing: that dialogue has an OTP verified before it asks for the mobile number,
and V3 takes the two in one call. `txnId` is the id of our own transaction.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from flask import Response, jsonify

from adapter.flows import abha_login, abha_qr, abha_user, hip_linking
from adapter.flows.abha_desk import Desk
from adapter.protocol.errors import Conflict, MalformedRequest
from adapter.runtime import Adapter
from adapter.stores.abha_profiles import ProfileRow
from adapter.web.answering import (
    asking_facility,
    body_of,
    desk_of,
    facility_of,
    hip_ids_of,
    text_of,
)
from adapter.web.auth import Caller
from adapter.web.care import shapes
from adapter.web.care.abha import METHODS, linked, with_suffix

_OTP_TO = {method: otp_to for otp_to, method in METHODS.items()}


def search(adapter: Adapter, caller: Caller) -> Response:
    """Where ABDM may send an OTP for an ABHA number or address."""
    by, value = _named(adapter, text_of(body_of('{"healthId"}'), "healthId"))
    hip_id = asking_facility(adapter, caller, None)
    found = abha_login.search(adapter, hip_id, **{by: value})
    return jsonify(authMethods=[METHODS[each] for each in found.otp_to])


def auth_init(adapter: Adapter, caller: Caller) -> Response:
    """Send an OTP to log in with."""
    body = body_of('{"authMethod", "healthid"}')
    otp_to = _OTP_TO.get(text_of(body, "authMethod"))
    if otp_to is None:
        raise MalformedRequest(f"authMethod must be one of {', '.join(_OTP_TO)}.")
    by, value = _named(adapter, text_of(body, "healthid"))
    hip_id = facility_of(adapter, caller, None)
    row = abha_login.begin(adapter, desk_of(adapter, caller), hip_id, by, value, otp_to)
    return jsonify(txnId=row.id)


def confirm(adapter: Adapter, caller: Caller) -> Response:
    """The profile of whoever read out the OTP, linked with `patientId` if one is named."""
    body = body_of('{"otp", "txnId", "patientId"}')
    desk = desk_of(adapter, caller)
    row = abha_login.verify_any(adapter, desk, text_of(body, "txnId"), text_of(body, "otp"))
    profile = abha_user.profile_of(adapter, desk, row.profile_id or "")
    return _answer(_for_patient(adapter, desk, profile, body))


def link_via_qr(adapter: Adapter, caller: Caller) -> Response:
    """The profile of a scanned QR, linked with `patientId` if one is named."""
    body = body_of('{"hidn", "phr", "name", "gender", "dob", "patientId", …}')
    desk, hip_id = desk_of(adapter, caller), facility_of(adapter, caller, None)
    card = {name: value for name, value in body.items() if name != "patientId" and value}
    row, _ = abha_qr.scan(adapter, desk, hip_id, json.dumps(card))
    if row.linked and row.patient_id != body.get("patientId"):
        raise Conflict("This ABHA is linked with a patient already; look that patient up.")
    return _answer(_for_patient(adapter, desk, row, body))


def card(adapter: Adapter, caller: Caller) -> Response:
    """The patient's ABHA card in base64, as this front end takes it."""
    body = body_of('{"patient", "type": "png"}')
    if text_of(body, "type") != "png":
        raise MalformedRequest("ABDM draws the ABHA card as an image only; ask for type png.")
    desk = desk_of(adapter, caller)
    row = abha_user.profile_of_patient(adapter, desk, text_of(body, "patient"))
    content, _ = abha_user.image(adapter, desk, row.id, "card")
    return jsonify(base64.b64encode(content).decode("ascii"))


def add_care_context(adapter: Adapter, caller: Caller) -> Response:
    """Link a visit; `consultation` is the id of its FHIR Encounter."""
    visit = text_of(body_of('{"consultation": "<id of the FHIR Encounter>"}'), "consultation")
    report = hip_linking.link_encounter(
        adapter, visit, caller.name, hip_ids=hip_ids_of(adapter, caller)
    )
    response = jsonify(detail=report.sentence or "ABDM has been asked.")
    response.status_code = 202
    return response


def _named(adapter: Adapter, given: str) -> tuple[str, str]:
    """("abha_number" or "abha_address", the value), by what was entered."""
    if given[:1].isdigit() and "@" not in given:
        return "abha_number", given
    return "abha_address", with_suffix(adapter, given)


def _for_patient(adapter: Adapter, desk: Desk, row: ProfileRow, body: dict[str, Any]) -> ProfileRow:
    if not body.get("patientId"):
        return row
    return linked(adapter, desk, row, text_of(body, "patientId"))


def _answer(row: ProfileRow) -> Response:
    """The profile by both sets of names: CARE's own, and those of the Health ID service."""
    profile = row.profile
    told = {
        "healthIdNumber": profile.abha_number,
        "healthId": profile.health_id,
        "firstName": profile.first_name,
        "lastName": profile.last_name,
    }
    return jsonify(id=row.id, abha_profile=shapes.abha_number(row) | told)
