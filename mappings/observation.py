"""daily round -> Observations (https://nrces.in/ndhm/fhir/r4/StructureDefinition/Observation).

One Observation for each thing measured or written; the codes and units stand in `terminology`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mappings.building import (
    encounter_reference,
    moment,
    patient_reference,
    practitioner_reference,
    present,
)
from mappings.hims import BloodPressure, DailyRound
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.systems import LOINC, OBSERVATION_CATEGORY, UCUM, coding
from mappings.terminology import (
    BLOOD_PRESSURE,
    MEASUREMENTS,
    MILLIMETRES,
    NARRATIVES,
    PRESSURES,
    REMARKS,
)

_VITAL = [{"coding": [coding(OBSERVATION_CATEGORY, "vital-signs", "Vital Signs")]}]
_EXAM = [{"coding": [coding(OBSERVATION_CATEGORY, "exam", "Exam")]}]


def to_fhir_observations(daily_round: DailyRound) -> list[Resource]:
    """All Observations of one round."""
    encounter = encounter_reference(daily_round)
    performer = practitioner_reference(daily_round, daily_round.created_by)
    about = present(
        subject=patient_reference(daily_round),
        encounter=encounter,
        performer=[performer] if performer else None,
    )
    return observations_of(daily_round, "daily_round", about, daily_round.taken_at)


def observations_of(
    entity: Any, kind: str, about: dict[str, Any], taken_at: datetime | None
) -> list[Resource]:
    """The Observations that an entity's measurements and free texts become.

    Args:
        entity: whose fields are looked up in the tables of `terminology`.
        kind: the entity's kind; each Observation's id is derived from it, the id and the field.
        about: `subject`, `encounter`, `performer` of all of them.
        taken_at: when; None if the HIMS doesn't say.
    """
    made: list[Resource] = []

    def add(field: str, code: dict[str, Any], category: Any, **value: Any) -> None:
        made.append(
            {
                "resourceType": "Observation",
                "id": fhir_id(entity.facility, kind, f"{entity.id}\x1f{field}"),
                "status": "final",
                **present(category=category),
                "code": code,
                **about,
                **present(effectiveDateTime=taken_at and moment(taken_at)),
                **value,
            }
        )

    for field, (code, display, unit, ucum, vital) in MEASUREMENTS.items():
        measured = getattr(entity, field, None)
        if measured is not None:
            value = {"value": _plain(measured), "unit": unit, "system": UCUM, "code": ucum}
            concept = {"coding": [coding(LOINC, code, display)], "text": display}
            add(field, concept, _VITAL if vital else None, valueQuantity=value)
    pressure = getattr(entity, "bp", None)
    components = _pressures(pressure) if pressure else []
    if components:
        concept = {"coding": [dict(BLOOD_PRESSURE)], "text": "Blood pressure"}
        add("bp", concept, _VITAL, component=components)
    for field, (narrative, examined) in NARRATIVES.items():
        text = getattr(entity, field, None)
        if text:
            add(field, {"coding": [dict(narrative)]}, _EXAM if examined else None, valueString=text)
    for field, words in REMARKS.items():
        text = getattr(entity, field, None)
        if text:
            add(field, {"text": words}, None, valueString=text)
    return made


def _pressures(pressure: BloodPressure) -> list[dict[str, Any]]:
    found = []
    for field, code in PRESSURES.items():
        value = getattr(pressure, field)
        if value is not None:
            quantity = {"value": _plain(value), **MILLIMETRES}
            found.append({"code": {"coding": [dict(code)]}, "valueQuantity": quantity})
    return found


def _plain(value: float) -> float | int:
    return int(value) if value == int(value) else value
