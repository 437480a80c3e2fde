"""immunization -> Immunization, and ImmunizationRecommendation for doses that are due.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/Immunization and ImmunizationRecommendation
"""

from __future__ import annotations

from typing import Any

from mappings.building import (
    annotation,
    concept,
    encounter_reference,
    listed,
    local_identifier,
    numbered,
    organization_reference,
    patient_reference,
    practitioner_reference,
    present,
    reference_to,
    unknown,
)
from mappings.dosage import dose
from mappings.hims import DueDose, Immunization
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.systems import FORECAST_STATUS, LOINC, coding, profile
from mappings.terminology import FORECAST_STATUSES, ROUTES

_BRAND_NAME = profile("BrandName")
_DUE = coding(LOINC, "30980-7", "Date vaccine due")
# http://hl7.org/fhir/R4/valueset-immunization-status.html
_STATUSES = frozenset({"completed", "not-done", "entered-in-error"})


def to_fhir_immunization(immunization: Immunization) -> list[Resource]:
    """One Immunization and, if doses are due, one ImmunizationRecommendation.

    A dose with a date was given; without a date and a status neither is known.
    """
    given = _given(immunization)
    recommended = _recommendation(immunization, given)
    return [given, recommended] if recommended else [given]


def _given(immunization: Immunization) -> Resource:
    facility = immunization.facility
    written = (immunization.status or "").strip().lower().replace("_", "-").replace(" ", "-")
    when = immunization.last_vaccinated_date
    status = written if written in _STATUSES else ("completed" if when else None)
    nurse = practitioner_reference(immunization, immunization.administered_by)
    identifiers: list[Any] = [numbered(facility, "immunization", immunization.id)]
    if immunization.covin_id:
        identifiers.append(
            local_identifier(
                facility, "certificate", immunization.covin_id, "XX", "Organization identifier"
            )
        )
    brand = immunization.brand_name
    vaccine = concept(
        immunization, "vaccine", immunization.vaccine_name, immunization.code, immunization.system
    )
    reason = immunization.not_given_reason if status == "not-done" else None
    route = immunization.route
    return {
        "resourceType": "Immunization",
        "id": fhir_id(facility, "immunization", immunization.id),
        **present(extension=[{"url": _BRAND_NAME, "valueString": brand}] if brand else None),
        "identifier": identifiers,
        **({"status": status} if status else {"_status": unknown()}),
        **present(statusReason={"text": reason} if reason else None),
        "vaccineCode": vaccine or unknown(),
        "patient": patient_reference(immunization),
        **present(encounter=encounter_reference(immunization)),
        # FHIR requires when; words are its other form of it.
        **({"occurrenceDateTime": when} if when else {"occurrenceString": "Unknown"}),
        **present(recorded=immunization.created_date),
        **_source(immunization),
        **present(
            manufacturer={"display": immunization.manufacturer}
            if immunization.manufacturer
            else None,
            lotNumber=immunization.lot_number,
            expirationDate=(immunization.expiration_date or "")[:10],
            site={"text": immunization.site} if immunization.site else None,
            route=listed(ROUTES.get((route or "").strip().upper()), route),
            doseQuantity=dose(immunization.dose_quantity),
        ),
        "performer": [
            *([{"actor": nurse}] if nurse else []),
            {"actor": organization_reference(facility)},
        ],
        **present(
            note=annotation(immunization.notes),
            reasonCode=[{"text": immunization.reason}] if immunization.reason else None,
            protocolApplied=_protocol(immunization),
        ),
    }


def _source(immunization: Immunization) -> dict[str, bool]:
    source = immunization.primary_source
    return {} if source is None else {"primarySource": source}


def _protocol(immunization: Immunization) -> list[dict[str, Any]] | None:
    """Which dose of which series: FHIR requires the number of the dose."""
    if not immunization.number_of_doses:
        return None
    disease = immunization.target_disease
    return [
        {
            **present(
                series=immunization.series,
                targetDisease=[{"text": disease}] if disease else None,
            ),
            "doseNumberPositiveInt": immunization.number_of_doses,
            **present(seriesDosesPositiveInt=immunization.series_doses or None),
        }
    ]


def _recommendation(immunization: Immunization, given: Resource) -> Resource | None:
    due = [r for r in (_due(immunization, d, given) for d in immunization.due) if r]
    if not due:
        return None
    made_on = immunization.created_date or immunization.last_vaccinated_date
    return {
        "resourceType": "ImmunizationRecommendation",
        "id": fhir_id(
            immunization.facility, "immunization", f"{immunization.id}\x1frecommendation"
        ),
        "patient": patient_reference(immunization),
        **({"date": made_on} if made_on else {"_date": unknown()}),
        "authority": organization_reference(immunization.facility),
        "recommendation": due,
    }


def _due(immunization: Immunization, dose_due: DueDose, given: Resource) -> dict[str, Any] | None:
    """One dose to come; of the same vaccine unless another is named. A dose with a date is due."""
    if not (dose_due.due_date or dose_due.status):
        return None
    vaccine = concept(
        immunization, "vaccine", dose_due.vaccine_name, dose_due.code, dose_due.system
    )
    written = (dose_due.status or "").strip().lower()
    code = written if written in FORECAST_STATUSES else None
    if code is None and dose_due.due_date and not written:
        code = "due"
    known = coding(FORECAST_STATUS, code, FORECAST_STATUSES[code]) if code else None
    disease = immunization.target_disease
    criterion = (
        [{"code": {"coding": [dict(_DUE)]}, "value": dose_due.due_date}]
        if dose_due.due_date
        else None
    )
    return {
        "vaccineCode": [vaccine or given["vaccineCode"]],
        **present(targetDisease={"text": disease} if disease else None),
        "forecastStatus": listed(known, None if code else dose_due.status) or unknown(),
        **present(
            dateCriterion=criterion,
            description=dose_due.description,
            series=immunization.series,
            doseNumberPositiveInt=dose_due.dose_number or None,
            seriesDosesPositiveInt=immunization.series_doses or None,
        ),
        "supportingImmunization": [reference_to(given)],
    }
