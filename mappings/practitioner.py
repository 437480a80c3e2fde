"""user -> Practitioner and, where a role is given, PractitionerRole.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/Practitioner and PractitionerRole
"""

from __future__ import annotations

from mappings.building import (
    copied,
    local_identifier,
    organization_reference,
    phones,
    present,
    reference_to,
)
from mappings.hims import Skill, User
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.systems import HPR_ID, SNOMED, coding, profile
from mappings.terminology import GENDERS, IDENTIFIER_TYPES, ROLE_NUMBERS, ROLES, SPECIALTIES


def to_fhir_practitioner(user: User) -> list[Resource]:
    """One Practitioner: HPR id and registration where known, the hospital's own number; and the
    PractitionerRole at the facility, if the HIMS names a role in care or a specialty."""
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
    telecom = phones(user.phone_number, user.alt_phone_number)
    if user.email:
        telecom.append({"system": "email", "value": user.email})
    qualification = user.qualification
    made: Resource = {
        "resourceType": "Practitioner",
        "id": fhir_id(user.facility, "user", user.id),
        "meta": {"profile": [profile("Practitioner")]},
        "identifier": identifiers,
        **present(
            name=[{"text": name}] if name else None,
            telecom=telecom,
            gender=GENDERS.get((user.gender or "").lower()),
            birthDate=user.date_of_birth and user.date_of_birth.isoformat(),
            qualification=[{"code": {"text": qualification}}] if qualification else None,
        ),
    }
    role = _role(user, made)
    return [made, role] if role else [made]


def _role(user: User, practitioner: Resource) -> Resource | None:
    written = user.user_type or ""
    role = ROLES.get(ROLE_NUMBERS.get(written, written.lower()))
    specialties = [s for s in map(_specialty, user.skills) if s]
    if not role and not specialties:
        return None
    return {
        "resourceType": "PractitionerRole",
        "id": fhir_id(user.facility, "user", f"{user.id}\x1frole"),
        "meta": {"profile": [profile("PractitionerRole")]},
        "identifier": [
            local_identifier(user.facility, "user", user.id, "EI", "Employee number"),
        ],
        **({} if user.is_active is None else {"active": user.is_active}),
        "practitioner": reference_to(practitioner),
        "organization": organization_reference(user.facility),
        **present(code=[copied(role)] if role else None, specialty=specialties),
    }


def _specialty(skill: Skill) -> dict[str, object] | None:
    if not skill.name:
        return None
    code = SPECIALTIES.get(skill.name.strip().lower())
    return present(coding=[coding(SNOMED, code, skill.name)] if code else None, text=skill.name)
