"""prescription -> MedicationRequest, and Medication where more than a name is known.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/MedicationRequest
"""

from __future__ import annotations

import re
from typing import Any

from mappings.building import (
    encounter_reference,
    moment,
    patient_reference,
    practitioner_reference,
    present,
    quantity,
)
from mappings.hims import Prescription
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.systems import UCUM
from mappings.terminology import FREQUENCIES, ROUTES

# "1 tablet(s)", "500 mg", "2.5 ml": a number and a unit as people write them.
_DOSE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([^\d\s].*?)?\s*\Z")


def to_fhir_medication_request(prescription: Prescription) -> list[Resource]:
    """One MedicationRequest, preceded by a Medication if generic name or maker are given."""
    medication = _medication(prescription)
    name = _name(prescription)
    if medication:
        medicine: dict[str, Any] = {
            "medicationReference": {"reference": f"Medication/{medication['id']}", **name}
        }
        if "display" not in name:
            medicine["medicationReference"].pop("display", None)
    else:
        medicine = {"medicationCodeableConcept": {"text": name["display"]}} if name else {}
    request = {
        "resourceType": "MedicationRequest",
        "id": fhir_id(prescription.facility, "prescription", prescription.id),
        "status": "stopped" if prescription.discontinued else "active",
        **present(
            statusReason={"text": prescription.discontinued_reason}
            if prescription.discontinued and prescription.discontinued_reason
            else None
        ),
        "intent": "order",
        **medicine,
        "subject": patient_reference(prescription),
        **present(
            encounter=encounter_reference(prescription),
            authoredOn=prescription.created_date and moment(prescription.created_date),
            requester=practitioner_reference(prescription, prescription.prescribed_by),
            note=[{"text": prescription.notes}] if prescription.notes else None,
            dosageInstruction=[d for d in [_dosage(prescription)] if d],
        ),
    }
    return [medication, request] if medication else [request]


def _name(prescription: Prescription) -> dict[str, str]:
    medicine = prescription.medicine_object
    return present(display=(medicine and medicine.name) or prescription.medicine_old)


def _medication(prescription: Prescription) -> Resource | None:
    medicine = prescription.medicine_object
    if medicine is None or not (medicine.generic or medicine.company):
        return None
    key = "\x1f".join((medicine.name or "", medicine.generic or "", medicine.company or ""))
    return {
        "resourceType": "Medication",
        "id": fhir_id(prescription.facility, "medicine", key),
        "code": {"text": medicine.name or medicine.generic or ""},
        **present(
            manufacturer={"display": medicine.company} if medicine.company else None,
            ingredient=[{"itemCodeableConcept": {"text": medicine.generic}}]
            if medicine.generic
            else None,
        ),
    }


def _dosage(prescription: Prescription) -> dict[str, Any]:
    """The dosage as structure where it is certain, and all of it as words."""
    as_needed = prescription.dosage_type == "PRN"
    dose = _dose(prescription.base_dosage)
    route = prescription.route
    known_route = ROUTES.get((route or "").upper())
    words = _words(prescription)
    if not words:
        return {}
    reason = prescription.indicator
    return {
        "text": words,
        **present(
            timing=_timing(prescription),
            asNeededCodeableConcept={"text": reason} if as_needed and reason else None,
            asNeededBoolean=True if as_needed and not reason else None,
            route={"coding": [dict(known_route)], "text": route}
            if known_route
            else ({"text": route} if route else None),
            doseAndRate=[{"doseQuantity": dose}] if dose else None,
        ),
    }


def _dose(written: str | None) -> dict[str, Any] | None:
    match = _DOSE.match(written) if written else None
    if not match or not match[2]:
        return None
    return quantity(float(match[1]), match[2].replace("(s)", ""))


def _timing(prescription: Prescription) -> dict[str, Any] | None:
    known = FREQUENCIES.get((prescription.frequency or "").upper())
    if known is None:
        return {"code": {"text": prescription.frequency}} if prescription.frequency else None
    words, repeat = known
    bounds = {"value": prescription.days, "unit": "days", "system": UCUM, "code": "d"}
    return {
        "repeat": {**({"boundsDuration": bounds} if prescription.days else {}), **repeat},
        "code": {"text": words},
    }


def _words(prescription: Prescription) -> str:
    frequency = FREQUENCIES.get((prescription.frequency or "").upper(), (prescription.frequency,))
    hours, days = prescription.min_hours_between_doses, prescription.days
    target, most = prescription.target_dosage, prescription.max_dosage
    parts = (
        prescription.base_dosage,
        f"up to {target}" if target else None,
        frequency[0],
        prescription.route,
        "as needed" if prescription.dosage_type == "PRN" else None,
        f"for {prescription.indicator}" if prescription.indicator else None,
        f"for {days} days" if days else None,
        f"at most {most}" if most else None,
        f"at least {hours} hours between doses" if hours else None,
        prescription.instruction_on_titration,
    )
    return ", ".join(str(p) for p in parts if p)
