"""Single FHIR R4 values as a person reads them: dates, quantities, dosages, addresses.

Text is kept exactly as written; nothing is translated or added. "" where there is nothing to say.
Pure; tolerant, since foreign records may hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from mappings.resources import as_list, concept_text

# Dates are shown as written; a time in another zone than India's keeps its offset.
_DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)[\d:.]*(Z|[+-]\d\d:\d\d)?\Z")


def date_text(value: object) -> str:
    """A FHIR date or dateTime for reading, as written."""
    match = _DATE_TIME.match(value) if isinstance(value, str) else None
    if not match:
        return str(value) if isinstance(value, str) else ""
    zone = match[3] or ""
    return f"{match[1]} {match[2]}" + {"+05:30": "", "": "", "Z": " UTC"}.get(zone, f" {zone}")


def quantity_text(value: object) -> str:
    """A Quantity: `98.6 °F`; "" without a value."""
    if not isinstance(value, dict) or value.get("value") is None:
        return ""
    unit = value.get("unit") or value.get("code") or ""
    return f"{value.get('comparator', '')}{_number(value['value'])} {unit}".strip()


def money_text(value: object) -> str:
    """A Money: `550.00 INR`; "" without a value."""
    if not isinstance(value, dict) or value.get("value") is None:
        return ""
    return f"{_number(value['value'])} {value.get('currency') or ''}".strip()


def value_text(observation: dict[str, Any]) -> str:
    """The value of an Observation (or one of its components), whatever its type; "" if none."""
    for name, show in _VALUES:
        if name in observation:
            return show(observation[name])
    reason = concept_text(observation.get("dataAbsentReason"))
    return f"not available ({reason})" if reason else ""


def dosage_text(dosage: object) -> str:
    """A Dosage as written, else put together from its dose, timing and route."""
    if not isinstance(dosage, dict):
        return ""
    if dosage.get("text"):
        return str(dosage["text"])
    doses = [quantity_text(d.get("doseQuantity")) for d in as_list(dosage.get("doseAndRate"))]
    timing = dosage.get("timing") or {}
    parts = [
        *doses,
        concept_text(timing.get("code")) or _repeat_text(timing.get("repeat")),
        concept_text(dosage.get("route")),
        "as needed" if dosage.get("asNeededBoolean") else "",
    ]
    return ", ".join(p for p in parts if p)


def _repeat_text(repeat: object) -> str:
    if not isinstance(repeat, dict) or not repeat.get("frequency"):
        return ""
    every = f"{_number(repeat.get('period', 1))} {repeat.get('periodUnit', '')}".strip()
    return f"{repeat['frequency']} time(s) every {every}"


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def period_text(value: object) -> str:
    """A Period: start and end, or the one of them that there is."""
    if not isinstance(value, dict):
        return ""
    start, end = date_text(value.get("start")), date_text(value.get("end"))
    return f"{start} to {end}" if start and end and start != end else start or end


def scalar_text(value: object) -> str:
    """A string, number or boolean as it reads."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _number(value) if isinstance(value, str | int | float) else ""


def reference_text(value: object) -> str:
    """What a Reference calls the thing it refers to."""
    return str(value.get("display") or "") if isinstance(value, dict) else ""


def range_text(value: object) -> str:
    """A Range or reference range: its words, else low to high."""
    if not isinstance(value, dict):
        return ""
    if value.get("text"):
        return str(value["text"])
    low, high = quantity_text(value.get("low")), quantity_text(value.get("high"))
    return f"{low} to {high}" if low and high else low or high


def ratio_text(value: dict[str, Any]) -> str:
    """A Ratio: `1 / 2`."""
    top, bottom = quantity_text(value.get("numerator")), quantity_text(value.get("denominator"))
    return f"{top} / {bottom}" if top and bottom else top


def component_text(value: dict[str, Any]) -> str:
    """A component of an Observation: what and its value."""
    return f"{concept_text(value.get('code'))} {value_text(value)}".strip()


def note_text(value: dict[str, Any]) -> str:
    """The words of an Annotation."""
    return str(value.get("text") or "")


def contact_text(value: dict[str, Any]) -> str:
    """A ContactPoint."""
    return str(value.get("value") or "")


def address_text(value: dict[str, Any]) -> str:
    """An Address in one line."""
    if value.get("text"):
        return str(value["text"])
    parts = [*as_list(value.get("line"))]
    parts += [value.get(n) for n in ("city", "district", "state", "postalCode")]
    return ", ".join(str(p) for p in parts if p)


def attachment_text(value: dict[str, Any]) -> str:
    """The title of a DocumentReference.content, else its type."""
    attachment = value.get("attachment") or {}
    return str(attachment.get("title") or attachment.get("contentType") or "")


_VALUES: tuple[tuple[str, Callable[[Any], str]], ...] = (
    ("valueQuantity", quantity_text),
    ("valueString", scalar_text),
    ("valueCodeableConcept", concept_text),
    ("valueInteger", scalar_text),
    ("valueBoolean", scalar_text),
    ("valueDateTime", date_text),
    ("valueTime", scalar_text),
    ("valuePeriod", period_text),
    ("valueRange", range_text),
    ("valueRatio", ratio_text),
)
