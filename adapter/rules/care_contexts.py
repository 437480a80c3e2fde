"""What a facility's records look like to ABDM: care contexts, and their grouping into entries.

A care context is computed, never stored: its root record (an Encounter, or a report, immunization,
file or invoice that belongs to none, or a day's observations), the HI types that follow
from what the root holds, and a display of type and date only, since the patient sees it, and ABDM
keeps it, before any consent (V3 contract 12.7). Pure.
"""

from __future__ import annotations

import calendar
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

from adapter.protocol import ids
from adapter.protocol.messages import CareContextEntry, DateRange, PatientEntry
from adapter.rules.shareable import record_ended
from mappings import systems
from mappings.records import Records
from mappings.resources import as_list, codings, human_name, reference_key
from mappings.roots import facility_references, root_date

#: Most care contexts in one entry, and in one link request (V3 contract 12.7).
ENTRY_SIZE = 20

IST = timezone(timedelta(hours=5, minutes=30), "IST")

#: What a visit is called, by FHIR Encounter.class; anything else is a "Visit".
VISIT_NAMES = {
    "AMB": "OPD visit",
    "IMP": "Hospital stay",
    "ACUTE": "Hospital stay",
    "NONAC": "Hospital stay",
    "OBSENC": "Hospital stay",
    "SS": "Day care",
    "EMER": "Emergency visit",
    "HH": "Home visit",
    "VR": "Teleconsultation",
}

#: What a care context is called whose root is no visit.
RECORD_NAMES = {
    "DiagnosticReport": "Diagnostic report",
    "DocumentReference": "Health document",
    "Immunization": "Immunization record",
    "ImmunizationRecommendation": "Immunization record",
    "Invoice": "Invoice",
    "Observation": "Wellness record",
}

_MONTHS = tuple(calendar.month_abbr)


@dataclass(frozen=True)
class CareContext:
    """One care context. `hip_id`: the service id of the facility it belongs to, None if it belongs
    to none served here (listed for the operator, never offered); `ended`: why it may not be shared,
    "" if it may; `until`: when the visit ended, or the record happened, if it says so."""

    reference: str
    display: str
    hi_types: tuple[str, ...]
    hip_id: str | None = None
    ended: str = ""
    until: datetime | None = None


def care_context(
    records: Records, hi_types: Sequence[str], served: Sequence[tuple[str, str]]
) -> CareContext:
    """The care context of one root.

    `hi_types`: what `mappings.hi_types(records)` found; `served`: (HFR id, HIP service id) of each
    facility that this adapter answers for.
    """
    root = records.root
    return CareContext(
        reference=reference_of(root),
        display=display_of(root),
        hi_types=tuple(hi_types),
        hip_id=facility_of(records, served),
        ended=record_ended(root),
        until=_until(root),
    )


def reference_of(root: dict[str, Any]) -> str:
    """The care context reference of a root record: `<type>-<id>`."""
    return f"{root['resourceType']}-{root['id']}"


def resource_of(reference: str) -> str:
    """The FHIR reference (`Encounter/17`) behind a care context reference (`Encounter-17`)."""
    kind, _, identity = reference.partition("-")
    return f"{kind}/{identity}"


def display_of(root: dict[str, Any]) -> str:
    """Type and date, for example "OPD visit 19 Nov 2026"; the date is the Indian one."""
    name = RECORD_NAMES.get(root["resourceType"]) or VISIT_NAMES.get(
        (root.get("class") or {}).get("code", ""), "Visit"
    )
    when = root_interval(root)
    if when is None:
        return name
    day = when.start.astimezone(IST)
    return f"{name} {day.day} {_MONTHS[day.month]} {day.year}"


def facility_of(records: Records, served: Sequence[tuple[str, str]]) -> str | None:
    """The HIP service id of the facility whose record this is, or None.

    A root names its facility (`serviceProvider` of a visit, performer of a report, custodian of a
    file, issuer of an invoice): an Organization with an HFR id, a department that is part of one,
    or somebody's role there. A root that names no HFR id belongs to the only facility served; where
    several are, nobody can tell, so it is not served.
    """
    named = _hfr_ids(records)
    if named:
        return next((hip_id for hfr_id, hip_id in served if hfr_id in named), None)
    return served[0][1] if len(served) == 1 else None


def root_interval(root: dict[str, Any]) -> DateRange | None:
    """The moment a visit began or a record happened, as precisely as its record says: for
    "2026-11-19" the whole Indian day, for a full time that instant. None if it states no readable
    date."""
    return _interval(root_date(root))


def _until(root: dict[str, Any]) -> datetime | None:
    stated = (root.get("period") or {}).get("end")
    when = (_interval(stated) if isinstance(stated, str) else None) or root_interval(root)
    return when.end if when else None


