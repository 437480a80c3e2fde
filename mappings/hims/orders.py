"""Prescriptions and investigations; field names as in CARE of early 2024."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from mappings.hims.fields import (
    AsList,
    Count,
    Flag,
    Moment,
    Name,
    Number,
    OptionalId,
    Part,
    Record,
    Text,
    Unique,
)

_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\Z", re.IGNORECASE)


class Medicine(Part):
    """CARE's MedibaseMedicine, as nested in an export; `code`, `system` and `form` beyond CARE."""

    name: Text = None
    generic: Text = None
    company: Text = None
    contents: Text = None
    code: Text = None
    system: Text = None
    form: Text = None


class TaperStep(Part):
    """One step of a tapering (or rising) dose, in order; beyond CARE."""

    dosage: Text = None
    frequency: Text = None
    days: Count = None
    start_date: Moment = None
    instruction: Text = None


class Prescription(Record):
    """CARE's Prescription (care/facility/models/prescription.py): one medicine."""

    prescription_type: Text = None
    medicine_object: Medicine | None = None
    medicine_old: Text = None
    route: Text = None
    base_dosage: Text = None
    dosage_type: Text = None
    target_dosage: Text = None
    instruction_on_titration: Text = None
    taper: Annotated[tuple[TaperStep, ...], AsList] = ()
    frequency: Text = None
    days: Count = None
    indicator: Text = None
    max_dosage: Text = None
    min_hours_between_doses: Count = None
    notes: Text = None
    prescribed_by: OptionalId = None
    discontinued: Flag = False
    discontinued_reason: Text = None
    discontinued_date: Moment = None

    @classmethod
    def _adapt(cls, data: dict[str, Any]) -> dict[str, Any]:
        """`medicine` is the key of a MedibaseMedicine in CARE, a name in other systems."""
        medicine = data.get("medicine")
        if not data.get("medicine_object") and medicine:
            if isinstance(medicine, Mapping):
                data["medicine_object"] = medicine
            elif isinstance(medicine, str) and not _UUID.match(medicine):
                data["medicine_old"] = data.get("medicine_old") or medicine
        return data


def _number_or_text(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


class Result(Part):
    """CARE's InvestigationValue: what was measured, with the test's name, unit and range.

    `value` is a number, or text for results in words; CARE keeps words in `notes`.
    """

    id: OptionalId = None
    name: Text = None
    code: Text = None
    system: Text = None
    group: Text = None
    group_code: Text = None
    group_system: Text = None
    value: Annotated[float | str | None, BeforeValidator(_number_or_text)] = None
    unit: Text = None
    min_value: Number = None
    max_value: Number = None
    ideal_value: Text = None
    interpretation: Text = None
    status: Text = None
    notes: Text = None

    @staticmethod
    def adapted(data: Mapping[str, Any]) -> dict[str, Any]:
        """The nested PatientInvestigation and its group under this model's names."""
        found = dict(data)
        test = found.get("investigation_object")
        if not isinstance(test, Mapping):
            test = found.get("investigation")
        if isinstance(test, Mapping):
            for name in ("name", "unit", "min_value", "max_value", "ideal_value", "code", "system"):
                if found.get(name) in (None, ""):
                    found[name] = test.get(name)
        group = found.get("group_object")
        if not isinstance(group, Mapping):
            group = found.get("group")
        if isinstance(group, Mapping):
            found |= {"group": group.get("name"), "group_code": group.get("code")}
            found["group_system"] = group.get("system")
        elif isinstance(group, str | int) and (isinstance(group, int) or _UUID.match(group)):
            found["group"] = None
        return found


def _result(value: object) -> object:
    return Result.adapted(value) if isinstance(value, Mapping) else value


class Specimen(Part):
    """The sample that was examined."""

    type: Text = None
    code: Text = None
    system: Text = None
    collected_date: Moment = None
    received_date: Moment = None


class Attachment(Part):
    """A rendered report or an image: base64 `data`, with its media type in `mime_type`."""

    name: Text = None
    mime_type: Text = None
    data: Text = None
    created_date: Moment = None


class Investigation(Record):
    """CARE's InvestigationSession with its InvestigationValues, or one InvestigationValue alone.

    A single value (with `investigation_object`) is a report of one result. Codes, status, specimen,
    conclusion, requester and files are beyond CARE.
    """

    name: Name = None
    code: Text = None
    system: Text = None
    category: Text = None
    status: Text = None
    session: OptionalId = None
    effective_date: Moment = None
    issued_date: Moment = None
    requested_by: OptionalId = None
    requested_date: Moment = None
    performed_by: OptionalId = None
    laboratory: Text = None
    interpreted_by: OptionalId = None
    specimen: Specimen | None = None
    values: Annotated[tuple[Annotated[Result, BeforeValidator(_result)], ...], Unique, AsList] = ()
    conclusion: Text = None
    conclusion_code: Text = None
    conclusion_system: Text = None
    notes: Text = None
    files: Annotated[tuple[Attachment, ...], AsList] = ()

    @classmethod
    def _adapt(cls, data: dict[str, Any]) -> dict[str, Any]:
        session = data.get("session_object")
        if isinstance(session, Mapping):
            data["session"] = session.get("session_external_id") or session.get("external_id")
            if not data.get("created_date"):
                data["created_date"] = session.get("session_created_date") or session.get(
                    "created_date"
                )
            if not data.get("created_by"):
                data["created_by"] = session.get("created_by")
        single = data.get("investigation_object") or data.get("investigation")
        if isinstance(single, Mapping) and not data.get("values"):
            value = {k: data[k] for k in _OF_A_VALUE if k in data}
            data = {k: v for k, v in data.items() if k not in _OF_A_VALUE}
            data["values"] = [{**value, "id": data.get("id")}]
            data["name"] = single.get("name")
        return data


_OF_A_VALUE = frozenset(
    {
        "investigation",
        "investigation_object",
        "group",
        "group_object",
        "value",
        "unit",
        "min_value",
        "max_value",
        "ideal_value",
        "interpretation",
        "notes",
    }
)


def sessions(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """CARE's single InvestigationValues gathered into one investigation per session.

    Args:
        values: InvestigationValues as exported, any order; those without a session stay as they
            are.

    Returns:
        entities of kind "investigation", in order of first appearance. Send all values of a session
        together: a report is written whole, so a later one replaces an earlier one.
    """
    gathered: dict[tuple[Any, Any], dict[str, Any]] = {}
    alone: list[dict[str, Any]] = []
    for value in values:
        session = value.get("session_object")
        name = None
        if isinstance(session, Mapping):
            name = session.get("session_external_id") or session.get("external_id")
        if not name or value.get("values"):
            alone.append(value)
            continue
        key = (str(name), str(value.get("facility")))
        if key not in gathered:
            about = ("facility", "patient", "consultation", "session_object")
            gathered[key] = {"id": name, "values": []} | {k: value[k] for k in about if k in value}
        part = {k: v for k, v in value.items() if k in _OF_A_VALUE or k == "id"}
        gathered[key]["values"].append(part)
    return [*gathered.values(), *alone]
