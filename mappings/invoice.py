"""invoice -> ChargeItem for each line, and Invoice.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/Invoice and ChargeItem
"""

from __future__ import annotations

from typing import Any

from mappings.building import (
    annotation,
    concept,
    encounter_reference,
    listed,
    numbered,
    organization_reference,
    patient_reference,
    plain,
    practitioner_reference,
    present,
    quantity,
    reference_to,
    unknown,
)
from mappings.hims import Charge, Invoice
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.terminology import BILLING_TYPES, PRICES

# http://hl7.org/fhir/R4/valueset-invoice-status.html
_STATUSES = frozenset({"draft", "issued", "balanced", "cancelled", "entered-in-error"})
_BILLED = frozenset({"issued", "balanced"})


def to_fhir_invoice(invoice: Invoice) -> list[Resource]:
    """A ChargeItem for each line, then the Invoice. Sums go in as given, never computed.

    What stands on an issued invoice has been billed; else the HIMS doesn't say.
    """
    written = (invoice.status or "").strip().lower().replace("_", "-").replace(" ", "-")
    status = written if written in _STATUSES else None
    charges = [_charge(invoice, item, status) for item in invoice.items]
    issuer = practitioner_reference(invoice, invoice.issued_by)
    number = invoice.number or invoice.id
    billed = zip(invoice.items, charges, strict=True)
    lines = [_line(invoice, n, item, charge) for n, (item, charge) in enumerate(billed, start=1)]
    reason = invoice.cancelled_reason if status == "cancelled" else None
    return [
        *charges,
        {
            "resourceType": "Invoice",
            "id": fhir_id(invoice.facility, "invoice", invoice.id),
            "identifier": [numbered(invoice.facility, "invoice", number)],
            **({"status": status} if status else {"_status": unknown()}),
            **present(cancelledReason=reason, type=_type(invoice.type)),
            "subject": patient_reference(invoice),
            **present(
                date=invoice.date or invoice.created_date,
                participant=[{"actor": issuer}] if issuer else None,
            ),
            "issuer": organization_reference(invoice.facility),
            **present(
                lineItem=lines,
                totalNet=_money(invoice.total_net, invoice),
                totalGross=_money(invoice.total_gross, invoice),
                paymentTerms=invoice.payment_terms,
                note=annotation(invoice.notes),
            ),
        },
    ]


def _type(written: str | None) -> dict[str, Any] | None:
    return listed(BILLING_TYPES.get((written or "").strip().lower()), written)


def _money(value: float | None, invoice: Invoice) -> dict[str, Any] | None:
    return None if value is None else {"value": plain(value), "currency": invoice.currency}


def _charge(invoice: Invoice, item: Charge, status: str | None) -> Resource:
    performer = practitioner_reference(invoice, item.performed_by)
    encounter = encounter_reference(invoice)
    amount = None if item.quantity is None else quantity(item.quantity, item.unit)
    return {
        "resourceType": "ChargeItem",
        "id": fhir_id(invoice.facility, "charge", f"{invoice.id}\x1f{item.id}"),
        "identifier": [numbered(invoice.facility, "charge", item.id)],
        "status": "billed" if status in _BILLED else "unknown",
        # FHIR requires a code: the kind of charge, else what was charged.
        "code": _type(item.type) or present(text=item.name) or {"text": "Charge"},
        "subject": patient_reference(invoice),
        **present(
            context=encounter,
            occurrenceDateTime=item.date,
            performer=[{"actor": performer}] if performer else None,
            quantity=amount,
            productCodeableConcept=concept(invoice, "charge", item.name, item.code, item.system),
        ),
    }


def _line(invoice: Invoice, number: int, item: Charge, charge: Resource) -> dict[str, Any]:
    prices = [
        {"type": kind, "code": {"coding": [dict(code)]}, "amount": _money(value, invoice)}
        for field, (kind, code) in PRICES.items()
        if (value := getattr(item, field)) is not None
    ]
    return {
        "sequence": number,
        "chargeItemReference": reference_to(charge),
        **present(priceComponent=prices),
    }
