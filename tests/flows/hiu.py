"""A site as HIU: its requests, ABDM's callbacks to it, and artefacts as a patient grants them.

Whatever a callback needs besides is put in by `tell`: X-HIU-ID, a time, a REQUEST-ID.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any

from adapter import flows
from adapter.flows import hiu_raise
from adapter.protocol import routes, timestamps
from adapter.stores import inbox
from adapter.stores.consent_requests import ConsentRequest
from tests.flows import wire
from tests.flows.harness import Call, Json, Site, address_of

INIT = "/consent/v3/request/init"
STATUS = "/consent/v3/request/status"
ON_NOTIFY = "/consent/v3/request/hiu/on-notify"
FETCH = "/consent/v3/fetch"
REQUEST = "/health-information/request"

OTHER_HIP = "IN2910000001"
THIRD_HIP = "IN2910000002"

USER = "Dr Nisha Rao"


def reachable(site: Site) -> Site:
    """The site with a public address, which a request for records needs."""
    config = site.adapter.config.model_copy(update={"public_url": "https://hospital.example.in"})
    site.adapter = replace(site.adapter, config=config)
    return site


def wanted(patient: Json | str, **changes: Any) -> Json:
    """The body of a consent request about a patient, or an ABHA address or number."""
    return {
        "patient_abha": patient if isinstance(patient, str) else address_of(patient),
        "purpose": "CAREMGT",
        "hi_types": ["OPConsultation", "Prescription", "DiagnosticReport"],
        "from_time": "2026-01-01T00:00:00+05:30",
        "to_time": "2026-11-23T00:00:00Z",
        "expiry": "2026-12-31T18:30:00Z",
        **changes,
    }


def ask(site: Site, patient: Json | str, **changes: Any) -> ConsentRequest:
    """Raise a consent request, and let it leave."""
    row = hiu_raise.raise_request(
        site.adapter, wanted(patient, **changes), user=USER, hiu_ids=[site.hip_id]
    )
    site.run()
    return row


def asked(site: Site, patient: Json | str, **changes: Any) -> tuple[ConsentRequest, str]:
    """A consent request that ABDM has taken, and its id there."""
    row = ask(site, patient, **changes)
    handle = str(uuid.uuid4())
    accept(site, site.outside.to(INIT)[-1], handle)
    return row, handle


# --- callbacks ---------------------------------------------------------------------------------


def tell(
    site: Site,
    name: str,
    body: Json,
    *,
    hiu_id: str | None = None,
    request_id: str | None = None,
    run: bool = True,
) -> str:
    """Store a callback to the HIU as the edge does, and do what is due; its REQUEST-ID."""
    request_id = request_id or str(uuid.uuid4())
    hiu_id = hiu_id or site.hip_id
    raw = json.dumps(wire.callback(site.generation, name, body, request_id, site.clock())).encode()
    headers = {
        "REQUEST-ID": request_id,
        "TIMESTAMP": timestamps.format(site.clock()),
        "X-HIU-ID": hiu_id,
    }
    _, message = routes.decode(site.generation, name, headers, raw)
    with site.adapter.db.transaction() as tx:
        inbox.store(
            tx,
            site.adapter,
            message=name,
            dialect=site.generation,
            request_id=request_id,
            hip_id=None,
            hiu_id=hiu_id,
            sent_at=site.clock(),
            body=raw,
            patience=flows.HANDLERS[type(message)].patience,
        )
    if run:
        site.run()
    return request_id


def answer(site: Site, call: Call, name: str, body: Json, **options: Any) -> str:
    """ABDM's answer to a message of ours."""
    return tell(site, name, {**body, "response": {"requestId": call.request_id}}, **options)


def accept(site: Site, call: Call, handle: str) -> str:
    """On-init: ABDM has taken the request under this id."""
    return answer(site, call, "OnConsentRequestInit", {"consentRequest": {"id": handle}})


def notice(
    site: Site,
    handle: str,
    status: str,
    *artefacts: Json,
    reason: str | None = None,
    **options: Any,
) -> str:
    """A notice about the request, naming these artefacts."""
    body = {
        "consentRequestId": handle,
        "status": status,
        "reason": reason,
        "consentArtefacts": [{"id": each["consentId"]} for each in artefacts],
    }
    return tell(site, "HiuConsentNotify", {"notification": body}, **options)


def status(site: Site, call: Call, handle: str, state: str, *artefacts: Json) -> str:
    """On-status: how the request stands."""
    consent = {
        "id": handle,
        "status": state,
        "consentArtefacts": [{"id": each["consentId"]} for each in artefacts],
    }
    return answer(site, call, "OnConsentRequestStatus", {"consentRequest": consent})


def fetched(site: Site, detail: Json, state: str = "GRANTED", **options: Any) -> str:
    """On-fetch, to the newest fetch of this artefact."""
    call = [c for c in site.outside.to(FETCH) if c.body["consentId"] == detail["consentId"]][-1]
    consent = {
        "status": state,
        "consentDetail": detail if state == "GRANTED" else None,
        "signature": "c2lnbmF0dXJl" if state == "GRANTED" else None,
    }
    return answer(site, call, "OnConsentFetch", {"consent": consent}, **options)


def artefact(site: Site, patient: Json | str, /, **changes: Any) -> Json:
    """What the patient granted of `wanted`, for another hospital."""
    made: Json = {
        "schemaVersion": "v3",
        "consentId": str(uuid.uuid4()),
        "createdAt": timestamps.format(site.clock()),
        "patient": {"id": patient if isinstance(patient, str) else address_of(patient)},
        "careContexts": [{"patientReference": "P-9", "careContextReference": "V-9"}],
        "purpose": {"text": "Care Management", "code": "CAREMGT", "refUri": None},
        "hip": {"id": OTHER_HIP, "name": "Lakeside Clinic"},
        "hiu": {"id": site.hip_id},
        "consentManager": {"id": "sbx"},
        "requester": {
            "name": USER,
            "identifier": {"type": "USERNAME", "value": USER, "system": "hims"},
        },
        "hiTypes": ["OPConsultation", "Prescription", "DiagnosticReport"],
        "permission": {
            "accessMode": "VIEW",
            "dateRange": {"from": "2025-12-31T18:30:00.000Z", "to": "2026-11-23T00:00:00.000Z"},
            "dataEraseAt": "2026-12-31T18:30:00.000Z",
            "frequency": {"unit": "HOUR", "value": 1, "repeats": 0},
        },
    }
    made.update(changes)
    return made


def granted(site: Site, patient: Json | str, *details: Json, **asked_for: Any) -> tuple[str, str]:
    """Ask, and have these artefacts granted and fetched: our id of the request, and ABDM's."""
    row, handle = asked(site, patient, **asked_for)
    notice(site, handle, "GRANTED", *details)
    for detail in details:
        fetched(site, detail)
    return row.id, handle


# --- what is stored ----------------------------------------------------------------------------


def request_row(site: Site, request_id: str) -> Json:
    """The row of a request."""
    (row,) = [r for r in site.rows("consent_request") if r["id"] == request_id]
    return row


def artefact_row(site: Site, detail: Json) -> Json:
    """The row of an artefact."""
    (row,) = [r for r in site.rows("hiu_artefact") if r["id"] == detail["consentId"]]
    return row
