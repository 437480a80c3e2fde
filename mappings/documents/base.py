"""The frame of every ABDM document: Composition, reference closure, Bundle.

A document type (`op_consultation`, `prescription`, ...) says which records stand in which section;
everything else is here and the same for all types. Pure: dates come from the records, ids are
derived, so the same records give the same document. Raises `DocumentImpossible`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mappings.documents.dates import document_date, newest_update, to_instant
from mappings.documents.entries import closure, entry
from mappings.documents.kinds import Content, DocumentType, Part, parts_of, treating
from mappings.documents.profiles import Context, lacking
from mappings.documents.visit import Visit
from mappings.ids import document_uuid
from mappings.narrative import div
from mappings.records import DocumentImpossible
from mappings.resources import Resource, as_list, concept_text, is_outline, key, label
from mappings.systems import CONFIDENTIALITY, HFR_ID, SNOMED, URI, coding, profile
from mappings.value_text import date_text

LANGUAGE = "en-IN"
# Encounter.status of a visit that goes on: its document is preliminary.
_GOES_ON = frozenset({"planned", "arrived", "triaged", "in-progress", "onleave"})
# Composition.status of a document about one record: by that record's status
# (http://hl7.org/fhir/R4/valueset-diagnostic-report-status.html); "final" else.
_STATUS = {
    "partial": "preliminary",
    "preliminary": "preliminary",
    "amended": "amended",
    "corrected": "amended",
    "appended": "amended",
}
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


def assemble(kind: DocumentType, visit: Visit) -> list[Resource]:
    """The document Bundles of one type of one care context, at least one.

    Raises: DocumentImpossible if it holds nothing of this type, nothing has a date, or the records
    were read without their files.
    """
    parts = parts_of(kind, visit)
    if not parts:
        raise DocumentImpossible(
            f"The {visit.root['resourceType']} holds nothing that a document of type "
            f"{kind.hi_type} could say{_why(kind, visit)}."
        )
    return [_document(kind, visit, part) for part in parts]


def _why(kind: DocumentType, visit: Visit) -> str:
    """What is missing in the records that would stand in the document, if that is the reason."""
    if visit.root["resourceType"] not in kind.roots:
        return ""
    entries = [r for part in kind.parts(visit) for c in part.contents for r in c.entries]
    missing = {f"{r['resourceType']}.{element}" for r in entries if (element := lacking(r))}
    return f": {', '.join(sorted(missing))} is missing" if missing else ""


def _document(kind: DocumentType, visit: Visit, part: Part) -> Resource:
    authors = [n for n in kind.authors(visit, part) if n in visit.known]
    authors = authors or [key(visit.organization)]
    entries = [r for c in part.contents for r in c.entries]
    taken = closure(visit, entries, authors, kind.encounter_without, kind.follows)
    if any(is_outline(r) for r in taken.values()):
        raise DocumentImpossible("The records were read without their files; read them again.")
    scope = _scope(visit)
    urls = {name: f"urn:uuid:{document_uuid(scope, name)}" for name in taken}
    labels = {name: label(resource) for name, resource in taken.items()}
    date = document_date(visit.root, taken.values(), part.focus)
    if not date:
        raise DocumentImpossible(
            f"Neither the {visit.root['resourceType']} nor any of its records has a date; "
            "a document needs one."
        )
    timestamp = newest_update(taken.values()) or to_instant(date)

    def refer(name: str) -> dict[str, Any]:
        return {"reference": urls[name], "display": labels[name]}

    people = treating(visit)
    is_visit = visit.root["resourceType"] == "Encounter"
    context = Context(
        patient=refer(key(visit.patient)),
        organization=refer(key(visit.organization)),
        practitioner=refer(people[0]) if len(people) == 1 and people[0] in urls else None,
        period=(visit.root.get("period") or {}) if is_visit else {},
    )
    profiles = {key(r): c.section.entry_profile for c in part.contents for r in c.entries}
    made = [
        entry(resource, name, urls, labels, context, profiles.get(name, ""))
        for name, resource in taken.items()
    ]
    confidentiality = _confidentiality(taken.values())
    about = [key(visit.root), *([key(part.focus)] if part.focus else [])]
    version = document_uuid(scope, kind.hi_type, *about, timestamp, *_versions(taken))
    composition = _composition(kind, visit, part, authors, refer, date, confidentiality)
    composition_uuid = document_uuid(scope, kind.hi_type, *about)
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
            *made,
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
    part: Part,
    authors: list[str],
    refer: Callable[[str], dict[str, Any]],
    date: str,
    confidentiality: str,
) -> Resource:
    organization = refer(key(visit.organization))
    sections = [_section(kind, content, refer) for content in part.contents]
    title = part.title or kind.title
    head = [
        ("Patient", label(visit.patient)),
        ("Facility", label(visit.organization)),
        ("Author", ", ".join(refer(a)["display"] for a in authors)),
        ("Date", date[:10]),
        *_stay(visit.root),
    ]
    body = [(s["title"], "\n".join(c.told)) for s, c in zip(sections, part.contents, strict=True)]
    composition = {
        "resourceType": "Composition",
        "id": "",
        "meta": {"versionId": "1", "lastUpdated": "", "profile": [profile(kind.profile)]},
        "language": LANGUAGE,
        "text": {
            "status": "generated",
            "div": div([*head, *body], title=title, language=LANGUAGE),
        },
        "identifier": {},
        "status": _status(visit.root, part.focus),
        "type": _concept(kind.code, kind.display, kind.display),
        "subject": refer(key(visit.patient)),
        "date": date,
        "author": [refer(name) for name in authors],
        "title": title,
        "confidentiality": confidentiality,
        "attester": [{"mode": "official", "party": organization}],
        "custodian": organization,
        "section": sections,
    }
    if visit.root["resourceType"] == "Encounter":
        composition["encounter"] = refer(key(visit.root))
    return composition


def _status(root: Resource, focus: Resource | None) -> str:
    """Composition.status, by the status of the one record told, else of the visit."""
    if focus is not None:
        return _STATUS.get(str(focus.get("status")), "final")
    goes_on = root["resourceType"] == "Encounter" and root.get("status") in _GOES_ON
    return "preliminary" if goes_on else "final"


def _stay(root: Resource) -> list[tuple[str, str]]:
    """When the patient was admitted and discharged, and where to, for a visit that says so."""
    if root["resourceType"] != "Encounter" or not root.get("hospitalization"):
        return []
    period = root.get("period") or {}
    disposition = concept_text(root["hospitalization"].get("dischargeDisposition"))
    left = ", ".join(t for t in (date_text(period.get("end")), disposition) if t)
    return [
        (name, text)
        for name, text in (("Admitted", date_text(period.get("start"))), ("Discharged", left))
        if text
    ]


def _concept(code: str, display: str, text: str) -> dict[str, Any]:
    return {"coding": [coding(SNOMED, code, display)], "text": text} if code else {"text": text}


def _section(
    kind: DocumentType, content: Content, refer: Callable[[str], dict[str, Any]]
) -> dict[str, Any]:
    section = content.section
    made: dict[str, Any] = {
        "title": section.title,
        "text": {
            "status": "generated",
            "div": div([("", line) for line in content.told]),
        },
    }
    if section.code:
        made["code"] = _concept(section.code, section.display, section.title)
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
