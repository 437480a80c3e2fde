"""What a FHIR store found about one care context, and how a batch of results splits into them.

Pure: no network, no clock. Resources are plain FHIR R4 dictionaries exactly as a server returned
them; nothing here changes them. `mappings.documents` turns `Records` into ABDM documents.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from mappings.resources import (
    Resource,
    as_list,
    encounters_of,
    is_placeholder,
    key,
    reference_key,
    references,
    subject_of,
)


class DocumentImpossible(ValueError):
    """The records can't become the document asked for; `str(error)` is a sentence saying why.

    The sentence holds resource types only, never clinical content or personal data, so that it may
    be logged and shown to an operator.
    """


@dataclass(frozen=True)
class Records:
    """Everything a FHIR store holds about ONE care context, in any order.

    What the store must supply (`group_by_root` does it from one batch of searches):

    - `root`: the Encounter (or, from part 2 on, a stand-alone DiagnosticReport, Immunization,
      DocumentReference or Invoice), as read.
    - `patient`: the Patient that `root` names as its subject. None when it isn't on the server:
      such records offer no document.
    - `organization`: the facility: the Organization of `Encounter.serviceProvider`, else the
      Organization of the facility that serves the care context. None only if there is none at
      all (no document can then be built: the custodian is missing).
    - `practitioners`: Practitioner and PractitionerRole resources named by the root
      (`participant.individual`) or by the records (requester, performer, recorder, asserter, ...).
      Those that can't be read may be missing.
    - `others`: every other resource of the visit: whatever points at the encounter
      (Condition, Observation, MedicationRequest, MedicationStatement, Procedure,
      AllergyIntolerance, ServiceRequest, DocumentReference, CarePlan, ... with
      `encounter`/`context`), Appointments that name the visit or one of its requests
      (`supportingInformation`, `basedOn`, `reasonReference`), and what these or the root refer to
      (Medication, Location, further Organizations, hasMember Observations, ...).
    - `binaries`: Binary resources by their relative reference (`"Binary/x"`), for attachments
      whose `url` points at one. Inline `attachment.data` needs no entry. An attachment that is
      neither inline nor here is named in the document but can't travel in it.

    Superfluous resources do no harm: records of other encounters or other patients, HAPI's
    reference placeholders, and records marked entered-in-error are left out by the document
    builders, whatever the store supplied.
    """

    root: Resource
    patient: Resource | None
    organization: Resource | None = None
    practitioners: tuple[Resource, ...] = ()
    others: tuple[Resource, ...] = ()
    binaries: Mapping[str, Resource] = field(default_factory=dict)


def group_by_root(
    resources: Iterable[Resource],
    *,
    roots: Collection[str] | None = None,
    organization: Resource | None = None,
) -> list[Records]:
    """Split the flat result of one batch of searches into one `Records` per Encounter.

    Args:
        resources: every resource of the batch: matches and included ones of all pages, any order,
            repetitions allowed (the last one of a `Type/id` wins). Binary resources are taken into
            `binaries` of each care context.
        roots: the references asked for (`"Encounter/abc"`); other encounters in the batch (partOf,
            say) then don't become care contexts. None: every Encounter is a root.
        organization: the facility, for encounters that name no `serviceProvider` or one that
            isn't in the batch.

    Returns:
        one `Records` per root found, in the order of `roots`, else of appearance. A root that the
        server did not return has none: compare with what was asked for.
    """
    found: dict[str, Resource] = {}
    for resource in resources:
        if resource.get("id") and not is_placeholder(resource):
            found[key(resource)] = resource
    if roots is None:
        wanted = [k for k in found if k.startswith("Encounter/")]
    else:
        wanted = [k for k in dict.fromkeys(roots) if k in found]
    visits: dict[str, list[str]] = {k: [] for k in wanted}
    unplaced = []
    for name, resource in found.items():
        of = [e for e in encounters_of(resource) if e in visits]
        if of:
            for encounter in of:
                visits[encounter].append(name)
        elif name not in visits and resource["resourceType"] not in _SHARED:
            unplaced.append(name)
    pointed = {name: frozenset(references(found[name])) for name in unplaced}
    binaries = {k: r for k, r in found.items() if k.startswith("Binary/")}
    return [
        _records(found, name, members, pointed, binaries, organization)
        for name, members in visits.items()
    ]


# Types that belong to no visit of their own: taken only where something refers to them.
_SHARED = frozenset(
    {"Patient", "Practitioner", "PractitionerRole", "Organization", "Encounter", "Binary"}
)


def _records(
    found: Mapping[str, Resource],
    root: str,
    members: list[str],
    pointed: Mapping[str, frozenset[str]],
    binaries: Mapping[str, Resource],
    facility: Resource | None,
) -> Records:
    """One care context: what names the root, what names those, and all that they refer to."""
    taken = dict.fromkeys((root, *members))
    own = frozenset(taken)
    patient = subject_of(found[root])
    for name, names in pointed.items():
        if names & own and subject_of(found[name]) in (None, patient):
            taken[name] = None
    queue = list(taken)
    while queue:
        for name in references(found[queue.pop()]):
            if name in found and name not in taken:
                taken[name] = None
                queue.append(name)
    provider = reference_key(found[root].get("serviceProvider"))
    people = ("Practitioner/", "PractitionerRole/")
    return Records(
        root=found[root],
        patient=found.get(patient or ""),
        organization=found.get(provider or "", facility),
        practitioners=tuple(found[n] for n in taken if n.startswith(people)),
        others=tuple(
            found[n]
            for n in taken
            if n not in (root, patient, provider) and not n.startswith((*people, "Binary/"))
        ),
        binaries=_named_binaries(found, taken, binaries),
    )


def _named_binaries(
    found: Mapping[str, Resource], taken: Iterable[str], binaries: Mapping[str, Resource]
) -> dict[str, Resource]:
    """The Binary resources that attachments of these records name in their `url`."""
    named = {}
    for name in taken:
        if not name.startswith("DocumentReference/"):
            continue
        for content in as_list(found[name].get("content")):
            url = reference_key((content.get("attachment") or {}).get("url"))
            if url and url in binaries:
                named[url] = binaries[url]
    return named
