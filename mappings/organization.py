"""facility -> Organization, and Location for its site, wards and beds.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/Organization, http://hl7.org/fhir/R4/location.html
"""

from __future__ import annotations

from typing import Any

from mappings.building import (
    address,
    local_identifier,
    numbered,
    phones,
    present,
    reference_to,
)
from mappings.hims import Bed, Facility, Ward
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.systems import HFR_ID, profile
from mappings.terminology import BED_TYPES, IDENTIFIER_TYPES, PLACES


def to_fhir_organization(facility: Facility) -> list[Resource]:
    """One Organization, with the HFR id that ABDM knows the facility by, where given.

    A Location follows for the site (if its position is known), each ward and each bed.
    """
    identifiers = []
    if facility.hf_id:
        identifiers.append(hfr_identifier(facility.hf_id))
    identifiers.append(
        local_identifier(facility.id, "facility", facility.id, "XX", "Organization identifier")
    )
    kind = facility.facility_type
    made: Resource = {
        "resourceType": "Organization",
        "id": fhir_id(facility.id, "facility", facility.id),
        "meta": {"profile": [profile("Organization")]},
        "identifier": identifiers,
        **present(
            type=[{"text": kind}] if kind else None,
            name=facility.name,
            telecom=phones(facility.phone_number),
            address=address(facility),
        ),
    }
    return [made, *_site(facility, made), *_wards(facility, made)]


def hfr_identifier(hfr_id: str) -> dict[str, Any]:
    """The identifier that ABDM knows a facility by."""
    typed = {"coding": [dict(IDENTIFIER_TYPES[HFR_ID])]}
    return {"type": typed, "system": HFR_ID, "value": hfr_id}


def minimal(facility_id: str, name: str) -> Resource:
    """The Organization of a facility of which no more than its own id and its name is known."""
    return to_fhir_organization(Facility(id=facility_id, name=name))[0]


def _site(facility: Facility, organization: Resource) -> list[Resource]:
    if facility.latitude is None or facility.longitude is None:
        return []
    position = {"longitude": facility.longitude, "latitude": facility.latitude}
    site = _location(facility, "site", facility.id, organization, name=facility.name)
    return [{**site, "position": position}]


def _wards(facility: Facility, organization: Resource) -> list[Resource]:
    made = []
    for ward in facility.locations:
        place = _place(facility, "ward", ward, organization)
        made.append(place)
        for bed in ward.beds:
            kind = BED_TYPES.get(bed.bed_type or "") or bed.bed_type
            typed = {"type": [{"text": kind}]} if kind else {}
            made.append(
                {
                    **_place(facility, "bed", bed, organization),
                    **typed,
                    "partOf": reference_to(place),
                }
            )
    return made


def _place(facility: Facility, kind: str, place: Ward | Bed, organization: Resource) -> Resource:
    return _location(
        facility,
        kind,
        place.id,
        organization,
        name=place.name,
        description=place.description,
    )


def _location(
    facility: Facility, kind: str, hims_id: str, organization: Resource, **words: Any
) -> Resource:
    return {
        "resourceType": "Location",
        "id": fhir_id(facility.id, kind, hims_id),
        "identifier": [numbered(facility.id, kind, hims_id)],
        **present(**words),
        "mode": "instance",
        "physicalType": {"coding": [dict(PLACES[kind])]},
        "managingOrganization": reference_to(organization),
    }
