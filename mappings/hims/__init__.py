"""The HIMS entities: their fields, their JSON Schemas, and a reader that says what is wrong.

Field names follow CARE's public models of early 2024 (https://github.com/ohcnetwork/care) where
CARE has the entity, so that an export needs no rewriting; ids are the HIMS's own. Unknown fields
are ignored here and named by `mappings.coverage`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from pydantic import BaseModel, ValidationError

from mappings.hims.documents import Charge, DueDose, File, Immunization, Invoice
from mappings.hims.fields import TIMEZONE, Entity, Record
from mappings.hims.orders import (
    Attachment,
    Investigation,
    Medicine,
    Prescription,
    Result,
    Specimen,
    TaperStep,
    sessions,
)
from mappings.hims.people import Ailment, Bed, Facility, Patient, Skill, User, Ward
from mappings.hims.rounds import BloodPressure, DailyRound, Fluid
from mappings.hims.visits import (
    Allergy,
    Consultation,
    Diagnosis,
    DiagnosisOfVisit,
    OrderedInvestigation,
    OrderedProcedure,
    Procedure,
    SymptomOfVisit,
)

__all__ = [
    "KINDS",
    "TIMEZONE",
    "Ailment",
    "Allergy",
    "Attachment",
    "Bed",
    "BloodPressure",
    "Charge",
    "Consultation",
    "DailyRound",
    "Diagnosis",
    "DiagnosisOfVisit",
    "DueDose",
    "Entity",
    "EntityInvalid",
    "Facility",
    "Fault",
    "File",
    "Fluid",
    "Immunization",
    "Investigation",
    "Invoice",
    "Medicine",
    "OrderedInvestigation",
    "OrderedProcedure",
    "Patient",
    "Prescription",
    "Procedure",
    "Record",
    "Result",
    "Skill",
    "Specimen",
    "SymptomOfVisit",
    "TaperStep",
    "User",
    "Ward",
    "read",
    "schema",
    "sessions",
]


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an entity: the field (dotted) and a sentence without the value."""

    field: str
    sentence: str


class EntityInvalid(ValueError):
    """A HIMS entity can't be read; `faults` says why, field by field."""

    def __init__(self, kind: str, faults: tuple[Fault, ...]) -> None:
        """Keep the faults; the text names fields only, never a patient's data."""
        self.kind, self.faults = kind, faults
        super().__init__("; ".join(f"{kind}.{f.field}: {f.sentence}" for f in faults))


KINDS: dict[str, type[BaseModel]] = {
    "allergy": Allergy,
    "consultation": Consultation,
    "daily_round": DailyRound,
    "diagnosis": Diagnosis,
    "facility": Facility,
    "file": File,
    "immunization": Immunization,
    "investigation": Investigation,
    "invoice": Invoice,
    "patient": Patient,
    "prescription": Prescription,
    "procedure": Procedure,
    "user": User,
}


def read(kind: str, data: Mapping[str, Any], *, zone: tzinfo = TIMEZONE) -> Any:
    """One entity from its JSON form.

    Args:
        kind: a key of `KINDS`.
        data: the entity as the HIMS has it.
        zone: the zone of times that state none (`HIMS_TIMEZONE`).

    Returns:
        the model of that kind.

    Raises:
        EntityInvalid: with each wrong field and what is expected there.
    """
    model = KINDS.get(kind)
    if model is None:
        known = ", ".join(KINDS)
        raise EntityInvalid(kind, (Fault("kind", f"is not known here; known kinds: {known}"),))
    try:
        return model.model_validate(dict(data), context={"zone": zone})
    except ValidationError as error:
        faults = {
            Fault(_field(e["loc"]), _sentence(e["type"], e["msg"])): None
            for e in error.errors(include_input=False, include_url=False, include_context=False)
        }
        raise EntityInvalid(kind, tuple(faults)) from None


def schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a kind's entities, from the same models that read them.

    Raises: KeyError for a kind that isn't in `KINDS`.
    """
    made = KINDS[kind].model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


# Steps of a location that name pydantic's choice among types, not a field.
_TYPE_STEP = re.compile(r"(float|int|str|bool|constrained-\w+|function-\w+.*|tuple.*)\Z")


def _field(location: tuple[int | str, ...]) -> str:
    names = [str(p) for p in location]
    while len(names) > 1 and _TYPE_STEP.match(names[-1]):
        names.pop()
    return ".".join(names) or "entity"


def _sentence(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required"
    return message.removeprefix("Value error, ").strip().rstrip(".")
