"""ABHA for a hospital's own system: create, find, link, scan; profile, card and QR.

Every answer about a transaction says its state and the steps that may come next. Aadhaar numbers
and one-time passwords come in bodies only, go on encrypted, and are never sent back.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from adapter.flows import abha_desk, abha_enrolment, abha_linking, abha_login, abha_qr, abha_user
from adapter.flows.abha_desk import Desk
from adapter.flows.abha_enrolment import Consent
from adapter.protocol import timestamps
from adapter.protocol.abha import otp_targets
from adapter.protocol.errors import MalformedRequest
from adapter.rules import poster
from adapter.rules.abha_steps import next_steps
from adapter.runtime import Adapter
from adapter.stores import facilities
from adapter.stores.abha_transactions import AbhaTransaction
from adapter.web.answering import (
    asking_facility,
    body_of,
    desk_of,
    facility_of,
    hims_route,
)
from adapter.web.auth import Caller

_T = "/transactions/<transaction_id>"
_P = "/profiles/<profile_id>"


def blueprint(adapter: Adapter) -> Blueprint:
    """The routes under /hims/v1/abha."""
    api = Blueprint("abha", __name__, url_prefix="/hims/v1/abha")
    for path, method, view in (
        ("/enrolments", "POST", _enrol),
        ("/search", "POST", _search),
        ("/logins", "POST", _login),
        ("/finds", "POST", _find),
        ("/scans", "POST", _scan),
        (_T, "GET", _transaction),
        (f"{_T}/otp", "POST", _resend),
        (f"{_T}/verify", "POST", _verify),
        (f"{_T}/mobile", "POST", _mobile),
        (f"{_T}/mobile/verify", "POST", _verify_mobile),
        (f"{_T}/addresses", "GET", _addresses),
        (f"{_T}/address", "POST", _address),
        (f"{_T}/account", "POST", _account),
        (f"{_T}/enrol", "POST", _enrol_found),
        (f"{_T}/profile", "POST", _fetch),
        (f"{_T}/link", "POST", _link),
        ("/profiles", "GET", _profile_of_patient),
        (_P, "GET", _profile),
        (f"{_P}/link", "POST", _link_profile),
        (f"{_P}/refresh", "POST", _refresh),
        (f"{_P}/card", "GET", _card),
        (f"{_P}/qr", "GET", _profile_qr),
        ("/qr", "GET", _counter_qr),
    ):
        hims_route(adapter, api, path, method, view)
    return api


# --- creating ---------------------------------------------------------------------------------


def _enrol(adapter: Adapter, caller: Caller) -> Response:
    body = body_of('{"aadhaar", "consent": {"agreed": true, "version", "text"}}')
    row = abha_enrolment.begin(
        adapter,
        desk_of(adapter, caller),
        facility_of(adapter, caller, body.get("facility")),
        _text(body, "aadhaar"),
        _consent(body),
        patient_id=_optional(body, "patient"),
    )
    return _answer(adapter, row)


def _enrol_found(adapter: Adapter, caller: Caller, transaction_id: str) -> Response:
    body = body_of('{"consent": {"agreed": true, "version", "text"}}')
    row = abha_enrolment.continue_from_search(
        adapter,
        desk_of(adapter, caller),
        transaction_id,
        _consent(body),
        aadhaar=_optional(body, "aadhaar"),
    )
    return _answer(adapter, row)


def _mobile(adapter: Adapter, caller: Caller, transaction_id: str) -> Response:
    mobile = _optional(_body(), "mobile")
    desk = desk_of(adapter, caller)
    row = abha_enrolment.send_mobile_otp(adapter, desk, transaction_id, mobile)
    return _answer(adapter, row)


def _verify_mobile(adapter: Adapter, caller: Caller, transaction_id: str) -> Response:
    otp = _text(body_of('{"otp"}'), "otp")
    desk = desk_of(adapter, caller)
    return _answer(adapter, abha_enrolment.verify_mobile(adapter, desk, transaction_id, otp))


def _addresses(adapter: Adapter, caller: Caller, transaction_id: str) -> Response:
    desk = desk_of(adapter, caller)
    return jsonify(addresses=abha_enrolment.suggestions(adapter, desk, transaction_id))


def _address(adapter: Adapter, caller: Caller, transaction_id: str) -> Response:
    chosen = _text(body_of('{"abha_address"}'), "abha_address")
    desk = desk_of(adapter, caller)
    return _answer(adapter, abha_enrolment.set_address(adapter, desk, transaction_id, chosen))


# --- finding ----------------------------------------------------------------------------------


def _search(adapter: Adapter, caller: Caller) -> Response:
    body = body_of('{"abha_number"} or {"abha_address"}')
    found = abha_login.search(
        adapter,
        asking_facility(adapter, caller, body.get("facility")),
        abha_number=_optional(body, "abha_number"),
        abha_address=_optional(body, "abha_address"),
    )
    return jsonify(
        status=found.status,
        active=found.active,
        name=found.name,
        mobile=found.mobile,
        otp_to=found.otp_to,
    )


def _login(adapter: Adapter, caller: Caller) -> Response:
    body = body_of('{"by": "abha_number|abha_address|mobile|aadhaar", "value", "otp_to"}')
    row = abha_login.begin(
        adapter,
        desk_of(adapter, caller),
        facility_of(adapter, caller, body.get("facility")),
        _text(body, "by"),
        _text(body, "value"),
        _text(body, "otp_to"),
        patient_id=_optional(body, "patient"),
    )
    return _answer(adapter, row)


def _find(adapter: Adapter, caller: Caller) -> Response:
    body = body_of('{"mobile"}')
    row = abha_login.find_by_mobile(
        adapter,
        desk_of(adapter, caller),
        facility_of(adapter, caller, body.get("facility")),
        _text(body, "mobile"),
        patient_id=_optional(body, "patient"),
    )
    return _answer(adapter, row)


def _account(adapter: Adapter, caller: Caller, transaction_id: str) -> Response:
    body = body_of('{"account": "<key of one of the accounts>"}')
    row = abha_login.choose(
        adapter,
        desk_of(adapter, caller),
        transaction_id,
        _text(body, "account"),
        _optional(body, "otp_to") or "mobile",
    )
    return _answer(adapter, row)


def _fetch(adapter: Adapter, caller: Caller, transaction_id: str) -> Response:
    desk = desk_of(adapter, caller)
    return _answer(adapter, abha_login.fetch_profile(adapter, desk, transaction_id))


# --- any transaction --------------------------------------------------------------------------


def _transaction(adapter: Adapter, caller: Caller, transaction_id: str) -> Response:
    return _answer(adapter, abha_desk.shown(adapter, desk_of(adapter, caller), transaction_id))


def _resend(adapter: Adapter, caller: Caller, transaction_id: str) -> Response:
    desk = desk_of(adapter, caller)
    return _answer(adapter, abha_login.resend(adapter, desk, transaction_id))


def _verify(adapter: Adapter, caller: Caller, transaction_id: str) -> Response:
    body = body_of('{"otp"}, with {"mobile"} while creating')
    row = abha_login.verify_any(
        adapter,
        desk_of(adapter, caller),
        transaction_id,
        _text(body, "otp"),
        _optional(body, "mobile"),
    )
    return _answer(adapter, row)


def _link(adapter: Adapter, caller: Caller, transaction_id: str) -> Response:
    body = _body()
    row = abha_login.link(
        adapter,
        desk_of(adapter, caller),
        transaction_id,
        patient_id=_optional(body, "patient"),
        new=body.get("new") is True,
    )
    return _answer(adapter, row)


# --- scanning, profiles -------------------------------------------------------------------------


def _scan(adapter: Adapter, caller: Caller) -> Response:
    body = body_of('{"content": "<text of the QR code>"}')
    hip_id = facility_of(adapter, caller, body.get("facility"))
    content = body.get("content")
    if not isinstance(content, str):
        raise MalformedRequest("content must be the text of the QR code.")
    row, match = abha_qr.scan(adapter, desk_of(adapter, caller), hip_id, content)
    return jsonify(profile=abha_user.described(row, match))


def _profile(adapter: Adapter, caller: Caller, profile_id: str) -> Response:
    row = abha_user.profile_of(adapter, desk_of(adapter, caller), profile_id)
    return jsonify(profile=abha_user.described(row, abha_linking.match_profile(adapter, row)))


def _profile_of_patient(adapter: Adapter, caller: Caller) -> Response:
    patient = request.args.get("patient", "")
    if not patient:
        raise MalformedRequest("Name the patient: ?patient=<id of the FHIR Patient>.")
    row = abha_user.profile_of_patient(adapter, desk_of(adapter, caller), patient)
    return jsonify(profile=abha_user.described(row))


def _link_profile(adapter: Adapter, caller: Caller, profile_id: str) -> Response:
    body = _body()
    desk = desk_of(adapter, caller)
    row = abha_user.profile_of(adapter, desk, profile_id)
    linked = abha_linking.link_profile(
        adapter,
        row.id,
        requester=desk.requester,
        hip_id=next((each for each in row.seen_at if each in desk.hip_ids), None),
        patient_id=_optional(body, "patient"),
        new=body.get("new") is True,
    )
    return jsonify(profile=abha_user.described(linked))


def _refresh(adapter: Adapter, caller: Caller, profile_id: str) -> Response:
    row = abha_user.fetched_again(adapter, desk_of(adapter, caller), profile_id)
    return jsonify(profile=abha_user.described(row))


def _card(adapter: Adapter, caller: Caller, profile_id: str) -> Response:
    return _image(adapter, caller, profile_id, "card")


def _profile_qr(adapter: Adapter, caller: Caller, profile_id: str) -> Response:
    return _image(adapter, caller, profile_id, "qr")


def _image(adapter: Adapter, caller: Caller, profile_id: str, what: str) -> Response:
    content, kind = abha_user.image(adapter, desk_of(adapter, caller), profile_id, what)
    return Response(content, content_type=kind)


def _counter_qr(adapter: Adapter, caller: Caller) -> Response:
    hip_id = facility_of(adapter, caller, request.args.get("facility"))
    counter = request.args.get("counter", "")
    url = abha_qr.counter_url(adapter, hip_id, counter)
    kind = request.args.get("format", "png")
    if kind == "png":
        return Response(poster.png(url), content_type="image/png")
    if kind == "svg":
        return Response(poster.svg(url), content_type="image/svg+xml")
    if kind == "poster":
        with adapter.db.reading() as tx:
            name = facilities.name_of(tx, hip_id) or hip_id
        return Response(poster.page(url, name, counter), content_type="text/html; charset=utf-8")
    if kind == "text":
        return jsonify(url=url)
    raise MalformedRequest("format must be png, svg, poster or text.")


# --- what callers see ---------------------------------------------------------------------------


def _answer(adapter: Adapter, row: AbhaTransaction) -> Response:
    made: dict[str, Any] = {
        "id": row.id,
        "kind": row.kind,
        "state": row.state,
        "steps": next_steps(row.facts),
        "message": row.sentence or row.secret.hint or None,
        "patient": row.patient_id,
        "expires_at": timestamps.format(row.expires_at),
        "accounts": [
            {
                "key": each.key,
                "abha_number": each.abha_number,
                "abha_address": each.abha_address,
                "name": each.name,
                "gender": each.gender,
                "status": each.status,
                "otp_to": otp_targets(each.methods),
            }
            for each in row.secret.accounts
        ],
    }
    if row.profile_id is not None:
        desk = Desk(row.requester, frozenset({row.hip_id}))
        made["profile"] = abha_user.described(abha_user.profile_of(adapter, desk, row.profile_id))
    return jsonify(made)


def _body() -> dict[str, Any]:
    """The JSON object of a call that may come without one."""
    body = request.get_json(silent=True)
    return body if isinstance(body, dict) else {}


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise MalformedRequest(f"The field {name} is missing or no text.")
    return value


def _optional(body: dict[str, Any], name: str) -> str | None:
    return _text(body, name) if body.get(name) is not None else None


def _consent(body: dict[str, Any]) -> Consent:
    given = body.get("consent")
    if not isinstance(given, dict):
        raise MalformedRequest("The field consent is missing: what the person agreed to.")
    return Consent(
        agreed=given.get("agreed") is True,
        version=str(given.get("version", "")),
        text=str(given.get("text", "")),
        language=str(given.get("language", "en"))[:16],
    )
