"""Files, immunizations and invoices of a HIMS; field names as in CARE of early 2024 where it has
the entity."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from mappings.hims.fields import (
    AsList,
    Count,
    Flag,
    Id,
    Moment,
    Number,
    OptionalId,
    Part,
    Positive,
    Record,
    Text,
    Unique,
    Words,
    YesNo,
)


class File(Record):
    """CARE's FileUpload (care/facility/models/file_upload.py); `data` is the content in base64.

    Beyond CARE: `data`, `mime_type`, `document_type`, `description`.
    """

    name: Text = None
    internal_name: Text = None
    file_type: Words = None
    file_category: Text = None
    document_type: Text = None
    code: Text = None
    system: Text = None
    description: Text = None
    mime_type: Text = None
    language: Text = None
    data: Text = None
    uploaded_by: OptionalId = None
    is_archived: Flag = False
    archive_reason: Text = None

    @classmethod
    def _adapt(cls, data: dict[str, Any]) -> dict[str, Any]:
        """`associating_id` is the patient's (file type 1) or the consultation's (2) id."""
        kind = str(data.get("file_type") or "").upper()
        about = {"1": "patient", "PATIENT": "patient", "2": "consultation"}
        field = about.get(kind, "consultation" if kind == "CONSULTATION" else None)
        if field and data.get("associating_id") and not data.get(field):
            data[field] = data["associating_id"]
        return data


class DueDose(Part):
    """A dose to come."""

    vaccine_name: Text = None
    code: Text = None
    system: Text = None
    due_date: Moment = None
    dose_number: Count = None
    status: Text = None
    description: Text = None


class Immunization(Record):
    """One dose given (or not given) to a patient, and doses that are due.

    `vaccine_name`, `number_of_doses`, `last_vaccinated_date` and `covin_id` are CARE's names in its
    PatientRegistration; the rest is beyond CARE.
    """

    vaccine_name: Text = None
    code: Text = None
    system: Text = None
    status: Text = None
    last_vaccinated_date: Moment = None
    number_of_doses: Count = None
    series: Text = None
    series_doses: Count = None
    lot_number: Text = None
    expiration_date: Moment = None
    manufacturer: Text = None
    brand_name: Text = None
    site: Text = None
    route: Text = None
    dose_quantity: Text = None
    administered_by: OptionalId = None
    reason: Text = None
    not_given_reason: Text = None
    target_disease: Text = None
    covin_id: Text = None
    primary_source: YesNo = None
    due: Annotated[tuple[DueDose, ...], AsList] = ()
    notes: Text = None


class Charge(Part):
    """A line of an invoice; prices in the invoice's currency, for the whole quantity."""

    id: Id
    name: Text = None
    code: Text = None
    system: Text = None
    type: Text = None
    quantity: Positive = None
    unit: Text = None
    rate: Number = None
    mrp: Number = None
    discount: Number = None
    cgst: Number = None
    sgst: Number = None
    performed_by: OptionalId = None
    date: Moment = None


class Invoice(Record):
    """A bill (CARE of early 2024 has none). `currency` is INR unless another is named."""

    number: Words = None
    status: Text = None
    cancelled_reason: Text = None
    type: Text = None
    date: Moment = None
    issued_by: OptionalId = None
    items: Annotated[tuple[Charge, ...], Unique, AsList] = ()
    total_net: Number = None
    total_gross: Number = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "INR"
    payment_terms: Text = None
    notes: Text = None
