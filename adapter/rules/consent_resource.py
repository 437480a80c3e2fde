"""A consent artefact as a FHIR Consent, and back. Pure (architecture 5, "FHIR Consent").

While it is granted, the Consent holds the artefact: what FHIR has a field for in that field, for
whoever analyses the store, and the artefact's own JSON text and signature as `sourceAttachment`.
The signature is kept and not verified: what exactly ABDM signs is unpublished. Once revoked or
expired, only a tombstone is left: that the artefact existed, its end, and when (NHA's M2 cases ask
that the artefact be deleted; the audit trail needs the fact). Records are named by identifier,
never by literal reference, so that a Consent never blocks a delete.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from adapter.protocol import ids, timestamps
from adapter.protocol.messages import CareContextRef, ConsentArtefact, DateRange
from adapter.rules.consent import ConsentFacts
from adapter.rules.states import ConsentState
from mappings import systems

Resource = dict[str, Any]

PATIENT_REFERENCE = "urn:abdm:patient-reference"
PURPOSE = "urn:abdm:purpose"
#: The exact ABDM status. An extension and not a tag, since HAPI keeps old tags on update.
STATUS_EXTENSION = "urn:abdm-adapter:consent-status"
SIGNATURE_EXTENSION = "urn:abdm-adapter:consent-signature"

_SCOPE = systems.coding(
    "http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy", "Privacy Consent"
)
_CATEGORY = systems.coding(systems.LOINC, "59284-0", "Consent Document")
_POLICY = systems.coding(systems.ACT_CODE, "OPTIN", "opt-in")
_RECIPIENT = systems.coding(systems.PARTICIPATION_TYPE, "IRCP", "information recipient")
_ENDED = (ConsentState.REVOKED, ConsentState.EXPIRED)


def granted(artefact: ConsentArtefact, signature: str | None, hip_id: str | None) -> Resource:
    """The Consent of a granted artefact, under an id derived from the artefact's.

    `hip_id`: the facility that the notice was addressed to, for an artefact that names none. The
    same notice gives the same resource.
    """
    permission = artefact.permission
    attachment: Resource = {
        "contentType": "application/json",
        "data": base64.b64encode(artefact.verbatim.encode()).decode("ascii"),
        "title": "Consent artefact as received; signature not verified",
    }
    if signature:
        attachment["extension"] = [{"url": SIGNATURE_EXTENSION, "valueString": signature}]
    provision: Resource = {
        "type": "permit",
        "period": {"end": timestamps.format(permission.data_erase_at)},
        "dataPeriod": {
            "start": timestamps.format(permission.date_range.start),
            "end": timestamps.format(permission.date_range.end),
        },
        "purpose": [{"system": PURPOSE, "code": artefact.purpose_code}],
        "code": [
            {"coding": [{"system": systems.TAG_HI_TYPE, "code": t}]} for t in artefact.hi_types
        ],
    }
    if artefact.hiu_id:
        provision["actor"] = [recipient(artefact.hiu_id)]
    if artefact.care_contexts:
        provision["data"] = [data(context) for context in artefact.care_contexts]
    resource = {
        **_skeleton(artefact.consent_id, ConsentState.GRANTED, artefact.hip_id or hip_id),
        "patient": patient(artefact.patient_id),
        "sourceAttachment": attachment,
        "provision": provision,
    }
    if artefact.created_at:
        resource["dateTime"] = timestamps.format(artefact.created_at)
    return resource


def ended(artefact_id: str, state: ConsentState, hip_id: str | None, at: datetime) -> Resource:
    """The tombstone of a revoked or expired artefact; `at`: when we learnt of it."""
    return {
        **_skeleton(artefact_id, state, hip_id),
        "dateTime": timestamps.format(at),
    }


def read(consent: Resource) -> ConsentFacts:
    """What a stored Consent permits. What cannot be read is absent, and so permits nothing."""
    provision = consent.get("provision") or {}
    period = provision.get("dataPeriod") or {}
    start, end = _time(period.get("start")), _time(period.get("end"))
    return ConsentFacts(
        artefact_id=_value(consent.get("identifier"), systems.SECURITY_ARTEFACT) or "",
        state=_state(consent),
        hip_id=_value(
            [_identifier(o) for o in consent.get("organization") or []], systems.SERVICE_ID
        ),
        hiu_id=_value(
            [_identifier(a.get("reference")) for a in provision.get("actor") or []],
            systems.SERVICE_ID,
        ),
        patient_address=_identifier(consent.get("patient")).get("value", ""),
        hi_types=tuple(
            coding["code"]
            for concept in provision.get("code") or []
            for coding in concept.get("coding") or []
            if coding.get("system") == systems.TAG_HI_TYPE and coding.get("code")
        ),
        care_contexts=tuple(
            CareContextRef(_patient_reference(item), _identifier(item.get("reference"))["value"])
            for item in provision.get("data") or []
            if _identifier(item.get("reference")).get("system") == systems.CARE_CONTEXT
            and _identifier(item.get("reference")).get("value")
        ),
        date_range=DateRange(start, end) if start and end else None,
        erase_at=_time((provision.get("period") or {}).get("end")),
        purpose_code=next((p.get("code") for p in provision.get("purpose") or []), None),
    )


def frame(consent_id: str, hip_id: str | None) -> Resource:
    """What every Consent of ours has; `consent_id`: its FHIR id, `hip_id`: whose records."""
    resource: Resource = {
        "resourceType": "Consent",
        "id": consent_id,
        "scope": {"coding": [_SCOPE]},
        "category": [{"coding": [_CATEGORY]}],
        "policyRule": {"coding": [_POLICY]},
    }
    if hip_id:
        resource["organization"] = [_service(hip_id)]
    return resource


def patient(abha_address: str) -> Resource:
    """Consent.patient: named by ABHA address, never by a literal reference."""
    return {
        "type": "Patient",
        "identifier": {"system": systems.ABHA_ADDRESS, "value": abha_address},
    }


def recipient(hiu_id: str) -> Resource:
    """The provision's actor who may have the records."""
    return {"role": {"coding": [_RECIPIENT]}, "reference": _service(hiu_id)}


