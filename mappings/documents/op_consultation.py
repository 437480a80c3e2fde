"""OPConsultation: what one visit's Encounter holds, by section of the OPConsultRecord profile.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/OPConsultRecord. Every record of the visit of a
type that the profile has a section for stands in exactly one section.
"""

from __future__ import annotations

from mappings.documents.attachments import readable
from mappings.documents.kinds import Content, DocumentType, Part, Section, treating_practitioners
from mappings.documents.medications import for_document, may_be_told
from mappings.documents.sorting import (
    ALLERGIES,
    CARE_PLAN,
    CHIEF_COMPLAINTS,
    FAMILY_HISTORY,
    FOLLOW_UP,
    INVESTIGATION_ADVICE,
    OTHER_OBSERVATIONS,
    PHYSICAL_EXAMINATION,
    REFERRAL,
    conditions,
    follow_ups,
    is_examination,
    is_referral,
    split,
)
from mappings.documents.visit import Visit

# Titles are ours; codes and displays are fixed by the profile, in its order.
MEDICAL_HISTORY = Section(
    "Diagnoses and medical history", "371529009", "History and physical report"
)
MEDICATIONS = Section("Medications", "721912009", "Medication summary document")
PROCEDURE = Section("Procedures", "371525003", "Clinical procedure report")
DOCUMENTS = Section("Documents", "371530004", "Clinical consultation report")


def _parts(visit: Visit) -> list[Part]:
    complaints, history = conditions(visit)
    examined, other = split(visit.of("Observation"), is_examination)
    referrals, orders = split(visit.of("ServiceRequest"), is_referral)
    medications = [r for r in visit.of("MedicationRequest") if may_be_told(r)]
    documents, unread = readable(visit)
    contents = [
        Content(CHIEF_COMPLAINTS, tuple(complaints)),
        Content(PHYSICAL_EXAMINATION, tuple(examined)),
        Content(ALLERGIES, tuple(visit.of("AllergyIntolerance"))),
        Content(MEDICAL_HISTORY, tuple(history)),
        Content(FAMILY_HISTORY, tuple(visit.of("FamilyMemberHistory"))),
        Content(INVESTIGATION_ADVICE, tuple(orders)),
        Content(
            MEDICATIONS,
            tuple(for_document(r, visit) for r in (*medications, *visit.of("MedicationStatement"))),
        ),
        Content(FOLLOW_UP, tuple(follow_ups(visit))),
        Content(PROCEDURE, tuple(visit.of("Procedure"))),
        Content(REFERRAL, tuple(referrals)),
        Content(OTHER_OBSERVATIONS, tuple(other)),
        Content(DOCUMENTS, documents, unread),
        # The profile has no section for advice; it allows others after its own (slicing
        # openAtEnd). Code and display are those of NRCeS's DischargeSummaryRecord.
        Content(CARE_PLAN, tuple(visit.of("CarePlan"))),
    ]
    return [Part(contents)]


OP_CONSULTATION = DocumentType(
    hi_type="OPConsultation",
    profile="OPConsultRecord",
    code="371530004",
    display="Clinical consultation report",
    title="Consultation report",
    parts=_parts,
    authors=treating_practitioners,
    encounter_without=frozenset(),
)
