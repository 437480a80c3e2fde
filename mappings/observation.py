"""daily round -> Observations (https://nrces.in/ndhm/fhir/r4/StructureDefinition/Observation).

One Observation for each thing measured, chosen or written; the codes, units and words stand in the
tables of `terminology`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mappings.building import (
    copied,
    encounter_reference,
    patient_reference,
    plain,
    practitioner_reference,
    present,
    quantity,
)
from mappings.condition import complaints
from mappings.hims import BloodPressure, DailyRound, Fluid
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.terminology import (
    BLOOD_PRESSURE,
    CATEGORIES,
    CHOICES,
    FLUIDS,
    MEASUREMENTS,
    MILLILITRES,
    MILLIMETRES,
    NARRATIVES,
    PRESSURES,
    REMARKS,
    YES_NO,
)

Add = Callable[..., None]


def to_fhir_observations(daily_round: DailyRound) -> list[Resource]:
    """All Observations of one round, and a Condition for each symptom noted in it."""
    performer = practitioner_reference(daily_round, daily_round.created_by)
    about = present(
        subject=patient_reference(daily_round), encounter=encounter_reference(daily_round)
    )
    performed = {**about, **present(performer=[performer] if performer else None)}
    return [
        *observations_of(daily_round, "daily_round", performed, daily_round.taken_at),
        *complaints(
            daily_round,
            daily_round.additional_symptoms,
            (("other", daily_round.other_symptoms),),
            None,
            about,
        ),
    ]


def observations_of(
    entity: Any, kind: str, about: dict[str, Any], taken_at: str | None
) -> list[Resource]:
    """The Observations that an entity's measurements, choices and free texts become.

    Args:
        entity: whose fields are looked up in the tables of `terminology`.
        kind: the entity's kind; each Observation's id is derived from it, the id and the field.
        about: `subject`, `encounter`, `performer` of all of them.
        taken_at: when (FHIR dateTime); None if the HIMS doesn't say.
    """
    made: list[Resource] = []

    def add(field: str, code: dict[str, Any], category: str | None, **value: Any) -> None:
        made.append(
            {
                "resourceType": "Observation",
                "id": fhir_id(entity.facility, kind, f"{entity.id}\x1f{field}"),
                "status": "final",
                **({"category": [{"coding": [dict(CATEGORIES[category])]}]} if category else {}),
                "code": code,
                **about,
                **present(effectiveDateTime=taken_at),
                **value,
            }
        )

    for field, (code, unit, category) in MEASUREMENTS.items():
        measured = getattr(entity, field, None)
        if measured is not None:
            add(field, copied(code), category, valueQuantity={"value": plain(measured), **unit})
    pressure = getattr(entity, "bp", None)
    components = _pressures(pressure) if pressure else []
    if components:
        concept = {"coding": [dict(BLOOD_PRESSURE)], "text": "Blood pressure"}
        add("bp", concept, "vital-signs", component=components)
    for field, (question, answers) in CHOICES.items():
        answer = _answer(getattr(entity, field, None), answers)
        if answer:
            add(field, copied(question), "exam", valueCodeableConcept=answer)
    for field, words in YES_NO.items():
        value = getattr(entity, field, None)
        if value is not None:
            add(field, {"text": words}, "exam", valueBoolean=value)
    for field, (narrative, category) in NARRATIVES.items():
        text = getattr(entity, field, None)
        if text:
            add(field, {"coding": [dict(narrative)]}, category, valueString=text)
    for field, words in REMARKS.items():
        text = getattr(entity, field, None)
        if text:
            add(field, {"text": words}, None, valueString=text)
    if isinstance(entity, DailyRound):
        _fluids(entity, add)
        _wounds_and_care(entity, add)
    return made


def _answer(written: str | None, answers: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """The concept of a choice given by its value or name; other words stay the hospital's own."""
    if not written:
        return None
    known = answers.get(written)
    if known is None:
        name = _name(written)
        known = next((a for a in answers.values() if _name(a["text"]) == name), None)
    if known is not None:
        return copied(known)
    # A number that the table doesn't know, and CARE's UNKNOWN, tell nothing.
    return None if written.lstrip("-").isdigit() or written == "UNKNOWN" else {"text": written}


def _name(words: str) -> str:
    return words.upper().replace(" ", "_").replace("-", "_")


def _pressures(pressure: BloodPressure) -> list[dict[str, Any]]:
    found = []
    for field, code in PRESSURES.items():
        value = getattr(pressure, field)
        if value is not None:
            measured = {"value": plain(value), **MILLIMETRES}
            found.append({"code": {"coding": [dict(code)]}, "valueQuantity": measured})
    return found


def _fluids(daily_round: DailyRound, add: Add) -> None:
    """Intake and output, one Observation per fluid, in mL."""
    for field, words in FLUIDS.items():
        fluids: tuple[Fluid, ...] = getattr(daily_round, field)
        for number, fluid in enumerate(fluids):
            if fluid.quantity is None and not fluid.name:
                continue
            parts = []
            if fluid.concentration is not None:
                strength = quantity(fluid.concentration, fluid.conc_unit)
                parts.append({"code": {"text": "Concentration"}, "valueQuantity": strength})
            if fluid.calories is not None:
                energy = quantity(fluid.calories, "kcal")
                parts.append({"code": {"text": "Calories"}, "valueQuantity": energy})
            value: dict[str, Any] = {}
            if fluid.quantity is not None:
                value["valueQuantity"] = {"value": plain(fluid.quantity), **MILLILITRES}
            named = f"{words}: {fluid.name}" if fluid.name else words
            add(
                f"{field} {number}",
                {"text": named},
                None,
                **value,
                **present(component=parts),
            )


def _wounds_and_care(daily_round: DailyRound, add: Add) -> None:
    for number, sore in enumerate(daily_round.pressure_sore):
        measures: tuple[tuple[str, float | None, str | None], ...] = (
            ("Length", sore.length, "cm"),
            ("Width", sore.width, "cm"),
            ("Scale", sore.scale, None),
            ("PUSH score", sore.push_score, None),
            ("Base score", sore.base_score, None),
        )
        parts: list[dict[str, Any]] = [
            {"code": {"text": words}, "valueQuantity": quantity(value, unit)}
            for words, value, unit in measures
            if value is not None
        ]
        parts += [
            {"code": {"text": words}, "valueString": value}
            for words, value in (
                ("Exudate amount", sore.exudate_amount),
                ("Tissue type", sore.tissue_type),
            )
            if value
        ]
        named = f"Pressure sore: {sore.region}" if sore.region else "Pressure sore"
        if parts or sore.region or sore.description:
            add(
                f"pressure_sore {number}",
                {"text": named},
                "exam",
                **present(valueString=sore.description, component=parts),
            )
    for number, pain in enumerate(daily_round.pain_scale_enhanced):
        value = {} if pain.scale is None else {"valueQuantity": quantity(pain.scale, None)}
        named = f"Pain: {pain.region}" if pain.region else "Pain"
        note = [{"text": pain.description}] if pain.description else None
        if value or note or pain.region:
            add(
                f"pain_scale_enhanced {number}",
                {"text": named},
                "survey",
                **value,
                **present(note=note),
            )
    for number, care in enumerate(daily_round.nursing):
        if care.procedure or care.description:
            named = f"Nursing care: {care.procedure}" if care.procedure else "Nursing care"
            add(
                f"nursing {number}",
                {"text": named},
                None,
                **present(valueString=care.description),
            )
