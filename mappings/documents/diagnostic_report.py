"""DiagnosticReport: one laboratory or imaging report a document, with its results and images.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/DiagnosticReportRecord: one section with at most
one DiagnosticReport and at most one DocumentReference, so a visit with several reports has several
documents. A file that shows a report (`DocumentReference.context.related`) travels beside it; a
file that is itself a report, by its type, is a document of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from mappings.documents.attachments import files_of, untold, with_files
from mappings.documents.kinds import (
    OF_A_REPORT,
    Content,
    DocumentType,
    Part,
    Section,
    named_authors,
    treating,
)
from mappings.documents.report_kind import IMAGING, LABORATORY, kind_of
from mappings.documents.visit import SHARED_TYPES, Visit
from mappings.resources import Resource, as_list, key, label, reference_key

# The profile leaves the section's code open; these are children of its preferred type codes.
_SECTIONS = {
    LABORATORY: Section("Laboratory report", "4241000179101", "Laboratory report"),
    IMAGING: Section("Imaging report", "4201000179104", "Imaging report"),
}
_FILE = Section("Diagnostic report", "721981007", "Diagnostic studies report")
# DiagnosticReport.status of reports that say nothing yet, or no longer
# (http://hl7.org/fhir/R4/valueset-diagnostic-report-status.html).
_NOT_TOLD = frozenset({"registered", "cancelled", "entered-in-error"})


def may_be_told(report: Resource) -> bool:
    """True for a report that says something: neither merely registered nor withdrawn."""
    return report.get("status") not in _NOT_TOLD


def results_of(visit: Visit, reports: Iterable[Resource]) -> frozenset[str]:
    """`Observation/id` of all results of these reports, the parts of panels included."""
    found: set[str] = set()
    pending = list(reports)
    while pending:
        for name in visit.references(pending.pop()):
            if name.startswith("Observation/") and name in visit.known and name not in found:
                found.add(name)
                pending.append(visit.known[name])
    return frozenset(found)


def untold_of(visit: Visit, report: Resource, *files: Resource) -> list[str]:
    """A line for each file and image of a report that can't travel."""
    names = [reference_key(m.get("link")) or "" for m in as_list(report.get("media"))]
    images = [visit.known[n] for n in names if n in visit.known]
    return [line for r in (report, *images, *files) for line in untold(r, visit)]


def _parts(visit: Visit) -> list[Part]:
    reports = [r for r in visit.of("DiagnosticReport") if may_be_told(r)]
    files = {key(r): r for r in visit.of("DocumentReference") if r.get("status") != "superseded"}
    parts, used = [], set()
    for report in reports:
        section = _SECTIONS[kind_of(report)]
        shown = [f for name, f in files.items() if _belong_together(visit, report, f)]
        used |= {key(f) for f in shown}
        travelling = [f for f in (with_files(f, visit) for f in shown) if f]
        told = with_files(report, visit) or report
        title = f"{section.title}: {label(report)}"
        first = Content(section, (told, *travelling[:1]), tuple(untold_of(visit, report, *shown)))
        parts.append(Part([first], focus=report, title=title))
        parts += [Part([Content(section, (f,))], f, title) for f in travelling[1:]]
    for record in files_of(visit, "DiagnosticReport"):
        made = with_files(record, visit) if key(record) not in used else None
        if made:
            parts.append(Part([Content(_FILE, (made,))], record, label(record)))
    return parts


def _belong_together(visit: Visit, report: Resource, file: Resource) -> bool:
    return key(report) in visit.references(file) or key(file) in visit.references(report)


def _authors(visit: Visit, part: Part) -> list[str]:
    """Who interpreted the report, else who performed the service; a file: who wrote it."""
    focus = part.focus or {}
    for element in ("resultsInterpreter", "performer", "author"):
        named = named_authors(visit, focus.get(element))
        if named:
            return named
    return treating(visit)


DIAGNOSTIC_REPORT = DocumentType(
    hi_type="DiagnosticReport",
    profile="DiagnosticReportRecord",
    code="721981007",
    display="Diagnostic studies report",
    title="Diagnostic report",
    parts=_parts,
    authors=_authors,
    roots=frozenset({"Encounter", "DiagnosticReport"}),
    typed_entries=True,
    follows=SHARED_TYPES | OF_A_REPORT,
)
