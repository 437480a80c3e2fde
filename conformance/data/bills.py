"""Bills as the hospital's counter writes them: an Invoice and one ChargeItem a line.

Pure. Prices in rupees; totals are the sums of the table. A line with no visit behind it is a sale
over the counter, whose records stand alone.
"""

from collections.abc import Iterator
from typing import Any

from conformance.data.catalogue import LOCAL, Resource
from conformance.data.visit import Visit, as_list, reference


def _money(amount: float) -> Resource:
    return {"value": amount, "currency": "INR"}


def _line(number: int, item: Resource, line: dict[str, Any]) -> Resource:
    base = line["rate"] * line.get("quantity", 1)
    prices = [{"type": "base", "amount": _money(base)}]
    if "discount" in line:
        discount = {"type": "discount", "amount": _money(line["discount"])}
        prices.append(discount | {"code": {"text": "Discount"}})
    return {
        "sequence": number,
        "chargeItemReference": reference(item),
        "priceComponent": prices,
    }


def bills(visit: Visit) -> Iterator[Resource]:
    """Yield for each bill of the visit its ChargeItems, then the Invoice."""
    for number, bill in enumerate(visit.table.get("bills", []), start=1):
        charges = [
            visit.make(
                "ChargeItem",
                f"charge{number}-{position}",
                status="entered-in-error" if visit.in_error else "billed",
                code={
                    "coding": [{"system": f"{LOCAL}/charges", "code": line["code"]}],
                    "text": line["text"],
                },
                subject=visit.patient,
                context=visit.encounter,
                quantity={"value": line.get("quantity", 1)},
                productCodeableConcept={"text": line["text"]},
            )
            for position, line in enumerate(bill["lines"], start=1)
        ]
        yield from charges
        total = sum(
            line["rate"] * line.get("quantity", 1) - line.get("discount", 0)
            for line in bill["lines"]
        )
        yield visit.make(
            "Invoice",
            f"bill{number}",
            status="entered-in-error" if visit.in_error else "issued",
            identifier=[{"system": f"{LOCAL}/bills", "value": bill["number"]}],
            type={"text": bill["kind"]} if "kind" in bill else None,
            subject=visit.patient,
            date=visit.start.isoformat(),
            issuer=visit.organization,
            participant=[{"actor": doctor} for doctor in as_list(visit.doctor)],
            lineItem=[
                _line(position, charge, line)
                for position, (charge, line) in enumerate(
                    zip(charges, bill["lines"], strict=True), start=1
                )
            ],
            totalNet=_money(total),
            totalGross=_money(total),
        )
