"""Answers about own records for the hospital itself: care contexts, one document, one consent.

Nothing here changes anything. `hip_ids` are the facilities that the asker may act for; what
belongs to none of them does not exist for it (NotFound).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import mappings
from adapter.protocol import ids
from adapter.protocol.errors import MalformedRequest, NotFound
from adapter.rules import care_contexts, consent_resource
from adapter.rules.care_contexts import CareContext
from adapter.runtime import Adapter
from adapter.stores import facilities
from mappings.records import Records


def care_contexts_of_patient(
    adapter: Adapter, patient_id: str, hip_ids: Collection[str]
) -> list[CareContext]:
    """The care contexts of a patient at these facilities, oldest reference first.

    Raises NotFound where these facilities know no such patient, FhirUnavailable.
    """
    patient = adapter.fhir.patient(patient_id)
    found = []
    if patient is not None:
        served = served_pairs(adapter)
        facility = only_facility(adapter, served)
        for records in adapter.fhir.care_contexts_of(patient_id, facility=facility):
            context = care_contexts.care_context(records, mappings.hi_types(records), served)
            if context.hip_id in hip_ids:
                found.append(context)
    if not found:
        raise NotFound("There is no patient with this id who has visits at your facilities.")
    return sorted(found, key=lambda context: context.reference)


def document(
    adapter: Adapter, reference: str, hi_type: str, hip_ids: Collection[str], number: int = 1
) -> bytes:
    """One ABDM document as it would leave, in its canonical bytes.

    `number`: which one, where a care context has several of a type (reports, invoices). Raises
    NotFound (no such care context here), MalformedRequest (it does not offer this HI type, or not
    so many documents), FhirUnavailable, `mappings.DocumentImpossible`.
    """
    records = visit(adapter, reference, hip_ids)
    offered = mappings.hi_types(records)
    if hi_type not in offered:
        instead = ", ".join(offered) or "no HI type at all"
        raise MalformedRequest(f"This care context offers {instead}; ask for one of those.")
    built = mappings.build_documents(hi_type, records)
    if not 1 <= number <= len(built):
        raise MalformedRequest(
            f"This care context has {len(built)} documents of type {hi_type}; ask for number 1 to "
            f"{len(built)}."
        )
    return mappings.to_bytes(built[number - 1])


def visit(adapter: Adapter, reference: str, hip_ids: Collection[str]) -> Records:
    """What a care context of these facilities holds. Raises NotFound, FhirUnavailable."""
    served = served_pairs(adapter)
    found = records(adapter, reference, served)
    if found is None or care_contexts.facility_of(found, served) not in hip_ids:
        raise NotFound(
            "There is no such care context at your facilities. A care context is written TYPE-ID, "
            "with the type and id of its FHIR record: Encounter-17, Invoice-b1."
        )
    return found


def records(adapter: Adapter, reference: str, served: Sequence[tuple[str, str]]) -> Records | None:
    """What one care context (`Encounter-17`) holds, None if there is none. Raises
    FhirUnavailable."""
    facility = only_facility(adapter, served)
    return next(iter(adapter.fhir.records_of([reference], facility=facility)), None)


def only_facility(adapter: Adapter, served: Sequence[tuple[str, str]]) -> dict[str, Any] | None:
    """The Organization that keeps records which name none: of the only facility served, if one is.

    Raises FhirUnavailable.
    """
    if len(served) != 1:
        return None
    hfr_id = served[0][0]
    return adapter.fhir.organizations([hfr_id]).get(hfr_id)


def consent(adapter: Adapter, artefact_id: str, hip_ids: Collection[str]) -> dict[str, Any]:
    """A consent artefact received as HIP: its state and what it permits.

    Raises NotFound, FhirUnavailable.
    """
    try:
        stored = adapter.fhir.consent(ids.consent_id("hip", artefact_id))
    except ValueError:  # no artefact can have such an id
        stored = None
    facts = consent_resource.read(stored) if stored else None
    if facts is None or facts.hip_id not in hip_ids:
        raise NotFound("Your facilities hold no consent artefact with this id.")
    dates = facts.date_range
    return {
        "artefact_id": facts.artefact_id,
        "state": str(facts.state),
        "hip_id": facts.hip_id,
        "hiu_id": facts.hiu_id,
        "purpose": facts.purpose_code,
        "hi_types": list(facts.hi_types),
        "care_contexts": [context.care_context_reference for context in facts.care_contexts],
        "date_from": dates.start.isoformat() if dates else None,
        "date_to": dates.end.isoformat() if dates else None,
        "erase_at": facts.erase_at.isoformat() if facts.erase_at else None,
    }


def served_pairs(adapter: Adapter) -> tuple[tuple[str, str], ...]:
    """(HFR id, HIP service id) of every facility served."""
    with adapter.db.reading() as tx:
        return facilities.served(tx)
