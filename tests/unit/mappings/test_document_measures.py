"""Invoice, WellnessRecord and files: what stands where."""

import json

import pytest

from mappings import (
    build_document,
    build_documents,
    group_by_root,
    hi_types,
    to_bytes,
)
from mappings.documents.wellness_codes import WELLNESS_CODES
from mappings.systems import BILLING_CODES, DATA_ABSENT_REASON, PRICE_COMPONENTS, profile
from tests.unit.mappings import foreign
from tests.unit.mappings.cases import BY_TYPE
from tests.unit.mappings.reading import (
    composition_of,
    context_of,
    documents_of,
    entries_of,
    entry_of,
    sections_of,
)
from tests.unit.mappings.samples import (
    PDF,
    encounter,
    medication_request,
    observation,
    organization,
    practitioner,
    resource,
)
from tests.unit.mappings.test_document_frame import check_frame

# --- Invoice -----------------------------------------------------------------------------------


def test_an_invoice_is_completed_from_itself_only():
    first, _ = documents_of("Invoice", BY_TYPE["Invoice"]["in a visit"])
    (invoice,) = entries_of(first, "Invoice")
    assert [i["value"] for i in invoice["identifier"]] == ["2026/118"]
    assert invoice["note"] == [{"text": "Also numbered OLD/1"}]
    base, tax, surcharge = invoice["lineItem"][0]["priceComponent"]
    assert base["code"]["coding"][0] == {
        "system": PRICE_COMPONENTS,
        "code": "01",
        "display": "Rate",
    }
    assert tax["code"]["coding"][0]["code"] == "03"
    assert surcharge["code"]["coding"][0]["code"] == "unknown"
    assert surcharge["amount"]["extension"][0]["url"] == DATA_ABSENT_REASON
    (unpriced,) = invoice["lineItem"][1]["priceComponent"]
    assert "value" not in unpriced["amount"]
    assert invoice["totalGross"] == {"value": 127.73, "currency": "INR"}
    assert "value" not in invoice["totalNet"]
    assert invoice["type"]["coding"][0]["code"] == "unknown"
    (item,) = entries_of(first, "ChargeItem")
    assert item["code"]["coding"][0]["code"] == "AZ500"
    assert "127.73 INR" in composition_of(first)["text"]["div"]


def test_an_invoice_without_lines_restates_its_total_as_one():
    given = foreign.invoice(visit=False, lineItem=None, type={"text": "pharmacy"})
    (bundle,) = documents_of("Invoice", [*foreign.people(), given[0]])
    (invoice,) = entries_of(bundle, "Invoice")
    (line,) = invoice["lineItem"]
    assert line["chargeItemCodeableConcept"] == {"text": "Not itemised"}
    assert line["priceComponent"][0]["amount"] == invoice["totalGross"]
    assert line["priceComponent"][0]["type"] == "informational"
    assert invoice["type"]["coding"][0] == {
        "system": BILLING_CODES,
        "code": "01",
        "display": "Pharmacy",
    }


@pytest.mark.parametrize("status", ["draft", "cancelled", "entered-in-error", None])
def test_an_invoice_that_nobody_owes_or_without_a_status_is_not_told(status):
    given = [encounter(), *foreign.people(), *foreign.invoice(status=status)]
    found = context_of([r for r in given if r])
    assert "Invoice" not in hi_types(found)


# --- WellnessRecord ----------------------------------------------------------------------------


def test_measurements_stand_in_the_sections_of_their_codes():
    (bundle,) = documents_of("WellnessRecord", BY_TYPE["WellnessRecord"]["in a visit"])
    composition = composition_of(bundle)
    assert composition["type"] == {"text": "Wellness Record"}
    assert all("code" not in section for section in composition["section"])
    found = {title: len(held) for title, held in sections_of(bundle).items()}
    assert found == {
        "Vital Signs": 2,
        "Body Measurement": 3,
        "Physical Activity": 1,
        "General Assessment": 1,
        "Women Health": 1,
        "Lifestyle": 1,
        # A mood in words isn't what the profile of its section allows; yoga has no code.
        "Other Observations": 2,
        "Document Reference": 1,
    }
    assert entry_of(bundle, "Observation/pulse")["meta"]["profile"] == [
        profile("ObservationVitalSigns")
    ]
    assert entry_of(bundle, "Observation/lmp")["valueString"] == "2026-02-12"
    assert entry_of(bundle, "Observation/yoga")["meta"]["profile"] == [profile("Observation")]


