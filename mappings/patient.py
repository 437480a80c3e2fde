"""patient -> Patient (https://nrces.in/ndhm/fhir/r4/StructureDefinition/Patient), and what the
patient's registration tells of known illnesses, allergies and medicines."""

from __future__ import annotations

import re
from typing import Any

from mappings.building import (
    address,
    copied,
    local_identifier,
    phones,
    present,
    reference,
)
from mappings.hims import Patient
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.systems import ABHA_ADDRESS, ABHA_NUMBER, CONDITION_CATEGORY, coding, profile
from mappings.terminology import DISEASES, GENDERS, IDENTIFIER_TYPES, PATIENT_REMARKS

# ABHA numbers have 14 digits, with or without dashes. CARE's key of an AbhaNumber record is none.
_ABHA_NUMBER = re.compile(r"\d{2}-?\d{4}-?\d{4}-?\d{4}\Z", re.ASCII)
_PROBLEM = coding(CONDITION_CATEGORY, "problem-list-item", "Problem List Item")


def to_fhir_patient(patient: Patient) -> list[Resource]:
    """One Patient: the hospital's number, ABHA number and address, name as written.

    Of a person whose birth date is unknown only the year goes in, if that is known. Known
    illnesses, allergies, medicines and present health follow as records outside any visit.
    """
    identifiers = [
        local_identifier(patient.facility, "patient", patient.id, "MR", "Medical record number")
    ]
    number = patient.abha_number
    if number and not _ABHA_NUMBER.match(number):
        number = None
    for system, value in ((ABHA_NUMBER, number), (ABHA_ADDRESS, patient.health_id)):
        if value:
            typed = {"coding": [dict(IDENTIFIER_TYPES[system])]}
            identifiers.append({"type": typed, "system": system, "value": value})
    born = patient.date_of_birth.isoformat() if patient.date_of_birth else None
    if born is None and patient.year_of_birth:
        born = f"{patient.year_of_birth:04d}"
    contact = phones(patient.emergency_phone_number)
    made: Resource = {
        "resourceType": "Patient",
        "id": fhir_id(patient.facility, "patient", patient.id),
        "meta": {"profile": [profile("Patient")]},
        "identifier": identifiers,
        **present(
            name=[{"text": patient.name}] if patient.name else None,
            telecom=phones(patient.phone_number),
            gender=GENDERS.get((patient.gender or "").lower()),
            birthDate=born,
            deceasedDateTime=patient.death_datetime,
            address=address(patient),
            contact=[{"telecom": contact}] if contact else None,
        ),
    }
    return [made, *_known(patient)]


def _known(patient: Patient) -> list[Resource]:
    """What the registration tells of the patient's health, in its own words."""
    about = reference("Patient", patient.facility, "patient", patient.id)
    made: list[Resource] = []

    def add(kind: str, name: str, **elements: Any) -> None:
        made.append(
            {
                "resourceType": kind,
                "id": fhir_id(patient.facility, "patient", f"{patient.id}\x1f{name}"),
                **elements,
            }
        )

    for number, ailment in enumerate(patient.medical_history):
        known = DISEASES.get(ailment.disease or "")
        code = copied(known) if known else present(text=ailment.disease)
        if ailment.disease == "1" or not (known or ailment.disease or ailment.details):
            continue
        if ailment.details and (not code or ailment.disease == "8"):
            code = {"text": ailment.details}
        elif ailment.details:
            code["text"] = f"{code['text']}: {ailment.details}"
        add(
            "Condition",
            f"illness {number}",
            category=[{"coding": [dict(_PROBLEM)]}],
            code=code,
            subject=about,
        )
    if patient.ongoing_medication:
        add(
            "MedicationStatement",
            "ongoing_medication",
            status="unknown",
            medicationCodeableConcept={"text": patient.ongoing_medication},
            subject=about,
        )
    # A text of allergies can't be an AllergyIntolerance: FHIR requires a status of each (ait-1).
    for field, words in PATIENT_REMARKS.items():
        value = getattr(patient, field)
        if value and value != "UNK":
            add(
                "Observation",
                field,
                status="unknown",
                code={"text": words},
                subject=about,
                valueString=value,
            )
    return made
