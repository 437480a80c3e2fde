"""Which HI types a care context offers: a decision over what its documents would hold. Pure.

- A stay that has ended offers a DischargeSummary, any other visit an OPConsultation (a stay that
  goes on too: its notes so far, preliminary).
- Prescription, DiagnosticReport, ImmunizationRecord, WellnessRecord and Invoice are offered
  wherever there is something for them to say.
- An OPConsultation that would hold nothing beyond reports, wellness observations and files isn't
  offered: those documents say it all (a laboratory visit, a weight check, an upload).
- HealthDocumentRecord is for files that no document above carries: a visit with nothing but files,
  or a file that belongs to no visit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mappings.documents.kinds import DocumentType, Part, parts_of
from mappings.documents.visit import Visit
from mappings.resources import key

# Types that, together, may say all that a consultation would.
_BESIDE = ("DiagnosticReport", "HealthDocumentRecord", "WellnessRecord")


def offered(kinds: Mapping[str, DocumentType], visit: Visit) -> tuple[str, ...]:
    """The names of the HI types that a care context offers, in the order of `kinds`."""
    made = {name: parts for name, kind in kinds.items() if (parts := parts_of(kind, visit))}
    if "DischargeSummary" in made:
        made.pop("OPConsultation", None)
    elif "OPConsultation" in made:
        beside = [part for name in _BESIDE for part in made.get(name, ())]
        if _says_all(visit, beside, made["OPConsultation"]):
            del made["OPConsultation"]
    if "HealthDocumentRecord" in made:
        others = [part for name, parts in made.items() if name in _CARRIERS for part in parts]
        if _says_all(visit, others, made["HealthDocumentRecord"]):
            del made["HealthDocumentRecord"]
    return tuple(made)


_CARRIERS = ("DiagnosticReport", "DischargeSummary", "OPConsultation", "WellnessRecord")


def _says_all(visit: Visit, some: Iterable[Part], parts: Iterable[Part]) -> bool:
    """True if `some` documents hold every record and every line of words of `parts`."""
    some, parts = list(some), list(parts)
    lines = {line for part in some for content in part.contents for line in content.lines}
    wanted_lines = {line for part in parts for content in part.contents for line in content.lines}
    wanted = {key(r) for part in parts for content in part.contents for r in content.entries}
    return wanted_lines <= lines and wanted <= _carried(visit, some)


def _carried(visit: Visit, parts: Iterable[Part]) -> set[str]:
    """`Type/id` of the records that stand in documents, results of reports included."""
    pending = [r for part in parts for content in part.contents for r in content.entries]
    found = {key(r) for r in pending}
    while pending:
        for name in visit.references(pending.pop()):
            if name.startswith("Observation/") and name in visit.known and name not in found:
                found.add(name)
                pending.append(visit.known[name])
    return found