@pytest.mark.parametrize("coded", sorted(WELLNESS_CODES), ids=lambda c: c[1])
def test_every_code_of_the_value_sets_has_its_section(coded):
    system, code = coded
    title, display = WELLNESS_CODES[coded]
    measured = observation(
        "o",
        code={"coding": [{"system": system, "code": code}]},
        effectiveDateTime="2026-02-27",
    )
    (bundle,) = documents_of(
        "WellnessRecord", [encounter(reasonCode=None), *foreign.people(), measured]
    )
    held = sections_of(bundle)
    if code == "85353-1":  # a panel without parts is no vital sign of R4
        return
    assert list(held) == [title]
    assert entry_of(bundle, "Observation/o")["code"]["coding"][0]["display"] == display


# --- files -------------------------------------------------------------------------------------


def test_a_prescription_carries_the_slip_that_the_hospital_names_so():
    built = documents_of("Prescription", BY_TYPE["Prescription"]["two slips"])
    assert [len(entries_of(b, "Binary")) for b in built] == [1, 1]
    assert [len(entries_of(b, "MedicationRequest")) for b in built] == [1, 0]


@pytest.mark.parametrize(
    ("hi_type", "given"),
    [
        ("HealthDocumentRecord", [*foreign.people(), foreign.file(visit=False)]),
        ("DiagnosticReport", [*foreign.people(), *foreign.imaging_report(visit=False)]),
    ],
)
def test_a_file_beyond_the_limit_is_an_entry_of_its_own(hi_type, given):
    found = context_of(given)
    whole = build_documents(hi_type, found)[0]
    assert not entries_of(whole, "Binary")
    apart = build_documents(hi_type, found, inline_limit=3)[0]
    check_frame(apart)
    files = {e["fullUrl"]: e["resource"] for e in apart["entry"]}
    binaries = entries_of(apart, "Binary")
    assert {b["data"] for b in binaries} <= {PDF, foreign.IMAGE}
    urls = [value["url"] for r in files.values() for value in _attachments(r) if "url" in value]
    assert sorted(files[url]["id"] for url in urls) == sorted(b["id"] for b in binaries)
    assert PDF in json.dumps(binaries)
    # A second look: nothing was lost or changed on the way.
    assert build_documents(hi_type, found, inline_limit=3)[0] == apart


def _attachments(record):
    if record["resourceType"] == "DocumentReference":
        return [c["attachment"] for c in record["content"]]
    if record["resourceType"] == "Media":
        return [record["content"]]
    return record.get("presentedForm", [])


def test_a_twenty_megabyte_file_arrives_whole():
    scan = "QUJD" * (20 * 1024 * 1024 // 3)
    large = foreign.file(
        visit=False, content=[{"attachment": {"contentType": "application/pdf", "data": scan}}]
    )
    (bundle,) = documents_of("HealthDocumentRecord", [*foreign.people(), large])
    assert [b["data"] == scan for b in entries_of(bundle, "Binary")] == [True]
    assert len(to_bytes(bundle)) > len(scan)


def test_hindi_and_english_stand_as_written():
    note = "दवा समय पर लें & <rest>"
    given = foreign.lab_report(conclusion=note)
    bundle = documents_of("DiagnosticReport", [encounter(), *foreign.people(), *given])[0]
    (report,) = entries_of(bundle, "DiagnosticReport")
    assert report["conclusion"] == note
    assert "दवा समय पर लें &amp; &lt;rest&gt;" in composition_of(bundle)["text"]["div"]


def test_who_measured_gave_or_issued_is_the_author():
    nurse = practitioner(id="n9", name=[{"text": "Sr. Mary"}])
    measured = observation("hr", "8867-4", performer=[{"reference": "Practitioner/n9"}])
    found = context_of([encounter(), *foreign.people(), nurse, measured, medication_request()])
    composition = composition_of(build_document("WellnessRecord", found))
    assert [a["display"] for a in composition["author"]] == ["Sr. Mary"]
    outside = resource("Organization", "lab", name="City Lab")
    report = foreign.lab_report(visit=False, performer=[{"reference": "Organization/lab"}])
    (found,) = group_by_root([*foreign.people(), outside, *report], organization=organization())
    composition = composition_of(build_document("DiagnosticReport", found))
    assert [a["display"] for a in composition["author"]] == ["City Lab"]
    assert composition["custodian"]["display"] == "Asha Hospital"
