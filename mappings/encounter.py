"""consultation -> Encounter, its complaints (Condition) and findings (Observation).

https://nrces.in/ndhm/fhir/r4/StructureDefinition/Encounter
"""

from __future__ import annotations

from typing import Any

from mappings.building import (
    local_identifier,
    moment,
    patient_reference,
    practitioner_reference,
    present,
    reference,
    unknown,
)
from mappings.hims import Consultation
from mappings.ids import fhir_id
from mappings.observation import observations_of
from mappings.resources import Resource
from mappings.systems import PARTICIPATION_TYPE, coding, profile
from mappings.terminology import ENCOUNTER_CLASSES, STAYS, SYMPTOMS, VIRTUAL


def to_fhir_encounter(consultation: Consultation) -> list[Resource]:
    """The Encounter, a Condition for each symptom, an Observation for each finding or text.

    A visit with a discharge date is finished, an admission without one goes on; of other visits
    the HIMS doesn't say, and the status is unknown.
    """
    facility, hims_id = consultation.facility, consultation.id
    encounter_id = fhir_id(facility, "consultation", hims_id)
    about = {
        "subject": patient_reference(consultation),
        "encounter": {"reference": f"Encounter/{encounter_id}"},
    }
    complaints = _complaints(consultation, about)
    doctor = practitioner_reference(consultation, consultation.treating_physician)
    attender = {"coding": [coding(PARTICIPATION_TYPE, "ATND", "attender")]}
    identifiers = [local_identifier(facility, "consultation", hims_id, "VN", "Visit number")]
    if consultation.patient_no:
        identifiers.append(
            local_identifier(facility, "visit", consultation.patient_no, "VN", "Visit number")
        )
    period = present(
        start=consultation.encounter_date and moment(consultation.encounter_date),
        end=consultation.discharge_date and moment(consultation.discharge_date),
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
            participant=[{"type": [attender], "individual": doctor}] if doctor else None,
            period=period,
            reasonReference=[{"reference": f"Condition/{c['id']}"} for c in complaints],
        ),
        "serviceProvider": reference("Organization", facility, "facility", facility),
    }
    performed = {**about, **present(performer=[doctor] if doctor else None)}
    return [
        encounter,
        *complaints,
        *observations_of(consultation, "consultation", performed, consultation.encounter_date),
    ]


def _status(consultation: Consultation) -> str:
    if consultation.discharge_date:
        return "finished"
    return "in-progress" if consultation.suggestion in STAYS else "unknown"


def _class(consultation: Consultation) -> dict[str, Any]:
    if consultation.is_telemedicine:
        return dict(VIRTUAL)
    known = ENCOUNTER_CLASSES.get(consultation.suggestion or "")
    return dict(known) if known else unknown()


def _complaints(consultation: Consultation, about: dict[str, Any]) -> list[Resource]:
    """A Condition for each symptom of the list, and one for the symptoms written as text."""
    concepts: list[tuple[str, dict[str, Any]]] = []
    for symptom in consultation.symptoms:
        if isinstance(symptom, int) or symptom.isdigit():
            known = SYMPTOMS.get(int(symptom))
            if known:
                words, code = known
                coded = {"coding": [dict(code)], "text": words} if code else {"text": words}
                concepts.append((str(symptom), coded))
        elif symptom.strip():
            concepts.append((symptom, {"text": symptom}))
    if consultation.other_symptoms:
        concepts.append(("other", {"text": consultation.other_symptoms}))
    onset = consultation.symptoms_onset_date
    return [
        {
            "resourceType": "Condition",
            "id": fhir_id(consultation.facility, "symptom", f"{consultation.id}\x1f{name}"),
            "code": concept,
            **about,
            **present(onsetDateTime=onset and moment(onset)),
        }
        for name, concept in dict(concepts).items()
    ]
