"""What a consultation orders -> ServiceRequest: referral and advised investigations.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/ServiceRequest
"""

from __future__ import annotations

from typing import Any

from mappings.building import annotation, organization_reference, present
from mappings.hims import Consultation
from mappings.ids import fhir_id
from mappings.procedure import repeated
from mappings.resources import Resource
from mappings.terminology import REFERRAL


def orders_of(
    consultation: Consultation, about: dict[str, Any], doctor: dict[str, str] | None
) -> list[Resource]:
    """The ServiceRequests of one consultation. What became of them the HIMS doesn't say: status
    unknown."""
    made = [_order(consultation, about, doctor, "referral", r) for r in _referral(consultation)]
    for number, asked in enumerate(consultation.investigation):
        for place, name in enumerate(asked.type):
            if name is None:
                continue
            details = {
                "code": {"text": name},
                **present(
                    occurrenceDateTime=asked.time,
                    note=annotation(repeated(asked.repetitive, asked.frequency), asked.notes),
                ),
            }
            named = f"investigation {number} {place}"
            made.append(_order(consultation, about, doctor, named, details))
    return made


def _referral(consultation: Consultation) -> list[dict[str, Any]]:
    """A referral to a facility that the HIMS knows, or to one that it names in words."""
    to: dict[str, str] | None = None
    if consultation.referred_to:
        to = organization_reference(consultation.referred_to)
    elif consultation.referred_to_external:
        to = {"display": consultation.referred_to_external}
    if to is None and consultation.suggestion != "R":
        return []
    words = consultation.referred_to_external
    text = f"Referral to {words}" if words else "Referral"
    return [
        {
            "code": {"coding": [dict(REFERRAL)], "text": text},
            **present(performer=[to] if to else None),
        }
    ]


def _order(
    consultation: Consultation,
    about: dict[str, Any],
    doctor: dict[str, str] | None,
    name: str,
    details: dict[str, Any],
) -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "id": fhir_id(consultation.facility, "consultation", f"{consultation.id}\x1f{name}"),
        "status": "unknown",
        "intent": "order",
        **about,
        **details,
        **present(authoredOn=consultation.encounter_date, requester=doctor),
    }
