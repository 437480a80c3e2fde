"""What the coverage report says of fields: mapped, kept as words, dropped and why, still needed."""

import json
import time

import pytest

from mappings import hims, to_fhir
from mappings.coverage import to_fhir_with_coverage
from mappings.needs import NEEDS
from mappings.terminology import CHOICES, FLUIDS, MEASUREMENTS, NARRATIVES, REMARKS, YES_NO
from tests.unit.mappings.hims_entities import SAMPLES

ABOUT = {"id": "1", "facility": "f", "patient": "p"}


def coverage(kind, **fields):
    return to_fhir_with_coverage(kind, {**ABOUT, **fields}).coverage


def dropped(report):
    return {n.field: n.reason for n in report.dropped}


@pytest.mark.parametrize("kind", hims.KINDS)
def test_the_resources_are_those_of_the_plain_mapping(kind):
    assert to_fhir_with_coverage(kind, SAMPLES[kind]).resources == to_fhir(kind, SAMPLES[kind])


@pytest.mark.parametrize("kind", hims.KINDS)
def test_every_field_of_a_sample_is_mapped_or_has_a_reason_of_its_own(kind):
    report = to_fhir_with_coverage(kind, SAMPLES[kind]).coverage
    assert report.id == str(SAMPLES[kind]["id"])
    told = {*report.mapped, *(n.field for n in report.dropped)}
    false = {k for k, v in SAMPLES[kind].items() if v is False}
    assert set(SAMPLES[kind]) - false <= told
    assert "is not a field of" not in str(
        {k: v for k, v in dropped(report).items() if "." not in k}
    )


@pytest.mark.parametrize("kind", hims.KINDS)
def test_a_report_is_plain_json(kind):
    as_json = to_fhir_with_coverage(kind, SAMPLES[kind]).coverage.as_json()
    assert json.loads(json.dumps(as_json))["kind"] == kind


@pytest.mark.parametrize(
    ("kind", "fields", "field", "reason"),
    [
        ("patient", {"favourite_colour": "red"}, "favourite_colour", "is not a field of patient"),
        ("patient", {"aadhar_no": "9999"}, "aadhar_no", "Aadhaar numbers are never stored"),
        ("patient", {"gender": "?"}, "gender", "is none of the known words"),
        ("patient", {"abha_number": "12"}, "abha_number", "is no ABHA number"),
        (
            "patient",
            {"year_of_birth": 1970, "date_of_birth": "1970-02-03"},
            "year_of_birth",
            "another field says it already",
        ),
        ("consultation", {"symptoms": [2, 1]}, "symptoms.1", "asymptomatic"),
        ("consultation", {"suggestion": "HI"}, "suggestion", "is a decision"),
        ("file", {"read_signed_url": "https://x/?sig=1"}, "read_signed_url", "is a credential"),
        ("file", {"data": "###"}, "data", "isn't base64"),
        ("prescription", {"discontinued_reason": "Rash"}, "discontinued_reason", "isn't disc"),
        (
            "daily_round",
            {"bp": {"systolic": 120, "arm": "left"}},
            "bp.arm",
            "is not a field of bp",
        ),
        (
            "investigation",
            {"values": [{"id": "v", "value": 1, "machine": "X"}]},
            "values.0.machine",
            "is not a field of values",
        ),
        ("diagnosis", {"verification_status": "maybe"}, "verification_status", "is none of FHIR"),
    ],
)
def test_a_dropped_field_is_named_with_its_reason(kind, fields, field, reason):
    assert reason in dropped(coverage(kind, **fields))[field]


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("diagnosis", {"diagnosis": "टाइफाइड"}, ["diagnosis"]),
        ("diagnosis", {"diagnosis": "Typhoid", "code": "A01.0", "system": "ICD-10"}, []),
        ("consultation", {"symptoms": [2, 25]}, ["symptoms.1"]),
        ("daily_round", {"pulse": 80, "etco2": 35}, ["etco2"]),
        ("prescription", {"medicine_old": "Azee", "route": "ORAL"}, ["medicine_old"]),
        (
            "immunization",
            {"code": "1", "number_of_doses": 1, "target_disease": "Typhoid"},
            ["target_disease"],
        ),
    ],
)
def test_what_has_no_code_is_named_as_kept_in_words(kind, fields, words):
    assert [n.field for n in coverage(kind, **fields).kept_as_text] == words


def test_empty_fields_and_defaults_say_nothing():
    report = coverage("prescription", notes="", discontinued=False, days=None, taper=[])
    assert not {"notes", "discontinued", "days", "taper"} & {*report.mapped, *dropped(report)}


@pytest.mark.parametrize(
    ("kind", "fields", "hi_type", "field"),
    [
        ("prescription", {}, "Prescription", "created_date"),
        ("prescription", {}, "Prescription", "prescribed_by"),
        ("allergy", {"allergen": "Dust"}, "OPConsultation", "clinical_status"),
        ("file", {}, "HealthDocumentRecord", "data"),
        ("immunization", {}, "ImmunizationRecord", "last_vaccinated_date"),
        ("invoice", {"items": [{"id": 1}]}, "Invoice", "items.rate"),
        ("investigation", {}, "DiagnosticReport", "values"),
        ("daily_round", {"pulse": 80}, "WellnessRecord", "taken_at"),
        ("consultation", {"suggestion": "A"}, "DischargeSummary", "discharge_date"),
        ("patient", {}, "*", "gender"),
    ],
)
def test_what_a_document_would_still_need_is_named_by_field(kind, fields, hi_type, field):
    sentences = coverage(kind, **fields).needs[hi_type]
    assert any(s.startswith(f"{field}: ") for s in sentences)


@pytest.mark.parametrize("kind", hims.KINDS)
def test_a_complete_sample_needs_nothing_more(kind):
    assert to_fhir_with_coverage(kind, SAMPLES[kind]).coverage.needs == {}


def test_every_kind_says_what_its_documents_need_of_fields_that_it_has():
    assert set(NEEDS) == set(hims.KINDS)
    for kind, rows in NEEDS.items():
        for _, _, _, field, _ in rows:
            assert field.split(".")[0] in hims.KINDS[kind].model_fields


def test_each_field_of_a_daily_round_has_a_row_in_a_table_of_codes():
    tables = {*MEASUREMENTS, *CHOICES, *YES_NO, *NARRATIVES, *REMARKS, *FLUIDS}
    elsewhere = {"bp", "pain_scale_enhanced", "pressure_sore", "nursing", "taken_at"}
    elsewhere |= {"additional_symptoms", "other_symptoms", *hims.Record.model_fields}
    assert set(hims.DailyRound.model_fields) <= tables | elsewhere


def test_a_large_file_costs_no_more_to_look_at_than_a_small_one():
    started = time.perf_counter()
    report = coverage("file", data="JVBE" * 5_000_000, name="scan.pdf", created_by=7)
    assert time.perf_counter() - started < 5
    assert "data" in report.mapped
