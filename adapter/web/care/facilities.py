"""CARE's health_facility: a facility of the hospital's system, and its HFR id.

`facility` is the hospital's own id of it; a facility without one is known by its HFR id.
"""

from __future__ import annotations

from contextlib import suppress

from flask import Response, jsonify

from adapter.flows import facility
from adapter.protocol.errors import MalformedRequest, NotFound, UpstreamError
from adapter.runtime import Adapter
from adapter.stores import facilities as stored
from adapter.stores.facilities import Facility
from adapter.web.answering import body_of, text_of
from adapter.web.auth import Caller
from adapter.web.care import pages, shapes


def listed(adapter: Adapter, caller: Caller) -> Response:
    """The facilities of this key."""
    limit, offset = pages.asked()
    with adapter.db.reading() as tx:
        found = [each for each in stored.all_(tx) if caller.may_act_for(each.hfr_id)]
    shown = [shapes.health_facility(each) for each in found[offset : offset + limit]]
    return pages.page(len(found), shown)


def create(adapter: Adapter, caller: Caller) -> Response:
    """Serve a facility and register it; where ABDM does not, `registered` and `detail` say so."""
    body = body_of('{"facility": "<the hospital\'s own id>", "hf_id": "<HFR id>"}')
    hf_id = text_of(body, "hf_id")
    if not caller.may_act_for(hf_id):
        raise NotFound("This key may not act for such a facility.")
    # CARE too keeps a facility that ABDM refused, to be registered again.
    with suppress(UpstreamError):
        facility.add_facility(adapter, hf_id, text_of(body, "facility"))
    response = jsonify(shapes.health_facility(_row(adapter, hf_id)))
    response.status_code = 201
    return response


def show(adapter: Adapter, caller: Caller, facility_id: str) -> Response:
    """One facility, by the hospital's own id or its HFR id."""
    return jsonify(shapes.health_facility(_of(adapter, caller, facility_id)))


def update(adapter: Adapter, caller: Caller, facility_id: str) -> Response:
    """Register again; another HFR id is refused, since visits are linked under the old one."""
    known = _of(adapter, caller, facility_id)
    return _again(adapter, known, text_of(body_of('{"facility", "hf_id"}'), "hf_id"))


def change(adapter: Adapter, caller: Caller, facility_id: str) -> Response:
    """As `update`; the HFR id may be left out."""
    known = _of(adapter, caller, facility_id)
    return _again(adapter, known, body_of('{"hf_id"}').get("hf_id", known.hfr_id))


def register(adapter: Adapter, caller: Caller, facility_id: str) -> Response:
    """Register with ABDM, and say whether that is done."""
    known = _of(adapter, caller, facility_id)
    return jsonify(
        registered=facility.add_facility(adapter, known.hfr_id, known.facility_id).registered
    )


def _again(adapter: Adapter, known: Facility, hf_id: object) -> Response:
    if hf_id != known.hfr_id:
        raise MalformedRequest(
            f"The facility is registered as {known.hfr_id}, and visits are linked under that id; "
            "add another facility for another HFR id."
        )
    row = facility.add_facility(adapter, known.hfr_id, known.facility_id)
    return jsonify(shapes.health_facility(row))


def _of(adapter: Adapter, caller: Caller, facility_id: str) -> Facility:
    with adapter.db.reading() as tx:
        found = stored.by_facility_id(tx, facility_id) or stored.by_hfr_id(tx, facility_id)
    if found is None or not caller.may_act_for(found.hfr_id):
        raise NotFound("There is no such facility among yours.")
    return found


def _row(adapter: Adapter, hf_id: str) -> Facility:
    with adapter.db.reading() as tx:
        found = stored.by_hfr_id(tx, hf_id)
    if found is None:
        raise NotFound("There is no such facility among yours.")
    return found
