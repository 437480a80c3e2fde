"""What may be the root of a care context: a visit, or a record that belongs to none.

A report, immunization, file or invoice without an Encounter is a care context of its own; so are
the observations that a patient has on one day outside any visit. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from mappings.resources import (
    Resource,
    as_list,
    clinical_date,
    encounters_of,
    has_hfr_id,
    is_error,
    is_received,
    key,
    reference_key,
    references,
    subject_of,
)

#: Types that may stand alone, each as a care context of its own.
STAND_ALONE_TYPES = (
    "DiagnosticReport",
    "Immunization",
    "Invoice",
    "ImmunizationRecommendation",
    "DocumentReference",
    "Observation",
)
#: Every type that a care context reference may name.
ROOT_TYPES = ("Encounter", *STAND_ALONE_TYPES)

# Of these types a record comes with the first one that it refers to or that refers to it (a file
# with the report it shows, a result with its report, a recommendation with the dose it follows).
_COMES_WITH: dict[str, tuple[str, ...]] = {
    "ImmunizationRecommendation": ("Immunization",),
    "DocumentReference": (
        "DiagnosticReport",
        "Immunization",
        "Invoice",
        "ImmunizationRecommendation",
    ),
    "Observation": ("DiagnosticReport", "Immunization", "Observation"),
}
# Where each root names the facility that it belongs to, best first.
_FACILITY: dict[str, tuple[str, ...]] = {
    "Encounter": ("serviceProvider",),
    "DiagnosticReport": ("performer", "resultsInterpreter"),
    "Immunization": ("performer.actor",),
    "Invoice": ("issuer",),
    "ImmunizationRecommendation": ("authority",),
    "DocumentReference": ("custodian", "author"),
    "Observation": ("performer",),
}
# Where each root states when it happened, best first: what the patient sees as its date.
_DATE: dict[str, tuple[str, ...]] = {
    "Encounter": ("period.start",),
    "DiagnosticReport": ("effectiveDateTime", "effectivePeriod.start", "issued"),
    "Immunization": ("occurrenceDateTime", "recorded"),
    "Invoice": ("date",),
    "ImmunizationRecommendation": ("date",),
    "DocumentReference": ("context.period.start", "date", "content.attachment.creation"),
    "Observation": ("effectiveDateTime", "effectiveInstant", "effectivePeriod.start", "issued"),
}
_INDIA = timezone(timedelta(hours=5, minutes=30))


def facility_references(root: Resource) -> list[dict[str, Any]]:
    """The references by which a root may name its facility (an Organization, or a role at one)."""
    found = []
    for path in _FACILITY.get(root.get("resourceType", ""), ()):
        found += [v for v in _at(root, path) if isinstance(v, dict)]
    return found


def organization_of(
    root: Resource, found: Mapping[str, Resource], facility: Resource | None
) -> Resource | None:
    """The Organization that keeps a root: the one it names, else `facility`.

    A visit's provider stands as named. A stand-alone record may name several (an outside
    laboratory, say): the first with an HFR id is taken, then `facility`, then the first.
    """
    named = []
    for reference in facility_references(root):
        name = reference_key(reference) or ""
        if name.startswith("PractitionerRole/"):
            name = reference_key(found.get(name, {}).get("organization")) or ""
        if name.startswith("Organization/") and name in found:
            named.append(found[name])
    if root.get("resourceType") == "Encounter":
        return named[0] if named else facility
    with_hfr_id = (o for o in named if has_hfr_id(o))
    return next(with_hfr_id, facility or next(iter(named), None))


def root_date(root: Resource) -> str:
    """When a root happened, as its record states it (a visit: its beginning); "" if it doesn't."""
    for path in _DATE.get(root.get("resourceType", ""), ()):
        for value in _at(root, path):
            if isinstance(value, str) and value:
                return value
    return ""


def day_of(observation: Resource) -> str:
    """The Indian day of an Observation (YYYY-MM-DD, or as precisely as stated); "" if undated."""
    stated = root_date(observation)
    if "T" not in stated:
        return stated
    try:
        moment = datetime.fromisoformat(stated)
    except ValueError:
        return stated
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(_INDIA).date().isoformat()


def same_day(root: Resource, other: Resource) -> bool:
    """True for an Observation of the day that a stand-alone Observation is the root of."""
    return (
        root.get("resourceType") == other.get("resourceType") == "Observation"
        and not encounters_of(other)
        and day_of(other) == day_of(root)
        and subject_of(other) == subject_of(root)
    )


def stand_alone(found: Mapping[str, Resource], placed: Collection[str]) -> list[str]:
    """`Type/id` of the records that are care contexts of their own.

    Args:
        found: everything read, by `Type/id`; no placeholders.
        placed: what belongs to a visit already.

    Returns:
        in order of appearance; of a day's observations the first by time, then id. Observations
        that state no day are none.
    """
    days: dict[tuple[str | None, str], str] = {}
    roots = []
    for name, resource in _loose(found, placed).items():
        if resource["resourceType"] == "Observation":
            day = day_of(resource)
            if not day:
                continue  # nobody could tell whether it is inside the dates of a consent
            group = (subject_of(resource), day)
            first = days.setdefault(group, name)
            if _first(resource) < _first(found[first]):
                days[group] = name
        else:
            roots.append(name)
    return [*roots, *days.values()]


def days_of(found: Mapping[str, Resource], roots: Collection[str]) -> dict[str, list[str]]:
    """The other observations of each day whose root is asked for (`Observation/id`), by root."""
    days: dict[str, list[str]] = {root: [] for root in roots}
    if days:
        for name, resource in _loose(found, ()).items():
            for root in days:
                if name != root and same_day(found[root], resource):
                    days[root].append(name)
    return days


def _loose(found: Mapping[str, Resource], placed: Collection[str]) -> dict[str, Resource]:
    """The records that belong to no visit and come with no other record."""
    candidates = {
        name: resource
        for name, resource in found.items()
        if resource["resourceType"] in STAND_ALONE_TYPES
        and name not in placed
        and not in_a_visit(resource, found)
        and not (is_error(resource) or is_received(resource))
    }
    pointed = {name: frozenset(references(r)) for name, r in candidates.items()}
    return {n: r for n, r in candidates.items() if not _comes_with_another(n, pointed)}


def in_a_visit(resource: Resource, found: Mapping[str, Resource]) -> bool:
    """True if a record, or a charge that an Invoice bills, names an Encounter."""
    if encounters_of(resource):
        return True
    if resource.get("resourceType") != "Invoice":
        return False
    items = (reference_key(i.get("chargeItemReference")) for i in as_list(resource.get("lineItem")))
    return any(encounters_of(found[i]) for i in items if i and i in found)


def _comes_with_another(name: str, pointed: Mapping[str, frozenset[str]]) -> bool:
    kind = name.split("/", 1)[0]
    for other in _COMES_WITH.get(kind, ()):
        if any(n.startswith(other + "/") and n in pointed and n != name for n in pointed[name]):
            # The parts of a panel come with the panel, not the other way round.
            return other != kind
        if any(name in names for n, names in pointed.items() if n.startswith(other + "/")):
            return True
    return False


def _first(observation: Resource) -> tuple[str, str]:
    return clinical_date(observation) or "9999", key(observation)


def _at(value: object, path: str) -> list[Any]:
    found = [value]
    for step in path.split("."):
        found = [i for v in found if isinstance(v, dict) for i in as_list(v.get(step))]
    return found
