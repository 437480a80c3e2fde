"""DiagnosticReport, DischargeSummary and ImmunizationRecord: what stands where."""

import json

import pytest

from mappings import (
    DocumentImpossible,
    build_document,
    hi_types,
)
from mappings.systems import DATA_ABSENT_REASON, profile
from tests.unit.mappings import foreign
from tests.unit.mappings.cases import BY_TYPE, whole_stay
from tests.unit.mappings.reading import (
    composition_of,
    context_of,
    documents_of,
    entries_of,
    entry_of,
    sections_of,
)
from tests.unit.mappings.samples import (
    LOINC,
    encounter,
    resource,
)

# --- DiagnosticReport --------------------------------------------------------------------------


def test_a_visit_with_several_reports_has_a_document_for_each():
    lab, xray = documents_of("DiagnosticReport", BY_TYPE["DiagnosticReport"]["in a visit"])
    assert composition_of(lab)["title"] == "Laboratory report: Complete blood count"
    assert composition_of(xray)["title"] == "Imaging report: X-ray chest PA view"
    assert composition_of(lab)["date"] == "2026-02-27T15:00:00+05:30"
    assert composition_of(lab)["status"] == "final"
    assert composition_of(xray)["status"] == "amended"
    assert len(entries_of(lab, "Observation")) == 3
    assert not entries_of(xray, "Observation")
    assert [s["code"]["coding"][0]["code"] for s in composition_of(lab)["section"]] == [
        "4241000179101"
    ]
    assert composition_of(lab)["author"][0]["display"] == "Asha Hospital"
    assert composition_of(xray)["author"][0]["display"] == "Dr. A. Rao"


def test_a_report_is_completed_without_inventing():
    lab, xray = documents_of("DiagnosticReport", BY_TYPE["DiagnosticReport"]["in a visit"])
    (report,) = entries_of(lab, "DiagnosticReport")
    assert report["meta"]["profile"] == [profile("DiagnosticReportLab")]
    assert report["code"] == {"text": "Complete blood count"}
    assert report["resultsInterpreter"][0]["display"] == "Asha Hospital"
    assert report["_conclusion"]["extension"][0]["url"] == DATA_ABSENT_REASON
    (specimen,) = entries_of(lab, "Specimen")
    assert specimen["collection"]["collectedDateTime"] == "2026-02-27T10:55:00+05:30"
    assert "_receivedTime" in specimen
    (report,) = entries_of(xray, "DiagnosticReport")
    assert report["meta"]["profile"] == [profile("DiagnosticReportImaging")]
    assert report["conclusion"] == "Consolidation, left lower zone"
    assert [f["title"] for f in report["presentedForm"]] == ["report.pdf"]
    assert "gone.pdf: the file is kept at the facility." in composition_of(xray)["text"]["div"]
    (media,) = entries_of(xray, "Media")
    assert media["content"]["data"] == foreign.IMAGE


def test_an_imaging_report_without_an_image_and_a_laboratory_one_without_a_result_are_told():
    for maker, element in ((foreign.imaging_report, "media"), (foreign.lab_report, "result")):
        (report, *_) = maker(**{element: None, "imagingStudy": None})
        report = {k: v for k, v in report.items() if v is not None}
        report["category"] = [{"text": "Radiology" if element == "media" else "Lab"}]
        bundle = documents_of("DiagnosticReport", [encounter(), *foreign.people(), report])[0]
        (made,) = entries_of(bundle, "DiagnosticReport")
        assert len(made[element]) == 1
        assert "urn:uuid" not in json.dumps(made[element])


@pytest.mark.parametrize(
    ("changes", "imaging"),
    [
        ({"category": [{"coding": [{"system": foreign.SCT, "code": "394914008"}]}]}, True),
        ({"category": [{"text": "Radiology"}]}, True),
        ({"category": None, "code": {"text": "USG abdomen"}}, True),
        ({"category": None, "code": {"text": "Lipid profile"}}, False),
        ({"category": None, "media": [{"link": {"display": "film"}}]}, True),
        ({"code": {"text": "X-ray fluorescence of stone"}}, False),
    ],
)
def test_the_kind_of_a_report_follows_from_category_content_or_words(changes, imaging):
    report = {k: v for k, v in {**foreign.lab_report()[0], **changes}.items() if v is not None}
    bundle = documents_of("DiagnosticReport", [encounter(), *foreign.people(), report])[0]
    (made,) = entries_of(bundle, "DiagnosticReport")
    assert (made["meta"]["profile"] == [profile("DiagnosticReportImaging")]) is imaging


@pytest.mark.parametrize("status", ["registered", "cancelled", "entered-in-error"])
def test_a_report_that_says_nothing_is_not_told(status):
    given = [encounter(), *foreign.people(), foreign.lab_report(status=status)[0]]
    assert "DiagnosticReport" not in hi_types(context_of(given))


