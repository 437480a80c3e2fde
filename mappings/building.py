"""Small parts that all mappings of HIMS entities build with: references, concepts, times. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mappings.hims import Entity
from mappings.ids import fhir_id
from mappings.systems import (
    DATA_ABSENT_REASON,
    IDENTIFIER_TYPE_V2,
    LOCAL_IDENTIFIER,
    UCUM,
    coding,
)
from mappings.ucum import to_ucum


def reference(resource_type: str, facility: str, kind: str, hims_id: str) -> dict[str, str]:
    """A reference to the resource that another entity becomes, sent already or not."""
    return {"reference": f"{resource_type}/{fhir_id(facility, kind, hims_id)}"}


def patient_reference(entity: Any) -> dict[str, str]:
    """The Patient of an entity that names one."""
    return reference("Patient", entity.facility, "patient", entity.patient)


def encounter_reference(entity: Any) -> dict[str, str] | None:
    """The Encounter of an entity's consultation; None if it names none."""
    if entity.consultation is None:
        return None
    return reference("Encounter", entity.facility, "consultation", entity.consultation)


def practitioner_reference(entity: Entity, user: str | None) -> dict[str, str] | None:
    """The Practitioner of a user's id; None if there is none."""
    return reference("Practitioner", entity.facility, "user", user) if user else None


def local_identifier(facility: str, kind: str, value: str, code: str, display: str) -> Any:
    """The hospital's own number for a record, typed with a code of HL7 table v2-0203."""
    return {
        "type": {"coding": [coding(IDENTIFIER_TYPE_V2, code, display)]},
        "system": LOCAL_IDENTIFIER.format(facility=facility, kind=kind),
        "value": value,
    }


def moment(value: datetime) -> str:
    """An aware time as a FHIR dateTime, in the zone it was given in."""
    return value.isoformat()


def quantity(value: float, unit: str) -> dict[str, Any]:
    """A Quantity with the unit as written, and its UCUM code where the unit is known."""
    made: dict[str, Any] = {"value": int(value) if value == int(value) else value, "unit": unit}
    ucum = to_ucum(unit)
    return {**made, "system": UCUM, "code": ucum} if ucum else made


def unknown() -> dict[str, Any]:
    """An element that FHIR requires and the HIMS doesn't know."""
    return {"extension": [{"url": DATA_ABSENT_REASON, "valueCode": "unknown"}]}


def present(**elements: Any) -> dict[str, Any]:
    """Only the elements that have something: absent stays absent."""
    return {k: v for k, v in elements.items() if v not in (None, "", [], {})}


def address(entity: Any) -> list[dict[str, str]]:
    """A HIMS address as one FHIR Address; [] if there is nothing of it."""
    made = present(
        text=entity.address,
        district=entity.district,
        state=entity.state,
        postalCode=entity.pincode if entity.pincode != "0" else None,
    )
    return [{**made, "country": "IN"}] if made else []
