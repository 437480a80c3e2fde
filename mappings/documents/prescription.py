"""Prescription: the MedicationRequests of one visit, with the scanned slip if there is one.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/PrescriptionRecord: one section whose entries are
MedicationRequests and at most one Binary.
"""

from __future__ import annotations

from mappings.documents.attachments import inline
from mappings.documents.base import Content, DocumentType, Section, treating_practitioners
from mappings.documents.medications import for_document, may_be_told
from mappings.documents.visit import Visit
from mappings.resources import Resource, as_list, has_code, reference_key
from mappings.systems import LOINC, SNOMED

PRESCRIPTION_RECORD = Section("Prescription record", "440545006", "Prescription record")

# DocumentReference.type of a scanned prescription.
_SLIP = frozenset(
    {
        (SNOMED, "440545006"),  # Prescription record
        (LOINC, "57833-6"),  # Prescription for medication
    }
)


def _contents(visit: Visit) -> list[Content]:
    requests = [for_document(r, visit) for r in visit.of("MedicationRequest") if may_be_told(r)]
    slip = _slip(visit)
    return [Content(PRESCRIPTION_RECORD, (*requests, *([slip] if slip else [])))]


def _slip(visit: Visit) -> Resource | None:
    """The newest scanned prescription of the visit as a Binary; a PDF before any other file."""
    found = []
    for record in visit.of("DocumentReference"):
        if not has_code(record.get("type"), _SLIP) or record.get("status") == "superseded":
            continue
        for number, content in enumerate(as_list(record.get("content"))):
            file = inline(content.get("attachment") or {}, visit)
            if file:
                found.append((file["contentType"] == "application/pdf", number, record, file))
    if not found:
        return None
    best = max(reversed(found), key=lambda f: f[0])
    _, number, record, file = best
    return {
        "resourceType": "Binary",
        "id": f"{record['id']}-file-{number}",
        "meta": record.get("meta") or {},
        "contentType": file["contentType"],
        "data": file["data"],
    }


def _authors(visit: Visit) -> list[str]:
    """Who prescribed; else who treated the patient."""
    requests = [r for r in visit.of("MedicationRequest") if may_be_told(r)]
    named = [reference_key(r.get("requester")) for r in requests]
    people = [n for n in dict.fromkeys(named) if n and n.startswith("Practitioner")]
    return [n for n in people if n in visit.known] or treating_practitioners(visit)


PRESCRIPTION = DocumentType(
    hi_type="Prescription",
    profile="PrescriptionRecord",
    code="440545006",
    display="Prescription record",
    title="Prescription",
    contents=_contents,
    authors=_authors,
    typed_entries=True,
    encounter_without=frozenset({"diagnosis", "reasonCode", "reasonReference"}),
)
