"""Transfers in, for a hospital's own system: how they stand, and asking for the records again."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from adapter.flows import hiu_transfer, lookup
from adapter.protocol.errors import MalformedRequest, NotFound
from adapter.runtime import Adapter
from adapter.stores import incoming_overview
from adapter.web.answering import hims_route
from adapter.web.auth import Caller

LARGEST_LIST = 500


def blueprint(adapter: Adapter) -> Blueprint:
    """The routes under /hims/v1."""
    api = Blueprint("incoming", __name__, url_prefix="/hims/v1")
    hims_route(adapter, api, "/received-transfers", "GET", _list)
    hims_route(adapter, api, "/received-transfers/<transfer_id>", "GET", _show)
    hims_route(adapter, api, "/consent-artefacts/<artefact_id>/fetch", "POST", _fetch)
    return api


def _hiu_ids(adapter: Adapter, caller: Caller) -> frozenset[str]:
    """The service ids of the facilities that the caller may act for."""
    return frozenset(
        service_id
        for hfr_id, service_id in lookup.served_pairs(adapter)
        if caller.may_act_for(hfr_id)
    )


def _list(adapter: Adapter, caller: Caller) -> Response:
    asked = request.args.get("limit", "50")
    if not asked.isdecimal() or not 1 <= int(asked) <= LARGEST_LIST:
        raise MalformedRequest(f"limit must be a number from 1 to {LARGEST_LIST}.")
    with adapter.db.reading() as tx:
        found = incoming_overview.newest(
            tx,
            _hiu_ids(adapter, caller),
            limit=int(asked),
            artefact_id=request.args.get("artefact"),
        )
    return jsonify(transfers=found)


def _show(adapter: Adapter, caller: Caller, transfer_id: str) -> Response:
    with adapter.db.reading() as tx:
        found = incoming_overview.by_id(tx, _hiu_ids(adapter, caller), transfer_id)
    if found is None:
        raise NotFound("Your facilities know no transfer in with this id.")
    return jsonify(found)


def _fetch(adapter: Adapter, caller: Caller, artefact_id: str) -> Response:
    hiu_ids = _hiu_ids(adapter, caller)
    transfer_id = hiu_transfer.fetch_again(adapter, artefact_id, hiu_ids)
    with adapter.db.reading() as tx:
        response = jsonify(incoming_overview.by_id(tx, hiu_ids, transfer_id))
    response.status_code = 202
    return response
