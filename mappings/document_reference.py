"""file -> DocumentReference, and Binary with its contents (PDF, image, audio).

https://nrces.in/ndhm/fhir/r4/StructureDefinition/DocumentReference and Binary
"""

from __future__ import annotations

from typing import Any

from mappings.attachment import attachment, base64_text, media_type
from mappings.building import (
    concept,
    encounter_reference,
    instant,
    listed,
    numbered,
    organization_reference,
    patient_reference,
    practitioner_reference,
    present,
)
from mappings.hims import File
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.terminology import DOCUMENTS, FILE_CATEGORIES, FILE_TYPES

_UNKNOWN_TYPE = "application/octet-stream"


def to_fhir_document_reference(file: File) -> list[Resource]:
    """The Binary with the contents, if they are given, and the DocumentReference that names it.

    A file that the HIMS archived is superseded: kept, and no longer the current one.
    """
    data = base64_text(file.data) if file.data else None
    kind = media_type(file.mime_type, data, file.internal_name, file.name)
    binary = _binary(file, data, kind) if data else None
    author = practitioner_reference(file, file.uploaded_by or file.created_by)
    encounter = encounter_reference(file)
    content = attachment(
        data,
        kind,
        title=file.name or file.internal_name,
        created=file.created_date,
        url=f"Binary/{binary['id']}" if binary else None,
        language=file.language,
    )
    reason = f"Archived: {file.archive_reason}" if file.archive_reason else None
    words = [w for w in (file.description, reason if file.is_archived else None) if w]
    reference = {
        "resourceType": "DocumentReference",
        "id": fhir_id(file.facility, "file", file.id),
        "identifier": [numbered(file.facility, "file", file.id)],
        "status": "superseded" if file.is_archived else "current",
        **present(type=_type(file)),
        "subject": patient_reference(file),
        **present(
            date=instant(file.created_date),
            author=[author] if author else None,
            description=". ".join(words),
        ),
        "custodian": organization_reference(file.facility),
        # FHIR requires an attachment, even of a file whose contents aren't there.
        "content": [{"attachment": content or {"title": "File"}}],
        **present(context={"encounter": [encounter]} if encounter else None),
    }
    return [binary, reference] if binary else [reference]


def _binary(file: File, data: str, kind: str | None) -> Resource:
    return {
        "resourceType": "Binary",
        "id": fhir_id(file.facility, "file", f"{file.id}\x1fcontents"),
        "contentType": kind or _UNKNOWN_TYPE,
        "securityContext": patient_reference(file),
        "data": data,
    }


def _type(file: File) -> dict[str, Any] | None:
    """What the file is: the hospital's code, a kind that the guide knows, or the words."""
    if file.code:
        return concept(file, "document", file.document_type, file.code, file.system)
    named = (file.document_type or "").strip().lower()
    known = DOCUMENTS.get(named) or DOCUMENTS.get(FILE_TYPES.get((file.file_type or ""), ""))
    category = (file.file_category or "").upper()
    words = FILE_CATEGORIES.get(category)
    if words is None and category not in ("", "UNSPECIFIED"):
        words = file.file_category
    return listed(known, file.document_type or (known or {}).get("display") or words)
