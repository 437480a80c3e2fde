"""Records from other hospitals, for whoever treats the patient here: listed, as sent, as resources.

Each answer is a look that the audit trail names, with the person in `X-User`; none may be kept by
a cache, since the consent may end at any moment.
"""

from __future__ import annotations

import base64
from typing import Any

from flask import Blueprint, Response, jsonify, request

from adapter.flows import received_records
from adapter.protocol.errors import MalformedRequest
from adapter.runtime import Adapter
from adapter.web.answering import hims_route, hip_ids_of
from adapter.web.auth import Caller

#: Query parameters, and what the flow calls them.
_FILTERS = {
    "patient": "patient_id",
    "artefact": "artefact_id",
    "hip": "hip_id",
    "hi_type": "hi_type",
}


def blueprint(adapter: Adapter) -> Blueprint:
    """The routes under /hims/v1/received."""
    api = Blueprint("received", __name__)
    base = "/hims/v1/received"
    hims_route(adapter, api, base, "GET", _list)
    hims_route(adapter, api, f"{base}/<document_id>", "GET", _show)
    hims_route(adapter, api, f"{base}/<document_id>/document", "GET", _verbatim)
    hims_route(adapter, api, f"{base}/<document_id>/resources", "GET", _resources)

    @api.after_request
    def not_kept(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return response

    return api


def _list(adapter: Adapter, caller: Caller) -> Response:
    asked: dict[str, Any] = {
        name: request.args[parameter]
        for parameter, name in _FILTERS.items()
        if request.args.get(parameter)
    }
    if not asked:
        raise MalformedRequest(
            "Say whose records, or which: /hims/v1/received?patient=<id of the FHIR Patient>, "
            "artefact=<id>, hip=<service id> or hi_type=<type>, or several of them."
        )
    found = received_records.documents(adapter, hip_ids_of(adapter, caller), caller.name, **asked)
    return jsonify(received=found)


def _show(adapter: Adapter, caller: Caller, document_id: str) -> Response:
    return jsonify(
        received_records.document(adapter, hip_ids_of(adapter, caller), caller.name, document_id)
    )


def _verbatim(adapter: Adapter, caller: Caller, document_id: str) -> Response:
    found = received_records.verbatim(
        adapter, hip_ids_of(adapter, caller), caller.name, document_id
    )
    # Foreign bytes: to be saved or parsed, never to be run by a browser.
    response = Response(found.content, content_type="application/octet-stream")
    response.headers["Content-Disposition"] = f'attachment; filename="{found.document.id}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    digest = base64.b64encode(bytes.fromhex(found.document.sha256)).decode("ascii")
    response.headers["Repr-Digest"] = f"sha-256=:{digest}:"  # RFC 9530
    return response


def _resources(adapter: Adapter, caller: Caller, document_id: str) -> Response:
    found = received_records.resources(
        adapter, hip_ids_of(adapter, caller), caller.name, document_id
    )
    return jsonify(resources=found)
