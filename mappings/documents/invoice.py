"""Invoice: one invoice a document, with what it charges for.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/InvoiceRecord: one section with one Invoice, so a
visit with several invoices has several documents. Its ChargeItems come along by reference.
"""

from __future__ import annotations

from mappings.documents.kinds import Content, DocumentType, Part, Section, named_authors
from mappings.documents.visit import SHARED_TYPES, Visit
from mappings.resources import Resource, as_list, label

INVOICE_RECORD = Section("Invoice")
# Invoice.status of invoices that nobody owes: unfinished or withdrawn
# (http://hl7.org/fhir/R4/valueset-invoice-status.html).
_NOT_TOLD = frozenset({"cancelled", "draft", "entered-in-error"})


def may_be_told(invoice: Resource) -> bool:
    """True for an invoice that was issued and not withdrawn."""
    return invoice.get("status") not in _NOT_TOLD


def _parts(visit: Visit) -> list[Part]:
    return [
        Part([Content(INVOICE_RECORD, (invoice,))], focus=invoice, title=label(invoice))
        for invoice in visit.of("Invoice")
        if may_be_told(invoice)
    ]


def _authors(visit: Visit, part: Part) -> list[str]:
    """Who issued the invoice; else who is named on it."""
    invoice = part.focus or {}
    people = [p.get("actor") for p in as_list(invoice.get("participant"))]
    return named_authors(visit, invoice.get("issuer")) or named_authors(visit, *people)


INVOICE = DocumentType(
    hi_type="Invoice",
    profile="InvoiceRecord",
    code="",
    display="Invoice Record",
    title="Invoice",
    parts=_parts,
    authors=_authors,
    roots=frozenset({"Encounter", "Invoice"}),
    typed_entries=True,
    follows=SHARED_TYPES | {"ChargeItem"},
)
