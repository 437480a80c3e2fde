"""Which records may stand in a document, and which never."""

import pytest

from mappings import DocumentImpossible, Records, build_document, hi_types
from mappings.systems import HAPI_PLACEHOLDER, TAG, TAG_RECEIVED
from tests.unit.mappings.samples import (
    META,
    condition,
    encounter,
    medication_request,
    observation,
    organization,
    patient,
    practitioner,
    resource,
    visit,
)

RECEIVED = {**META, "tag": [{"system": TAG, "code": TAG_RECEIVED}]}
PLACEHOLDER = [{"url": HAPI_PLACEHOLDER, "valueBoolean": True}]


def texts(bundle):
    """The words of all codes in a document."""
    found = set()
    for entry in bundle["entry"]:
        code = entry["resource"].get("code") or {}
        found.add(code.get("text"))
    return found


def with_others(*others):
    """Records as a careless store supplies them: everything it has seen."""
    return Records(
        root=encounter(),
        patient=patient(),
        organization=organization(),
        practitioners=(practitioner(),),
        others=others,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": {"reference": "Patient/other"}},
        {"encounter": {"reference": "Encounter/e0"}},
        {"extension": PLACEHOLDER},
        {"meta": RECEIVED},
        {"verificationStatus": {"coding": [{"code": "entered-in-error"}]}},
    ],
    ids=["other patient", "other visit", "placeholder", "received", "in error"],
)
def test_what_is_not_this_visits_own_record_never_goes_in(changes):
    hidden = condition("hidden", **{"code": {"text": "Hidden"}, **changes})
    bundle = build_document("OPConsultation", with_others(condition(), hidden))
    assert "Hidden" not in texts(bundle)
    assert "Pneumonia" in texts(bundle)


def test_an_observation_in_error_never_goes_in():
    hidden = observation("x", status="entered-in-error", valueString="Hidden")
    assert "Hidden" not in str(build_document("OPConsultation", with_others(hidden)))


def test_a_long_standing_illness_that_the_visit_names_as_diagnosis_goes_in():
    old = condition("c1", encounter={"reference": "Encounter/e0"}, code={"text": "Diabetes"})
    assert "Diabetes" in texts(build_document("OPConsultation", with_others(old)))


def test_another_visits_record_is_not_brought_in_by_a_reference():
    panel = observation("panel", hasMember=[{"reference": "Observation/old"}])
    old = observation("old", encounter={"reference": "Encounter/e0"}, valueString="Hidden")
    bundle = build_document("OPConsultation", with_others(panel, old))
    assert "Hidden" not in str(bundle)


def test_a_report_of_its_own_hi_type_is_not_brought_in_by_a_reference():
    report = resource("DiagnosticReport", "r1", status="final", conclusion="Hidden")
    named = condition(evidence=[{"detail": [{"reference": "DiagnosticReport/r1"}]}])
    bundle = build_document("OPConsultation", with_others(named, report))
    assert "Hidden" not in str(bundle)


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_a_cancelled_visit_offers_nothing(status):
    records = visit(condition(), medication_request(), status=status)
    assert hi_types(records) == ()
    with pytest.raises(DocumentImpossible, match=status):
        build_document("OPConsultation", records)


@pytest.mark.parametrize(
    ("missing", "word"), [("patient", "Patient"), ("organization", "Organization")]
)
def test_without_patient_or_facility_the_reason_says_what_to_load(missing, word):
    parts = {"patient": patient(), "organization": organization(), missing: None}
    records = Records(root=encounter(), others=(condition(),), **parts)
    assert hi_types(records) == ()
    with pytest.raises(DocumentImpossible, match=word):
        build_document("OPConsultation", records)


def test_a_visit_of_another_patient_is_refused():
    records = Records(root=encounter(), patient=patient(id="p2"), organization=organization())
    with pytest.raises(DocumentImpossible, match="another patient"):
        build_document("OPConsultation", records)


def test_an_empty_visit_offers_nothing():
    records = visit(reasonCode=None)
    assert hi_types(records) == ()
    with pytest.raises(DocumentImpossible, match="nothing"):
        build_document("OPConsultation", records)


def test_an_unknown_type_is_refused_with_the_known_ones():
    with pytest.raises(DocumentImpossible, match="OPConsultation, Prescription"):
        build_document("Horoscope", visit(condition()))


def test_a_visit_and_records_without_any_date_make_no_document():
    undated = [r | {"meta": {}} for r in (encounter(period=None), patient(), organization())]
    records = Records(root=undated[0], patient=undated[1], organization=undated[2])
    with pytest.raises(DocumentImpossible, match="date"):
        build_document("OPConsultation", records)


@pytest.mark.parametrize(
    ("others", "offered"),
    [
        ((), ("OPConsultation",)),
        ((medication_request(),), ("OPConsultation", "Prescription")),
        ((medication_request(status="cancelled"),), ("OPConsultation",)),
        ((medication_request(status="draft"),), ("OPConsultation",)),
        ((medication_request(intent=None),), ("OPConsultation",)),
    ],
)
def test_hi_types_follow_from_what_the_visit_holds(others, offered):
    assert hi_types(visit(*others)) == offered
