"""Invoices and ChargeItems as the NRCeS profiles want them.

They want exactly one identifier, one coding for the type and for each price, an amount in each
price, both totals, and a product in each charge. What follows from the record is completed (an
uncoded base price is a rate); an unknown code is FHIR's own "unknown", an unknown amount is absent.
Nothing is added up here: totals are the hospital's. Pure.
"""

from __future__ import annotations

from typing import Any

from mappings.documents.profiles import Context, absent
from mappings.resources import Resource, as_list, concept_text
from mappings.systems import (
    BILLING_CODES,
    DATA_ABSENT_REASON_CODES,
    PRICE_COMPONENTS,
    URI,
    coding,
)

# NRCeS CodeSystem ndhm-price-components.
_PRICES = {"00": "MRP", "01": "Rate", "02": "Discount", "03": "CGST", "04": "SGST"}
_PRICE_WORDS = {name.lower(): code for code, name in _PRICES.items()}
# What an uncoded price is by its type (http://hl7.org/fhir/R4/valueset-invoice-priceComponentType.html).
# Which tax a tax is, the type doesn't say.
_PRICE_TYPES = {"base": "01", "discount": "02"}
# NRCeS CodeSystem ndhm-billing-codes, by the words that a hospital may have written.
_BILLING = {
    "00": "Consultation",
    "01": "Pharmacy",
    "02": "IPD",
    "03": "OPD",
    "04": "Pathology",
    "05": "Medicines",
    "06": "Nursing Charges",
    "07": "Handling Charges",
    "08": "Delivery Charges",
    "99": "Others",
}
_BILLING_WORDS = {name.lower(): code for code, name in _BILLING.items()}


def fit_invoice(invoice: Resource, _context: Context) -> None:
    """Complete an invoice's own copy, in place."""
    _one_identifier(invoice)
    invoice["type"] = _one_coding(invoice.get("type"), BILLING_CODES, _BILLING, _BILLING_WORDS)
    if not invoice.get("date"):
        invoice["_date"] = absent()
    if not invoice.get("lineItem"):
        invoice["lineItem"] = [{"chargeItemCodeableConcept": {"text": "Not itemised"}}]
    for item in as_list(invoice["lineItem"]):
        if not (item.get("chargeItemReference") or item.get("chargeItemCodeableConcept")):
            item["chargeItemCodeableConcept"] = absent("Not recorded")
        if not item.get("priceComponent"):
            item["priceComponent"] = [_restated(invoice)]
        for price in as_list(item["priceComponent"]):
            _fit_price(price)
    for total in ("totalNet", "totalGross"):
        if (invoice.get(total) or {}).get("value") is None:
            invoice[total] = absent()


def fit_charge_item(item: Resource, _context: Context) -> None:
    """Complete a charge's own copy, in place."""
    text = concept_text(item.get("code"))
    item["code"] = _one_coding(item.get("code"), BILLING_CODES, _BILLING, _BILLING_WORDS)
    if not item.get("quantity"):
        item["quantity"] = absent()
    if not (item.get("productCodeableConcept") or item.get("productReference")):
        # What was charged for is all that is known of the product.
        item["productCodeableConcept"] = {"text": text} if text else absent("Not recorded")


def _one_identifier(invoice: Resource) -> None:
    """The official or first number; others become a note. Without one the document's own."""
    numbers = [i for i in as_list(invoice.get("identifier")) if i.get("value")]
    numbers.sort(key=lambda i: i.get("use") != "official")
    if not numbers:
        invoice["identifier"] = [{"system": URI, "value": f"urn:uuid:{invoice['id']}"}]
        return
    invoice["identifier"] = numbers[:1]
    for other in numbers[1:]:
        note = {"text": f"Also numbered {other['value']}"}
        invoice["note"] = [*as_list(invoice.get("note")), note]


def _restated(invoice: Resource) -> dict[str, Any]:
    """The price of a line that states none: for the only line, the invoice's total."""
    price: dict[str, Any] = {"type": "informational"}
    if len(as_list(invoice["lineItem"])) == 1:
        total = invoice.get("totalGross") or invoice.get("totalNet")
        if total:
            price["amount"] = dict(total)
    return price


def _fit_price(price: dict[str, Any]) -> None:
    price.setdefault("type", "informational")
    known = _PRICE_TYPES.get(str(price["type"]))
    if known and not price.get("code"):
        price["code"] = {"coding": [coding(PRICE_COMPONENTS, known, _PRICES[known])]}
    price["code"] = _one_coding(price.get("code"), PRICE_COMPONENTS, _PRICES, _PRICE_WORDS)
    if not price.get("amount"):
        price["amount"] = absent()


def _one_coding(
    concept: object, system: str, codes: dict[str, str], words: dict[str, str]
) -> dict[str, Any]:
    """A concept with exactly one coding: NRCeS's, else the hospital's, else one by its words, else
    FHIR's "unknown". Codings left out are named in the text."""
    text = concept_text(concept)
    found = as_list(concept.get("coding")) if isinstance(concept, dict) else []
    whole = [c for c in found if c.get("system") and c.get("code")]
    whole.sort(key=lambda c: c["system"] != system)
    if whole and whole[0]["system"] == system and whole[0]["code"] in codes:
        best = coding(system, whole[0]["code"], codes[whole[0]["code"]])
    elif text.strip().lower() in words:
        code = words[text.strip().lower()]
        best = coding(system, code, codes[code])
    elif whole and whole[0]["system"] != system:
        best = {**whole[0], "display": whole[0].get("display") or text or whole[0]["code"]}
    else:
        best = coding(DATA_ABSENT_REASON_CODES, "unknown", "Unknown")
    named = [str(c.get("display") or c["code"]) for c in whole if c["code"] != best["code"]]
    missing = [n for n in dict.fromkeys(named) if n not in text and n != best["display"]]
    text = f"{text} ({', '.join(missing)})" if text and missing else text or ", ".join(missing)
    return {"coding": [best], **({"text": text} if text else {})}
