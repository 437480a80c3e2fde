"""Consultations and what is found and done in them; field names as in CARE of early 2024."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from mappings.hims.fields import (
    AsList,
    Flag,
    Id,
    Moment,
    Name,
    OptionalId,
    Part,
    Positive,
    Record,
    Text,
    Unique,
    Words,
    YesNo,
)

# CARE's ICD-11 labels start with the code: "CA40.Z Pneumonia, organism unspecified".
_LABEL = re.compile(
    r"(?P<code>[0-9A-HJ-NP-VX][A-HJ-NP-Z][0-9][0-9A-Z](?:\.[0-9A-Z]{1,2})?)\s+(?P<name>\S.*)"
)


def _one_or_many(value: object) -> object:
    if value in (None, "", {}):
        return ()
    return (value,) if isinstance(value, Mapping) else value


class SymptomOfVisit(Part):
    """CARE's later EncounterSymptom: a number of SYMPTOM_CHOICES with its onset."""

    symptom: Words = None
    other_symptom: Text = None
    onset_date: Moment = None
    cure_date: Moment = None


def _symptom(value: object) -> object:
    return {"symptom": value} if isinstance(value, str | int) else value


def _symptoms(value: object) -> object:
    """CARE of early 2024 has a list of numbers, as text too ("2,4"); later a list of objects."""
    if value in (None, "", {}):
        return ()
    return value.split(",") if isinstance(value, str) else value


_AnySymptom = Annotated[
    SymptomOfVisit, BeforeValidator(_symptom, json_schema_input_type=SymptomOfVisit | int | str)
]
Symptoms = Annotated[tuple[_AnySymptom, ...], BeforeValidator(_symptoms)]


class OrderedProcedure(Part):
    """An item of CARE's PatientConsultation.procedure."""

    procedure: Text = None
    repetitive: Flag = False
    time: Moment = None
    frequency: Text = None
    notes: Text = None


def _names(value: object) -> object:
    return (value,) if isinstance(value, str) else (value or ())


class OrderedInvestigation(Part):
    """An item of CARE's PatientConsultation.investigation: advised tests."""

    type: Annotated[tuple[Text, ...], BeforeValidator(_names)] = ()
    repetitive: Flag = False
    time: Moment = None
    frequency: Text = None
    notes: Text = None


class DiagnosisOfVisit(Part):
    """CARE's ConsultationDiagnosis as nested in a consultation; see `Diagnosis`."""

    id: Id
    diagnosis: Name = None
    code: Text = None
    system: Text = None
    verification_status: Text = None
    clinical_status: Text = None
    is_principal: Flag = False
    onset_date: Moment = None
    abatement_date: Moment = None
    notes: Text = None
    created_date: Moment = None
    created_by: OptionalId = None


class StayInBed(Part):
    """CARE's ConsultationBed: which bed, from when to when."""

    bed: OptionalId = None
    bed_name: Name = None
    start_date: Moment = None
    end_date: Moment = None


def _stay(value: object) -> object:
    if isinstance(value, Mapping):
        nested = value.get("bed_object")
        if isinstance(nested, Mapping):
            value = {"bed": nested.get("id"), "bed_name": nested.get("name"), **value}
        return value
    return None if isinstance(value, str | int) else value


