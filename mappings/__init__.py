"""HIMS entities into FHIR R4, and FHIR R4 records into ABDM documents.

A pure library: no network, no database, no clock, no configuration; imports nothing of `adapter`.

    resources = to_fhir("patient", {"id": "17", "facility": "IN0710000123"})
    offered = hi_types(records)                          # ("OPConsultation", "Prescription")
    bundle = build_document("OPConsultation", records)   # a document Bundle, a plain dict
    page = to_bytes(bundle)                              # same records, same bytes
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from mappings import documents, hims
from mappings.condition import to_fhir_condition
from mappings.encounter import to_fhir_encounter
from mappings.medication_request import to_fhir_medication_request
from mappings.observation import to_fhir_observations
from mappings.organization import to_fhir_organization
from mappings.patient import to_fhir_patient
from mappings.practitioner import to_fhir_practitioner
from mappings.records import DocumentImpossible, Records, group_by_root
from mappings.resources import Resource

__all__ = [
    "DocumentImpossible",
    "Records",
    "Resource",
    "build_document",
    "group_by_root",
    "hi_types",
    "to_bytes",
    "to_fhir",
]

_MAPPINGS: dict[str, Callable[[Any], list[Resource]]] = {
    "consultation": to_fhir_encounter,
    "daily_round": to_fhir_observations,
    "diagnosis": to_fhir_condition,
    "facility": to_fhir_organization,
    "patient": to_fhir_patient,
    "prescription": to_fhir_medication_request,
    "user": to_fhir_practitioner,
}


def to_fhir(kind: str, entity: dict[str, Any]) -> list[Resource]:
    """One HIMS entity as FHIR resources with derived ids, ready for one transaction of PUTs.

    Args:
        kind: "patient", "user", "facility", "consultation", "diagnosis", "daily_round" or
            "prescription".
        entity: its JSON form, field names as in `mappings.hims`.

    Raises: `mappings.hims.EntityInvalid` (field and sentence for each fault).
    """
    read = hims.read(kind, entity)
    return _MAPPINGS[kind](read)


def hi_types(records: Records) -> tuple[str, ...]:
    """The HI types this care context offers, computed from what it holds; () for none.

    Part 1: "OPConsultation" and "Prescription". A cancelled or entered-in-error encounter, or one
    without a patient, offers none.
    """
    return documents.hi_types(records)


def build_document(hi_type: str, records: Records) -> Resource:
    """The ABDM document Bundle of one HI type. The same records give the same document.

    Raises: `DocumentImpossible` with a sentence that says what is missing.
    """
    return documents.build_document(hi_type, records)


def to_bytes(bundle: Resource) -> bytes:
    """The document as it travels: canonical UTF-8 JSON; same bundle, same bytes."""
    return orjson.dumps(bundle)
