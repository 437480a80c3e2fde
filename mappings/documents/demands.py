"""What the NRCeS profiles (ndhm.in 6.5.0) and R4 demand of single resources, as tables.

Source: the differentials of the StructureDefinitions of the same names. `profiles.fit` applies
them.
"""

from __future__ import annotations

from mappings.systems import (
    ALLERGY_CLINICAL,
    ALLERGY_VERIFICATION,
    CONDITION_CLINICAL,
    CONDITION_VERIFICATION,
    ICD10,
    ICD11,
    LOINC,
    ORGANIZATION_TYPE,
    SNOMED,
)

ANY = None
_SNOMED_ONLY = frozenset({SNOMED})
Systems = frozenset[str] | None

# Per type: path of a CodeableConcept and the code systems that its profile allows there (ANY:
# every one). A coding needs system, code and display everywhere. Source: differentials of the
# StructureDefinitions of the same names, ndhm.in 6.5.0.
CONCEPTS: dict[str, tuple[tuple[str, Systems], ...]] = {
    "AllergyIntolerance": (("code", _SNOMED_ONLY),),
    "Appointment": (
        ("serviceCategory", _SNOMED_ONLY),
        ("serviceType", _SNOMED_ONLY),
        ("specialty", _SNOMED_ONLY),
        ("appointmentType", _SNOMED_ONLY),
        ("reasonCode", _SNOMED_ONLY),
        ("participant.type", ANY),
    ),
    "CarePlan": (("category", _SNOMED_ONLY),),
    "ChargeItem": (),
    "Condition": (("code", frozenset({ICD10, SNOMED})),),
    "DiagnosticReport": (
        ("category", _SNOMED_ONLY),
        ("code", frozenset({LOINC})),
        ("conclusionCode", _SNOMED_ONLY),
    ),
    "Encounter": (
        ("type", ANY),
        ("serviceType", ANY),
        ("priority", ANY),
        ("participant.type", ANY),
        ("reasonCode", _SNOMED_ONLY),
        ("diagnosis.use", _SNOMED_ONLY),
    ),
    "FamilyMemberHistory": (
        ("relationship", ANY),
        ("reasonCode", _SNOMED_ONLY),
        ("condition.code", _SNOMED_ONLY),
    ),
    "ImagingStudy": (("procedureCode", _SNOMED_ONLY), ("reasonCode", _SNOMED_ONLY)),
    "Immunization": (
        ("vaccineCode", ANY),
        ("site", ANY),
        ("route", _SNOMED_ONLY),
        ("performer.function", ANY),
        ("reasonCode", _SNOMED_ONLY),
    ),
    "ImmunizationRecommendation": (
        ("recommendation.vaccineCode", ANY),
        ("recommendation.targetDisease", ANY),
        ("recommendation.contraindicatedVaccineCode", ANY),
        ("recommendation.forecastStatus", ANY),
        ("recommendation.forecastReason", ANY),
        ("recommendation.dateCriterion.code", ANY),
    ),
    "Invoice": (),
    "Media": (("modality", ANY),),
    "Medication": (("code", ANY),),
    "MedicationRequest": (
        ("medicationCodeableConcept", _SNOMED_ONLY),
        ("reasonCode", _SNOMED_ONLY),
        ("dosageInstruction.additionalInstruction", _SNOMED_ONLY),
        ("dosageInstruction.route", _SNOMED_ONLY),
        ("dosageInstruction.method", _SNOMED_ONLY),
    ),
    "MedicationStatement": (
        ("medicationCodeableConcept", _SNOMED_ONLY),
        ("reasonCode", _SNOMED_ONLY),
        ("dosage.additionalInstruction", _SNOMED_ONLY),
        ("dosage.site", _SNOMED_ONLY),
        ("dosage.route", _SNOMED_ONLY),
        ("dosage.method", _SNOMED_ONLY),
        ("dosage.doseAndRate.type", _SNOMED_ONLY),
    ),
    "Observation": (("code", frozenset({LOINC, SNOMED})),),
    "Organization": (("type", frozenset({ORGANIZATION_TYPE})),),
    "Practitioner": (("qualification.code", ANY),),
    "PractitionerRole": (("code", _SNOMED_ONLY), ("specialty", _SNOMED_ONLY)),
    "Procedure": (
        ("statusReason", _SNOMED_ONLY),
        ("category", _SNOMED_ONLY),
        ("code", _SNOMED_ONLY),
        ("performer.function", _SNOMED_ONLY),
        ("reasonCode", _SNOMED_ONLY),
        ("bodySite", _SNOMED_ONLY),
        ("outcome", _SNOMED_ONLY),
        ("usedCode", _SNOMED_ONLY),
    ),
    "ServiceRequest": (("code", _SNOMED_ONLY),),
    "Specimen": (("type", _SNOMED_ONLY),),
}

