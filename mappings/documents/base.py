"""The frame of every ABDM document: Composition, reference closure, Bundle.

A document type (`op_consultation`, `prescription`, ...) says which records stand in which section;
everything else is here and the same for all types. Pure: dates come from the records, ids are
derived, so the same records give the same document. Raises `DocumentImpossible`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mappings.documents.dates import document_date, newest_update, to_instant
from mappings.documents.entries import closure, entry
from mappings.documents.profiles import Context, lacking
from mappings.documents.visit import Visit
from mappings.ids import document_uuid
from mappings.narrative import div, in_one_line
from mappings.records import DocumentImpossible
from mappings.resources import (
    Resource,
    as_list,
    has_code,
    key,
    label,
    reference_key,
)
from mappings.systems import (
    CONFIDENTIALITY,
    HFR_ID,
    PARTICIPATION_TYPE,
    SNOMED,
    URI,
    coding,
    profile,
)

LANGUAGE = "en-IN"
# Encounter.status of a visit that goes on: its document is preliminary.
_GOES_ON = frozenset({"planned", "arrived", "triaged", "in-progress", "onleave"})
# v3-Confidentiality, from open to very restricted; a document is as confidential as its most
# confidential record (https://terminology.hl7.org/CodeSystem-v3-Confidentiality.html).
_CONFIDENTIALITY = {
    "U": "unrestricted",
    "L": "low",
    "M": "moderate",
    "N": "normal",
    "R": "restricted",
    "V": "very restricted",
}
_RANK = {code: rank for rank, code in enumerate(_CONFIDENTIALITY)}
# Who treated the patient, best first, among an encounter's participants.
_TREATING = ("PPRF", "ATND", "CON", "SPRF", "PART")


@dataclass(frozen=True)
class Section:
    """One section of a profile: its title and its SNOMED CT code and display, verbatim."""

    title: str
    code: str
    display: str


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
class DocumentType:
    """One HI type: how its Composition looks and which records of a visit go into it."""

    hi_type: str
    profile: str
    code: str
    display: str
    title: str
    contents: Callable[[Visit], list[Content]]
    authors: Callable[[Visit], list[str]]
    # PrescriptionRecord wants entries in its section and slices them by Reference.type; the other
    # profiles take a section of words only and don't mind the type.
    typed_entries: bool = False
    # Elements of the Encounter that this HI type's consent doesn't cover.
    encounter_without: frozenset[str] = frozenset()


def treating_practitioners(visit: Visit) -> list[str]:
    """`Type/id` of the practitioners who took part in the visit, the main one first."""
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


def contents_of(kind: DocumentType, visit: Visit) -> list[Content]:
    """The sections of a document that hold something; [] if there is nothing to say.

    A record without an element that no code can stand for (`profiles.INDISPENSABLE`) is told in
    words instead of standing there as an entry.
    """
    found = []
    for content in kind.contents(visit):
        entries = tuple(r for r in content.entries if not lacking(r))
        told = tuple(in_one_line(r) for r in content.entries if lacking(r))
        if entries or (not kind.typed_entries and (told or content.lines)):
            found.append(Content(content.section, entries, (*told, *content.lines)))
    return found


def assemble(kind: DocumentType, visit: Visit) -> Resource:
    """The document Bundle of one visit.

    Raises: DocumentImpossible if the visit holds nothing of this type, or nothing has a date.
    """
    contents = contents_of(kind, visit)
    if not contents:
        raise DocumentImpossible(
            f"The visit holds nothing that a document of type {kind.hi_type} could say."
        )
    authors = [n for n in kind.authors(visit) if n in visit.known] or [key(visit.organization)]
    taken = closure(
        visit, (r for c in contents for r in c.entries), authors, kind.encounter_without
    )
    scope = _scope(visit)
    urls = {name: f"urn:uuid:{document_uuid(scope, name)}" for name in taken}
    labels = {name: label(resource) for name, resource in taken.items()}
    date = document_date(visit.root, taken.values())
    if not date:
        raise DocumentImpossible(
            "Neither the visit nor any of its records has a date; a document needs one."
        )
    timestamp = newest_update(taken.values()) or to_instant(date)

    def refer(name: str) -> dict[str, Any]:
        return {"reference": urls[name], "display": labels[name]}

    treating = treating_practitioners(visit)
    context = Context(
        patient=refer(key(visit.patient)),
        organization=refer(key(visit.organization)),
        practitioner=refer(treating[0]) if len(treating) == 1 and treating[0] in urls else None,
        period=visit.root.get("period") or {},
    )
    entries = [entry(resource, name, urls, labels, context) for name, resource in taken.items()]
    confidentiality = _confidentiality(taken.values())
    version = document_uuid(scope, kind.hi_type, key(visit.root), timestamp, *_versions(taken))
    composition = _composition(kind, visit, contents, authors, refer, date, confidentiality)
    composition_uuid = document_uuid(scope, kind.hi_type, key(visit.root))
    composition["id"] = composition_uuid
    composition["identifier"] = {"system": URI, "value": f"urn:uuid:{composition_uuid}"}
    composition["meta"]["lastUpdated"] = timestamp
    return {
        "resourceType": "Bundle",
        "id": version,
        "meta": {
            "versionId": "1",
            "lastUpdated": timestamp,
            "profile": [profile("DocumentBundle")],
            "security": [
                coding(CONFIDENTIALITY, confidentiality, _CONFIDENTIALITY[confidentiality])
            ],
        },
        "identifier": {"system": URI, "value": f"urn:uuid:{version}"},
        "type": "document",
        "timestamp": timestamp,
        "entry": [
            {"fullUrl": f"urn:uuid:{composition_uuid}", "resource": composition},
            *entries,
        ],
    }


def _scope(visit: Visit) -> str:
    """What keeps two hospitals' `Patient/1` apart: the facility's HFR id, else its own id."""
    for identifier in as_list(visit.organization.get("identifier")):
        if identifier.get("system") == HFR_ID and identifier.get("value"):
            return str(identifier["value"])
    return key(visit.organization)


def _composition(
    kind: DocumentType,
    visit: Visit,
    contents: list[Content],
    authors: list[str],
    refer: Callable[[str], dict[str, Any]],
    date: str,
    confidentiality: str,
) -> Resource:
    organization = refer(key(visit.organization))
    type_code = coding(SNOMED, kind.code, kind.display)
    sections = [_section(kind, content, refer) for content in contents]
    head = [
        ("Patient", label(visit.patient)),
        ("Facility", label(visit.organization)),
        ("Author", ", ".join(refer(a)["display"] for a in authors)),
        ("Date", date[:10]),
    ]
    body = [(s["title"], "\n".join(c.told)) for s, c in zip(sections, contents, strict=True)]
    return {
        "resourceType": "Composition",
        "id": "",
        "meta": {"versionId": "1", "lastUpdated": "", "profile": [profile(kind.profile)]},
        "language": LANGUAGE,
        "text": {
            "status": "generated",
            "div": div([*head, *body], title=kind.title, language=LANGUAGE),
        },
        "identifier": {},
        "status": "preliminary" if visit.root.get("status") in _GOES_ON else "final",
        "type": {"coding": [type_code], "text": kind.display},
        "subject": refer(key(visit.patient)),
        "encounter": refer(key(visit.root)),
        "date": date,
        "author": [refer(name) for name in authors],
        "title": kind.title,
        "confidentiality": confidentiality,
        "attester": [{"mode": "official", "party": organization}],
        "custodian": organization,
        "section": sections,
    }


def _section(
    kind: DocumentType, content: Content, refer: Callable[[str], dict[str, Any]]
) -> dict[str, Any]:
    section = content.section
    made: dict[str, Any] = {
        "title": section.title,
        "code": {
            "coding": [coding(SNOMED, section.code, section.display)],
            "text": section.title,
        },
        "text": {
            "status": "generated",
            "div": div([("", line) for line in content.told]),
        },
    }
    if content.entries:
        made["entry"] = [
            {**refer(key(r)), "type": r["resourceType"]} if kind.typed_entries else refer(key(r))
            for r in content.entries
        ]
    return made


def _confidentiality(resources: Iterable[Resource]) -> str:
    found = ["N"]
    for resource in resources:
        for tag in as_list((resource.get("meta") or {}).get("security")):
            if tag.get("system") == CONFIDENTIALITY and tag.get("code") in _RANK:
                found.append(tag["code"])
    return max(found, key=_RANK.__getitem__)


def _versions(taken: Mapping[str, Resource]) -> list[str]:
    return [
        f"{name}@{(resource.get('meta') or {}).get('versionId', '')}"
        for name, resource in taken.items()
    ]
