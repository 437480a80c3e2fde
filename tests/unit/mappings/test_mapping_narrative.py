"""Narratives: readable, escaped, and in the words that were written."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.narrative import div, narrative
from mappings.value_text import date_text, dosage_text, value_text
from tests.unit.mappings.samples import everything, observation


@given(st.text(), st.text())
def test_any_text_makes_well_formed_xhtml(name, text):
    ElementTree.fromstring(div([(name, text)]))


def test_hindi_and_markup_stay_as_written():
    text = '<b>बुखार</b> & "cough"'
    shown = ElementTree.fromstring(div([("", text)]))
    assert "".join(shown.itertext()) == text


@pytest.mark.parametrize("resource", everything(), ids=lambda r: f"{r['resourceType']}-{r['id']}")
def test_each_kind_of_record_has_a_narrative(resource):
    made = narrative(resource)
    assert made["status"] == "generated"
    assert "".join(ElementTree.fromstring(made["div"]).itertext()).strip()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"valueQuantity": {"value": 98.6, "unit": "°F"}}, "98.6 °F"),
        ({"valueQuantity": {"value": 5, "comparator": "<", "code": "mg"}}, "<5 mg"),
        ({"valueQuantity": {"unit": "mg"}}, ""),
        ({"valueBoolean": False}, "no"),
        ({"valueInteger": 0}, "0"),
        ({"valueCodeableConcept": {"coding": [{"code": "x"}]}}, "x"),
        ({"valueRange": {"low": {"value": 1}, "high": {"value": 2}}}, "1 to 2"),
        ({"dataAbsentReason": {"text": "refused"}}, "not available (refused)"),
        ({}, ""),
    ],
)
def test_values_of_every_type_are_shown(value, shown):
    assert value_text(value) == shown


@pytest.mark.parametrize(
    ("date", "shown"),
    [
        ("2026-02-27T10:05:00+05:30", "2026-02-27 10:05"),
        ("2026-02-27T04:35:00.000Z", "2026-02-27 04:35 UTC"),
        ("2026-02-27T04:35:00-06:00", "2026-02-27 04:35 -06:00"),
        ("1970", "1970"),
    ],
)
def test_dates_are_shown_as_written_with_foreign_zones_named(date, shown):
    assert date_text(date) == shown


def test_a_dosage_without_text_is_put_together():
    dosage = {
        "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}],
        "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
        "route": {"text": "oral"},
        "asNeededBoolean": True,
    }
    assert dosage_text(dosage) == "1 tablet, 2 time(s) every 1 d, oral, as needed"


def test_a_record_in_another_language_says_so_in_its_narrative():
    made = narrative(observation("o", language="hi"))
    assert 'lang="hi"' in made["div"]
    assert 'xml:lang="hi"' in made["div"]
