"""The kinds of field that HIMS entities have, and what each reads: ids, texts, times, numbers.

An empty text is an absent one. A time without zone is read in the zone handed to
`mappings.hims.read`. Control characters, which FHIR's strings can't hold, are left out. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, tzinfo
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

#: The zone of a time that states none, where the caller names no other.
TIMEZONE = ZoneInfo("Asia/Kolkata")

# What FHIR's `string` can't hold: control characters but tab and line ends; lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_PARTIAL = re.compile(r"[0-9]{4}(-(0[1-9]|1[0-2])(-[0-9]{2})?)?\Z")
_EXPECTED_TIME = (
    "should be a time like 2026-02-27T10:00:00+05:30 (without zone: the hospital's own), "
    "or a date, month or year if no more is known"
)


def identifier(value: object) -> object:
    """CARE sends ids as UUID strings or integers, and some references as objects with an id."""
    if isinstance(value, Mapping):
        value = value.get("external_id") or value.get("id")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _blank_is_absent(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _clean(value: object) -> object:
    return _UNPRINTABLE.sub("", value) if isinstance(value, str) else value


def _words(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _name(value: object) -> object:
    """A name as text or inside an object; an integer is a key of the HIMS, which names nothing."""
    if isinstance(value, Mapping):
        value = value.get("name")
    return None if isinstance(value, int) else value


def _moment(value: object, info: ValidationInfo) -> str:
    """A time as a FHIR dateTime, in the zone it was given in; as precise as it was given."""
    zone: tzinfo = (info.context or {}).get("zone", TIMEZONE)
    try:
        if isinstance(value, datetime):
            return _with_zone(value, zone)
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, str):
            text = value.strip()
            if _PARTIAL.match(text):
                date.fromisoformat((text + "-01-01")[:10])
                return text
            return _with_zone(datetime.fromisoformat(text), zone)
    except (ValueError, OverflowError):
        pass
    raise ValueError(_EXPECTED_TIME)


def _with_zone(value: datetime, zone: tzinfo) -> str:
    aware = value if value.tzinfo else value.replace(tzinfo=zone)
    offset = aware.utcoffset()
    # Zones of long ago had offsets with seconds, which FHIR can't write.
    if offset is None or offset.seconds % 60 or offset.microseconds or abs(offset.days) > 1:
        aware = aware.astimezone(UTC)
    return aware.isoformat()


def _list(value: object) -> object:
    return () if value in (None, "", {}) else value


_IdText = Annotated[str, Field(min_length=1, max_length=255), BeforeValidator(_clean)]
Id = Annotated[
    _IdText, BeforeValidator(identifier, json_schema_input_type=str | int | dict[str, Any])
]
OptionalId = Annotated[
    _IdText | None,
    BeforeValidator(_blank_is_absent),
    BeforeValidator(identifier, json_schema_input_type=str | int | dict[str, Any] | None),
]
Text = Annotated[str | None, BeforeValidator(_blank_is_absent), BeforeValidator(_clean)]
#: A text that CARE also sends as a number: a choice, a telephone number.
Words = Annotated[
    str | None,
    BeforeValidator(_blank_is_absent),
    BeforeValidator(_clean),
    BeforeValidator(_words, json_schema_input_type=str | int | None),
]
#: A name as text, or inside an object that has it.
Name = Annotated[
    str | None,
    BeforeValidator(_blank_is_absent),
    BeforeValidator(_clean),
    BeforeValidator(_name, json_schema_input_type=str | int | dict[str, Any] | None),
]
_WrittenMoment = Annotated[
    str,
    BeforeValidator(_moment),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2}([T ][0-9:.]+(Z|[+-][0-9:]+)?)?)?)?$",
            "description": "ISO 8601; without zone: HIMS_TIMEZONE; a date, month or year alone",
        }
    ),
]
Moment = Annotated[_WrittenMoment | None, BeforeValidator(_blank_is_absent)]
Day = Annotated[date | None, BeforeValidator(_blank_is_absent)]
Number = Annotated[
    float | None,
    # CARE's decimals are texts ("101.20").
    BeforeValidator(_blank_is_absent, json_schema_input_type=float | str | None),
]
Positive = Annotated[
    Annotated[float, Field(ge=0)] | None,
    BeforeValidator(_blank_is_absent, json_schema_input_type=float | str | None),
]
Count = Annotated[
    Annotated[int, Field(ge=0, lt=2**31)] | None,
    BeforeValidator(_blank_is_absent),
]
#: CARE's flags are null where nobody answered.
Flag = Annotated[
    bool,
    BeforeValidator(lambda v: False if v in (None, "") else v, json_schema_input_type=bool | None),
]
YesNo = Annotated[bool | None, BeforeValidator(_blank_is_absent)]
AsList = BeforeValidator(_list)


def _unique(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """Items become records of their own, so one id can't stand for two."""
    ids = [i.id for i in items if i.id is not None]
    if len(set(ids)) < len(ids):
        raise ValueError("has two items with the same id; each needs its own")
    return items


#: Items of a list that have ids of their own.
Unique = AfterValidator(_unique)


class Part(BaseModel):
    """Something inside an entity: a value of a report, a line of an invoice."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Entity(Part):
    """What every entity has: its id in the HIMS and the facility it belongs to."""

    id: Id
    facility: Id

    @model_validator(mode="before")
    @classmethod
    def _from_nested(cls, data: Any) -> Any:
        """CARE's API nests some of what an entity refers to, under `x_object`."""
        if not isinstance(data, Mapping):
            return data
        found = dict(data)
        # What is nested only as an object, and what the entity inherits from its visit.
        for name in ("facility", "patient", "consultation"):
            if not found.get(name) and found.get(f"{name}_object"):
                found[name] = found[f"{name}_object"]
        visit = found.get("consultation")
        if isinstance(visit, Mapping):
            for name in ("facility", "patient"):
                if not found.get(name) and visit.get(name):
                    found[name] = visit[name]
        return cls._adapt(found)

    @classmethod
    def _adapt(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Where one kind of entity has further forms: the same data under its fields' names."""
        return data


class Record(Entity):
    """An entity about a patient, in a visit or outside any."""

    patient: Id
    consultation: OptionalId = None
    created_date: Moment = None
    created_by: OptionalId = None


#: Keys that `Entity` reads besides the fields of the models.
NESTED = frozenset({"facility_object", "patient_object", "consultation_object"})
