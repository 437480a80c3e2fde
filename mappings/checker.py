"""Does a document hold what its profile demands? A fast check without a FHIR server.

The demands are tables (`conformance/documents/*.toml`, read by the caller), not what the document
builders know, so that builder and checker can't share a mistake. It finds the usual faults in
milliseconds and is no validator: terminology, data types and narratives are for `$validate`.
Pure (`read_demands` reads what it is handed); never raises for a bad document; no finding holds a
value of a record.

    error    the official profile or FHIR R4 demands it
    warning  documents should have it so that patients' apps show them well
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any

import orjson

from mappings.checker_entries import (
    Finding,
    elements,
    error,
    missing,
    object_of,
    objects,
    profile_findings,
    warning,
)

Json = dict[str, Any]

__all__ = ["Demands", "Finding", "check", "errors", "read_demands"]

_COMPOSITION = "Bundle.entry[0].resource"


@dataclass(frozen=True)
class Demands:
    """The tables: for every document, for entries by profile name, and for each HI type."""

    document: Json
    entries: Json
    types: Mapping[str, Json]


def read_demands(folder: Traversable) -> Demands:
    """The demands from a folder of `document.toml`, `entries.toml` and one file for each HI type.

    Raises KeyError or tomllib.TOMLDecodeError for tables that are no demands: a fault of ours.
    """
    tables = {
        file.name.removesuffix(".toml"): tomllib.loads(file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    }
    document, entries = tables.pop("document"), tables.pop("entries")
    types = {table["hi_type"]: table for table in tables.values()}
    return Demands(document, entries, dict(sorted(types.items())))


def errors(findings: list[Finding]) -> list[Finding]:
    """Those findings that an official validator would call errors too."""
    return [finding for finding in findings if finding.severity == "error"]


def check(document: Json | bytes, demands: Demands) -> list[Finding]:
    """What is wrong with one document Bundle, in document order; [] for nothing found."""
    if isinstance(document, bytes):
        try:
            document = orjson.loads(document)
        except orjson.JSONDecodeError:
            return [error("$", "This is not JSON.")]
    if not isinstance(document, dict) or document.get("resourceType") != "Bundle":
        return [error("$", "This is not a FHIR Bundle.")]
    entries = objects(document.get("entry"))
    found = list(_bundle(document, entries, demands.document["bundle"]))
    resources = [object_of(e.get("resource")) for e in entries]
    by_url = {str(e.get("fullUrl")): r for e, r in zip(entries, resources, strict=True)}
    found += _references(resources, by_url)
    composition = resources[0] if resources else {}
    if composition.get("resourceType") != "Composition":
        found.append(error("Bundle.entry[0]", "The first entry of a document is its Composition."))
        return found
    found += _composition(composition, by_url, demands.document)
    kind = _type_of(composition, demands.types)
    if kind is None:
        message = "The Composition has neither the profile nor the type of a known document."
        found.append(error(f"{_COMPOSITION}.type", message))
    else:
        found += _type(composition, kind)
        found += _sections(composition, kind, by_url, demands)
    for index, resource in enumerate(resources[1:], 1):
        found += _entry(resource, f"Bundle.entry[{index}].resource", demands)
    return list(dict.fromkeys(found))


# --- the Bundle -------------------------------------------------------------------------------


def _bundle(document: Json, entries: list[Json], wanted: Json) -> Iterator[Finding]:
    if document.get("type") != wanted["type"]:
        yield error("Bundle.type", f"A document's Bundle is of type {wanted['type']}.")
    for path in wanted["required"]:
        yield from missing(document, path, "Bundle", from_top=True)
    claimed = elements(object_of(document.get("meta")).get("profile"))
    if wanted["profile"] not in claimed:
        yield warning("Bundle.meta.profile", "The Bundle doesn't claim the DocumentBundle profile.")
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        place, url = f"Bundle.entry[{index}]", entry.get("fullUrl")
        if not isinstance(url, str) or not url.startswith(wanted["full_url"]):
            yield error(f"{place}.fullUrl", f"Each fullUrl starts with {wanted['full_url']}.")
        elif url in seen:
            yield error(f"{place}.fullUrl", "Another entry has the same fullUrl.")
        else:
            seen.add(url)
        if not isinstance(entry.get("resource"), dict):
            yield error(f"{place}.resource", "The entry holds no resource.")


def _references(resources: list[Json], by_url: Mapping[str, Json]) -> Iterator[Finding]:
    """Every reference leads to an entry of the document, and says what it leads to."""
    for index, resource in enumerate(resources):
        contained = {f"#{c.get('id')}" for c in objects(resource.get("contained"))}
        pending: list[tuple[str, Any]] = [(f"Bundle.entry[{index}].resource", resource)]
        while pending:
            place, value = pending.pop()
            if isinstance(value, list):
                pending += [(f"{place}[{n}]", v) for n, v in enumerate(value)]
            elif isinstance(value, dict):
                pending += [
                    (f"{place}.{k}", v) for k, v in value.items() if isinstance(v, dict | list)
                ]
                target = value.get("reference")
                if not isinstance(target, str):
                    continue
                if target not in by_url and target not in contained and target != "#":
                    yield error(place, "The reference leads to nothing in this document.")
                if not value.get("display"):
                    yield warning(place, "The reference has no display.")


# --- the Composition --------------------------------------------------------------------------


def _composition(composition: Json, by_url: Mapping[str, Json], demands: Json) -> Iterator[Finding]:
    wanted, more = demands["composition"], demands["wanted"]
    for path in wanted["required"]:
        yield from missing(composition, path, _COMPOSITION, from_top=True)
    if composition.get("status") and composition["status"] not in wanted["statuses"]:
        yield error(f"{_COMPOSITION}.status", "This is no status of a Composition.")
    for name in ("subject", "author", "custodian", "encounter"):
        for index, reference in enumerate(objects(composition.get(name))):
            place = f"{_COMPOSITION}.{name}"
            place += f"[{index}]" if isinstance(composition[name], list) else ""
            target = by_url.get(str(reference.get("reference")), {}).get("resourceType")
            if target is not None and target not in wanted[name]:
                yield error(place, f"{name} can't be a {target}.")
    for path in more["composition"]:
        yield from missing(composition, path, _COMPOSITION, from_top=True, found=warning)
    attesters = objects(composition.get("attester"))
    mode = more["attester_mode"]
    if attesters and not any(a.get("mode") == mode and a.get("party") for a in attesters):
        yield warning(f"{_COMPOSITION}.attester", f"No party attests the document as {mode}.")


def _type_of(composition: Json, types: Mapping[str, Json]) -> Json | None:
    """The demands of the document's type: by the profile it claims, else by its type."""
    claimed = elements(object_of(composition.get("meta")).get("profile"))
    for kind in types.values():
        if kind["profile"] in claimed:
            return kind
    concept = object_of(composition.get("type"))
    codes = {str(c.get("code")) for c in objects(concept.get("coding"))}
    for kind in types.values():
        wanted = kind["type"]
        if wanted.get("code") in codes or (
            "text" in wanted and wanted["text"] == concept.get("text")
        ):
            return kind
    return None


