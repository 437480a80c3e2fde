"""consultation -> Encounter, its complaints and diagnoses (Condition), findings (Observation), plan
(CarePlan, Appointment) and orders (ServiceRequest, Procedure).

https://nrces.in/ndhm/fhir/r4/StructureDefinition/Encounter
"""

from __future__ import annotations

from typing import Any

from mappings.building import (
    copied,
    listed,
    local_identifier,
    organization_reference,
    patient_reference,
    practitioner_reference,
    present,
    reference,
    reference_to,
    unknown,
)
from mappings.care_plan import plan_of
from mappings.condition import complaints, diagnoses_of, to_fhir_condition
from mappings.hims import Consultation, Diagnosis
from mappings.ids import fhir_id
from mappings.observation import observations_of
from mappings.procedure import procedures_of
from mappings.resources import Resource
from mappings.service_request import orders_of
from mappings.systems import PARTICIPATION_TYPE, READMISSION, coding, profile
from mappings.terminology import (
    ADMISSION_ROUTES,
    DEATH,
    DIAGNOSIS_USES,
    DISCHARGE_REASONS,
    ENCOUNTER_CLASSES,
    STAYS,
    VIRTUAL,
    display_of,
)


def to_fhir_encounter(consultation: Consultation) -> list[Resource]:
    """The Encounter and everything that the consultation itself tells.

    A visit with a discharge date is finished, an admission without one goes on; of other visits
    the HIMS doesn't say, and the status is unknown.
    """
    facility, hims_id = consultation.facility, consultation.id
    encounter_id = fhir_id(facility, "consultation", hims_id)
    about = {
        "subject": patient_reference(consultation),
        "encounter": {"reference": f"Encounter/{encounter_id}"},
    }
    told = complaints(
        consultation,
        consultation.symptoms,
        (
            ("other", consultation.other_symptoms),
            ("chief complaint", consultation.chief_complaint),
        ),
        consultation.symptoms_onset_date,
        about,
    )
    nested = diagnoses_of(consultation)
    doctor = practitioner_reference(consultation, consultation.treating_physician)
    identifiers = [local_identifier(facility, "consultation", hims_id, "VN", "Visit number")]
    if consultation.patient_no:
        identifiers.append(
            local_identifier(facility, "visit", consultation.patient_no, "VN", "Visit number")
        )
    encounter = {
        "resourceType": "Encounter",
        "id": encounter_id,
        "meta": {"profile": [profile("Encounter")]},
        "identifier": identifiers,
        "status": _status(consultation),
        "class": _class(consultation),
        "subject": about["subject"],
        **present(
            participant=_participants(consultation),
            period=present(start=consultation.encounter_date, end=consultation.discharge_date),
            reasonReference=[reference_to(c) for c in told],
            diagnosis=[_diagnosis(d) for d in nested],
            hospitalization=_hospitalization(consultation),
            location=_location(consultation),
        ),
        "serviceProvider": organization_reference(facility),
    }
    performed = {**about, **present(performer=[doctor] if doctor else None)}
    return [
        encounter,
        *told,
        *[c for d in nested for c in to_fhir_condition(d)],
        *observations_of(consultation, "consultation", performed, consultation.encounter_date),
        *_death(consultation, about),
        *procedures_of(consultation, about),
        *orders_of(consultation, about, doctor),
        *plan_of(consultation, about, doctor),
    ]


def _status(consultation: Consultation) -> str:
    if consultation.discharge_date:
        return "finished"
    return "in-progress" if consultation.suggestion in STAYS else "unknown"


def _class(consultation: Consultation) -> dict[str, Any]:
    if consultation.is_telemedicine:
        return dict(VIRTUAL)
    named = (consultation.encounter_class or "").strip().lower()
    known = ENCOUNTER_CLASSES.get(named) or ENCOUNTER_CLASSES.get(consultation.suggestion or "")
    return dict(known) if known else unknown()


def _participants(consultation: Consultation) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    attending = (("ATND", consultation.treating_physician),)
    others = (("PART", u) for u in (consultation.assigned_to, *consultation.assigned_clinicians))
    for code, user in (*attending, *others):
        who = practitioner_reference(consultation, user)
        if who and who["reference"] not in found:
            found[who["reference"]] = {"type": [_part(code)], "individual": who}
    referrer = consultation.referred_by_external
    if referrer:
        found["REF"] = {"type": [_part("REF")], "individual": {"display": referrer}}
    return list(found.values())


def _part(code: str) -> dict[str, Any]:
    display = display_of(PARTICIPATION_TYPE, code) or code
    return {"coding": [coding(PARTICIPATION_TYPE, code, display)]}


def _diagnosis(diagnosis: Diagnosis) -> dict[str, Any]:
    """How a nested diagnosis stands in its visit; the principal one ranks first."""
    condition = reference("Condition", diagnosis.facility, "diagnosis", diagnosis.id)
    named = "principal" if diagnosis.is_principal else (diagnosis.verification_status or "").lower()
    use = DIAGNOSIS_USES.get(named)
    return {
        "condition": condition,
        **present(
            use={"coding": [dict(use)]} if use else None,
            rank=1 if diagnosis.is_principal else None,
        ),
    }


def _hospitalization(consultation: Consultation) -> dict[str, Any]:
    """Where the patient came from and went to; texts where CARE's choice fits no single code."""
    came = ADMISSION_ROUTES.get(consultation.route_to_facility or "")
    origin: dict[str, str] | None = None
    if consultation.transferred_from_location:
        ward = consultation.transferred_from_location
        origin = reference("Location", consultation.facility, "ward", ward)
    elif consultation.referred_from_facility:
        origin = organization_reference(consultation.referred_from_facility)
    elif consultation.referred_from_facility_external:
        origin = {"display": consultation.referred_from_facility_external}
    readmitted = listed(coding(READMISSION, "R", "Re-admission"), None)
    return present(
        origin=origin,
        admitSource={"text": came} if came else None,
        reAdmission=readmitted if consultation.is_readmission else None,
        destination=_destination(consultation),
        dischargeDisposition=_disposition(consultation),
    )


def _destination(consultation: Consultation) -> dict[str, str] | None:
    if consultation.referred_to:
        return organization_reference(consultation.referred_to)
    words = consultation.referred_to_external
    return {"display": words} if words else None


def _disposition(consultation: Consultation) -> dict[str, Any] | None:
    written = consultation.new_discharge_reason or consultation.discharge_reason
    if not written or written in ("-1", "UNKNOWN"):
        return None
    known = DISCHARGE_REASONS.get(written.upper())
    return copied(known) if known else {"text": written}


def _location(consultation: Consultation) -> list[dict[str, Any]]:
    stay = consultation.current_bed
    if stay is None or not (stay.bed or stay.bed_name):
        return []
    place = reference("Location", consultation.facility, "bed", stay.bed) if stay.bed else {}
    period = present(start=stay.start_date, end=stay.end_date)
    return [
        {
            "location": {**place, **present(display=stay.bed_name)},
            **present(period=period),
        }
    ]


def _death(consultation: Consultation, about: dict[str, Any]) -> list[Resource]:
    """When the patient died in this visit, and who confirmed it."""
    if not consultation.death_datetime:
        return []
    doctor = consultation.death_confirmed_doctor
    return [
        {
            "resourceType": "Observation",
            "id": fhir_id(consultation.facility, "consultation", f"{consultation.id}\x1fdeath"),
            "status": "final",
            "code": {"coding": [dict(DEATH)], "text": "Date and time of death"},
            **about,
            **present(performer=[{"display": doctor}] if doctor else None),
            "valueDateTime": consultation.death_datetime,
        }
    ]