class Consultation(Record):
    """CARE's PatientConsultation (care/facility/models/patient_consultation.py).

    Beyond CARE: `encounter_class`, `chief_complaint`, `follow_up_date`, `advice`.
    """

    suggestion: Text = None
    encounter_class: Text = None
    is_telemedicine: Flag = False
    patient_no: Words = None
    encounter_date: Moment = None
    route_to_facility: Words = None
    transferred_from_location: OptionalId = None
    referred_from_facility: OptionalId = None
    referred_from_facility_external: Text = None
    referred_by_external: Text = None
    is_readmission: Flag = False
    current_bed: Annotated[StayInBed | None, BeforeValidator(_stay)] = None
    treating_physician: OptionalId = None
    assigned_to: OptionalId = None
    assigned_clinicians: Annotated[tuple[Id, ...], AsList] = ()
    chief_complaint: Text = None
    symptoms: Symptoms = ()
    other_symptoms: Text = None
    symptoms_onset_date: Moment = None
    history_of_present_illness: Text = None
    examination_details: Text = None
    consultation_notes: Text = None
    category: Text = None
    diagnoses: Annotated[tuple[DiagnosisOfVisit, ...], Unique, AsList] = ()
    height: Positive = None
    weight: Positive = None
    investigation: Annotated[tuple[OrderedInvestigation, ...], BeforeValidator(_one_or_many)] = ()
    procedure: Annotated[tuple[OrderedProcedure, ...], BeforeValidator(_one_or_many)] = ()
    operation: Text = None
    treatment_plan: Text = None
    special_instruction: Text = None
    advice: Text = None
    follow_up_date: Moment = None
    review_interval: Annotated[int | None, Field(ge=-1, lt=2**31)] = None
    course_in_facility: Text = None
    referred_to: OptionalId = None
    referred_to_external: Text = None
    discharge_date: Moment = None
    new_discharge_reason: Words = None
    discharge_reason: Words = None
    discharge_notes: Text = None
    death_datetime: Moment = None
    death_confirmed_doctor: Text = None

    @classmethod
    def _adapt(cls, data: dict[str, Any]) -> dict[str, Any]:
        if not data.get("treating_physician") and data.get("treating_physician_object"):
            data["treating_physician"] = data["treating_physician_object"]
        if not data.get("referred_to") and data.get("referred_to_object"):
            data["referred_to"] = data["referred_to_object"]
        if isinstance(data.get("diagnoses"), list | tuple):
            data["diagnoses"] = [
                Diagnosis.adapted(d) if isinstance(d, Mapping) else d for d in data["diagnoses"]
            ]
        return data


class Diagnosis(Record):
    """CARE's ConsultationDiagnosis; `diagnosis` is the label, `code`/`system` where given."""

    diagnosis: Name = None
    code: Text = None
    system: Text = None
    verification_status: Text = None
    clinical_status: Text = None
    is_principal: Flag = False
    onset_date: Moment = None
    abatement_date: Moment = None
    notes: Text = None

    @classmethod
    def adapted(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """CARE nests the ICD-11 entry; its label, like a label in `diagnosis`, has the code."""
        found = dict(data)
        nested = found.get("diagnosis_object")
        if not isinstance(nested, Mapping):
            nested = found.get("diagnosis")
        if isinstance(nested, Mapping):
            found["diagnosis"] = nested.get("label") or nested.get("name")
        label = found.get("diagnosis")
        match = _LABEL.fullmatch(label) if isinstance(label, str) else None
        if match and not found.get("code"):
            found |= {"diagnosis": match["name"], "code": match["code"], "system": "icd-11"}
        return found

    @classmethod
    def _adapt(cls, data: dict[str, Any]) -> dict[str, Any]:
        return cls.adapted(data)


class Procedure(Record):
    """A procedure; `procedure`, `time`, `repetitive`, `frequency` and `notes` as in CARE's
    consultation, the rest beyond CARE."""

    procedure: Text = None
    code: Text = None
    system: Text = None
    status: Text = None
    time: Moment = None
    end_time: Moment = None
    performed_by: OptionalId = None
    body_site: Text = None
    outcome: Text = None
    reason: Text = None
    repetitive: Flag = False
    frequency: Text = None
    notes: Text = None


class Reaction(Part):
    """What the allergen did to the patient."""

    manifestation: Text = None
    severity: Text = None
    description: Text = None


class Allergy(Record):
    """An allergy or intolerance (CARE of early 2024 has only the text of a patient's allergies)."""

    allergen: Text = None
    code: Text = None
    system: Text = None
    type: Text = None
    category: Text = None
    criticality: Text = None
    clinical_status: Text = None
    verification_status: Text = None
    onset_date: Moment = None
    last_occurrence: Moment = None
    reactions: Annotated[tuple[Reaction, ...], AsList] = ()
    notes: Text = None
    asserted_by_patient: YesNo = None
