"""Where the FHIR server rings when a record was written: nothing is read, nothing is said.

`POST /hims/v1/fhir-changed/<type>` with the secret header of our Subscriptions. The record watch
then searches that type a moment later.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from adapter.flows import change_hooks, record_watch
from adapter.protocol.errors import Unauthenticated
from adapter.runtime import Adapter


def blueprint(adapter: Adapter) -> Blueprint:
    """The one route; with WATCH_RECORDS=false it answers alike, and nothing follows."""
    api = Blueprint("changes", __name__)

    @api.post(f"{change_hooks.PATH}/<resource_type>")
    def fhir_changed(resource_type: str) -> Response:
        if not change_hooks.is_ours(adapter, request.headers.get(change_hooks.SECRET_HEADER, "")):
            raise Unauthenticated("Only the FHIR server rings here, by its Subscriptions.")
        record_watch.ring(adapter, resource_type)
        return Response(status=204)

    return api
