"""From an ABHA profile to a FHIR Patient: a new one, or what an existing one lacks. Pure.

The hospital's own record wins: of what is there nothing is replaced, only what is absent is added,
and a year of birth made whole where ABHA agrees with it. Identifiers are the exception that this is
about. Sources: NRCeS Patient, ndhm.in 6.5.0; M0 and M1, section 15.
"""

from __future__ import annotations

import copy
from typing import Any

from adapter.protocol.errors import Conflict
from adapter.rules.abha_profile import Profile
from adapter.rules.patients import GENDERS, digits, folded, read_patient
from mappings import systems
from mappings.resources import as_list
from mappings.terminology import IDENTIFIER_TYPES

Resource = dict[str, Any]

_JPEG, _PNG = "/9j/", "iVBORw0KGgo"


def new_patient(patient_id: str, profile: Profile) -> Resource:
    """A Patient of this profile alone."""
    bare: Resource = {
        "resourceType": "Patient",
        "id": patient_id,
        "meta": {"profile": [systems.profile("Patient")]},
    }
    return enriched(bare, profile)


def enriched(patient: Resource, profile: Profile) -> Resource:
    """`patient` with the ABHA identifiers, and what else the profile knows and it does not.

    Equal to `patient` where nothing is new. Raises Conflict where it has another ABHA number.
    """
    made = copy.deepcopy(patient)
    known = read_patient(patient)
    if profile.abha_number and known.abha_numbers:
        if digits(profile.abha_number) not in known.abha_numbers:
            raise Conflict(
                f"Patient/{patient['id']} has another ABHA number; correct the record, or choose "
                "another patient."
            )
    elif profile.abha_number:
        _identify(made, systems.ABHA_NUMBER, profile.abha_number)
    if profile.health_id and folded(profile.health_id) not in map(folded, known.abha_addresses):
        _identify(made, systems.ABHA_ADDRESS, profile.health_id)
    if not made.get("name") and profile.name:
        made["name"] = [_name(profile)]
    gender = GENDERS.get(profile.gender or "")
    if made.get("gender") in (None, "unknown") and gender:
        made["gender"] = gender
    born = profile.date_of_birth
    if born and born.startswith(str(made.get("birthDate") or "")):
        made["birthDate"] = born
    for system, value in (("phone", profile.full_mobile), ("email", profile.email)):
        held = {each.get("system") for each in as_list(made.get("telecom"))}
        if value and system not in held:
            use = {"use": "mobile"} if system == "phone" else {}
            made.setdefault("telecom", []).append({"system": system, "value": value, **use})
    address = _address(profile)
    if address and not made.get("address"):
        made["address"] = [address]
    if profile.profile_photo and not made.get("photo"):
        made["photo"] = [_photo(profile.profile_photo)]
    return made


def _identify(patient: Resource, system: str, value: str) -> None:
    typed = {"coding": [dict(IDENTIFIER_TYPES[system])]}
    new = {"type": typed, "system": system, "value": value}
    patient.setdefault("identifier", []).append(new)


def _name(profile: Profile) -> Resource:
    given = [part for part in (profile.first_name, profile.middle_name) if part]
    made: Resource = {"text": profile.name}
    if profile.last_name:
        made["family"] = profile.last_name
    if given:
        made["given"] = given
    return made


def _address(profile: Profile) -> Resource:
    parts = {
        "line": [profile.address] if profile.address else None,
        "district": profile.district,
        "state": profile.state,
        "postalCode": profile.pincode,
    }
    made = {name: value for name, value in parts.items() if value}
    if not made:
        return {}
    text = ", ".join(
        filter(None, (profile.address, profile.district, profile.state, profile.pincode))
    )
    return {"text": text, **made, "country": "IN"}


def _photo(data: str) -> Resource:
    kinds = ((_JPEG, "image/jpeg"), (_PNG, "image/png"))
    kind = next((kind for start, kind in kinds if data.startswith(start)), "image/jpeg")
    return {"contentType": kind, "data": data}
