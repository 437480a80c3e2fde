"""Reads care contexts with everything they hold, in batches and never record by record.

A visit comes with what points at it; what R4 can't search by visit (allergies, doses, invoices)
comes with the patient; what these name and is still missing (requesters, medicines, results) with
one search a type. A record that belongs to no visit is read by its own type. Files are large, so
documents are only outlined per batch, and read one care context at a time while the caller
consumes: memory holds one care context's files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone

from adapter.stores import fhir_parts
from adapter.stores.fhir_client import PAGE, Client
from adapter.stores.fhir_parts import Resource, is_own
from mappings.ids import is_fhir_id
from mappings.records import Records, group_by_root
from mappings.resources import (
    attachments_of,
    encounters_of,
    is_outline,
    key,
    references,
    subject_of,
)
from mappings.roots import ROOT_TYPES, day_of, same_day

#: Visits a search: measured on HAPI, 5 to 12 ms a visit so, against 50 ms singly.
BATCH = 25

_IST = timezone(timedelta(hours=5, minutes=30))
# What a patient may have without any visit, and R4 can search by encounter.
_ALONE = ("DiagnosticReport", "Observation")
# Patients' records that say by reference only which visit they belong to.
_BY_REFERENCE = frozenset({"Appointment", "FamilyMemberHistory"})


def care_contexts(
    client: Client, roots: Sequence[str], *, facility: Resource | None = None
) -> Iterator[Records]:
    """Each care context with its files, in the order given; unknown ones are absent.

    `roots`: FHIR references (`Encounter/17`, `Invoice/b1`); `facility`: the Organization for roots
    that name none.
    """
    for records in outlined(client, roots, facility=facility):
        yield _with_files(client, records)


def outlined(
    client: Client, roots: Sequence[str], *, facility: Resource | None = None
) -> Iterator[Records]:
    """As `care_contexts`, documents as outlines, without their files."""
    wanted = [root for root in dict.fromkeys(roots) if _may_be_root(root)]
    for batch in fhir_parts.chunks(wanted, BATCH):
        encounter_ids = [_id(root) for root in batch if root.startswith("Encounter/")]
        alone = [root for root in batch if not root.startswith("Encounter/")]
        held = [*_of_visits(client, encounter_ids), *_of_roots(client, alone)]
        yield from group_by_root(held, roots=batch, organization=facility)


def care_contexts_of_patient(
    client: Client, patient_id: str, *, facility: Resource | None = None
) -> list[Records]:
    """All care contexts of a patient; documents as outlines, without their files."""
    if not is_fhir_id(patient_id):
        return []
    found = client.search(
        "Encounter", {"patient": patient_id, "_elements": "meta", "_count": str(PAGE)}
    )
    ids = [each["id"] for each in found if each["resourceType"] == "Encounter"]
    grouped: list[Records] = []
    for batch in fhir_parts.chunks(ids, BATCH):
        held = _of_visits(client, batch)
        roots = [f"Encounter/{each}" for each in batch]
        grouped += group_by_root(held, roots=roots, organization=facility)
    placed = {key(each) for records in grouped for each in records.others}
    alone = [each for each in _outside_visits(client, patient_id) if key(each) not in placed]
    held = fhir_parts.completed(client, alone)
    # A record that a visit holds isn't alone, whatever it lacks; Encounters are not read here.
    return grouped + group_by_root(
        [each for each in held if key(each) not in placed], organization=facility
    )


def _may_be_root(reference: str) -> bool:
    resource_type, _, resource_id = reference.partition("/")
    return resource_type in ROOT_TYPES and is_fhir_id(resource_id)


def _id(reference: str) -> str:
    return reference.partition("/")[2]


def _of_visits(client: Client, encounter_ids: list[str]) -> list[Resource]:
    """What these visits hold, documents as outlines."""
    if not encounter_ids:
        return []
    held = fhir_parts.of_visits(client, encounter_ids)
    held += fhir_parts.outlines(client, {"encounter": ",".join(encounter_ids)})
    held += _files_about(client, [key(e) for e in held if e["resourceType"] == "DiagnosticReport"])
    patients = sorted({each["id"] for each in held if each["resourceType"] == "Patient"})
    roots = frozenset(f"Encounter/{each}" for each in encounter_ids)
    held += _of_these(fhir_parts.of_patients(client, patients), held, roots)
    return fhir_parts.completed(client, held)


def _of_these(
    found: Iterable[Resource], held: Iterable[Resource], roots: frozenset[str]
) -> list[Resource]:
    """Those of the patients' records that may belong to these visits."""
    held = list(held)
    known = frozenset(key(each) for each in held if each["resourceType"] != "Patient")
    named = frozenset(name for each in held for name in references(each))
    kept = []
    for each in found:
        visits = encounters_of(each)
        if visits and roots.isdisjoint(visits):
            continue
        if each["resourceType"] in _BY_REFERENCE:
            related = not known.isdisjoint(references(each)) or key(each) in named
            if not (related or visits):
                continue
        kept.append(each)
    return kept


