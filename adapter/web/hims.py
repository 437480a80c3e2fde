"""The HIMS-facing API: what a hospital's own system may ask and order.

Each call needs a key of `HIMS_API_KEYS` and names who acts (`auth.require_hims_key`). Things of a
facility that the key may not act for answer 404. Answers are JSON; errors `{"error": {"code",
"message"}}`. Nothing here decides: it calls flows and reads `stores.overview`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request

from adapter.flows import hip_linking, link_challenge, link_changes, link_status, lookup
from adapter.protocol import timestamps
from adapter.protocol.errors import (
    DependencyUnavailable,
    FhirUnavailable,
    MalformedRequest,
    NotFound,
)
from adapter.runtime import Adapter
from adapter.stores import link_challenges, overview
from adapter.web.answering import hip_ids_of
from adapter.web.auth import Caller, require_hims_key
from mappings.records import DocumentImpossible

LARGEST_LIST = 500


def blueprint(adapter: Adapter) -> Blueprint:
    """The routes under /hims/v1."""
    api = Blueprint("hims", __name__, url_prefix="/hims/v1")

    def route(path: str, method: str, view: Callable[..., Response]) -> None:
        def answer(**arguments: str) -> Response:
            caller = require_hims_key(adapter)
            try:
                return view(adapter, caller, hip_ids_of(adapter, caller), **arguments)
            except FhirUnavailable as error:
                raise DependencyUnavailable(
                    "The FHIR server cannot be reached now; try again in a moment."
                ) from error
            except DocumentImpossible as error:
                raise MalformedRequest(str(error)) from error

        answer.__name__ = view.__name__.lstrip("_")
        api.add_url_rule(path, view_func=answer, methods=[method])

    route("/patients/<patient_id>/care-contexts", "GET", _care_contexts)
    route("/patients/<patient_id>/opt-out", "POST", _opt_out)
    route("/patients/<patient_id>/opt-out", "DELETE", _opt_in)
    route("/links", "POST", _link)
    route("/links", "GET", _links)
    route("/links/status", "GET", _link_status)
    route("/links/challenges", "GET", _challenges)
    route("/links/challenges/<challenge_id>", "POST", _challenge)
    route("/consents/<artefact_id>", "GET", _consent)
    route("/transfers", "GET", _transfers)
    route("/transfers/<transfer_id>", "GET", _transfer)
    route("/documents/<reference>", "GET", _document)
    return api


def _care_contexts(
    adapter: Adapter, _caller: Caller, hip_ids: frozenset[str], patient_id: str
) -> Response:
    contexts = lookup.care_contexts_of_patient(adapter, patient_id, hip_ids)
    with adapter.db.reading() as tx:
        states = overview.links(tx, hip_ids, patient_id)
    return jsonify(
        care_contexts=[
            {
                "reference": context.reference,
                "display": context.display,
                "hip_id": context.hip_id,
                "hi_types": [
                    {"hi_type": hi_type, "link": _state(states, context.reference, hi_type)}
                    for hi_type in context.hi_types
                ],
            }
            for context in contexts
        ]
    )


def _opt_out(
    adapter: Adapter, caller: Caller, hip_ids: frozenset[str], patient_id: str
) -> Response:
    lookup.care_contexts_of_patient(adapter, patient_id, hip_ids)
    link_changes.opt_out(adapter, patient_id, caller.name)
    return jsonify(patient=patient_id, opted_out=True, message=link_changes.AFTER_OPT_OUT)


def _opt_in(
    adapter: Adapter, _caller: Caller, hip_ids: frozenset[str], patient_id: str
) -> Response:
    lookup.care_contexts_of_patient(adapter, patient_id, hip_ids)
    link_changes.opt_in(adapter, patient_id)
    return jsonify(patient=patient_id, opted_out=False)


def _state(states: list[dict[str, Any]], reference: str, hi_type: str) -> str | None:
    return next(
        (s["state"] for s in states if (s["reference"], s["hi_type"]) == (reference, hi_type)),
        None,
    )


def _link(adapter: Adapter, caller: Caller, hip_ids: frozenset[str]) -> Response:
    body = request.get_json(silent=True)
    encounter = body.get("encounter") if isinstance(body, dict) else None
    if not isinstance(encounter, str) or not encounter:
        raise MalformedRequest(
            'Send {"encounter": "<id of the FHIR Encounter>"} as JSON, or the reference of a '
            'record that belongs to no visit: {"encounter": "DiagnosticReport/<id>"}.'
        )
    report = hip_linking.link_encounter(adapter, encounter, caller.name, hip_ids=hip_ids)
    response = jsonify(
        reference=report.reference,
        display=report.display,
        hip_id=report.hip_id,
        hi_types=[{"hi_type": hi_type, "link": state} for hi_type, state in report.states],
        message=report.sentence or "ABDM has been asked; look again for the outcome.",
    )
    response.status_code = 202
    return response


def _links(adapter: Adapter, _caller: Caller, hip_ids: frozenset[str]) -> Response:
    patient_id = request.args.get("patient", "")
    if not patient_id:
        raise MalformedRequest("Name the patient: /hims/v1/links?patient=<id of the FHIR Patient>.")
    with adapter.db.reading() as tx:
        found = overview.links(tx, hip_ids, patient_id)
    if not found:
        raise NotFound("Your facilities know no links of such a patient.")
    return jsonify(links=found)


def _link_status(adapter: Adapter, _caller: Caller, hip_ids: frozenset[str]) -> Response:
    patient_id = request.args.get("patient")
    if patient_id:
        return jsonify(care_contexts=link_status.of_patient(adapter, patient_id, hip_ids))
    return jsonify(link_status.of_hospital(adapter, hip_ids, limit=LARGEST_LIST))


def _challenges(adapter: Adapter, _caller: Caller, hip_ids: frozenset[str]) -> Response:
    with adapter.db.reading() as tx:
        found = link_challenges.waiting(tx, hip_ids, adapter.clock())
    return jsonify(
        challenges=[row | {"expires_at": timestamps.format(row["expires_at"])} for row in found]
    )


def _challenge(
    adapter: Adapter, _caller: Caller, hip_ids: frozenset[str], challenge_id: str
) -> Response:
    body = request.get_json(silent=True)
    otp = body.get("otp") if isinstance(body, dict) else None
    if not isinstance(otp, str):
        raise MalformedRequest('Send {"otp": "<what the patient got>"} as JSON.')
    link_challenge.confirm_otp(adapter, challenge_id, otp, hip_ids=hip_ids)
    response = jsonify(message="ABDM compares the OTP; look at the visit's links for the outcome.")
    response.status_code = 202
    return response


def _consent(
    adapter: Adapter, _caller: Caller, hip_ids: frozenset[str], artefact_id: str
) -> Response:
    return jsonify(lookup.consent(adapter, artefact_id, hip_ids))


def _transfers(adapter: Adapter, _caller: Caller, hip_ids: frozenset[str]) -> Response:
    asked = request.args.get("limit", "50")
    if not asked.isdecimal() or not 1 <= int(asked) <= LARGEST_LIST:
        raise MalformedRequest(f"limit must be a number from 1 to {LARGEST_LIST}.")
    with adapter.db.reading() as tx:
        return jsonify(transfers=overview.transfers(tx, hip_ids, limit=int(asked)))


def _transfer(
    adapter: Adapter, _caller: Caller, hip_ids: frozenset[str], transfer_id: str
) -> Response:
    with adapter.db.reading() as tx:
        found = overview.transfer_by_id(tx, hip_ids, transfer_id)
    if found is None:
        raise NotFound("Your facilities know no transfer with this id.")
    return jsonify(found)


def _document(
    adapter: Adapter, _caller: Caller, hip_ids: frozenset[str], reference: str
) -> Response:
    hi_type = request.args.get("hi_type", "")
    if not hi_type:
        raise MalformedRequest("Name the document type: ?hi_type=OPConsultation, for example.")
    number = request.args.get("number", "1")
    if not number.isdecimal():
        raise MalformedRequest("number must be a number: 1 for the first document of this type.")
    content = lookup.document(adapter, reference, hi_type, hip_ids, int(number))
    return Response(content, content_type="application/fhir+json")
