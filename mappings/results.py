"""Results of an investigation -> Observations, panels with their members.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/Observation
"""

from __future__ import annotations

import re
from typing import Any

from mappings.building import (
    annotation,
    concept,
    instant,
    listed,
    present,
    quantity,
    reference_to,
)
from mappings.hims import Investigation, Result
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.terminology import CATEGORIES, INTERPRETATIONS

# "7.2", "<0.5", "> 1000": a number as laboratories write it.
_NUMBER = re.compile(r"\s*(<=|>=|<|>)?\s*([+-]?[0-9]{1,15}(?:\.[0-9]{1,10})?)\s*\Z", re.ASCII)
# http://hl7.org/fhir/R4/valueset-observation-status.html
_STATUSES = frozenset(
    {
        "registered",
        "preliminary",
        "final",
        "amended",
        "corrected",
        "cancelled",
        "entered-in-error",
    }
)


def results_of(
    investigation: Investigation,
    about: dict[str, Any],
    *,
    status: str,
    imaging: bool,
    when: str | None,
    specimen: Resource | None,
) -> tuple[list[Resource], list[Resource]]:
    """All Observations of an investigation, and those that its report names.

    Args:
        status: the report's, for results that state none of their own.
        imaging: whether they are findings of an image, else of a laboratory.
        when: FHIR dateTime at which they are true.
        specimen: what was examined, if known.

    Returns:
        every Observation; of them panels, and results of no group.
    """
    category = CATEGORIES["imaging" if imaging else "laboratory"]
    shared = {
        "category": [{"coding": [dict(category)]}],
        **about,
        **present(
            effectiveDateTime=when,
            issued=instant(investigation.issued_date or investigation.created_date),
            specimen=reference_to(specimen) if specimen else None,
        ),
    }
    made: list[Resource] = []
    named: list[Resource] = []
    groups: dict[str, tuple[Result, list[Resource]]] = {}
    for number, result in enumerate(investigation.values):
        observation = _observation(investigation, result, number, status, shared)
        made.append(observation)
        if result.group:
            groups.setdefault(result.group, (result, []))[1].append(observation)
        else:
            named.append(observation)
    for group, (first, members) in groups.items():
        if len(members) == 1 and not first.group_code:
            named += members
            continue
        panel = {
            "resourceType": "Observation",
            "id": fhir_id(
                investigation.facility, "investigation", f"{investigation.id}\x1fgroup {group}"
            ),
            "status": members[0]["status"],
            "code": concept(
                investigation, "investigation", group, first.group_code, first.group_system
            ),
            **shared,
            "hasMember": [reference_to(m) for m in members],
        }
        made.append(panel)
        named.append(panel)
    return made, named


def _observation(
    investigation: Investigation,
    result: Result,
    number: int,
    status: str,
    shared: dict[str, Any],
) -> Resource:
    written = (result.status or "").strip().lower()
    own = written if written in _STATUSES else status
    named = result.id or f"{investigation.id}\x1f{number}"
    value = _value(result)
    # CARE keeps a result in words in the notes.
    words = {"valueString": result.notes} if not value and result.notes else {}
    code = concept(investigation, "investigation", result.name, result.code, result.system)
    return {
        "resourceType": "Observation",
        "id": fhir_id(investigation.facility, "result", named),
        "status": own if own in _STATUSES else "unknown",
        "code": code or {"text": "Result"},
        **shared,
        **(value or words),
        **present(
            interpretation=_interpretation(result.interpretation),
            note=annotation(result.notes) if value else None,
            referenceRange=_range(result),
        ),
    }


def _value(result: Result) -> dict[str, Any]:
    """A number with its unit (and comparator), or words."""
    value = result.value
    if value is None:
        return {}
    if isinstance(value, str):
        match = _NUMBER.match(value)
        if match is None:
            return {"valueString": value}
        made = quantity(float(match[2]), result.unit)
        return {"valueQuantity": {**made, **present(comparator=match[1])}}
    return {"valueQuantity": quantity(value, result.unit)}


def _interpretation(written: str | None) -> list[dict[str, Any]] | None:
    if not written:
        return None
    found = listed(INTERPRETATIONS.get(written.strip().upper()), written)
    return [found] if found else None


def _range(result: Result) -> list[dict[str, Any]] | None:
    """The normal range as the HIMS has it; the words of an ideal value where there are no limits
    or beside them."""
    low, high = result.min_value, result.max_value
    made = present(
        low=None if low is None else quantity(low, result.unit),
        high=None if high is None else quantity(high, result.unit),
        text=result.ideal_value,
    )
    return [made] if made else None
