"""Reads visits with everything they hold, in batches and never resource by resource.

One search brings up to 25 encounters with what points at them; a second one the allergies of their
patients (R4 has no search of allergies by encounter); what these name and is still missing
(requesters, medicines) comes with one search a type. Attachments are large, so documents are only
outlined per batch, and read visit by visit while the caller consumes: memory holds one visit's
attachments at a time. Received records and HAPI's placeholders are no records of ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from adapter.stores.fhir_client import PAGE, Client, NotThere, Parameters
from mappings.ids import is_fhir_id
from mappings.records import Records, group_by_root
from mappings.resources import (
    as_list,
    encounters_of,
    is_placeholder,
    is_received,
    key,
    reference_key,
    references,
)

Resource = dict[str, Any]

#: Visits a search: measured on HAPI, 5 to 12 ms a visit so, against 50 ms singly.
BATCH = 25

#: HAPI silently leaves out what it would include beyond this many resources a page.
INCLUDE_LIMIT = 1000

_INCLUDE = [
    "Encounter:patient",
    "Encounter:service-provider",
    "Encounter:participant",
    "Encounter:appointment",
]
# Every type a visit's documents draw on and that can be searched by its encounter.
_POINTING = [
    "CarePlan:encounter",
    "Condition:encounter",
    "DiagnosticReport:encounter",
    "MedicationRequest:encounter",
    "MedicationStatement:context",
    "Observation:encounter",
    "Procedure:encounter",
    "ServiceRequest:encounter",
]
# What records name and a document shows; fetched by id where the first search lacks it.
_NAMED = ("Practitioner", "PractitionerRole", "Medication", "Organization", "Location", "Patient")

#: What tells that a visit has a document, without its bytes.
_OUTLINE = (
    "status,docStatus,type,category,description,subject,context,date,"
    "content.attachment.contentType,content.attachment.title,content.attachment.url"
)


def is_own(resource: Resource) -> bool:
    """A record of this hospital: neither received from another HIP nor HAPI's placeholder."""
    return not is_received(resource) and not is_placeholder(resource)


def visits(
    client: Client, encounter_ids: Sequence[str], *, facility: Resource | None = None
) -> Iterator[Records]:
    """Each visit with its attachments, in the order given; unknown ones are absent.

    `facility`: the Organization for visits that name none.
    """
    wanted = [each for each in dict.fromkeys(encounter_ids) if is_fhir_id(each)]
    for batch in _chunks(wanted, BATCH):
        roots = [f"Encounter/{each}" for each in batch]
        held = _batch(client, batch)
        with_documents = {root for each in _outlines(client, batch) for root in encounters_of(each)}
        for records in group_by_root(held, roots=roots, organization=facility):
            if key(records.root) in with_documents:
                yield _with_attachments(client, records)
            else:
                yield records


def visits_of_patient(
    client: Client, patient_id: str, *, facility: Resource | None = None
) -> list[Records]:
    """All visits of a patient; documents as outlines, without attachments."""
    if not is_fhir_id(patient_id):
        return []
    found = client.search(
        "Encounter", {"patient": patient_id, "_elements": "meta", "_count": str(PAGE)}
    )
    ids = [each["id"] for each in found if each["resourceType"] == "Encounter"]
    grouped: list[Records] = []
    for batch in _chunks(ids, BATCH):
        roots = [f"Encounter/{each}" for each in batch]
        held = _batch(client, batch) + _outlines(client, batch)
        grouped += group_by_root(held, roots=roots, organization=facility)
    return grouped


def _batch(client: Client, encounter_ids: list[str]) -> list[Resource]:
    """What these visits hold, without documents; own records only."""
    held = _pointing(client, encounter_ids)
    patients = sorted({each["id"] for each in held if each["resourceType"] == "Patient"})
    if patients:
        held += client.search(
            "AllergyIntolerance", {"patient": ",".join(patients), "_count": str(PAGE)}
        )
    own = [each for each in held if is_own(each)]
    return _completed(client, own)


def _pointing(client: Client, encounter_ids: list[str]) -> list[Resource]:
    """One search; halved where it may have hit HAPI's limit, page by page for one huge visit."""
    parameters: Parameters = {
        "_id": ",".join(encounter_ids),
        "_include": _INCLUDE,
        "_revinclude": _POINTING,
        "_count": str(len(encounter_ids)),
    }
    held = list(client.search("Encounter", parameters))
    if len(held) < INCLUDE_LIMIT:
        return held
    if len(encounter_ids) > 1:
        middle = len(encounter_ids) // 2
        halves = (encounter_ids[:middle], encounter_ids[middle:])
        return [each for half in halves for each in _pointing(client, half)]
    by_key = {key(each): each for each in held}
    for pointing in _POINTING:
        resource_type, _, parameter = pointing.partition(":")
        search = {parameter: f"Encounter/{encounter_ids[0]}", "_count": str(PAGE)}
        by_key |= {key(each): each for each in client.search(resource_type, search)}
    return list(by_key.values())


def _completed(client: Client, held: list[Resource]) -> list[Resource]:
    """`held` and the named resources it lacks; two rounds, since a role names its person."""
    known = {key(each) for each in held}
    newest = held
    for _round in range(2):
        missing: dict[str, set[str]] = defaultdict(set)
        for each in newest:
            for name in references(each):
                resource_type, _, resource_id = name.partition("/")
                if resource_type in _NAMED and name not in known:
                    missing[resource_type].add(resource_id)
        newest = [
            each
            for resource_type, ids in missing.items()
            for some in _chunks(sorted(ids), PAGE)
            for each in client.search(
                resource_type, {"_id": ",".join(some), "_count": str(len(some))}
            )
            if is_own(each)
        ]
        if not newest:
            break
        held = held + newest
        known |= {key(each) for each in newest}
    return held


def _outlines(client: Client, encounter_ids: list[str]) -> list[Resource]:
    """The documents of these visits without their content."""
    found = client.search(
        "DocumentReference",
        {"encounter": ",".join(encounter_ids), "_elements": _OUTLINE, "_count": str(PAGE)},
    )
    return [each for each in found if is_own(each)]


def _with_attachments(client: Client, records: Records) -> Records:
    """The same visit with its documents and the Binary resources that they name."""
    root = key(records.root)
    # A page of documents could hold any number of megabytes, so they come few at a time.
    found = client.search("DocumentReference", {"encounter": root, "_count": "5"})
    documents = [each for each in found if is_own(each)]
    binaries = [each for name in _attached(documents) if (each := _read(client, name)) is not None]
    grouped = group_by_root(
        _completed(client, [*_flat(records), *documents]) + binaries,
        roots=[root],
        organization=records.organization,
    )
    return grouped[0]


def _attached(documents: Iterable[Resource]) -> list[str]:
    names = [
        reference_key((content.get("attachment") or {}).get("url"))
        for document in documents
        for content in as_list(document.get("content"))
    ]
    return [name for name in dict.fromkeys(names) if name and name.startswith("Binary/")]


def _read(client: Client, name: str) -> Resource | None:
    try:
        resource: Resource = client.execute(name, method="get")
    except NotThere:
        return None
    return resource if is_own(resource) else None


def _chunks(items: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def _flat(records: Records) -> Iterator[Resource]:
    yield records.root
    for each in (records.patient, records.organization):
        if each is not None:
            yield each
    yield from records.practitioners
    yield from records.others
