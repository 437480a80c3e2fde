"""Derived ids and UCUM units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.ids import document_uuid, fhir_id, is_fhir_id
from mappings.ucum import is_ucum, to_ucum

KINDS = st.sampled_from(["patient", "daily_round", "consultation", "prescription"])


@given(st.text(max_size=80), KINDS, st.text(max_size=300))
def test_any_hims_id_gives_a_fhir_id_that_hapi_takes(facility, kind, hims_id):
    made = fhir_id(facility, kind, hims_id)
    assert is_fhir_id(made)
    assert made == fhir_id(facility, kind, hims_id)


@given(st.tuples(st.text(), KINDS, st.text()), st.tuples(st.text(), KINDS, st.text()))
def test_different_records_get_different_ids(one, other):
    assert (fhir_id(*one) == fhir_id(*other)) == (one == other)


@pytest.mark.parametrize("value", ["123", "", "a b", "x" * 65, "é", "a\n"])
def test_an_id_that_hapi_refuses_is_recognised(value):
    assert not is_fhir_id(value)


def test_document_uuids_depend_on_each_name():
    assert document_uuid("a", "b") != document_uuid("ab", "") != document_uuid("", "ab")


@pytest.mark.parametrize(
    "code",
    [
        "/min",
        "mm[Hg]",
        "kg/m2",
        "10*3/uL",
        "{tbl}",
        "mL/min/{1.73_m2}",
        "[degF]",
        "%",
        "1",
        "mg/dL",
    ],
)
def test_clinical_ucum_codes_are_recognised(code):
    assert is_ucum(code)
    assert to_ucum(code) in (code, "[degF]")


@pytest.mark.parametrize("code", ["bpm", "tab", "strips", "", "mg per day", "mmHg", "mEq/L"])
def test_what_only_looks_like_ucum_is_not(code):
    assert not is_ucum(code)


@pytest.mark.parametrize(
    ("written", "ucum"),
    [
        ("bpm", "/min"),
        ("Beats / minute", "/min"),
        ("°F", "[degF]"),
        ("mmHg", "mm[Hg]"),
        ("Tablet", None),
        ("ML", "mL"),
        ("strips", None),
    ],
)
def test_units_as_hospitals_write_them_have_their_ucum_code(written, ucum):
    assert to_ucum(written) == ucum
