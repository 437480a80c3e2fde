"""What a document type is: its sections, and how the records of a care context fill them.

A module per HI type (`op_consultation`, `invoice`, ...) makes one `DocumentType` of these; `base`
builds Composition and Bundle from it. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from mappings.documents.profiles import lacking
from mappings.documents.visit import SHARED_TYPES, Visit
from mappings.narrative import in_one_line
from mappings.resources import Resource, as_list, has_code, reference_key
from mappings.systems import PARTICIPATION_TYPE

# Who treated the patient, best first, among an encounter's participants.
_TREATING = ("PPRF", "ATND", "CON", "SPRF", "PART")
# Elements of the Encounter that only the documents of the visit itself carry: why the patient came
# and what was found. A consent to see a report or an invoice doesn't cover them.
WHY = frozenset({"diagnosis", "reasonCode", "reasonReference"})
# Types that a reference may bring into a document of a visit. Reports, immunizations and invoices
# are HI types of their own with their own consent, so a reference to one is cut.
OF_A_VISIT = SHARED_TYPES | {
    "AllergyIntolerance",
    "Appointment",
    "CarePlan",
    "Condition",
    "DocumentReference",
    "FamilyMemberHistory",
    "MedicationRequest",
    "MedicationStatement",
    "Observation",
    "Procedure",
    "ServiceRequest",
    "Specimen",
}
# What belongs to a report: what it was made from, and what asked for it.
OF_A_REPORT = frozenset(
    {"DiagnosticReport", "ImagingStudy", "Media", "Observation", "ServiceRequest", "Specimen"}
)


@dataclass(frozen=True)
class Section:
    """One section of a profile: its title and its SNOMED CT code and display, verbatim.

    Sections that the profile knows by title only have no code. `entry_profile` is the NRCeS profile
    that entries claim instead of their type's own, where the section asks for it.
    """

    title: str
    code: str = ""
    display: str = ""
    entry_profile: str = ""


@dataclass(frozen=True)
class Content:
    """What one section of one document holds: records, and lines that have no record."""

    section: Section
    entries: tuple[Resource, ...] = ()
    lines: tuple[str, ...] = ()

    @cached_property
    def told(self) -> list[str]:
        """Everything the section holds, a line each, for its narrative."""
        return [*map(in_one_line, self.entries), *self.lines]


@dataclass(frozen=True)
class Part:
    """One document of a care context: its sections.

    `focus` is the one record that the document is about (a report, an invoice) where a care context
    may have several documents of a type: it gives the document its identity, date and status.
    """

    contents: list[Content]
    focus: Resource | None = None
    title: str = ""


@dataclass(frozen=True)
class DocumentType:
    """One HI type: how its Composition looks and which records of a care context go into it.

    `display` is the text of Composition.type and, with `code`, its SNOMED CT coding; a profile that
    fixes the text only has no code. `roots` are the resource types whose care contexts may offer
    it. `parts` gives every document that a care context has of this type, in order.
    """

    hi_type: str
    profile: str
    code: str
    display: str
    title: str
    parts: Callable[[Visit], list[Part]]
    authors: Callable[[Visit, Part], list[str]]
    roots: frozenset[str] = field(default=frozenset({"Encounter"}))
    # The profile wants entries in its sections and slices them by Reference.type; else it takes a
    # section of words only and doesn't mind the type.
    typed_entries: bool = False
    # Elements of the Encounter that this HI type's consent doesn't cover.
    encounter_without: frozenset[str] = WHY
    # Types that a reference may bring along.
    follows: frozenset[str] = OF_A_VISIT


def parts_of(kind: DocumentType, visit: Visit) -> list[Part]:
    """The documents of a type that have something to say; [] if there is none.

    A record without an element that no code can stand for (`demands.INDISPENSABLE`) is told in
    words instead of standing there as an entry.
    """
    if visit.root["resourceType"] not in kind.roots:
        return []
    parts = []
    for part in kind.parts(visit):
        contents = [c for c in (_stated(kind, content) for content in part.contents) if c]
        if contents:
            parts.append(Part(contents, part.focus, part.title))
    return parts


def _stated(kind: DocumentType, content: Content) -> Content | None:
    entries = tuple(r for r in content.entries if not lacking(r))
    told = tuple(in_one_line(r) for r in content.entries if lacking(r))
    if entries or (not kind.typed_entries and (told or content.lines)):
        return Content(content.section, entries, (*told, *content.lines))
    return None


def treating_practitioners(visit: Visit, _part: Part) -> list[str]:
    """`Type/id` of the practitioners who took part in the visit, the main one first."""
    return treating(visit)


def treating(visit: Visit) -> list[str]:
    """As `treating_practitioners`, whatever the document."""
    ranked = []
    for position, participant in enumerate(as_list(visit.root.get("participant"))):
        name = reference_key(participant.get("individual"))
        if name and name in visit.known and name.startswith("Practitioner"):
            kinds = participant.get("type")
            rank = next(
                (
                    n
                    for n, code in enumerate(_TREATING)
                    if has_code(kinds, frozenset({(PARTICIPATION_TYPE, code)}))
                ),
                len(_TREATING),
            )
            ranked.append((rank, position, name))
    return list(dict.fromkeys(name for _, _, name in sorted(ranked)))


def named_authors(visit: Visit, *references: object) -> list[str]:
    """`Type/id` of the people and organizations that these references name, as far as known."""
    found = [reference_key(r) for reference in references for r in as_list(reference)]
    kinds = ("Practitioner/", "PractitionerRole/", "Organization/", "Patient/")
    return [n for n in dict.fromkeys(found) if n and n.startswith(kinds) and n in visit.known]
