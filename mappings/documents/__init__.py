"""FHIR R4 records of one care context into ABDM document Bundles (NRCeS profiles, ndhm.in 6.5.0).

`visit` selects what may stand in a document, a module per HI type says where, `profiles` and
`vital_signs` make each record fit, `base` builds Composition and Bundle. All pure.
"""

from __future__ import annotations

from mappings.documents.base import DocumentType, assemble, contents_of
from mappings.documents.op_consultation import OP_CONSULTATION
from mappings.documents.prescription import PRESCRIPTION
from mappings.documents.visit import visit_of
from mappings.records import DocumentImpossible, Records
from mappings.resources import Resource

DOCUMENT_TYPES: dict[str, DocumentType] = {
    kind.hi_type: kind for kind in (OP_CONSULTATION, PRESCRIPTION)
}


def hi_types(records: Records) -> tuple[str, ...]:
    """The HI types this care context offers; see `mappings.hi_types`."""
    try:
        visit = visit_of(records)
    except DocumentImpossible:
        return ()
    return tuple(name for name, kind in DOCUMENT_TYPES.items() if contents_of(kind, visit))


def build_document(hi_type: str, records: Records) -> Resource:
    """The document Bundle of one HI type; see `mappings.build_document`."""
    kind = DOCUMENT_TYPES.get(hi_type)
    if kind is None:
        known = ", ".join(DOCUMENT_TYPES)
        raise DocumentImpossible(f"Documents of type {hi_type} can't be built; known: {known}.")
    return assemble(kind, visit_of(records))
