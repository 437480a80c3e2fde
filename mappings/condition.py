"""diagnosis -> Condition (https://nrces.in/ndhm/fhir/r4/StructureDefinition/Condition)."""

from __future__ import annotations

from typing import Any

from mappings.building import (
    annotation,
    concept,
    copied,
    encounter_reference,
    patient_reference,
    practitioner_reference,
    present,
)
from mappings.hims import Consultation, Diagnosis, SymptomOfVisit
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.systems import (
    CONDITION_CATEGORY,
    CONDITION_CLINICAL,
    CONDITION_VERIFICATION,
    coding,
)
from mappings.terminology import CLINICAL_STATUSES, SYMPTOMS, VERIFICATIONS


def to_fhir_condition(diagnosis: Diagnosis) -> list[Resource]:
    """One Condition. Codes go in as given; a code without a known system keeps the hospital's."""
    category = coding(CONDITION_CATEGORY, "encounter-diagnosis", "Encounter Diagnosis")
    encounter = encounter_reference(diagnosis)
    principal = "Principal diagnosis" if diagnosis.is_principal else None
    return [
        {
            "resourceType": "Condition",
            "id": fhir_id(diagnosis.facility, "diagnosis", diagnosis.id),
            **present(
                clinicalStatus=status(
                    CONDITION_CLINICAL, CLINICAL_STATUSES, diagnosis.clinical_status
                ),
                verificationStatus=status(
                    CONDITION_VERIFICATION, VERIFICATIONS, diagnosis.verification_status
                ),
                category=[{"coding": [category]}] if encounter else None,
                code=concept(
                    diagnosis, "diagnosis", diagnosis.diagnosis, diagnosis.code, diagnosis.system
                ),
                note=annotation(principal, diagnosis.notes),
            ),
            "subject": patient_reference(diagnosis),
            **present(
                encounter=encounter,
                onsetDateTime=diagnosis.onset_date,
                abatementDateTime=diagnosis.abatement_date,
                recordedDate=diagnosis.created_date,
                recorder=practitioner_reference(diagnosis, diagnosis.created_by),
            ),
        }
    ]


def status(system: str, table: dict[str, str], written: str | None) -> dict[str, Any] | None:
    """A status of one of FHIR's own small code systems; None for a word that it doesn't have."""
    code = (written or "").strip().lower().replace(" ", "-").replace("_", "-")
    display = table.get(code)
    return {"coding": [coding(system, code, display)]} if display else None


def diagnoses_of(consultation: Consultation) -> list[Diagnosis]:
    """The diagnoses nested in a consultation, as entities of their own."""
    about = {
        "facility": consultation.facility,
        "patient": consultation.patient,
        "consultation": consultation.id,
    }
    return [Diagnosis.model_validate(d.model_dump() | about) for d in consultation.diagnoses]


def complaints(
    entity: Any,
    symptoms: tuple[SymptomOfVisit, ...],
    texts: tuple[tuple[str, str | None], ...],
    onset: str | None,
    about: dict[str, Any],
) -> list[Resource]:
    """A Condition for each symptom of a list, and one for each text that tells of symptoms.

    Args:
        entity: whose id and facility the Conditions' ids are derived from.
        symptoms: CARE's numbers, or words.
        texts: name and words of each free text.
        onset: when they began, where a symptom doesn't say it itself.
        about: `subject` and `encounter` of all of them.
    """
    found: dict[str, tuple[dict[str, Any], SymptomOfVisit | None]] = {}
    for symptom in symptoms:
        number = (symptom.symptom or "").strip()
        if number.isdigit():
            known = SYMPTOMS.get(number)
            if known:
                found[number] = (copied(known), symptom)
        elif number:
            found[number] = ({"text": number}, symptom)
        if symptom.other_symptom:
            found[symptom.other_symptom] = ({"text": symptom.other_symptom}, symptom)
    for name, words in texts:
        if words:
            found[name] = ({"text": words}, None)
    return [
        {
            "resourceType": "Condition",
            "id": fhir_id(entity.facility, "symptom", f"{entity.id}\x1f{name}"),
            "code": code,
            **about,
            **present(
                onsetDateTime=(symptom and symptom.onset_date) or onset,
                abatementDateTime=symptom and symptom.cure_date,
            ),
        }
        for name, (code, symptom) in found.items()
    ]
