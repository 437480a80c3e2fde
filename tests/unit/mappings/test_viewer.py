"""What the viewer is given of a received document, and what the page says that it leaves out."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.received import split_received
from mappings.resources import Resource
from mappings.viewer import KINDS, Viewed, rows, viewed
from mappings.viewer.fitting import LISTED as LIST_ON_THE_PAGE
from tests.unit.mappings.received import COMPOSITION, bundle, origin, res
from tests.unit.mappings.test_received_properties import JSON, MANY, clean_documents
from tests.unit.mappings.viewer_documents import LISTED, awkward


def view(document: Any) -> Viewed:
    return viewed(json.dumps(document).encode())


def why(found: Viewed) -> dict[tuple[str, str], str]:
    """Why each record of care is not shown, "" for those that are."""
    return {(row.kind, row.title): row.why for row in found.rows if not row.of_people}


def given_to_it(found: Viewed, kind: str) -> Resource:
    """The only resource of a type that the viewer is given."""
    assert found.bundle is not None
    resources = (entry["resource"] for entry in found.bundle["entry"])
    (only,) = (each for each in resources if each["resourceType"] == kind)
    return dict(only)


def by_name(found: Viewed, reference: Resource) -> Resource:
    """What the viewer finds under a reference: an entry of exactly that fullUrl."""
    assert found.bundle is not None
    (only,) = (
        e["resource"] for e in found.bundle["entry"] if e["fullUrl"] == reference["reference"]
    )
    return dict(only)


def sections(*entries: str, **more: Any) -> Resource:
    named = [{"reference": each} for each in entries]
    return {**COMPOSITION, "section": [{"title": "Section", "entry": named, **more}]}


def test_everything_that_is_not_shown_is_listed_with_the_reason() -> None:
    found = view(awkward())
    listed = {name: reason for name, reason in why(found).items() if reason}
    assert set(listed) == LISTED
    assert listed == {
        ("Record", "Observation/gone"): rows.NOWHERE,
        ("MedicationRequest", "Penicillin"): rows.CHANGED,
        ("MedicationStatement", "Aspirin"): rows.NO_PLACE,
        ("Section text", "Advice"): rows.TEXT,
        ("File", "Film"): rows.NO_FILE,
        ("ImagingStudy", "CT of the head"): rows.NO_PLACE,
    }
    dates = {row.title: row.date for row in found.rows if row.date}
    assert dates == {"Stay in July <b>": "2026-07-04", "Aspirin": "2026-07-01"} | {
        "Advice": "2026-07-04"
    }
    assert found.patient == "Asha Verma, female, 1991-04-02"


def test_values_dosages_and_names_are_given_as_text() -> None:
    found = view(awkward())
    result = given_to_it(found, "Observation")
    assert (result["valueString"], result["interpretation"]) == ("<5 ng/L", [{"text": "Normal"}])
    order = given_to_it(found, "MedicationRequest")
    assert order["dosageInstruction"][0]["text"] == "2 time(s) every 1 d"
    assert by_name(found, order["medicationReference"])["code"] == {"text": "Amlodipine"}
    assert by_name(found, order["reasonReference"][0])["code"] == {"text": "High pressure"}
    head = given_to_it(found, "Composition")
    assert by_name(found, head["author"][0])["name"] == "Dr Elsewhere"
    # Without a manufacturer the viewer would stop.
    assert by_name(found, given_to_it(found, "Immunization")["manufacturer"])["name"] == ""
    assert [each["title"] for each in head["section"]] == [
        *("Results", "Results / Doses", "Medicines", "Files", "Advice")
    ]


def test_a_file_is_given_from_wherever_the_document_has_it() -> None:
    attachment = {"title": "Scan", "url": "Binary/b"}
    document = bundle(
        sections("DocumentReference/d"),
        res("DocumentReference", "d", status="current", content=[{"attachment": attachment}]),
        res("Binary", "b", contentType="image/png", data="iVBORw0KGgo="),
    )
    found = view(document)
    (content,) = given_to_it(found, "DocumentReference")["content"]
    assert content["attachment"] == {
        "contentType": "image/png",
        "title": "Scan",
        "data": "iVBORw0KGgo=",
    }
    assert set(why(found).values()) == {""}
    (gone,) = given_to_it(view(awkward()), "DocumentReference")["content"][1:]
    assert gone["attachment"]["url"] == LIST_ON_THE_PAGE


@pytest.mark.parametrize(
    ("url", "shown_as"),
    [("https://files.example/x", "https://files.example/x"), ("javascript:x", LIST_ON_THE_PAGE)],
)
def test_only_addresses_of_the_web_are_left_to_a_file(url: str, shown_as: str) -> None:
    (content,) = given_to_it(view(awkward(film=url)), "DocumentReference")["content"][1:]
    assert content["attachment"]["url"] == shown_as


def test_results_come_with_their_report_and_members_of_a_panel_do_not() -> None:
    result = {"status": "final", "code": {"text": "Sodium"}}
    document = bundle(
        sections("DiagnosticReport/r"),
        res(
            "DiagnosticReport",
            "r",
            status="final",
            code={"text": "Electrolytes"},
            result=[{"reference": "Observation/panel"}],
        ),
        res("Observation", "panel", **result, hasMember=[{"reference": "Observation/member"}]),
        res("Observation", "member", status="final", code={"text": "Potassium"}),
    )
    assert why(view(document)) == {
        ("Composition", "Prescription"): "",
        ("DiagnosticReport", "Electrolytes"): "",
        ("Observation", "Sodium"): "",
        ("Observation", "Potassium"): rows.NOT_NAMED,
    }


@pytest.mark.parametrize(
    ("text", "is_listed"),
    [
        ({"status": "generated", "div": "<div>Fever</div>"}, False),
        ({"status": "additional", "div": "<div>Fever, and rest</div>"}, True),
        ({"status": "additional", "div": "<div> </div>"}, False),
    ],
)
def test_a_section_text_is_listed_where_its_records_do_not_say_it(
    text: Resource, is_listed: bool
) -> None:
    document = bundle(
        sections("Condition/f", text=text), res("Condition", "f", code={"text": "Fever"})
    )
    assert (("Section text", "Section") in why(view(document))) is is_listed


def test_a_generated_text_is_listed_where_one_of_its_records_is_not_shown() -> None:
    text = {"status": "generated", "div": "<div>Bill</div>"}
    document = bundle(sections("Invoice/i", text=text), res("Invoice", "i", status="issued"))
    assert why(view(document)) == {
        ("Composition", "Prescription"): "",
        ("Invoice", "Invoice"): rows.NO_PLACE,
        ("Section text", "Section"): rows.TEXT,
    }


@pytest.mark.parametrize(
    "composition",
    [None, {**COMPOSITION, "modifierExtension": [{"url": "http://x", "valueBoolean": True}]}],
)
def test_without_a_composition_that_means_what_it_says_nothing_is_shown(
    composition: Resource | None,
) -> None:
    fever = res("Condition", "f", code={"text": "Fever"})
    found = view(bundle(*([composition] if composition else []), fever))
    assert found.bundle is None
    assert ("Condition", "Fever") in why(found)
    assert "" not in why(found).values()


def test_a_visit_without_class_is_listed_instead_of_stopping_the_viewer() -> None:
    document = bundle(
        {**COMPOSITION, "encounter": {"reference": "Encounter/e"}},
        res("Encounter", "e", status="finished"),
    )
    assert why(view(document))["Encounter", "Encounter"] == rows.NOT_NAMED
    document["entry"][1]["resource"]["class"] = {"code": "AMB"}
    assert why(view(document))["Encounter", "Encounter"] == ""


def test_what_cannot_be_read_at_all_is_told() -> None:
    assert viewed(b"no JSON").lost
    assert view(bundle(COMPOSITION, res("Nonsense", "n"))).lost == (
        "A resource is of a type that FHIR R4 doesn't know; it isn't stored.",
    )
    assert view(bundle(COMPOSITION)).lost == ()


def check(content: bytes) -> None:
    """What holds for every document."""
    found = viewed(content)
    resources = split_received(content, origin()).resources
    for each in {r["resourceType"] for r in resources}:
        there = sum(1 for r in resources if r["resourceType"] == each)
        assert sum(1 for row in found.rows if row.kind == each) >= there
    if found.bundle is None:
        assert all(row.why for row in found.rows)
        return
    json.dumps(found.bundle, allow_nan=False)
    urls = {entry["fullUrl"]: entry["resource"] for entry in found.bundle["entry"]}
    (head, *_) = urls.values()
    for section in head["section"]:
        for each in section["entry"]:
            assert urls[each["reference"]]["resourceType"] in KINDS
    for each in urls.values():
        if each["resourceType"] == "Immunization":
            assert each["manufacturer"]["reference"] in urls
        for reason in each.get("reasonReference", []):
            assert reason["reference"] in urls


@settings(MANY, max_examples=60)
@given(st.data())
def test_no_document_however_broken_stops_it(data: st.DataObject) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from([json.loads(d) for d in clean_documents()])))
    for _ in range(data.draw(st.integers(1, 4))):
        place: Any = document
        while True:
            names = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not names:
                break
            name = data.draw(st.sampled_from(names))
            if not isinstance(place[name], dict | list) or data.draw(st.integers(0, 4)) == 0:
                place[name] = data.draw(JSON)
                break
            place = place[name]
    check(json.dumps(document).encode())


def test_of_the_demo_hospitals_documents_only_bills_advice_and_reasons_are_not_shown() -> None:
    listed = set()
    for content in clean_documents():
        check(content)
        listed |= {row.kind for row in viewed(content).rows if row.why and not row.of_people}
    assert listed == {
        "ChargeItem",
        "Condition",  # a prescription's reason: its name stands beside the medicine
        "ImmunizationRecommendation",
        "Invoice",
        "Section text",
    }