def in_range(root: dict[str, Any], asked: DateRange) -> bool:
    """Whether a care context is one of the range asked for: it began inside it.

    The beginning is the date that the patient saw on the care context when consenting. A stay that
    began before the range is left out as a whole, since its document would hold records of days the
    patient excluded; one that began inside goes as a whole. A date without time counts if any part
    of that day is inside. A visit without a date can't be shown to be inside, so it is not.
    """
    when = root_interval(root)
    return when is not None and when.start <= asked.end and when.end >= asked.start


def patient_reference(patient: dict[str, Any]) -> str:
    """The hospital's record number of a patient if ABDM can carry it, else the FHIR id."""
    for identifier in as_list(patient.get("identifier")):
        is_record_number = any(c.get("code") == "MR" for c in codings(identifier.get("type")))
        value = str(identifier.get("value", ""))
        if is_record_number and ids.valid_care_context_reference(value):
            return value
    return str(patient["id"])


def patient_display(patient: dict[str, Any]) -> str:
    """The patient's name in the letters that ABDM can carry, else "Patient" and the reference."""
    names = (human_name([name]) for name in as_list(patient.get("name")))
    shown = (ids.display_text(name, fallback="") for name in names)
    return next(filter(None, shown), f"Patient {patient_reference(patient)}"[:255])


def patient_entries(
    patient: dict[str, Any], contexts: Iterable[tuple[CareContextEntry, str]]
) -> tuple[PatientEntry, ...]:
    """(care context, HI type) pairs as entries of one HI type and at most 20 care contexts each."""
    return grouped(patient_reference(patient), patient_display(patient), contexts)


def grouped(
    reference: str, display: str, contexts: Iterable[tuple[CareContextEntry, str]]
) -> tuple[PatientEntry, ...]:
    """As `patient_entries`, with the patient's reference and display already known."""
    by_type: dict[str, dict[str, CareContextEntry]] = {}
    for entry, hi_type in contexts:
        by_type.setdefault(hi_type, {})[entry.reference_number] = entry
    return tuple(
        PatientEntry(reference, display, hi_type, tuple(chunk))
        for hi_type, entries in by_type.items()
        for chunk in chunks(list(entries.values()), ENTRY_SIZE)
    )


def unlinked(
    contexts: Iterable[CareContext], hip_id: str, linked: Collection[tuple[str, str]]
) -> list[tuple[CareContextEntry, str]]:
    """(care context, HI type) pairs of one facility that are not linked yet.

    `linked`: (reference, HI type) pairs. Contexts of other facilities and those whose reference
    ABDM can't carry are left out.
    """
    return [
        (CareContextEntry(context.reference, context.display), hi_type)
        for context in contexts
        if context.hip_id == hip_id and ids.valid_care_context_reference(context.reference)
        for hi_type in context.hi_types
        if (context.reference, hi_type) not in linked
    ]


def chunks(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    """`items` in lists of at most `size`."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def _hfr_ids(records: Records) -> set[str]:
    """HFR ids that the organizations which the root names, or what they are part of, bear."""
    known = {
        f"{r['resourceType']}/{r['id']}": r
        for r in (records.organization, *records.practitioners, *records.others)
        if r and r.get("id") and r.get("resourceType") in ("Organization", "PractitionerRole")
    }
    found, seen = set[str](), set[str]()
    for reference in facility_references(records.root):
        found.add(_hfr_id(reference.get("identifier")))
        name = reference_key(reference)
        while name in known and name not in seen:
            seen.add(name)
            named = known[name]
            found |= {_hfr_id(i) for i in as_list(named.get("identifier"))}
            name = reference_key(named.get("organization") or named.get("partOf"))
    return found - {""}


def _hfr_id(identifier: Any) -> str:
    named = isinstance(identifier, dict) and identifier.get("system") == systems.HFR_ID
    return str(identifier.get("value", "")) if named else ""


def _interval(text: str) -> DateRange | None:
    """A FHIR dateTime as the interval it stands for; dates without time are Indian days."""
    try:
        if "T" in text:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
            return DateRange(moment, moment)
        parts = [int(part) for part in text.split("-")]
        year, month, day = (*parts, 1, 1)[:3]
        first = date(year, month, day)
        if len(parts) == 1:
            last = date(year, 12, 31)
        elif len(parts) == 2:
            last = date(year, month, calendar.monthrange(year, month)[1])
        else:
            last = first
    except ValueError:
        return None
    return DateRange(
        datetime.combine(first, time.min, IST).astimezone(UTC),
        datetime.combine(last, time.max, IST).astimezone(UTC),
    )
