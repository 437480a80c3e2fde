"""allergy -> AllergyIntolerance.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/AllergyIntolerance
"""

from __future__ import annotations

from typing import Any

from mappings.building import (
    annotation,
    concept,
    encounter_reference,
    patient_reference,
    practitioner_reference,
    present,
)
from mappings.condition import status
from mappings.hims import Allergy
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.systems import ALLERGY_CLINICAL, ALLERGY_VERIFICATION
from mappings.terminology import ALLERGY_CATEGORIES, ALLERGY_CLINICALS, ALLERGY_VERIFICATIONS

# http://hl7.org/fhir/R4/valueset-allergy-intolerance-criticality.html, -type.html,
# valueset-reaction-event-severity.html
_CRITICALITIES = frozenset({"low", "high", "unable-to-assess"})
_TYPES = frozenset({"allergy", "intolerance"})
_SEVERITIES = frozenset({"mild", "moderate", "severe"})


def to_fhir_allergy(allergy: Allergy) -> list[Resource]:
    """One AllergyIntolerance; statuses and grades only as the HIMS gives them."""
    category = ALLERGY_CATEGORIES.get((allergy.category or "").strip().lower())
    asserter = patient_reference(allergy) if allergy.asserted_by_patient else None
    return [
        {
            "resourceType": "AllergyIntolerance",
            "id": fhir_id(allergy.facility, "allergy", allergy.id),
            **present(
                clinicalStatus=status(ALLERGY_CLINICAL, ALLERGY_CLINICALS, allergy.clinical_status),
                verificationStatus=status(
                    ALLERGY_VERIFICATION, ALLERGY_VERIFICATIONS, allergy.verification_status
                ),
                type=_one_of(_TYPES, allergy.type),
                category=[category] if category else None,
                criticality=_one_of(_CRITICALITIES, allergy.criticality),
                code=concept(allergy, "allergy", allergy.allergen, allergy.code, allergy.system),
            ),
            "patient": patient_reference(allergy),
            **present(
                encounter=encounter_reference(allergy),
                onsetDateTime=allergy.onset_date,
                recordedDate=allergy.created_date,
                recorder=practitioner_reference(allergy, allergy.created_by),
                asserter=asserter,
                lastOccurrence=allergy.last_occurrence,
                note=annotation(allergy.notes),
                reaction=_reactions(allergy),
            ),
        }
    ]


def _one_of(codes: frozenset[str], written: str | None) -> str | None:
    code = (written or "").strip().lower().replace(" ", "-").replace("_", "-")
    return code if code in codes else None


def _reactions(allergy: Allergy) -> list[dict[str, Any]]:
    """What happened. FHIR requires a manifestation: else the description stands for it."""
    made = []
    for reaction in allergy.reactions:
        shown = reaction.manifestation or reaction.description
        if not shown:
            continue
        made.append(
            {
                "manifestation": [{"text": shown}],
                **present(
                    description=reaction.description if reaction.manifestation else None,
                    severity=_one_of(_SEVERITIES, reaction.severity),
                ),
            }
        )
    return made
