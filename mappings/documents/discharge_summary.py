"""DischargeSummary: a finished hospital stay, by section of the DischargeSummaryRecord profile.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/DischargeSummaryRecord. As a consultation, and
with the investigations: reports with their results stand here as a whole. What the profile has no
section for stands in sections after its own, which it allows (slicing openAtEnd). A rendered
summary that the hospital keeps as a file comes first among the documents.
"""

from __future__ import annotations

from mappings.documents.attachments import is_file_of, readable, with_files
from mappings.documents.diagnostic_report import may_be_told as report_may_be_told
from mappings.documents.diagnostic_report import results_of, untold_of
from mappings.documents.kinds import (
    OF_A_REPORT,
    OF_A_VISIT,
    Content,
    DocumentType,
    Part,
    Section,
    treating_practitioners,
)
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
from mappings.resources import Resource, has_code, key
from mappings.systems import ACT_CODE
from mappings.terminology import display_of

# Titles are ours; codes and displays are fixed by the profile, in its order.
MEDICAL_HISTORY = Section(
    "Diagnoses and medical history", "1003642006", "Past medical history section"
)
INVESTIGATIONS = Section("Investigations", "721981007", "Diagnostic studies report")
MEDICATIONS = Section("Medications", "1003606003", "Medication history section")
PROCEDURES = Section("Procedures", "1003640003", "History of past procedure section")
DOCUMENTS = Section("Documents", "373942005", "Discharge summary")
# The profile's own section takes MedicationRequests only.
MEDICATIONS_TAKEN = Section("Medications taken", "721912009", "Medication summary document")

# Encounter.class of stays with an admission (http://terminology.hl7.org/CodeSystem/v3-ActCode).
_STAYS = frozenset((ACT_CODE, code) for code in ("IMP", "ACUTE", "NONAC", "OBSENC", "SS"))


def is_discharged(root: Resource) -> bool:
    """True for the Encounter of a stay that has ended: a visit that has a discharge summary.

    A stay by its class, or, where that says nothing that HL7 knows, by a discharge disposition;
    ended by its status, or, where that says nothing, by its end or discharge disposition.
    """
    if root.get("resourceType") != "Encounter":
        return False
    disposition = bool((root.get("hospitalization") or {}).get("dischargeDisposition"))
    kind = root.get("class") or {}
    known = display_of(kind.get("system"), kind.get("code"))
    is_stay = has_code({"coding": [kind]}, _STAYS) if known else disposition
    status = root.get("status")
    ended = bool((root.get("period") or {}).get("end")) or disposition
    return is_stay and (status == "finished" or (status in (None, "unknown") and ended))


def _parts(visit: Visit) -> list[Part]:
    if not is_discharged(visit.root):
        return []
    reports = [r for r in visit.of("DiagnosticReport") if report_may_be_told(r)]
    reported = results_of(visit, reports)
    complaints, history = conditions(visit)
    examined, other = split(
        [o for o in visit.of("Observation") if key(o) not in reported], is_examination
    )
    referrals, orders = split(visit.of("ServiceRequest"), is_referral)
    medications = [r for r in visit.of("MedicationRequest") if may_be_told(r)]
    files, unread = readable(visit)
    rendered, others = split(files, lambda f: is_file_of(f, "DischargeSummary"))
    contents = [
        Content(CHIEF_COMPLAINTS, tuple(complaints)),
        Content(PHYSICAL_EXAMINATION, tuple(examined)),
        Content(ALLERGIES, tuple(visit.of("AllergyIntolerance"))),
        Content(MEDICAL_HISTORY, tuple(history)),
        Content(FAMILY_HISTORY, tuple(visit.of("FamilyMemberHistory"))),
        Content(
            INVESTIGATIONS,
            tuple(with_files(r, visit) or r for r in reports),
            tuple(line for r in reports for line in untold_of(visit, r)),
        ),
        Content(MEDICATIONS, tuple(for_document(r, visit) for r in medications)),
        Content(PROCEDURES, tuple(visit.of("Procedure"))),
        Content(CARE_PLAN, tuple(visit.of("CarePlan"))),
        Content(DOCUMENTS, (*rendered, *others), unread),
        Content(OTHER_OBSERVATIONS, tuple(other)),
        Content(
            MEDICATIONS_TAKEN,
            tuple(for_document(r, visit) for r in visit.of("MedicationStatement")),
        ),
        Content(INVESTIGATION_ADVICE, tuple(orders)),
        Content(REFERRAL, tuple(referrals)),
        Content(FOLLOW_UP, tuple(follow_ups(visit))),
    ]
    return [Part(contents)]


DISCHARGE_SUMMARY = DocumentType(
    hi_type="DischargeSummary",
    profile="DischargeSummaryRecord",
    code="373942005",
    display="Discharge summary",
    title="Discharge summary",
    parts=_parts,
    authors=treating_practitioners,
    encounter_without=frozenset(),
    follows=OF_A_VISIT | OF_A_REPORT,
)