def data(context: CareContextRef) -> Resource:
    """One care context of a provision."""
    return {
        "extension": [
            {"url": PATIENT_REFERENCE, "valueString": context.patient_reference},
        ],
        "meaning": "instance",
        "reference": {
            "identifier": {"system": systems.CARE_CONTEXT, "value": context.care_context_reference}
        },
    }


def _skeleton(artefact_id: str, state: ConsentState, hip_id: str | None) -> Resource:
    return {
        **frame(ids.consent_id("hip", artefact_id), hip_id),
        "extension": [{"url": STATUS_EXTENSION, "valueCode": str(state)}],
        "identifier": [{"system": systems.SECURITY_ARTEFACT, "value": artefact_id}],
        "status": "inactive" if state in _ENDED else "active",
    }


def _service(service_id: str) -> Resource:
    return {
        "type": "Organization",
        "identifier": {"system": systems.SERVICE_ID, "value": service_id},
    }


def _state(consent: Resource) -> ConsentState:
    stated = next(
        (
            e.get("valueCode")
            for e in consent.get("extension") or []
            if e.get("url") == STATUS_EXTENSION
        ),
        None,
    )
    state = next((s for s in ConsentState if s == stated), ConsentState.NOTIFIED)
    if state is ConsentState.GRANTED and consent.get("status") != "active":
        return ConsentState.REVOKED  # someone ended it in the FHIR server: the stricter word holds
    return state


def _identifier(reference: Any) -> Resource:
    found = (reference or {}).get("identifier")
    return found if isinstance(found, dict) else {}


def _value(identifiers: Any, system: str) -> str | None:
    return next(
        (i["value"] for i in identifiers or [] if i.get("system") == system and i.get("value")),
        None,
    )


def _patient_reference(item: Resource) -> str:
    return next(
        (
            e.get("valueString", "")
            for e in item.get("extension") or []
            if e.get("url") == PATIENT_REFERENCE
        ),
        "",
    )


def _time(text: Any) -> datetime | None:
    try:
        return timestamps.parse(text) if isinstance(text, str) else None
    except ValueError:
        return None
