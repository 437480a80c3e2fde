"""Received and archived since the consent ended: why, when, which digest; never content."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from adapter.protocol.errors import NotFound
from adapter.runtime import Adapter
from adapter.stores import archive
from adapter.web.answering import hims_route, hip_ids_of
from adapter.web.auth import Caller

LARGEST_LIST = 500


def blueprint(adapter: Adapter) -> Blueprint:
    """The routes under /hims/v1/archive."""
    api = Blueprint("archive", __name__)
    hims_route(adapter, api, "/hims/v1/archive", "GET", _list)
    hims_route(adapter, api, "/hims/v1/archive/<copy_id>", "GET", _show)
    return api


def _list(adapter: Adapter, caller: Caller) -> Response:
    with adapter.db.reading() as tx:
        copies = archive.newest(tx, hip_ids_of(adapter, caller), limit=LARGEST_LIST)
    return jsonify(archive=[archive.plain(each) for each in copies])


def _show(adapter: Adapter, caller: Caller, copy_id: str) -> Response:
    with adapter.db.reading() as tx:
        found = archive.by_id(tx, copy_id)
    if found is None or found.hiu_id not in hip_ids_of(adapter, caller):
        raise NotFound("Your facilities have no archived document with this id.")
    return jsonify(archive.plain(found))
