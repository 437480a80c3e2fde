"""Files of a care context: attachments as documents can carry them.

The NRCeS profiles want `contentType` and `data` on every attachment; a URL into the hospital's own
server is of no use to anybody else. A file up to the inline limit stands in its record; a larger
one is an entry of its own, a Binary that the attachment's `url` names. Pure: the store has read the
Binaries.
"""

from __future__ import annotations

from typing import Any

from mappings.documents.visit import Visit
from mappings.resources import (
    Resource,
    as_list,
    attachments_of,
    concept_text,
    has_code,
    is_outline,
    key,
    label,
    reference_key,
)
from mappings.systems import DATA_ABSENT_REASON, LOINC, SNOMED

# DocumentReference.type (or category) of files that belong to a HI type, and words that say so in
# a hospital's own type or title. SNOMED CT record artifacts; LOINC document ontology.
FILE_CODES: dict[str, frozenset[tuple[str, str]]] = {
    "Prescription": frozenset(
        {
            (SNOMED, "440545006"),  # Prescription record
            (LOINC, "57833-6"),  # Prescription for medication
        }
    ),
    "DischargeSummary": frozenset(
        {
            (SNOMED, "373942005"),  # Discharge summary
            (LOINC, "18842-5"),  # Discharge summary
        }
    ),
    "DiagnosticReport": frozenset(
        {
            (SNOMED, "721981007"),  # Diagnostic studies report
            (SNOMED, "4241000179101"),  # Laboratory report
            (SNOMED, "4201000179104"),  # Imaging report
            (LOINC, "11502-2"),  # Laboratory report
            (LOINC, "18748-4"),  # Diagnostic imaging study
        }
    ),
    "ImmunizationRecord": frozenset(
        {
            (SNOMED, "41000179103"),  # Immunization record
            (LOINC, "11369-6"),  # History of Immunization
            (LOINC, "82593-5"),  # Immunization summary report
        }
    ),
}
_FILE_WORDS = {
    "Prescription": ("prescription",),
    "DischargeSummary": ("discharge summary", "discharge card"),
    "DiagnosticReport": (),
    "ImmunizationRecord": ("immunization", "immunisation", "vaccin"),
}


def files_of(visit: Visit, hi_type: str) -> list[Resource]:
    """The files that belong to a HI type by their type or title, current ones only, in order."""
    return [r for r in visit.of("DocumentReference") if is_file_of(r, hi_type)]


def is_file_of(record: Resource, hi_type: str) -> bool:
    """True for a current file whose type, category or title says that it is of this HI type."""
    if record.get("status") == "superseded":
        return False
    concepts = [record.get("type"), *as_list(record.get("category"))]
    if has_code(concepts, FILE_CODES[hi_type]):
        return True
    words = " ".join([*map(concept_text, concepts), label(record)]).lower()
    return any(word in words for word in _FILE_WORDS[hi_type])


def readable(visit: Visit) -> tuple[tuple[Resource, ...], tuple[str, ...]]:
    """The care context's DocumentReferences with their files inline, and a line for each file that
    can't travel (not on the server, or of unknown type)."""
    documents, unread = [], []
    for record in visit.of("DocumentReference"):
        document = with_files(record, visit)
        if document is not None:
            documents.append(document)
        unread += untold(record, visit)
    return tuple(documents), tuple(unread)


def untold(record: Resource, visit: Visit) -> list[str]:
    """A line for each file of a record that can't travel."""
    return [
        f"{attachment.get('title') or label(record)}: the file is kept at the facility."
        for attachment in attachments_of(record)
        if not is_outline(record) and inline(attachment, visit) is None
    ]


def with_files(record: Resource, visit: Visit) -> Resource | None:
    """A record with those of its files that can travel, inline.

    A report stands without its files too; a file or an image doesn't: None if nothing can travel.
    An outline (read without its files) stands as it is, so that it counts as what it will be.
    """
    if is_outline(record):
        return record
    kind = record["resourceType"]
    if kind == "DocumentReference":
        contents = []
        for content in as_list(record.get("content")):
            attachment = inline(content.get("attachment") or {}, visit)
            if attachment is not None:
                contents.append({**content, "attachment": attachment})
        return {**record, "content": contents} if contents else None
    if kind == "Media":
        attachment = inline(record.get("content") or {}, visit)
        return {**record, "content": attachment} if attachment else None
    forms = [f for a in attachments_of(record) if (f := inline(a, visit)) is not None]
    rest = {k: v for k, v in record.items() if k != "presentedForm"}
    return {**rest, "presentedForm": forms} if forms else rest


def inline(attachment: dict[str, Any], visit: Visit) -> dict[str, Any] | None:
    """An attachment with its data inside; None if the data or its type is unknown."""
    url = reference_key(attachment.get("url"))
    binary = visit.binaries.get(url or "", {})
    data = attachment.get("data") or binary.get("data")
    content_type = attachment.get("contentType") or binary.get("contentType")
    if not data or not content_type:
        return None
    kept = {k: v for k, v in attachment.items() if k != "url"}
    return {**kept, "contentType": content_type, "data": data}


def set_apart(record: Resource, limit: int) -> tuple[Resource, list[Resource]]:
    """A record whose larger files stand in Binary resources of their own.

    Args:
        record: with its files inline (`with_files`); not changed.
        limit: bytes of a file that may stand inline.

    Returns:
        the record itself and [] if no file is larger, else a copy and the Binaries, which its
        attachments name in `url`. The required `data` is marked as not applicable there.
    """
    number, binaries = 0, []

    def moved(attachment: dict[str, Any]) -> dict[str, Any]:
        nonlocal number
        number += 1
        data = attachment.get("data")
        # Four characters of base64 are three bytes.
        if not isinstance(data, str) or len(data) * 3 // 4 <= limit:
            return attachment
        binary = binary_of(record, number, attachment)
        binaries.append(binary)
        rest = {k: v for k, v in attachment.items() if k != "data"}
        absent = {"extension": [{"url": DATA_ABSENT_REASON, "valueCode": "not-applicable"}]}
        return {**rest, "_data": absent, "url": key(binary)}

    changed: Resource
    kind = record["resourceType"]
    if kind == "DocumentReference":
        contents = as_list(record.get("content"))
        changed = {
            "content": [{**c, "attachment": moved(c.get("attachment") or {})} for c in contents]
        }
    elif kind == "DiagnosticReport" and record.get("presentedForm"):
        changed = {"presentedForm": [moved(a) for a in as_list(record["presentedForm"])]}
    elif kind == "Media":
        changed = {"content": moved(record.get("content") or {})}
    else:
        return record, []
    return ({**record, **changed}, binaries) if binaries else (record, [])


def binary_of(record: Resource, number: int, attachment: dict[str, Any]) -> Resource:
    """One file of a record as a Binary."""
    return {
        "resourceType": "Binary",
        "id": f"{record['id']}-file-{number}",
        "meta": record.get("meta") or {},
        "contentType": attachment["contentType"],
        "data": attachment["data"],
    }
