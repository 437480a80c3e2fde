"""HIMS entities into FHIR R4, FHIR R4 records into ABDM documents, and received documents back.

A pure library: no network, no database, no clock, no configuration; imports nothing of `adapter`.

    resources = to_fhir("patient", {"id": "17", "facility": "IN0710000123"})
    offered = hi_types(records)                          # ("OPConsultation", "Prescription")
    bundle = build_document("OPConsultation", records)   # a document Bundle, a plain dict
    bundles = build_documents("Invoice", records)        # one a document: a visit may have several
    page = to_bytes(bundle)                              # same records, same bytes
    received = split_received(page, origin)              # another hospital's, into its resources
"""

from __future__ import annotations

import orjson

from mappings import documents
from mappings.documents.visit import INLINE_LIMIT
from mappings.entities import to_fhir
from mappings.received import split_received
from mappings.records import DocumentImpossible, Records, group_by_root
from mappings.resources import Resource

__all__ = [
    "DocumentImpossible",
    "Records",
    "Resource",
    "build_document",
    "build_documents",
    "group_by_root",
    "hi_types",
    "split_received",
    "to_bytes",
    "to_fhir",
]


def hi_types(records: Records) -> tuple[str, ...]:
    """The HI types this care context offers, computed from what it holds; () for none.

    Names as in ABDM: OPConsultation, DischargeSummary, Prescription, DiagnosticReport,
    ImmunizationRecord, HealthDocumentRecord, WellnessRecord, Invoice; `mappings.documents.offers`
    has the rules. A root that is cancelled or entered in error, or without a patient, offers none.
    """
    return documents.hi_types(records)


def build_documents(
    hi_type: str, records: Records, *, inline_limit: int = INLINE_LIMIT
) -> list[Resource]:
    """All ABDM document Bundles of one HI type, at least one: a care context with several reports,
    invoices, slips or recommendations has a document for each. The same records give the same
    documents.

    `inline_limit`: bytes of a file that stands in its record; a larger one is a Binary entry of the
    document. Raises: `DocumentImpossible` with a sentence that says what is missing.
    """
    return documents.build_documents(hi_type, records, inline_limit=inline_limit)


def build_document(hi_type: str, records: Records) -> Resource:
    """The first, mostly the only, of `build_documents`; for a preview or a check.

    Raises: `DocumentImpossible` with a sentence that says what is missing.
    """
    return build_documents(hi_type, records)[0]


def to_bytes(bundle: Resource) -> bytes:
    """The document as it travels: canonical UTF-8 JSON; same bundle, same bytes."""
    return orjson.dumps(bundle)
