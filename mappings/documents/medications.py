"""Medications as the NRCeS profiles want them: the medicine as a concept, never as a reference.

The MedicationRequest and MedicationStatement profiles forbid `medicationReference`. What the
Medication resource says beyond its name (form, batch, ingredients) stays reachable through
`supportingInformation`/`derivedFrom`. Pure.
"""

from __future__ import annotations

from typing import Any

from mappings.documents.visit import Visit
from mappings.resources import Resource, as_list, label, reference_key

# MedicationRequest.status of orders that a patient must not act on: withdrawn, or unfinished
# (http://hl7.org/fhir/R4/valueset-medicationrequest-status.html).
_NOT_TOLD = frozenset({"cancelled", "draft", "entered-in-error"})
_MORE_THAN_A_NAME = frozenset({"form", "amount", "ingredient", "batch", "manufacturer"})
_KEEPS = {"MedicationRequest": "supportingInformation", "MedicationStatement": "derivedFrom"}


def may_be_told(request: Resource) -> bool:
    """True for a prescription that stands: neither withdrawn nor unfinished."""
    return request.get("status") not in _NOT_TOLD


def for_document(record: Resource, visit: Visit) -> Resource:
    """A MedicationRequest or MedicationStatement with its medicine as a concept (a new dict)."""
    reference = record.get("medicationReference")
    if not isinstance(reference, dict):
        return record
    made = {k: v for k, v in record.items() if k != "medicationReference"}
    name = reference_key(reference)
    medication = visit.known.get(name) if name else _contained(record, reference)
    concept: dict[str, Any] = dict((medication or {}).get("code") or {})
    if not concept:
        words = reference.get("display") or (label(medication) if medication else "")
        if words and words != "Medication":
            concept = {"text": words}
    if concept:
        made["medicationCodeableConcept"] = concept
    if medication and _MORE_THAN_A_NAME & medication.keys():
        element = _KEEPS[record["resourceType"]]
        made[element] = [*as_list(record.get(element)), reference]
    return made


def _contained(record: Resource, reference: dict[str, Any]) -> Resource | None:
    wanted = str(reference.get("reference", "")).removeprefix("#")
    return next((c for c in as_list(record.get("contained")) if c.get("id") == wanted), None)
