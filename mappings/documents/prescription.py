"""Prescription: the MedicationRequests of one visit, with the scanned slip if there is one.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/PrescriptionRecord: one section whose entries are
MedicationRequests and at most one Binary. A slip is a file of the visit whose type or title says
so; further slips are documents of their own.
"""

from __future__ import annotations

from mappings.documents.attachments import binary_of, files_of, with_files
from mappings.documents.kinds import Content, DocumentType, Part, Section, named_authors, treating
from mappings.documents.medications import for_document, may_be_told
from mappings.documents.visit import Visit
from mappings.resources import Resource, attachments_of, clinical_date, is_outline, key

PRESCRIPTION_RECORD = Section("Prescription record", "440545006", "Prescription record")


def _parts(visit: Visit) -> list[Part]:
    requests = tuple(
        for_document(r, visit) for r in visit.of("MedicationRequest") if may_be_told(r)
    )
    slips = _slips(visit)
    first = Part([Content(PRESCRIPTION_RECORD, (*requests, *slips[:1]))])
    others = [Part([Content(PRESCRIPTION_RECORD, (slip,))], focus=slip) for slip in slips[1:]]
    return [first, *others]


def _slips(visit: Visit) -> list[Resource]:
    """The scanned prescriptions of the visit as Binaries; PDFs before other files, newest first."""
    found = []
    for record in files_of(visit, "Prescription"):
        if is_outline(record):
            found.append((True, clinical_date(record), key(record), 0, record))
            continue
        for number, file in enumerate(attachments_of(with_files(record, visit) or {}), start=1):
            is_pdf = file["contentType"] == "application/pdf"
            binary = binary_of(record, number, file)
            found.append((is_pdf, clinical_date(record), key(record), -number, binary))
    found.sort(key=lambda f: f[:4], reverse=True)
    return [binary for *_, binary in found]


def _authors(visit: Visit, _part: Part) -> list[str]:
    """Who prescribed; else who treated the patient."""
    requests = [r for r in visit.of("MedicationRequest") if may_be_told(r)]
    named = named_authors(visit, *(r.get("requester") for r in requests))
    return [n for n in named if n.startswith("Practitioner")] or treating(visit)


PRESCRIPTION = DocumentType(
    hi_type="Prescription",
    profile="PrescriptionRecord",
    code="440545006",
    display="Prescription record",
    title="Prescription",
    parts=_parts,
    authors=_authors,
    typed_entries=True,
)
