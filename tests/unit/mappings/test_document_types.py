"""What every further document type must have, and that nothing is lost on the way."""

import json
import random

import pytest

from mappings import (
    build_documents,
    hi_types,
    to_bytes,
)
from mappings.ids import document_uuid
from mappings.resources import key
from tests.unit.mappings.cases import BY_TYPE
from tests.unit.mappings.reading import (
    SCOPE,
    composition_of,
    context_of,
    documents_of,
    entries_of,
)
from tests.unit.mappings.samples import (
    condition,
    encounter,
)
from tests.unit.mappings.test_document_frame import check_frame

CASES = [
    pytest.param(hi_type, given, id=f"{hi_type}, {name}")
    for hi_type, cases in BY_TYPE.items()
    for name, given in cases.items()
]
# What each type carries of a care context, beyond patient, facility, people and the visit.
REPORTS = {"DiagnosticReport", "ImagingStudy", "Media", "Observation", "ServiceRequest", "Specimen"}
CARRIES = {
    "DiagnosticReport": REPORTS,
    "DischargeSummary": REPORTS
    | {
        "AllergyIntolerance",
        "Appointment",
        "CarePlan",
        "Condition",
        "DocumentReference",
        "FamilyMemberHistory",
        "MedicationRequest",
        "MedicationStatement",
        "Procedure",
    },
    "HealthDocumentRecord": {"DocumentReference"},
    "ImmunizationRecord": {"Immunization", "ImmunizationRecommendation", "DocumentReference"},
    "Invoice": {"ChargeItem", "Invoice", "Medication"},
    "Prescription": {"MedicationRequest"},
    "WellnessRecord": {"DocumentReference", "Observation"},
}
# What can't stand as an entry, and the words that tell it instead.
IN_WORDS = {
    "AllergyIntolerance/a2": "Dust",
    "Immunization/i2": "Oral polio: Mother declined",
    "Immunization/i3": "BCG, scar seen",
    "Media/x1-lost": "Second film: the file is kept at the facility.",
}


# --- every type --------------------------------------------------------------------------------


@pytest.mark.parametrize(("hi_type", "given"), CASES)
def test_every_document_is_complete_and_closed(hi_type, given):
    found = context_of(given)
    assert hi_type in hi_types(found)
    for bundle in build_documents(hi_type, found):
        check_frame(bundle)


@pytest.mark.parametrize(("hi_type", "given"), CASES)
def test_nothing_that_a_type_can_carry_is_dropped(hi_type, given):
    """Resources in against resources out, over all documents of the type."""
    built = documents_of(hi_type, given)
    wanted = {key(r) for r in given if r["resourceType"] in CARRIES[hi_type]}
    out = {e["resource"]["id"] for bundle in built for e in bundle["entry"]}
    lost = {name for name in wanted - IN_WORDS.keys() if document_uuid(SCOPE, name) not in out}
    assert not lost
    told = "".join(composition_of(bundle)["text"]["div"] for bundle in built)
    for name in wanted & IN_WORDS.keys():
        assert IN_WORDS[name] in told


@pytest.mark.parametrize(("hi_type", "given"), CASES)
def test_the_same_records_give_the_same_documents_in_any_order(hi_type, given):
    once = [to_bytes(b) for b in documents_of(hi_type, given)]
    for seed in range(3):
        shuffled = list(given)
        random.Random(seed).shuffle(shuffled)
        assert [to_bytes(b) for b in documents_of(hi_type, shuffled)] == once


@pytest.mark.parametrize(("hi_type", "given"), CASES)
def test_every_document_of_a_care_context_has_its_own_identity(hi_type, given):
    built = documents_of(hi_type, given)
    for names in (
        [b["identifier"]["value"] for b in built],
        [composition_of(b)["identifier"]["value"] for b in built],
    ):
        assert len(set(names)) == len(built)


@pytest.mark.parametrize(("hi_type", "given"), CASES)
def test_a_document_names_the_visit_only_where_there_is_one(hi_type, given):
    has_visit = any(r["resourceType"] == "Encounter" for r in given)
    for bundle in documents_of(hi_type, given):
        assert ("encounter" in composition_of(bundle)) is has_visit
        assert bool(entries_of(bundle, "Encounter")) is has_visit


@pytest.mark.parametrize(
    "hi_type", ["DiagnosticReport", "ImmunizationRecord", "WellnessRecord", "Invoice"]
)
def test_a_document_of_something_else_does_not_say_why_the_patient_came(hi_type):
    given = [*next(iter(BY_TYPE[hi_type].values())), condition()]
    root = [r for r in given if r["resourceType"] != "Encounter"]
    for bundle in documents_of(hi_type, [encounter(), *root]):
        (visit,) = entries_of(bundle, "Encounter")
        assert not {"reasonCode", "diagnosis"} & visit.keys()
        assert not entries_of(bundle, "Condition")
        assert "Pneumonia" not in json.dumps(bundle)