# Systems whose codes are worth keeping in the text where the profile forbids them as codes.
NAMED_IN_TEXT = {ICD11: "ICD-11", ICD10: "ICD-10", LOINC: "LOINC"}

# Per type: elements that R4 or the profile requires. Where a record lacks one it is marked as
# absent; the words are what a reader sees (PRIMITIVE and CODING have no place for words).
PRIMITIVE = "primitive"
CODING = "coding"
REQUIRED: dict[str, tuple[tuple[str, str], ...]] = {
    "Condition": (("code", "Not recorded"),),
    "AllergyIntolerance": (("code", "Not recorded"),),
    "DiagnosticReport": (("code", "Not recorded"),),
    "Encounter": (("class", CODING),),
    "FamilyMemberHistory": (("relationship", "Not recorded"),),
    "Immunization": (("vaccineCode", "Not recorded"),),
    "ImmunizationRecommendation": (("date", PRIMITIVE),),
    "Medication": (("code", "Not recorded"),),
    "MedicationRequest": (
        ("medicationCodeableConcept", "Not recorded"),
        ("authoredOn", PRIMITIVE),
    ),
    "MedicationStatement": (("medicationCodeableConcept", "Not recorded"),),
    "Observation": (("code", "Not recorded"),),
    "Organization": (("name", PRIMITIVE),),
    "Procedure": (("code", "Not recorded"),),
}
# What `status` is where a record states none: the code that says so, for validators take no other
# mark there. A DocumentReference that the server serves is its current version; what is told of a
# relative is part of what could be known.
UNKNOWN_STATUS = {
    "CarePlan": "unknown",
    "ChargeItem": "unknown",
    "DiagnosticReport": "unknown",
    "DocumentReference": "current",
    "Encounter": "unknown",
    "FamilyMemberHistory": "partial",
    "ImagingStudy": "unknown",
    "Media": "unknown",
    "MedicationRequest": "unknown",
    "MedicationStatement": "unknown",
    "Observation": "unknown",
    "Procedure": "unknown",
    "ServiceRequest": "unknown",
}
# Elements that R4 or the profile requires and nothing can honestly stand for. A record without one
# is told in words, in the section where it belongs.
INDISPENSABLE: dict[str, tuple[str, ...]] = {
    "AllergyIntolerance": ("clinicalStatus",),
    "Appointment": ("status", "start"),
    "CarePlan": ("intent",),
    "Immunization": ("status", "occurrenceDateTime"),
    "ImmunizationRecommendation": ("recommendation",),
    "Invoice": ("status",),
    "MedicationRequest": ("intent",),
    "ServiceRequest": ("intent",),
}
# CodeableConcepts that must hold a code of a fixed list, or be left out (required bindings).
BOUND: dict[str, tuple[tuple[str, str], ...]] = {
    "AllergyIntolerance": (
        ("clinicalStatus", ALLERGY_CLINICAL),
        ("verificationStatus", ALLERGY_VERIFICATION),
    ),
    "Condition": (
        ("clinicalStatus", CONDITION_CLINICAL),
        ("verificationStatus", CONDITION_VERIFICATION),
    ),
}