def test_files_that_show_a_report_travel_beside_it_one_a_document():
    related = {"related": [{"reference": "DiagnosticReport/r1"}], "encounter": [foreign.VISIT]}
    files = [foreign.file(name, context=related) for name in ("fa", "fb")]
    built = documents_of(
        "DiagnosticReport", [encounter(), *foreign.people(), *foreign.lab_report(), *files]
    )
    assert [[e["type"] for e in composition_of(b)["section"][0]["entry"]] for b in built] == [
        ["DiagnosticReport", "DocumentReference"],
        ["DocumentReference"],
    ]


def test_a_file_that_is_a_report_by_its_type_is_a_document_of_that_type():
    scan = foreign.file(type={"coding": [{"system": LOINC, "code": "11502-2"}]})
    found = context_of([encounter(reasonCode=None), *foreign.people(), scan])
    assert hi_types(found) == ("DiagnosticReport",)
    assert entries_of(build_document("DiagnosticReport", found), "DocumentReference")


# --- DischargeSummary --------------------------------------------------------------------------


def test_a_stay_fills_the_sections_of_a_discharge_summary_in_the_profiles_order():
    (bundle,) = documents_of("DischargeSummary", whole_stay())
    found = sections_of(bundle)
    assert list(found) == [
        "Chief complaints",
        "Physical examination",
        "Allergies",
        "Diagnoses and medical history",
        "Family history",
        "Investigations",
        "Medications",
        "Procedures",
        "Care plan",
        "Documents",
        "Other observations",
        "Medications taken",
        "Investigation advice",
        "Referral",
        "Follow up",
    ]
    assert found["Investigations"] == ["Complete blood count", "X-ray chest PA view"]
    assert found["Medications taken"] == ["Metformin"]
    # The rendered summary comes first.
    assert found["Documents"][0] == "summary.pdf"
    # What a report says isn't said again among the observations.
    assert not {"Neutrophils", "718-7"} & {*found["Other observations"]}
    words = composition_of(bundle)["text"]["div"]
    assert "<b>Admitted</b>: 2026-02-24 10:00" in words
    assert "<b>Discharged</b>: 2026-02-27 16:00, घर" in words
    (visit,) = entries_of(bundle, "Encounter")
    assert visit["reasonCode"]


# --- ImmunizationRecord ------------------------------------------------------------------------


def test_doses_recommendations_and_certificates_stand_in_one_section():
    first, second = documents_of("ImmunizationRecord", BY_TYPE["ImmunizationRecord"]["in a visit"])
    assert [e["type"] for e in composition_of(first)["section"][0]["entry"]] == [
        "Immunization",
        "Immunization",
        "ImmunizationRecommendation",
        "DocumentReference",
    ]
    assert [e["type"] for e in composition_of(second)["section"][0]["entry"]] == [
        "ImmunizationRecommendation"
    ]
    given = entry_of(first, "Immunization/i1")
    assert given["vaccineCode"]["coding"][0]["display"] == "Hepatitis B vaccine"
    assert given["route"] == {"text": "IM"}
    assert given["protocolApplied"] == [{"series": "Primary", "doseNumberString": "Not recorded"}]
    assert composition_of(first)["author"][0]["display"] == "Dr. A. Rao"
    # The latest dated recommendation stands with the doses.
    recommended = entry_of(first, "ImmunizationRecommendation/n1")
    assert recommended["recommendation"][0]["forecastStatus"]["text"] == "Not recorded"


@pytest.mark.parametrize(
    ("changes", "date"),
    [
        ({}, "2026-02-27"),
        ({"occurrenceString": "2025-12"}, "2025-12"),
        ({"occurrenceString": "last winter"}, None),
        ({"occurrenceDateTime": "2026-02-26T09:00:00+05:30"}, "2026-02-26T09:00:00+05:30"),
    ],
)
def test_the_date_of_a_dose_is_its_own_or_its_visits_and_never_invented(changes, date):
    dose = resource(
        "Immunization",
        "i9",
        status="completed",
        vaccineCode={"text": "OPV"},
        patient=foreign.WHO,
        encounter=foreign.VISIT,
        **changes,
    )
    found = context_of([encounter(), *foreign.people(), dose])
    if date is None:
        assert "ImmunizationRecord" not in hi_types(found)
        with pytest.raises(DocumentImpossible, match=r"Immunization\.occurrenceDateTime"):
            build_document("ImmunizationRecord", found)
    else:
        bundle = build_document("ImmunizationRecord", found)
        assert entry_of(bundle, "Immunization/i9")["occurrenceDateTime"] == date
