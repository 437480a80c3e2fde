"""What is known of a patient apart from any visit: allergies, lasting problems, family history.

Pure. Ids carry the record number and a running number, so rows are added at the end.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.data.catalogue import Resource, concept, hl7
from conformance.data.people import patient_number

NO_KNOWN_ALLERGY = {
    "coding": [
        {"system": "http://snomed.info/sct", "code": "716186003", "display": "No known allergy"}
    ],
    "text": "No known allergy",
}


def resources(table: Mapping[str, Any]) -> Iterator[Resource]:
    """Yield AllergyIntolerance, problem-list Condition and FamilyMemberHistory of one patient.

    Args:
        table: keys ``allergies`` (catalogue keys), ``no_known_allergies``, ``problems``
            (``{condition, since}``) and ``family_history`` (``{relation, condition}``, the relation
            as in HL7's RoleCode, for example FTH), each of which may be missing.

    Raises:
        ValueError: a row names something that the catalogue doesn't have.
    """
    number = patient_number(table)
    subject = {"reference": f"Patient/pat-{number}"}
    codes = [concept("allergies", item) for item in table.get("allergies", [])]
    if table.get("no_known_allergies"):
        codes.append(NO_KNOWN_ALLERGY)
    for index, code in enumerate(codes, start=1):
        yield {
            "resourceType": "AllergyIntolerance",
            "id": f"allergy{index}-{number}",
            "clinicalStatus": {"coding": [hl7("allergyintolerance-clinical", "active")]},
            "verificationStatus": {"coding": [hl7("allergyintolerance-verification", "confirmed")]},
            "code": code,
            "patient": subject,
        }
    for index, problem in enumerate(table.get("problems", []), start=1):
        yield {
            "resourceType": "Condition",
            "id": f"problem{index}-{number}",
            "clinicalStatus": {"coding": [hl7("condition-clinical", "active")]},
            "verificationStatus": {"coding": [hl7("condition-ver-status", "confirmed")]},
            "category": [{"coding": [hl7("condition-category", "problem-list-item")]}],
            "code": concept("conditions", problem["condition"]),
            "subject": subject,
            "onsetDateTime": str(problem["since"]),
        }
    for index, relative in enumerate(table.get("family_history", []), start=1):
        yield {
            "resourceType": "FamilyMemberHistory",
            "id": f"family{index}-{number}",
            "status": "completed",
            "patient": subject,
            "relationship": {"coding": [hl7("v3-RoleCode", relative["relation"])]},
            "condition": [{"code": concept("conditions", relative["condition"])}],
        }
