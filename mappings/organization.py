"""facility -> Organization (https://nrces.in/ndhm/fhir/r4/StructureDefinition/Organization)."""

from __future__ import annotations

from mappings.building import address, local_identifier, present
from mappings.hims import Facility
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.systems import HFR_ID, profile
from mappings.terminology import IDENTIFIER_TYPES


def to_fhir_organization(facility: Facility) -> list[Resource]:
    """One Organization, with the HFR id that ABDM knows the facility by, where given."""
    identifiers = []
    if facility.hf_id:
        typed = {"coding": [dict(IDENTIFIER_TYPES[HFR_ID])]}
        identifiers.append({"type": typed, "system": HFR_ID, "value": facility.hf_id})
    identifiers.append(
        local_identifier(facility.id, "facility", facility.id, "XX", "Organization identifier")
    )
    phone = facility.phone_number
    return [
        {
            "resourceType": "Organization",
            "id": fhir_id(facility.id, "facility", facility.id),
            "meta": {"profile": [profile("Organization")]},
            "identifier": identifiers,
            **present(
                name=facility.name,
                telecom=[{"system": "phone", "value": phone}] if phone else None,
                address=address(facility),
            ),
        }
    ]
