"""FHIR R4 records of one care context into ABDM document Bundles (NRCeS profiles, ndhm.in 6.5.0).

`visit` selects what may stand in a document, a module per HI type says where, `offers` which types
a care context has, `profiles` and `fitting` make each record fit, `base` builds Composition and
Bundle. All pure.
"""

from __future__ import annotations

from mappings.documents.base import assemble
from mappings.documents.diagnostic_report import DIAGNOSTIC_REPORT
from mappings.documents.discharge_summary import DISCHARGE_SUMMARY
from mappings.documents.health_document import HEALTH_DOCUMENT_RECORD
from mappings.documents.immunization import IMMUNIZATION
from mappings.documents.invoice import INVOICE
from mappings.documents.kinds import DocumentType
from mappings.documents.offers import offered
from mappings.documents.op_consultation import OP_CONSULTATION
from mappings.documents.prescription import PRESCRIPTION
from mappings.documents.visit import INLINE_LIMIT, visit_of
from mappings.documents.wellness import WELLNESS
from mappings.records import DocumentImpossible, Records
from mappings.resources import Resource

__all__ = ["DOCUMENT_TYPES", "INLINE_LIMIT", "build_documents", "hi_types"]

DOCUMENT_TYPES: dict[str, DocumentType] = {
    kind.hi_type: kind
    for kind in (
        OP_CONSULTATION,
        PRESCRIPTION,
        DISCHARGE_SUMMARY,
        DIAGNOSTIC_REPORT,
        IMMUNIZATION,
        HEALTH_DOCUMENT_RECORD,
        WELLNESS,
        INVOICE,
    )
}


def hi_types(records: Records) -> tuple[str, ...]:
    """The HI types this care context offers; see `mappings.hi_types`."""
    try:
        visit = visit_of(records)
    except DocumentImpossible:
        return ()
    return offered(DOCUMENT_TYPES, visit)


def build_documents(
    hi_type: str, records: Records, *, inline_limit: int = INLINE_LIMIT
) -> list[Resource]:
    """The document Bundles of one HI type; see `mappings.build_documents`."""
    kind = DOCUMENT_TYPES.get(hi_type)
    if kind is None:
        known = ", ".join(DOCUMENT_TYPES)
        raise DocumentImpossible(f"Documents of type {hi_type} can't be built; known: {known}.")
    return assemble(kind, visit_of(records, inline_limit))
