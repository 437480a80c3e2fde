"""prescription -> MedicationRequest, and Medication where more than a name is known.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/MedicationRequest
"""

from __future__ import annotations

from typing import Any

from mappings.building import (
    annotation,
    concept,
    encounter_reference,
    patient_reference,
    practitioner_reference,
    present,
    unknown,
)
from mappings.dosage import dosages
from mappings.hims import Prescription
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.terminology import PRESCRIPTION_TYPES


def to_fhir_medication_request(prescription: Prescription) -> list[Resource]:
    """One MedicationRequest, preceded by a Medication if generic name, maker or form are given."""
    medication = _medication(prescription)
    kind = PRESCRIPTION_TYPES.get((prescription.prescription_type or "").upper())
    stopped = prescription.discontinued
    on = prescription.discontinued_date if stopped else None
    reason = prescription.discontinued_reason if stopped else None
    requester = practitioner_reference(prescription, prescription.prescribed_by)
    request = {
        "resourceType": "MedicationRequest",
        "id": fhir_id(prescription.facility, "prescription", prescription.id),
        "status": "stopped" if stopped else "active",
        **present(statusReason={"text": reason} if reason else None),
        "intent": "order",
        **present(category=[{"coding": [dict(kind)]}] if kind else None),
        **_medicine(prescription, medication),
        "subject": patient_reference(prescription),
        **present(
            encounter=encounter_reference(prescription),
            authoredOn=prescription.created_date,
            requester=requester,
            recorder=practitioner_reference(prescription, prescription.created_by),
            note=annotation(prescription.notes, f"Discontinued on {on}" if on else None),
            dosageInstruction=dosages(prescription),
        ),
    }
    return [medication, request] if medication else [request]


def _medicine(prescription: Prescription, medication: Resource | None) -> dict[str, Any]:
    medicine = prescription.medicine_object
    name = (medicine and medicine.name) or prescription.medicine_old
    if medication:
        reference = {"reference": f"Medication/{medication['id']}", **present(display=name)}
        return {"medicationReference": reference}
    coded = concept(
        prescription,
        "medicine",
        name,
        medicine.code if medicine else None,
        medicine.system if medicine else None,
    )
    # FHIR requires a medicine.
    return {"medicationCodeableConcept": coded or unknown()}


def _medication(prescription: Prescription) -> Resource | None:
    medicine = prescription.medicine_object
    if medicine is None or not (
        medicine.generic or medicine.company or medicine.form or medicine.contents
    ):
        return None
    told = (medicine.name, medicine.generic, medicine.company)
    further = [p for p in (medicine.code, medicine.form, medicine.contents) if p]
    key = "\x1f".join([*(part or "" for part in told), *further])
    # What it contains: the generic name, else the words of its contents.
    content = medicine.generic or medicine.contents
    name = medicine.name or medicine.generic or prescription.medicine_old
    return {
        "resourceType": "Medication",
        "id": fhir_id(prescription.facility, "medicine", key),
        **present(
            code=concept(prescription, "medicine", name, medicine.code, medicine.system),
            manufacturer={"display": medicine.company} if medicine.company else None,
            form={"text": medicine.form} if medicine.form else None,
            ingredient=[{"itemCodeableConcept": {"text": content}}] if content else None,
        ),
    }