def _type(composition: Json, kind: Json) -> Iterator[Finding]:
    place, wanted = f"{_COMPOSITION}.type", kind["type"]
    for path in kind["required"]:
        yield from missing(composition, path, _COMPOSITION, from_top=True)
    claimed = elements(object_of(composition.get("meta")).get("profile"))
    if kind["profile"] not in claimed:
        yield error(f"{_COMPOSITION}.meta.profile", f"The profile {kind['profile']} isn't claimed.")
    concept = object_of(composition.get("type"))
    if "text" in wanted and concept.get("text") != wanted["text"]:
        yield error(f"{place}.text", f"The type's text is {wanted['text']!r}.")
    if "system" in wanted:
        yield from _coding(concept, wanted, place)


def _coding(
    concept: Json, wanted: Json, place: str, *, exactly_one: bool = True
) -> Iterator[Finding]:
    """Codings of the wanted system, and of the wanted code and display where they are fixed."""
    found = objects(concept.get("coding"))
    if exactly_one and len(found) != 1:
        yield error(f"{place}.coding", "Exactly one coding is needed here.")
    for index, coding in enumerate(found):
        for name in ("system", "code", "display"):
            if not coding.get(name):
                yield error(f"{place}.coding[{index}]", f"The coding has no {name}.")
            elif name in wanted and coding[name] != wanted[name]:
                must = f"{name} must be {wanted[name]!r} here."
                yield error(f"{place}.coding[{index}].{name}", must)


