"""What single resource types need beyond `profiles.fit` to satisfy their NRCeS profile.

Changes a document's own copy of a record in place; completes what follows from the record, marks as
absent what is required and unknown, never invents. One function a type, in the modules named here.
"""

from __future__ import annotations

from collections.abc import Callable

from mappings.documents.immunization_fit import fit_immunization, fit_recommendation
from mappings.documents.invoice_fit import fit_charge_item, fit_invoice
from mappings.documents.profiles import Context
from mappings.documents.report_fit import fit_report, fit_specimen
from mappings.documents.report_kind import kind_of
from mappings.documents.vital_signs import fit_vital_sign
from mappings.documents.wellness import STRING_FOR_DATE, fit_wellness
from mappings.resources import Resource
from mappings.systems import PROFILED_TYPES

_FITS: dict[str, Callable[[Resource, Context], None]] = {
    "ChargeItem": fit_charge_item,
    "DiagnosticReport": fit_report,
    "Immunization": fit_immunization,
    "ImmunizationRecommendation": fit_recommendation,
    "Invoice": fit_invoice,
    "Observation": fit_vital_sign,
    "Specimen": fit_specimen,
}


def profile_of(record: Resource) -> str:
    """The name of the NRCeS profile of a record, as read; "" if its type has none."""
    kind = str(record["resourceType"])
    if kind == "DiagnosticReport":
        return kind_of(record)
    return kind if kind in PROFILED_TYPES else ""


def fit_type(resource: Resource, context: Context, claimed: str) -> None:
    """Make a document's own copy of a record satisfy the profile that it claims, in place."""
    fit = _FITS.get(resource["resourceType"])
    if fit is not None:
        fit(resource, context)
    if claimed in STRING_FOR_DATE:
        fit_wellness(resource)
