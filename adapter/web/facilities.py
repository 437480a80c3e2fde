"""Facilities: add one, see how it stands; and the page that proves the bridge URL is ours.

`POST /abdm/health_facility` is the specification's own call; `/hims/v1/facilities` is the same.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from adapter.flows import facility
from adapter.protocol.errors import Forbidden, MalformedRequest, NotFound
from adapter.runtime import Adapter
from adapter.stores import facilities
from adapter.stores.facilities import Facility
from adapter.upstream.facility_registry import NONCE_PATH
from adapter.web.answering import body_of, hims_route
from adapter.web.auth import Caller


def blueprint(adapter: Adapter) -> Blueprint:
    """The routes; the nonce page needs no key, since ABDM's callers have none either."""
    api = Blueprint("facilities", __name__)
    hims_route(adapter, api, "/abdm/health_facility", "POST", _add, endpoint="health_facility")
    hims_route(adapter, api, "/hims/v1/facilities", "POST", _add)
    hims_route(adapter, api, "/hims/v1/facilities", "GET", _list)
    hims_route(adapter, api, "/hims/v1/facilities/<hf_id>", "GET", _show)
    hims_route(adapter, api, "/hims/v1/bridge", "GET", _bridge)
    hims_route(adapter, api, "/hims/v1/bridge", "PUT", _set_bridge)
    hims_route(adapter, api, "/hims/v1/bridge/verify", "POST", _verify_bridge)

    @api.get(NONCE_PATH)
    def bridge_nonce() -> Response:
        found = facility.nonce(adapter)
        if found is None:
            raise NotFound("Nobody is verifying the bridge URL now.")
        return Response(found, content_type="text/plain")

    return api


def _add(adapter: Adapter, caller: Caller) -> Response:
    body = body_of('{"hf_id": "<HFR id>", "facility_id": "<the hospital\'s own id>"}')
    hf_id, facility_id = body.get("hf_id"), body.get("facility_id")
    if not isinstance(hf_id, str) or not isinstance(facility_id, str | None):
        raise MalformedRequest("hf_id and facility_id must be texts.")
    if not caller.may_act_for(hf_id):
        raise NotFound("This key may not act for such a facility.")
    return jsonify(described(facility.add_facility(adapter, hf_id.strip(), facility_id or None)))


def _list(adapter: Adapter, caller: Caller) -> Response:
    with adapter.db.reading() as tx:
        found = [each for each in facilities.all_(tx) if caller.may_act_for(each.hfr_id)]
    return jsonify(facilities=[described(each) for each in found])


def _show(adapter: Adapter, caller: Caller, hf_id: str) -> Response:
    with adapter.db.reading() as tx:
        found = facilities.by_hfr_id(tx, hf_id)
    if found is None or not caller.may_act_for(hf_id):
        raise NotFound("There is no such facility among yours.")
    return jsonify(described(found))


def _bridge(adapter: Adapter, caller: Caller) -> Response:
    _for_all(caller)
    found = facility.show_bridge(adapter)
    return jsonify(
        id=found.id,
        url=found.url,
        services=[
            {"id": each.id, "name": each.name, "types": each.types, "active": each.active}
            for each in found.services
        ],
    )


def _set_bridge(adapter: Adapter, caller: Caller) -> Response:
    _for_all(caller)
    url = body_of('{"url"}').get("url")
    if not isinstance(url, str):
        raise MalformedRequest("url must be a text.")
    facility.set_bridge_url(adapter, url)
    return jsonify(url=url)


def _verify_bridge(adapter: Adapter, caller: Caller) -> Response:
    _for_all(caller)
    checks = facility.verify_bridge(adapter)
    return jsonify(
        ok=all(check.ok for check in checks),
        checks=[{"name": each.name, "ok": each.ok, "detail": each.sentence} for each in checks],
    )


def _for_all(caller: Caller) -> None:
    """The bridge is every facility's, so a key for some of them may not touch it."""
    if caller.facilities is not None:
        raise Forbidden("The bridge serves every facility: this needs a key for all of them.")


def described(row: Facility) -> dict[str, Any]:
    """A facility as callers see it."""
    return {
        "hf_id": row.hfr_id,
        "facility_id": row.facility_id,
        "hip_id": row.hip_id,
        "name": row.name,
        "registered": row.registered,
        "state": row.state,
        "message": row.sentence,
    }
