"""What a FHIR store found about one care context, and how a batch of results splits into them.

Pure: no network, no clock. Resources are plain FHIR R4 dictionaries exactly as a server returned
them; nothing here changes them. `mappings.documents` turns `Records` into ABDM documents.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from mappings.resources import (
    Resource,
    attachments_of,
    encounters_of,
    is_placeholder,
    key,
    reference_key,
    references,
    subject_of,
)
from mappings.roots import days_of, organization_of, stand_alone


class DocumentImpossible(ValueError):
    """The records can't become the document asked for; `str(error)` is a sentence saying why.

    The sentence holds resource types only, never clinical content or personal data, so that it may
    be logged and shown to an operator.
    """


@dataclass(frozen=True)
class Records:
    """Everything a FHIR store holds about ONE care context, in any order.

    What the store must supply (`group_by_root` does it from one batch of searches):

    - `root`: the Encounter, or the record of `mappings.roots.STAND_ALONE_TYPES` that belongs to
      none, as read.
    - `patient`: the Patient that `root` names as its subject. None when it isn't on the server:
      such records offer no document.
    - `organization`: the facility: the Organization that the root names
      (`Encounter.serviceProvider`, a report's performer, a file's custodian, an invoice's issuer),
      else the Organization of the facility that serves the care context. None only if there is
      none at all (no document can then be built: the custodian is missing).
    - `practitioners`: Practitioner and PractitionerRole resources named by the root
      (`participant.individual`) or by the records (requester, performer, recorder, asserter, ...).
      Those that can't be read may be missing.
    - `others`: every other resource of the visit: whatever points at the encounter
      (Condition, Observation, MedicationRequest, MedicationStatement, Procedure, DiagnosticReport,
      Immunization, AllergyIntolerance, ServiceRequest, DocumentReference, CarePlan, ChargeItem,
      ... with `encounter`/`context`), what names one of these instead of the visit (an Appointment
      `basedOn` a request, an Invoice with its ChargeItems), and what these or the root refer to
      (Medication, Location, further Organizations, hasMember Observations, Specimen, ...).
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
    """Split the flat result of one batch of searches into one `Records` per care context.

    Args:
        resources: every resource of the batch: matches and included ones of all pages, any order,
            repetitions allowed (the last one of a `Type/id` wins). Binary resources are taken into
            `binaries` of each care context.
        roots: the references asked for (`"Encounter/abc"`, `"Invoice/i1"`); nothing else in the
            batch (an Encounter that another is part of, say) then becomes a care context. None:
            every Encounter is a root, and every record that stands alone (`roots.stand_alone`).
        organization: the facility, for roots that name none or one that isn't in the batch.

    Returns:
        one `Records` per root found, in the order of `roots`, else of appearance. A root that the
        server did not return has none: compare with what was asked for.
    """
    found: dict[str, Resource] = {}
    for resource in resources:
        if resource.get("id") and not is_placeholder(resource):
            found[key(resource)] = resource
    if roots is not None:
        return _grouped(found, [k for k in dict.fromkeys(roots) if k in found], organization)
    visits = _grouped(found, [k for k in found if k.startswith("Encounter/")], organization)
    placed = frozenset(key(r) for visit in visits for r in visit.others)
    return visits + _grouped(found, stand_alone(found, placed), organization)


def _grouped(
    found: Mapping[str, Resource], wanted: list[str], facility: Resource | None
) -> list[Records]:
    """One care context for each of the wanted roots."""
    contexts: dict[str, list[str]] = {k: [] for k in wanted}
    for root, day in days_of(found, [k for k in wanted if k.startswith("Observation/")]).items():
        contexts[root] += day
    dated = frozenset(name for day in contexts.values() for name in day)
    unplaced = []
    for name, resource in found.items():
        of = [e for e in encounters_of(resource) if e in contexts]
        if name in dated:
            continue
        if of:
            for root in of:
                contexts[root].append(name)
        elif name not in contexts and resource["resourceType"] not in _SHARED:
            unplaced.append(name)
    pointed = {name: frozenset(references(found[name])) for name in unplaced}
    binaries = {k: r for k, r in found.items() if k.startswith("Binary/")}
    return [
        _records(found, name, members, pointed, binaries, facility)
        for name, members in contexts.items()
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
    organization = organization_of(found[root], found, facility)
    provider = key(organization) if organization else None
    people = ("Practitioner/", "PractitionerRole/")
    return Records(
        root=found[root],
        patient=found.get(patient or ""),
        organization=organization,
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
        for attachment in attachments_of(found[name]):
            url = reference_key(attachment.get("url"))
            if url and url in binaries:
                named[url] = binaries[url]
    return named
