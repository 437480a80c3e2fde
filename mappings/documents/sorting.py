"""Which section a record of a visit belongs to, for all documents of a visit. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mappings.documents.kinds import Section
from mappings.documents.visit import Visit
from mappings.documents.vital_signs import CODES
from mappings.resources import (
    Resource,
    as_list,
    codings,
    concept_text,
    has_code,
    key,
    reference_key,
)
from mappings.systems import DIAGNOSIS_ROLE, LOINC, OBSERVATION_CATEGORY, SNOMED

# Sections that several documents of a visit have; codes and displays are fixed by the profiles.
CHIEF_COMPLAINTS = Section("Chief complaints", "422843007", "Chief complaint section")
PHYSICAL_EXAMINATION = Section("Physical examination", "425044008", "Physical exam section")
ALLERGIES = Section("Allergies", "722446000", "Allergy record")
FAMILY_HISTORY = Section("Family history", "422432008", "Family history section")
INVESTIGATION_ADVICE = Section("Investigation advice", "721963009", "Order document")
FOLLOW_UP = Section("Follow up", "390906007", "Follow-up encounter")
REFERRAL = Section("Referral", "306206005", "Referral to service")
OTHER_OBSERVATIONS = Section("Other observations", "404684003", "Clinical finding")
CARE_PLAN = Section("Care plan", "734163000", "Care plan")

_COMPLAINT = frozenset(
    {
        (SNOMED, "33962009"),  # Chief complaint
        (SNOMED, "422843007"),  # Chief complaint section
        (LOINC, "10154-3"),  # Chief complaint Narrative - Reported
        (LOINC, "8661-1"),  # Chief complaint Narrative
    }
)
_COMPLAINT_WORDS = ("complaint", "symptom")
_COMPLAINT_ROLE = frozenset({(DIAGNOSIS_ROLE, "CC")})
_EXAMINATION = frozenset(
    {(OBSERVATION_CATEGORY, "vital-signs"), (OBSERVATION_CATEGORY, "exam")}
) | {(LOINC, code) for code in CODES}
_REFERRAL = frozenset({(SNOMED, "3457005"), (SNOMED, "306206005")})


def conditions(visit: Visit) -> tuple[list[Resource], list[Resource]]:
    """The visit's complaints, and its diagnoses and earlier illnesses.

    A reason that the Encounter states as words or codes only becomes a Condition of this document,
    because the section takes nothing else; not where a record says the same.
    """
    reasons = frozenset(reference_key(r) for r in as_list(visit.root.get("reasonReference")))
    roles = {
        reference_key(d.get("condition")): d.get("use")
        for d in as_list(visit.root.get("diagnosis"))
    }

    def is_complaint(condition: Resource) -> bool:
        name = key(condition)
        categories = as_list(condition.get("category"))
        words = " ".join(concept_text(c).lower() for c in categories)
        return (
            name in reasons
            or has_code(roles.get(name), _COMPLAINT_ROLE)
            or has_code(categories, _COMPLAINT)
            or any(w in words for w in _COMPLAINT_WORDS)
        )

    complaints, history = split(visit.of("Condition"), is_complaint)
    said = {concept_text(c.get("code")).strip().lower() for c in complaints}
    for number, reason in enumerate(as_list(visit.root.get("reasonCode")), start=1):
        words = concept_text(reason).strip().lower()
        if words and words not in said:
            said.add(words)
            complaints.append(
                {
                    "resourceType": "Condition",
                    "id": f"{visit.root['id']}-reason-{number}",
                    "code": reason,
                    "subject": {"reference": key(visit.patient)},
                    "encounter": {"reference": key(visit.root)},
                }
            )
    return complaints, history


def is_examination(observation: Resource) -> bool:
    """True for a vital sign or an examination's finding."""
    return has_code(observation.get("category"), _EXAMINATION) or has_code(
        observation.get("code"), _EXAMINATION
    )


def is_referral(request: Resource) -> bool:
    """True for a ServiceRequest that refers the patient to somebody."""
    concepts = [*as_list(request.get("category")), request.get("code")]
    if any(has_code(c, _REFERRAL) for c in concepts):
        return True
    words = [concept_text(c) for c in concepts] + [
        str(c.get("display", "")) for c in codings(concepts)
    ]
    return any("referral" in w.lower() for w in words)


def follow_ups(visit: Visit) -> list[Resource]:
    """Appointments made in the visit; not the one that the visit itself fulfilled."""
    fulfilled = {reference_key(r) for r in as_list(visit.root.get("appointment"))}
    return [a for a in visit.of("Appointment") if key(a) not in fulfilled]


def split(
    resources: Iterable[Resource], chosen: Callable[[Resource], bool]
) -> tuple[list[Resource], list[Resource]]:
    """The resources that are chosen, and the others, both in order."""
    yes: list[Resource] = []
    no: list[Resource] = []
    for resource in resources:
        (yes if chosen(resource) else no).append(resource)
    return yes, no
