"""patient -> Patient (https://nrces.in/ndhm/fhir/r4/StructureDefinition/Patient)."""

from __future__ import annotations

from mappings.building import address, local_identifier, present
from mappings.hims import Patient
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.systems import ABHA_ADDRESS, ABHA_NUMBER, profile
from mappings.terminology import GENDERS, IDENTIFIER_TYPES


def to_fhir_patient(patient: Patient) -> list[Resource]:
    """One Patient: the hospital's number, ABHA number and address, name as written.

    Of a person whose birth date is unknown only the year goes in, if that is known.
    """
    identifiers = [
        local_identifier(patient.facility, "patient", patient.id, "MR", "Medical record number")
    ]
    for system, value in ((ABHA_NUMBER, patient.abha_number), (ABHA_ADDRESS, patient.health_id)):
        if value:
            typed = {"coding": [dict(IDENTIFIER_TYPES[system])]}
            identifiers.append({"type": typed, "system": system, "value": value})
    born = patient.date_of_birth.isoformat() if patient.date_of_birth else None
    if born is None and patient.year_of_birth:
        born = f"{patient.year_of_birth:04d}"
    phone = patient.phone_number
    return [
        {
            "resourceType": "Patient",
            "id": fhir_id(patient.facility, "patient", patient.id),
            "meta": {"profile": [profile("Patient")]},
            "identifier": identifiers,
            **present(
                name=[{"text": patient.name}] if patient.name else None,
                telecom=[{"system": "phone", "value": phone}] if phone else None,
                gender=GENDERS.get((patient.gender or "").lower()),
                birthDate=born,
                address=address(patient),
            ),
        }
    ]
