"""user -> Practitioner (https://nrces.in/ndhm/fhir/r4/StructureDefinition/Practitioner)."""

from __future__ import annotations

from mappings.building import local_identifier, present
from mappings.hims import User
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.systems import HPR_ID, profile
from mappings.terminology import GENDERS, IDENTIFIER_TYPES


def to_fhir_practitioner(user: User) -> list[Resource]:
    """One Practitioner: HPR id and registration where known, else the hospital's own number."""
    identifiers = []
    if user.hpr_id:
        typed = {"coding": [dict(IDENTIFIER_TYPES[HPR_ID])]}
        identifiers.append({"type": typed, "system": HPR_ID, "value": user.hpr_id})
    registration = user.doctor_medical_council_registration
    if registration:
        identifiers.append(
            local_identifier(
                user.facility, "registration", registration, "MD", "Medical License number"
            )
        )
    identifiers.append(local_identifier(user.facility, "user", user.id, "PRN", "Provider number"))
    name = " ".join(n for n in (user.first_name, user.last_name) if n)
    phone, qualification = user.phone_number, user.qualification
    return [
        {
            "resourceType": "Practitioner",
            "id": fhir_id(user.facility, "user", user.id),
            "meta": {"profile": [profile("Practitioner")]},
            "identifier": identifiers,
            **present(
                name=[{"text": name}] if name else None,
                telecom=[{"system": "phone", "value": phone}] if phone else None,
                gender=GENDERS.get((user.gender or "").lower()),
                qualification=[{"code": {"text": qualification}}] if qualification else None,
            ),
        }
    ]
