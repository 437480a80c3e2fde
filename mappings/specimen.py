"""The sample of an investigation -> Specimen.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/Specimen
"""

from __future__ import annotations

from mappings.building import concept, listed, patient_reference, present
from mappings.hims import Investigation
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.terminology import SPECIMENS


def specimen_of(investigation: Investigation) -> Resource | None:
    """The Specimen that was examined; None if the HIMS tells nothing of it."""
    sample = investigation.specimen
    if sample is None:
        return None
    kind = concept(investigation, "specimen", sample.type, sample.code, sample.system)
    if sample.type and not sample.code:
        kind = listed(SPECIMENS.get(sample.type.strip().lower()), sample.type) or {}
    collected = present(collectedDateTime=sample.collected_date)
    if not (kind or collected or sample.received_date):
        return None
    return {
        "resourceType": "Specimen",
        "id": fhir_id(investigation.facility, "specimen", investigation.id),
        **present(type=kind),
        "subject": patient_reference(investigation),
        **present(receivedTime=sample.received_date, collection=collected),
    }
