"""What of a care context may stand in a document: selection, before any document is shaped.

A document holds one patient's one visit, or what belongs to one stand-alone record. Whatever a
store supplied beyond that (another patient's or another visit's records, placeholders,
entered-in-error records, records received from others) stops here. Pure; changes no resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mappings.records import DocumentImpossible, Records
from mappings.resources import (
    Resource,
    as_list,
    clinical_date,
    encounters_of,
    is_error,
    is_placeholder,
    is_received,
    key,
    reference_key,
    references,
    subject_of,
)
from mappings.roots import same_day

# Encounter.status that offer no document (http://hl7.org/fhir/R4/valueset-encounter-status.html).
NO_DOCUMENT_STATUSES = frozenset({"cancelled", "entered-in-error"})

# Administrative types: they say nothing of a patient's visit by themselves and come along where
# something refers to them.
SHARED_TYPES = frozenset(
    {
        "Device",
        "HealthcareService",
        "Location",
        "Medication",
        "Organization",
        "Practitioner",
        "PractitionerRole",
        "Substance",
    }
)


#: Bytes of a file that stand inline; larger ones are Binary entries of the document. Patient apps
#: show what is inline, so this is large; FHIR servers take resources of that size.
INLINE_LIMIT = 8 * 1024 * 1024


@dataclass(frozen=True)
class Visit:
    """One care context, cleaned: everything here may stand in a document.

    `members` are its records, a stand-alone root included, ordered by type, date and id, so that
    the order in which a server answered makes no difference. `known` has every resource that a
    reference may resolve to, by `Type/id`, the members, root, patient and organization included.
    `pointers` are the keys that each record refers to, by `Type/id`.
    """

    root: Resource
    patient: Resource
    organization: Resource
    members: tuple[Resource, ...]
    known: Mapping[str, Resource]
    binaries: Mapping[str, Resource]
    pointers: Mapping[str, frozenset[str]]
    inline_limit: int = INLINE_LIMIT

    def references(self, record: Resource) -> frozenset[str]:
        """The keys of all records that a record refers to; found once for each."""
        name = key(record)
        if self.known.get(name) is record and name in self.pointers:
            return self.pointers[name]
        return frozenset(references(record))

    def of(self, *types: str) -> list[Resource]:
        """The members of these types, in order."""
        return [r for r in self.members if r["resourceType"] in types]


def visit_of(records: Records, inline_limit: int = INLINE_LIMIT) -> Visit:
    """Clean the records of one care context.

    `inline_limit`: bytes of a file that may stand in its record. Raises: DocumentImpossible if
    there is no patient or facility, or the visit was cancelled or recorded in error.
    """
    root, patient, organization = records.root, records.patient, records.organization
    if root.get("status") in NO_DOCUMENT_STATUSES:
        raise DocumentImpossible(
            f"The {root.get('resourceType')} is {root['status']}; such a record has no document."
        )
    if is_placeholder(root) or is_received(root):
        raise DocumentImpossible("The care context is not a record of this hospital's own.")
    if patient is None or is_placeholder(patient):
        raise DocumentImpossible(
            f"The patient of the {root.get('resourceType')} is not on the FHIR server; load the "
            "Patient and send again."
        )
    if organization is None or is_placeholder(organization):
        raise DocumentImpossible(
            "The facility of the care context is not on the FHIR server; load its Organization and "
            "name it in the record (as Encounter.serviceProvider, for a visit)."
        )
    who, where = key(patient), key(root)
    named = subject_of(root)
    if named is not None and named != who:
        raise DocumentImpossible("The record names another patient than the one supplied with it.")
    candidates = {
        key(r): r
        for r in (*records.practitioners, *records.others)
        if r.get("id") and not (is_placeholder(r) or is_error(r) or is_received(r))
    }
    pointers = {k: frozenset(references(r)) for k, r in candidates.items()}
    pointers[where] = frozenset(references(root))
    visits = frozenset([where] if where.startswith("Encounter/") else encounters_of(root))
    members = _members(candidates, root, who, visits, pointers)
    known = {k: r for k, r in candidates.items() if _may_be_known(k, r, who, visits, root)}
    known |= {key(r): r for r in (root, patient, organization)}
    return Visit(
        root=root,
        patient=patient,
        organization=organization,
        members=tuple(sorted(members, key=_order)),
        known=known,
        binaries=records.binaries,
        pointers=pointers,
        inline_limit=inline_limit,
    )


def _order(resource: Resource) -> tuple[str, str, str]:
    # Undated ones last.
    date = clinical_date(resource) or "9999"
    return str(resource["resourceType"]), date, str(resource["id"])


def _members(
    candidates: Mapping[str, Resource],
    root: Resource,
    who: str,
    visits: frozenset[str],
    pointers: Mapping[str, frozenset[str]],
) -> list[Resource]:
    """The care context's own records: what names it, what it names, and what names these.

    A record that names another visit isn't a member, except a Condition or Procedure that the
    visit itself names as its diagnosis or reason (a long-standing illness). `visits` is the visit,
    or the one that a record read as a root by itself belongs to meanwhile.
    """
    where = key(root)
    own = {
        k: r
        for k, r in candidates.items()
        if r["resourceType"] not in SHARED_TYPES
        and k != where
        and not k.startswith(("Patient/", "Encounter/"))
        and subject_of(r) in (None, who)
    }
    named = frozenset(_diagnoses_and_reasons(root))
    of_root = pointers[where]
    is_visit = where.startswith("Encounter/")
    members = {
        k: r
        for k, r in own.items()
        if (is_visit and where in encounters_of(r))
        or k in named
        or (k in of_root and visits.issuperset(encounters_of(r)))
        or same_day(root, r)
    }
    if not is_visit:
        members[where] = root
    free = {k: pointers[k] for k, r in own.items() if visits.issuperset(encounters_of(r))}
    while True:
        # What refers to the root or a member (a follow-up Appointment based on its request), and
        # what a member refers to (the parts of a panel), as long as it names no other visit.
        reached = frozenset(n for k in members for n in pointers[k])
        base = frozenset((where, *members))
        more = [
            k for k, names in free.items() if k not in members and (names & base or k in reached)
        ]
        if not more:
            return list(members.values())
        members |= {k: own[k] for k in more}


def _diagnoses_and_reasons(root: Resource) -> list[str]:
    if root["resourceType"] != "Encounter":
        return []
    found = [reference_key(d.get("condition")) for d in as_list(root.get("diagnosis"))]
    found += [reference_key(r) for r in as_list(root.get("reasonReference"))]
    return [f for f in found if f]


def _may_be_known(
    name: str, resource: Resource, who: str, visits: frozenset[str], root: Resource
) -> bool:
    """May a reference in the document resolve to this resource?"""
    if resource["resourceType"] in SHARED_TYPES:
        return True
    if name.startswith(("Patient/", "Encounter/")) or subject_of(resource) not in (None, who):
        return False
    named = encounters_of(resource)
    return not named or bool(visits & frozenset(named)) or name in _diagnoses_and_reasons(root)
