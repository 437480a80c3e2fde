"""HealthDocumentRecord: uploaded files that no other document of the care context carries.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/HealthDocumentRecord: one section with one or more
DocumentReferences.
"""

from __future__ import annotations

from mappings.documents.attachments import readable
from mappings.documents.kinds import Content, DocumentType, Part, Section, named_authors, treating
from mappings.documents.visit import SHARED_TYPES, Visit

HEALTH_DOCUMENT = Section("Health document", "419891008", "Record artifact")
# DocumentReference.status of files that another one has replaced.
_REPLACED = "superseded"


def _parts(visit: Visit) -> list[Part]:
    files, unread = readable(visit)
    if visit.root["resourceType"] == "DocumentReference":
        files = tuple(f for f in files if f.get("status") != _REPLACED)
    return [Part([Content(HEALTH_DOCUMENT, files, unread)])]


def _authors(visit: Visit, _part: Part) -> list[str]:
    """Who wrote the files; else who treated the patient."""
    return named_authors(visit, *(r.get("author") for r in visit.of("DocumentReference"))) or (
        treating(visit)
    )


HEALTH_DOCUMENT_RECORD = DocumentType(
    hi_type="HealthDocumentRecord",
    profile="HealthDocumentRecord",
    code="419891008",
    display="Record artifact",
    title="Health document",
    parts=_parts,
    authors=_authors,
    roots=frozenset({"Encounter", "DocumentReference"}),
    typed_entries=True,
    follows=SHARED_TYPES | {"DocumentReference"},
)
