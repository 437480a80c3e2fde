"""Which changed records concern which care contexts, and which visits are linked by themselves.

A changed record is brought to a key of what has to be looked at: its visit (`Encounter/17`), or,
where it names none, its patient (`Patient/5`), whose records without a visit are then looked at
together. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from adapter.rules.care_contexts import root_interval
from mappings.records import Records
from mappings.resources import (
    encounters_of,
    is_placeholder,
    is_received,
    key,
    subject_of,
)

#: Every type of a record that a document draws on and that belongs to a patient.
RECORD_TYPES = (
    "Encounter",
    "AllergyIntolerance",
    "Appointment",
    "CarePlan",
    "ChargeItem",
    "Condition",
    "DiagnosticReport",
    "DocumentReference",
    "FamilyMemberHistory",
    "ImagingStudy",
    "Immunization",
    "ImmunizationRecommendation",
    "Invoice",
    "Media",
    "MedicationRequest",
    "MedicationStatement",
    "Observation",
    "Procedure",
    "ServiceRequest",
)
#: And the patients themselves: one may get an ABHA address later.
WATCHED_TYPES = (*RECORD_TYPES, "Patient")

#: What tells where a record of any of these types belongs; `meta` and `id` always come along.
OUTLINE = "extension,encounter,context,subject,patient"

_SHARED = frozenset({"Organization", "Location", "Encounter", "Medication"})

#: The states of a visit that may hold something to share; what a visit in progress holds decides.
STATUSES = frozenset({"arrived", "triaged", "in-progress", "onleave", "finished"})


@dataclass(frozen=True)
class Choice:
    """Which records are linked by themselves (`WATCH_…` settings).

    `statuses`, `classes`: of visits, by FHIR code; no class: every class. `facilities`: HIP service
    ids. `max_age`: how long ago it may have begun; None: any time.
    """

    statuses: frozenset[str]
    classes: frozenset[str]
    facilities: frozenset[str]
    max_age: timedelta | None


def places(record: dict[str, Any]) -> list[str]:
    """The keys under which a changed record is looked at; none for what is no own record."""
    if is_received(record) or is_placeholder(record) or not record.get("id"):
        return []
    if record["resourceType"] in ("Encounter", "Patient"):
        return [key(record)]
    visits = list(dict.fromkeys(encounters_of(record)))
    if visits:
        return visits
    patient = subject_of(record)
    return [patient] if patient and patient.startswith("Patient/") else []


def version_of(record: dict[str, Any]) -> str:
    """What tells one version of a record from another."""
    meta = record.get("meta") or {}
    return str(meta.get("versionId") or meta.get("lastUpdated") or "")


def content_of(records: Records) -> str:
    """A digest of what a care context holds, in names and versions: another one, other content.

    Patient, facility and staff are left out: that they are written again is no news of a visit.
    """
    held = [records.root, *(r for r in records.others if r["resourceType"] not in _SHARED)]
    lines = sorted(f"{key(each)}/{version_of(each)}" for each in held)
    return sha256("\n".join(lines).encode()).hexdigest()


def why_not(root: dict[str, Any], hip_id: str | None, choice: Choice, now: datetime) -> str:
    """Why a care context is not linked by itself, as a sentence; "" if it is.

    `hip_id`: the facility that it belongs to, None where it is none served.
    """
    if hip_id is None:
        return (
            "It names no facility served here; set Encounter.serviceProvider (a report's performer,"
            " a file's custodian, an invoice's issuer) to an Organization with its HFR id."
        )
    if hip_id not in choice.facilities:
        return "Its facility is not among WATCH_FACILITIES; link it by `abdm-adapter link now`."
    if root["resourceType"] == "Encounter":
        status = str(root.get("status") or "")
        if status not in choice.statuses:
            return (
                f"The visit's status is {status or 'not stated'}, which WATCH_STATUSES leaves out."
            )
        code = str((root.get("class") or {}).get("code") or "")
        if choice.classes and code not in choice.classes:
            return f"The visit's class is {code or 'not stated'}, which WATCH_CLASSES leaves out."
    if choice.max_age is not None:
        began = root_interval(root)
        if began is None:
            return "It states no date, so nobody can tell its age (WATCH_MAX_AGE_DAYS)."
        if began.end < now - choice.max_age:
            return "It is older than WATCH_MAX_AGE_DAYS; `abdm-adapter link backfill` links it."
    return ""
