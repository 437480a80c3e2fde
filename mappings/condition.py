"""diagnosis -> Condition (https://nrces.in/ndhm/fhir/r4/StructureDefinition/Condition)."""

from __future__ import annotations

import re
from typing import Any

from mappings.building import (
    encounter_reference,
    moment,
    patient_reference,
    practitioner_reference,
    present,
)
from mappings.hims import Diagnosis
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.systems import (
    CONDITION_CATEGORY,
    CONDITION_VERIFICATION,
    ICD10,
    ICD11,
    LOCAL_SYSTEM,
    SNOMED,
    coding,
)
from mappings.terminology import VERIFICATIONS

# CARE's ICD-11 labels start with the code: "CA40.Z Pneumonia, organism unspecified".
_LABEL = re.compile(
    r"(?P<code>[0-9A-HJ-NP-VX][A-HJ-NP-Z][0-9][0-9A-Z](?:\.[0-9A-Z]{1,2})?)\s+(?P<name>\S.*)"
)
# The names under which HIMSs send the code systems.
_SYSTEMS = {
    "icd-10": ICD10,
    "icd10": ICD10,
    "icd-11": ICD11,
    "icd11": ICD11,
    "snomed": SNOMED,
    "snomed-ct": SNOMED,
    "snomed ct": SNOMED,
}


def to_fhir_condition(diagnosis: Diagnosis) -> list[Resource]:
    """One Condition. Codes go in as given; a code without a known system keeps the hospital's."""
    verification = (diagnosis.verification_status or "").lower()
    words = VERIFICATIONS.get(verification)
    category = coding(CONDITION_CATEGORY, "encounter-diagnosis", "Encounter Diagnosis")
    encounter = encounter_reference(diagnosis)
    return [
        {
            "resourceType": "Condition",
            "id": fhir_id(diagnosis.facility, "diagnosis", diagnosis.id),
            **present(
                verificationStatus={"coding": [coding(CONDITION_VERIFICATION, verification, words)]}
                if words
                else None,
                category=[{"coding": [category]}] if encounter else None,
                code=_code(diagnosis),
                note=[{"text": "Principal diagnosis"}] if diagnosis.is_principal else None,
            ),
            "subject": patient_reference(diagnosis),
            **present(
                encounter=encounter,
                onsetDateTime=diagnosis.onset_date and moment(diagnosis.onset_date),
                recordedDate=diagnosis.created_date and moment(diagnosis.created_date),
                recorder=practitioner_reference(diagnosis, diagnosis.created_by),
            ),
        }
    ]


def _code(diagnosis: Diagnosis) -> dict[str, Any]:
    label, code = diagnosis.diagnosis, diagnosis.code
    system = diagnosis.system
    if code is None and label:
        match = _LABEL.fullmatch(label)
        if match:
            code, label, system = match["code"], match["name"], ICD11
    concept: dict[str, Any] = present(text=label)
    if code:
        local = LOCAL_SYSTEM.format(facility=diagnosis.facility, kind="diagnosis")
        known = _SYSTEMS.get((system or "").lower(), system or local)
        concept["coding"] = [present(system=known, code=code, display=label)]
    return concept
