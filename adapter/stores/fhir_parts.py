"""The searches that care contexts are read with: by visit, by patient, by name, and their files.

One search brings many records; where HAPI would silently leave out what it includes beyond a limit,
it is taken apart. Received records and HAPI's placeholders are no records of ours. Knows nothing of
what belongs together; `fhir_visits` does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from adapter.stores.fhir_client import PAGE, Client, NotThere, Parameters
from mappings.resources import (
    attachments_of,
    is_placeholder,
    is_received,
    key,
    reference_key,
    references,
)

Resource = dict[str, Any]

#: HAPI silently leaves out what it would include beyond this many resources a page.
INCLUDE_LIMIT = 1000

_OF_VISIT_INCLUDED = [
    "Encounter:patient",
    "Encounter:service-provider",
    "Encounter:participant",
    "Encounter:appointment",
]
# Every type that a visit's documents draw on and that can be searched by its encounter.
_OF_VISIT = [
    "CarePlan:encounter",
    "ChargeItem:context",
    "Condition:encounter",
    "DiagnosticReport:encounter",
    "ImagingStudy:encounter",
    "Media:encounter",
    "MedicationRequest:encounter",
    "MedicationStatement:context",
    "Observation:encounter",
    "Procedure:encounter",
    "ServiceRequest:encounter",
]
# R4 has no search of these by encounter.
_OF_PATIENT = [
    "AllergyIntolerance:patient",
    "Appointment:patient",
    "FamilyMemberHistory:patient",
    "Immunization:patient",
    "ImmunizationRecommendation:patient",
    "Invoice:patient",
]
# What records name and a document shows; fetched by id where the searches lack it.
_NAMED = frozenset(
    {
        "ChargeItem",
        "Condition",
        "ImagingStudy",
        "Location",
        "Media",
        "Medication",
        "Observation",
        "Organization",
        "Patient",
        "Practitioner",
        "PractitionerRole",
        "Procedure",
        "ServiceRequest",
        "Specimen",
    }
)
# How far names are followed: report, panel, its parts, who measured and in which role.
_ROUNDS = 4

#: What tells that a care context has a document, without its bytes.
_OUTLINE = (
    "status,docStatus,type,category,description,subject,author,custodian,relatesTo,context,date,"
    "content.attachment.contentType,content.attachment.title,content.attachment.url,"
    "content.attachment.creation"
)


def is_own(resource: Resource) -> bool:
    """A record of this hospital: neither received from another HIP nor HAPI's placeholder."""
    return not is_received(resource) and not is_placeholder(resource)


def chunks(items: Sequence[str], size: int) -> Iterator[list[str]]:
    """`items` in lists of at most `size`."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def by_ids(
    client: Client, resource_type: str, ids: Iterable[str], **parameters: str
) -> list[Resource]:
    """Own resources of one type by id; those that aren't there are absent."""
    return [
        each
        for some in chunks(sorted(ids), PAGE)
        for each in client.search(
            resource_type, {"_id": ",".join(some), "_count": str(len(some)), **parameters}
        )
        if is_own(each)
    ]


def of_visits(client: Client, encounter_ids: list[str]) -> list[Resource]:
    """These encounters, whom they name, and what points at them, documents excepted.

    One search; halved where it may have hit HAPI's limit, type by type for one huge visit.
    """
    parameters: Parameters = {
        "_id": ",".join(encounter_ids),
        "_include": _OF_VISIT_INCLUDED,
        "_revinclude": _OF_VISIT,
        "_count": str(len(encounter_ids)),
    }
    return _with_pointing(client, "Encounter", encounter_ids, parameters, _OF_VISIT)


def of_patients(client: Client, patient_ids: list[str]) -> list[Resource]:
    """What these patients have of the types that R4 can't search by encounter."""
    if not patient_ids:
        return []
    parameters: Parameters = {
        "_id": ",".join(patient_ids),
        "_revinclude": _OF_PATIENT,
        "_count": str(len(patient_ids)),
    }
    return _with_pointing(client, "Patient", patient_ids, parameters, _OF_PATIENT)


def _with_pointing(
    client: Client, resource_type: str, ids: list[str], parameters: Parameters, pointing: list[str]
) -> list[Resource]:
    held = list(client.search(resource_type, parameters))
    if len(held) < INCLUDE_LIMIT:
        return [each for each in held if is_own(each)]
    if len(ids) > 1:
        middle = len(ids) // 2
        return [
            each
            for half in (ids[:middle], ids[middle:])
            for each in _with_pointing(
                client,
                resource_type,
                half,
                {**parameters, "_id": ",".join(half), "_count": str(len(half))},
                pointing,
            )
        ]
    by_key = {key(each): each for each in held}
    for each_type in pointing:
        kind, _, parameter = each_type.partition(":")
        search = {parameter: f"{resource_type}/{ids[0]}", "_count": str(PAGE)}
        by_key |= {key(each): each for each in client.search(kind, search)}
    return [each for each in by_key.values() if is_own(each)]


def outlines(client: Client, parameters: Parameters) -> list[Resource]:
    """DocumentReferences of a search without their content."""
    search = {**parameters, "_elements": _OUTLINE, "_count": str(PAGE)}
    return [each for each in client.search("DocumentReference", search) if is_own(each)]


def completed(client: Client, held: list[Resource]) -> list[Resource]:
    """`held` and the named resources that it lacks."""
    known = {key(each) for each in held}
    newest = held
    for _round in range(_ROUNDS):
        missing: dict[str, set[str]] = defaultdict(set)
        for each in newest:
            for name in references(each):
                resource_type, _, resource_id = name.partition("/")
                if resource_type in _NAMED and name not in known:
                    missing[resource_type].add(resource_id)
        newest = [each for kind, ids in missing.items() for each in by_ids(client, kind, ids)]
        if not newest:
            break
        held = held + newest
        known |= {key(each) for each in newest}
    return held


def documents(client: Client, ids: Sequence[str]) -> list[Resource]:
    """Whole DocumentReferences; few at a time, since a page could hold any number of megabytes."""
    return [
        each for some in chunks(list(ids), 5) for each in by_ids(client, "DocumentReference", some)
    ]


def binaries(client: Client, records: Iterable[Resource]) -> list[Resource]:
    """The own Binary resources that the files of these records name."""
    names = [
        reference_key(attachment.get("url"))
        for record in records
        for attachment in attachments_of(record)
    ]
    wanted = [name for name in dict.fromkeys(names) if name and name.startswith("Binary/")]
    return [each for name in wanted if (each := _read(client, name)) is not None]


def _read(client: Client, name: str) -> Resource | None:
    try:
        resource: Resource = client.execute(name, method="get")
    except NotThere:
        return None
    return resource if is_own(resource) else None
