"""CARE's consent, consent_request_status and health_information, over the flows of the HIU."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from flask import Response, jsonify, request

from adapter.flows import consent_lookup, hiu_overdue, hiu_raise, received_records
from adapter.protocol import timestamps
from adapter.protocol.errors import MalformedRequest, NotFound
from adapter.runtime import Adapter
from adapter.stores import abha_profiles
from adapter.stores import facilities as stored
from adapter.stores.abha_profiles import ProfileRow
from adapter.web.answering import body_of, hip_ids_of
from adapter.web.auth import Caller
from adapter.web.care import pages, shapes

Json = dict[str, Any]

NEWEST_FIRST = "-created_date"
#: A day picked in a calendar ends after now, and ABDM takes dates up to now only.
REST_OF_DAY = timedelta(days=1)
#: CARE's form sends its own field beside from_time and to_time.
FORM_FIELD = "time_range"


def listed(adapter: Adapter, caller: Caller) -> Response:
    """The requests of these facilities, or of a `facility` or a `patient`, the newest first."""
    if request.args.get("ordering", NEWEST_FIRST) != NEWEST_FIRST:
        raise MalformedRequest(f"ordering must be {NEWEST_FIRST}: the newest first.")
    limit, offset = pages.asked()
    hiu_ids = hip_ids_of(adapter, caller)
    if facility_id := request.args.get("facility"):
        hiu_ids &= _service_of(adapter, facility_id)
    count, found = consent_lookup.page(
        adapter, hiu_ids, patient_id=request.args.get("patient"), limit=limit, offset=offset
    )
    known = _profiles(adapter, hip_ids_of(adapter, caller), found)
    return pages.page(count, [shapes.consent_request(each, known) for each in found])


def create(adapter: Adapter, caller: Caller) -> Response:
    """Ask a patient for consent."""
    body = body_of('{"patient_abha", "purpose", "hi_types", "from_time", "to_time", "expiry"}')
    hiu_ids = hip_ids_of(adapter, caller)
    body = _until_now(adapter, {name: body[name] for name in body if name != FORM_FIELD})
    row = hiu_raise.raise_request(adapter, body, user=caller.name, hiu_ids=hiu_ids)
    response = _shown(adapter, hiu_ids, row.id)
    response.status_code = 201
    return response


def show(adapter: Adapter, caller: Caller, request_id: str) -> Response:
    """One request with its artefacts."""
    return _shown(adapter, hip_ids_of(adapter, caller), request_id)


def ask_status(adapter: Adapter, caller: Caller, request_id: str) -> Response:
    """Ask ABDM how a request stands; the answer is in the request itself, soon."""
    hiu_overdue.ask_now(adapter, request_id, hip_ids_of(adapter, caller))
    response = jsonify(detail="ABDM is asked; look at the consent request again in a moment.")
    response.status_code = 202
    return response


def ask_status_of(adapter: Adapter, caller: Caller) -> Response:
    """As `ask_status`, the request named in the body."""
    named = body_of('{"consent_request": "<id>"}').get("consent_request")
    if not isinstance(named, str):
        raise MalformedRequest("consent_request must be the id of a consent request.")
    return ask_status(adapter, caller, named)


def health_information(adapter: Adapter, caller: Caller, consent_id: str) -> Response:
    """What was received under an artefact, or under all artefacts of a request: documents as text.

    CARE's page reads each as JSON; documents that are none are named in `unreadable`. 404 while
    nothing has come, and with `is_archived` once the consent has ended.
    """
    hiu_ids = hip_ids_of(adapter, caller)
    data: list[Json] = []
    unreadable: list[str] = []
    for artefact in _artefacts(adapter, hiu_ids, consent_id):
        for row in received_records.documents(
            adapter, hiu_ids, caller.name, artefact_id=artefact["id"]
        ):
            if "message" in row:  # its consent is over
                continue
            content = received_records.verbatim(adapter, hiu_ids, caller.name, row["id"]).content
            text = _json_text(content)
            if text is None:
                unreadable.append(row["id"])
            else:
                context = row.get("care_context")
                data.append({"content": text, "care_context_reference": context})
    if not data and not unreadable:
        return _nothing(_artefacts(adapter, hiu_ids, consent_id))
    return jsonify(data=data, unreadable=unreadable)


def _shown(adapter: Adapter, hiu_ids: frozenset[str], request_id: str) -> Response:
    found = consent_lookup.request(adapter, request_id, hiu_ids)
    return jsonify(shapes.consent_request(found, _profiles(adapter, hiu_ids, [found])))


def _profiles(
    adapter: Adapter, hip_ids: frozenset[str], described: Iterable[Json]
) -> dict[str, ProfileRow]:
    """Profiles that these facilities have been shown, by ABHA address."""
    addresses = {each["patient_abha"] for each in described if each.get("patient_abha")}
    known = {}
    with adapter.db.reading() as tx:
        for address in sorted(addresses):
            for row in abha_profiles.by_identifiers(tx, adapter, None, address, hold=False):
                if abha_profiles.seen_by(row, hip_ids):
                    known[address] = row
    return known


def _service_of(adapter: Adapter, facility_id: str) -> frozenset[str]:
    with adapter.db.reading() as tx:
        found = stored.by_facility_id(tx, facility_id) or stored.by_hfr_id(tx, facility_id)
    return frozenset({found.hip_id}) if found else frozenset()


def _until_now(adapter: Adapter, body: Json) -> Json:
    """The body with a `to_time` of later today made now; all else is the flow's to judge."""
    now, given = adapter.clock(), body.get("to_time")
    if not isinstance(given, str):
        return body
    try:
        until = timestamps.parse(given)
    except ValueError:
        return body
    return body | {"to_time": timestamps.format(now)} if now < until < now + REST_OF_DAY else body


def _artefacts(adapter: Adapter, hiu_ids: frozenset[str], consent_id: str) -> list[Json]:
    """The artefact of this id, or the artefacts of the request of this id. Raises NotFound."""
    try:
        return [consent_lookup.artefact(adapter, consent_id, hiu_ids)]
    except NotFound:
        found = consent_lookup.request(adapter, consent_id, hiu_ids)
    return list(found["consent_artefacts"])


def _json_text(content: bytes) -> str | None:
    try:
        text = content.decode("utf-8-sig")
        return text if isinstance(json.loads(text), dict) else None
    except (ValueError, RecursionError):
        return None


def _nothing(artefacts: list[Json]) -> Response:
    ended = [each for each in artefacts if each["ended_date"]]
    if ended and len(ended) == len(artefacts):
        last = max(ended, key=lambda each: str(each["ended_date"]))
        response = jsonify(
            is_archived=True,
            archived_reason=last["reason"],
            archived_time=last["ended_date"],
            detail=f"The consent ended on {last['ended_date']} ({last['reason']}); its records are "
            "archived and no longer shown. Ask the patient for a new consent.",
        )
    else:
        response = jsonify(detail="Nothing has been received under this consent yet.")
    response.status_code = 404
    return response
