"""Consent of patients for their records at other hospitals: asked for, and how it stands.

`POST /abdm/consent` is the specification's own call; `/hims/v1/consent-requests` is the same.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from adapter.flows import consent_lookup, hiu_raise, lookup
from adapter.protocol.errors import MalformedRequest
from adapter.runtime import Adapter
from adapter.web.answering import body_of, hims_route
from adapter.web.auth import Caller

LARGEST_LIST = 500

_EXPECTED = (
    '{"patient_abha": "<ABHA address or number>", "purpose": "CAREMGT", "hi_types": '
    '["OPConsultation"], "from_time", "to_time", "expiry", …}'
)


def blueprint(adapter: Adapter) -> Blueprint:
    """The routes of consent requests and of the artefacts that come of them."""
    api = Blueprint("consents", __name__)
    requests = "/hims/v1/consent-requests"
    hims_route(adapter, api, "/abdm/consent", "POST", _raise, endpoint="abdm_consent")
    hims_route(adapter, api, requests, "POST", _raise)
    hims_route(adapter, api, requests, "GET", _list)
    hims_route(adapter, api, f"{requests}/<request_id>", "GET", _show)
    hims_route(adapter, api, "/hims/v1/consent-artefacts/<artefact_id>", "GET", _artefact)
    return api


def _hiu_ids(adapter: Adapter, caller: Caller) -> frozenset[str]:
    """The service ids that the caller may act for; a facility's is the same as HIP and as HIU."""
    return frozenset(
        service_id
        for hfr_id, service_id in lookup.served_pairs(adapter)
        if caller.may_act_for(hfr_id)
    )


def _raise(adapter: Adapter, caller: Caller) -> Response:
    body: dict[str, Any] = body_of(_EXPECTED)
    hiu_ids = _hiu_ids(adapter, caller)
    row = hiu_raise.raise_request(adapter, body, user=caller.name, hiu_ids=hiu_ids)
    response = jsonify(consent_lookup.request(adapter, row.id, hiu_ids))
    response.status_code = 201
    return response


def _list(adapter: Adapter, caller: Caller) -> Response:
    asked = request.args.get("limit", "50")
    if not asked.isdecimal() or not 1 <= int(asked) <= LARGEST_LIST:
        raise MalformedRequest(f"limit must be a number from 1 to {LARGEST_LIST}.")
    return jsonify(
        consent_requests=consent_lookup.requests(
            adapter,
            _hiu_ids(adapter, caller),
            patient_id=request.args.get("patient"),
            state=request.args.get("state"),
            limit=int(asked),
        )
    )


def _show(adapter: Adapter, caller: Caller, request_id: str) -> Response:
    return jsonify(consent_lookup.request(adapter, request_id, _hiu_ids(adapter, caller)))


def _artefact(adapter: Adapter, caller: Caller, artefact_id: str) -> Response:
    return jsonify(consent_lookup.artefact(adapter, artefact_id, _hiu_ids(adapter, caller)))