# --- sections ---------------------------------------------------------------------------------


def _sections(
    composition: Json, kind: Json, by_url: Mapping[str, Json], demands: Demands
) -> Iterator[Finding]:
    sections = objects(composition.get("section"))
    most = kind.get("most_sections")
    if most is not None and len(sections) > most:
        yield error(f"{_COMPOSITION}.section", f"At most {most} section is allowed.")
    seen: Counter[str] = Counter()
    further = False
    for index, section in enumerate(sections):
        place = f"{_COMPOSITION}.section[{index}]"
        if not (section.get("text") or section.get("entry") or section.get("section")):
            yield error(place, "The section has neither text nor entries.")
        for path in demands.document["wanted"]["section"]:
            yield from missing(section, path, place, from_top=True, found=warning)
        wanted = _wanted_section(section, kind)
        if wanted is None:
            further = True
            continue
        if further:
            # openAtEnd; the guide's own OPConsultRecord example and HAPI are not strict about it.
            yield warning(place, "Further sections stand after those that the profile names.")
        name = str(wanted.get("code") or wanted.get("title") or "")
        seen[name] += 1
        if seen[name] > 1 and name:
            yield error(place, "The document has this section already.")
        if isinstance(section.get("code"), dict) and "system" in wanted:
            one = most is None
            yield from _coding(section["code"], wanted, f"{place}.code", exactly_one=one)
        yield from _section_entries(section, wanted, place, by_url, demands)


def _wanted_section(section: Json, kind: Json) -> Json | None:
    """The row of the profile's sections that a section is; None for one it doesn't name."""
    if kind.get("most_sections") == 1:
        return dict(kind["sections"][0])
    codes = {str(c.get("code")) for c in objects(object_of(section.get("code")).get("coding"))}
    for wanted in kind["sections"]:
        by = kind["sections_by"]
        if wanted[by] == section.get("title") if by == "title" else wanted[by] in codes:
            return dict(wanted)
    return None


def _section_entries(
    section: Json, wanted: Json, place: str, by_url: Mapping[str, Json], demands: Demands
) -> Iterator[Finding]:
    allowed: dict[str, list[str]] = {}
    for name in wanted["entries"]:
        allowed.setdefault(demands.entries[name]["type"], []).append(name)
    references = objects(section.get("entry"))
    if len(references) < wanted.get("least_entries", 0):
        yield error(f"{place}.entry", "The section needs an entry.")
    counts: Counter[str] = Counter()
    for index, reference in enumerate(references):
        at = f"{place}.entry[{index}]"
        if not reference.get("reference"):
            yield error(at, "The entry has no reference.")
            continue
        target = by_url.get(str(reference["reference"]))
        if target is None:
            continue
        kind = str(target.get("resourceType"))
        counts[kind] += 1
        if wanted.get("typed") and reference.get("type") != kind:
            yield error(f"{at}.type", f"The entry's type must be {kind!r} here.")
        if kind not in allowed:
            yield error(at, f"A {kind} may not stand in this section.")
            continue
        yield from min(
            (list(profile_findings(target, name, at, demands.entries)) for name in allowed[kind]),
            key=len,
        )
    for kind, most in wanted.get("at_most", {}).items():
        if counts[kind] > most:
            yield error(f"{place}.entry", f"At most {most} {kind} may stand in this section.")


def _entry(resource: Json, place: str, demands: Demands) -> Iterator[Finding]:
    """A record against the profiles that it claims, else against the one of its type."""
    kind = str(resource.get("resourceType"))
    claimed = [
        name
        for url in elements(object_of(resource.get("meta")).get("profile"))
        if isinstance(url, str) and (name := url.rsplit("/", 1)[-1]) in demands.entries
    ]
    for name in claimed or ([kind] if kind in demands.entries else []):
        yield from profile_findings(resource, name, place, demands.entries)
    wanted = demands.document["wanted"]
    if kind not in wanted["entry_without_narrative"]:
        for path in wanted["entry"]:
            yield from missing(resource, path, place, from_top=True, found=warning)