def _of_roots(client: Client, roots: list[str]) -> list[Resource]:
    """What these stand-alone records hold, documents as outlines."""
    by_type: dict[str, list[str]] = defaultdict(list)
    for root in roots:
        by_type[root.partition("/")[0]].append(_id(root))
    files = by_type.pop("DocumentReference", [])
    held = [each for kind, ids in by_type.items() for each in fhir_parts.by_ids(client, kind, ids)]
    if files:
        held += fhir_parts.outlines(client, {"_id": ",".join(files)})
    no_files = ("DocumentReference/", "Observation/")
    held += _files_about(client, [root for root in roots if not root.startswith(no_files)])
    if "Immunization" in by_type:
        patients = sorted({_id(subject_of(each) or "") for each in held} - {""})
        found = fhir_parts.of_patients(client, patients)
        held += [e for e in found if e["resourceType"] == "ImmunizationRecommendation"]
    for each in [e for e in held if e["resourceType"] == "Observation"]:
        held += _of_same_day(client, each)
    return fhir_parts.completed(client, held)


def _files_about(client: Client, records: list[str]) -> list[Resource]:
    """Outlines of the files that show one of these records (`DocumentReference.context.related`)
    and name no visit."""
    return [
        each
        for some in fhir_parts.chunks(records, PAGE)
        for each in fhir_parts.outlines(client, {"related": ",".join(some)})
        if not encounters_of(each)
    ]


def _of_same_day(client: Client, observation: Resource) -> list[Resource]:
    """The other observations of the patient's day that belong to no visit, and the patient's
    reports that belong to none: what is a report's result is no record of the day's."""
    patient = subject_of(observation)
    if patient is None or encounters_of(observation):
        return []
    alone = {"patient": _id(patient), "encounter:missing": "true", "_count": str(PAGE)}
    reports = [each for each in client.search("DiagnosticReport", alone) if is_own(each)]
    parameters: dict[str, str | list[str]] = dict(alone)
    try:
        begins = datetime.combine(date.fromisoformat(day_of(observation)), time.min, _IST)
    except ValueError:
        begins = None
    if begins is not None:
        # Dates without time are compared in the server's zone: a day more on both sides.
        parameters["date"] = [
            f"ge{(begins - timedelta(days=1)).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            f"lt{(begins + timedelta(days=2)).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        ]
    return reports + [
        each
        for each in client.search("Observation", parameters)
        if is_own(each) and same_day(observation, each) and key(each) != key(observation)
    ]


def _outside_visits(client: Client, patient_id: str) -> list[Resource]:
    """A patient's records that name no visit, documents as outlines, and the patient."""
    alone = {"patient": patient_id, "encounter:missing": "true"}
    found = fhir_parts.of_patients(client, [patient_id])
    found += fhir_parts.outlines(client, dict(alone))
    for resource_type in _ALONE:
        found += [
            each
            for each in client.search(resource_type, {**alone, "_count": str(PAGE)})
            if is_own(each)
        ]
    return [
        each
        for each in found
        if not encounters_of(each) and each["resourceType"] not in _BY_REFERENCE
    ]


def _with_files(client: Client, records: Records) -> Records:
    """The same care context with its documents whole and the Binary resources that files name."""
    held = list(_flat(records))
    outlined = [each["id"] for each in held if is_outline(each)]
    linked = any(a.get("url") for each in held for a in attachments_of(each))
    if not outlined and not linked:
        return records
    whole = {key(each): each for each in fhir_parts.documents(client, outlined)}
    held = [whole.get(key(each), each) for each in held]
    grouped = group_by_root(
        fhir_parts.completed(client, held) + fhir_parts.binaries(client, held),
        roots=[key(records.root)],
        organization=records.organization,
    )
    return grouped[0]


def _flat(records: Records) -> Iterator[Resource]:
    yield records.root
    for each in (records.patient, records.organization):
        if each is not None:
            yield each
    yield from records.practitioners
    yield from records.others
