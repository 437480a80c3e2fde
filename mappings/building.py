"""Small parts that all mappings of HIMS entities build with: references, concepts, times. Pure."""

from __future__ import annotations

from typing import Any

from mappings.hims import Entity
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.systems import (
    DATA_ABSENT_REASON,
    IDENTIFIER_TYPE_V2,
    LOCAL_IDENTIFIER,
    UCUM,
    coding,
)
from mappings.terminology import code_system
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


def organization_reference(facility: str) -> dict[str, str]:
    """The Organization of a facility's id."""
    return reference("Organization", facility, "facility", facility)


def reference_to(resource: Resource) -> dict[str, str]:
    """A reference to a resource built here."""
    return {"reference": f"{resource['resourceType']}/{resource['id']}"}


def local_identifier(facility: str, kind: str, value: str, code: str, display: str) -> Any:
    """The hospital's own number for a record, typed with a code of HL7 table v2-0203."""
    return {
        "type": {"coding": [coding(IDENTIFIER_TYPE_V2, code, display)]},
        "system": LOCAL_IDENTIFIER.format(facility=facility, kind=kind),
        "value": value,
    }


def numbered(facility: str, kind: str, value: str) -> dict[str, str]:
    """The hospital's own number for a record whose profile asks for no identifier type."""
    return {"system": LOCAL_IDENTIFIER.format(facility=facility, kind=kind), "value": value}


def instant(value: str | None) -> str | None:
    """A time for an element that must be exact to the second; None for a date alone."""
    return value if value and "T" in value else None


def plain(value: float) -> float | int:
    """A number as people write it: 5 rather than 5.0."""
    return int(value) if abs(value) < 1e15 and value == int(value) else value


def quantity(value: float, unit: str | None) -> dict[str, Any]:
    """A Quantity with the unit as written, and its UCUM code where the unit is known."""
    made: dict[str, Any] = {"value": plain(value), **present(unit=unit)}
    ucum = to_ucum(unit) if unit else None
    return {**made, "system": UCUM, "code": ucum} if ucum else made


def concept(
    entity: Any, kind: str, text: str | None, code: str | None = None, system: str | None = None
) -> dict[str, Any]:
    """A CodeableConcept of the hospital's words and code; {} if there is neither.

    A code whose system isn't named or known keeps the facility's own system for that kind.
    """
    made: dict[str, Any] = present(text=text)
    if code:
        url = code_system(system, entity.facility, kind)
        # FHIR's codes have no spaces but single ones inside.
        made["coding"] = [present(system=url, code=" ".join(code.split()), display=text)]
    return made


def listed(known: dict[str, str] | None, text: str | None) -> dict[str, Any] | None:
    """A CodeableConcept of a table's coding (if any) and the words as written (if any)."""
    made: dict[str, Any] = present(coding=[dict(known)] if known else None, text=text)
    return made or None


def copied(concept: dict[str, Any]) -> dict[str, Any]:
    """A copy of a table's CodeableConcept, so that no resource shares the table's own."""
    codes = [dict(c) for c in concept.get("coding", ())]
    return {**concept, **({"coding": codes} if codes else {})}


def annotation(*texts: str | None) -> list[dict[str, str]]:
    """Notes: one Annotation per text that is there."""
    return [{"text": t} for t in texts if t]


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


def phones(*numbers: str | None) -> list[dict[str, str]]:
    """Telephone numbers as ContactPoints, each once."""
    return [{"system": "phone", "value": n} for n in dict.fromkeys(numbers) if n]
