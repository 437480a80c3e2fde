"""A received document for the viewer `hi-profiles`, and what that viewer leaves out of it.

    found = viewed(content)      # the bytes as received; never raises
    found.bundle                 # what the viewer is given; None where it could show nothing
    found.rows                   # everything in the document, each with why it is not shown, or ""

The viewer (2.2.0, read from its published code) shows the Composition's head and Encounter, and of
each top-level section the entries of `rows.KINDS`, found by `fullUrl` alone; of a report its
results too. So it is given a Bundle of its own: sections in one level, references by one name, each
record as `fitting` makes it, and nothing that it would show with another meaning. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from mappings.received import CODES, Origin, split_received
from mappings.received.narrative import plain_text
from mappings.resources import (
    Resource,
    as_list,
    clinical_date,
    concept_text,
    human_name,
    key,
    label,
)
from mappings.value_text import date_text
from mappings.viewer import rows
from mappings.viewer.fitting import Fitting, target
from mappings.viewer.rows import KINDS, Row, is_changed

__all__ = ["KINDS", "Row", "Viewed", "viewed"]

# Flags of what is in the bytes as received alone.
_LOSSES: Final = frozenset(
    {
        "entry-without-resource",
        "not-a-record",
        "not-fhir",
        "not-json",
        "too-deep",
        "too-large",
        "too-many-entries",
        "unknown-property",
        "unknown-resource-type",
    }
)

# Nothing is stored under it, so whose document it is plays no part.
_ORIGIN: Final = Origin("", "", None, "", None, "", datetime.min.replace(tzinfo=UTC), None, "")


@dataclass(frozen=True)
class Viewed:
    """A document as the page shows it. `patient`: name, sex and birth date, as far as stated.

    `lost`: sentences about what could not be read, and is therefore missing from `rows` too.
    """

    bundle: Resource | None
    patient: str
    rows: tuple[Row, ...]
    lost: tuple[str, ...]


def viewed(content: bytes) -> Viewed:
    """A document as received, for the viewer; never raises, whatever the bytes are."""
    document = split_received(content, _ORIGIN)
    records = {key(each): each for each in document.resources}
    compositions = (each for each in document.resources if each["resourceType"] == "Composition")
    composition = next((each for each in compositions if not is_changed(each)), None)
    view = _View(records)
    bundle = None if composition is None else view.bundle(composition)
    codes = {flag.code for flag in document.flags}
    lost = tuple(sentence for code, sentence in CODES.items() if code in codes & _LOSSES)
    return Viewed(bundle, _patient(records, composition), tuple(view.rows()), lost)


def _patient(records: dict[str, Resource], composition: Resource | None) -> str:
    patients = {name: r for name, r in records.items() if r["resourceType"] == "Patient"}
    named = patients.get(target((composition or {}).get("subject")))
    if named is None:
        # One patient alone is meant by a document that names none; of several none is guessed.
        named = next(iter(patients.values())) if len(patients) == 1 else {}
    parts = (human_name(named.get("name")), named.get("gender"), named.get("birthDate"))
    return ", ".join(str(each) for each in parts if each)


def _sections(parent: Resource, above: str = "") -> Iterator[Resource]:
    """Every section of a Composition, those within others after them, in one level."""
    for section in as_list(parent.get("section")):
        title = str(section.get("title") or concept_text(section.get("code")) or "Section")
        title = f"{above} / {title}" if above else title
        yield {**section, "title": title}
        yield from _sections(section, title)


class _View:
    """What becomes of each record of one document."""

    def __init__(self, records: dict[str, Resource]) -> None:
        self._records = records
        self._fitting = Fitting(records)
        self._shown: set[str] = set()
        self._extra: list[Row] = []

    def bundle(self, composition: Resource) -> Resource:
        """What the viewer is given of a document that begins with this Composition."""
        self._shown.add(key(composition))
        head = self._fitting.fitted(composition)
        head["section"] = [self._section(each, composition) for each in _sections(composition)]
        head.pop("encounter", None)
        visit = self._records.get(target(composition.get("encounter")), {})
        # The viewer reads the class without looking whether there is one.
        if visit.get("class") and self._show([composition["encounter"]], {"Encounter"}):
            head["encounter"] = {"reference": key(visit)}
        for name in sorted(self._shown):
            if self._records[name]["resourceType"] == "DiagnosticReport":
                self._show(self._records[name].get("result"), {"Observation"})
        given = {key(composition): head}
        for name, record in self._records.items():
            if name in self._shown and name not in given:
                given[name] = self._fitting.fitted(record)
        given |= self._fitting.named()
        entries = [{"fullUrl": url, "resource": each} for url, each in given.items()]
        return {"resourceType": "Bundle", "type": "document", "entry": entries}

    def rows(self) -> list[Row]:
        """Everything in the document, records of care before people and places."""
        found = [
            Row(
                each["resourceType"],
                str(each.get("title") or label(each)),
                date_text(clinical_date(each)),
                "" if name in self._shown | self._fitting.used else rows.why_not(each),
            )
            for name, each in self._records.items()
        ]
        found += [*self._extra, *self._fitting.missing]
        return sorted(found, key=lambda row: row.of_people)

    def _section(self, section: Resource, composition: Resource) -> Resource:
        entries = as_list(section.get("entry"))
        shown = self._show(entries, KINDS)
        for each in entries:
            if target(each) not in self._records:
                stated = (each.get("identifier") or {}).get("value")
                what = str(each.get("display") or stated or section["title"])
                self._extra.append(Row(str(each.get("type") or "Record"), what, "", rows.NOWHERE))
        text = section.get("text") or {}
        # Text that was generated says what the entries say; so it is missed where one is missing.
        told = text.get("status") == "generated" and shown and len(shown) == len(entries)
        if plain_text(str(text.get("div") or "")) and not told:
            date = date_text(clinical_date(composition))
            self._extra.append(Row("Section text", section["title"], date, rows.TEXT))
        kept: Resource = {name: section[name] for name in ("title", "code") if name in section}
        return {**kept, "entry": [{"reference": name} for name in shown]}

    def _show(self, references: Any, kinds: Collection[str]) -> list[str]:
        """The records of these kinds that are referred to, from now on shown."""
        shown = []
        for name in map(target, as_list(references)):
            record = self._records.get(name)
            if record and record["resourceType"] in kinds and not is_changed(record):
                shown.append(name)
        self._shown.update(shown)
        return shown
