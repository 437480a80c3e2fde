"""The JSON Schemas of the HIMS entities, and the sample of each kind."""

import json

import pytest
from jsonschema import Draft202012Validator

from mappings import hims, to_fhir
from tests.unit.mappings.hims_entities import SAMPLES
from tests.unit.mappings.write_schemas import FOLDER, text_of

KINDS = tuple(hims.KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_committed_schema_is_the_one_of_the_models(kind):
    committed = (FOLDER / f"{kind}.json").read_text(encoding="utf-8")
    assert committed == text_of(kind), "run python -m tests.unit.mappings.write_schemas"


def test_each_kind_has_a_schema_and_a_sample_and_nothing_else_has():
    assert sorted(p.stem for p in FOLDER.glob("*.json")) == sorted(KINDS)
    assert sorted(SAMPLES) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_a_schema_and_accepts_the_sample(kind):
    schema = hims.schema(kind)
    Draft202012Validator.check_schema(schema)
    assert [e.message for e in Draft202012Validator(schema).iter_errors(SAMPLES[kind])] == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_refuses_an_entity_without_what_is_required(kind):
    schema = hims.schema(kind)
    refused = {tuple(e.path) for e in Draft202012Validator(schema).iter_errors({})}
    assert refused == {()}
    with pytest.raises(hims.EntityInvalid) as faults:
        hims.read(kind, {})
    assert {f.field for f in faults.value.faults} == set(schema["required"])


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("consultation", "symptoms", [2, "9", {"symptom": 4, "onset_date": "2024-01-02"}]),
        ("daily_round", "temperature", "101.20"),
        ("daily_round", "consciousness_level", "ALERT"),
        ("patient", "pincode", 411001),
        ("prescription", "discontinued", None),
        ("user", "skills", ["Cardiology", {"name": "Dermatology"}]),
        ("diagnosis", "onset_date", "2019-03"),
    ],
)
def test_the_forms_of_cares_exports_are_in_the_schema_and_read(kind, field, value):
    entity = {**SAMPLES[kind], field: value}
    assert Draft202012Validator(hims.schema(kind)).is_valid(entity)
    assert to_fhir(kind, entity)


def test_schemas_are_plain_json():
    for kind in KINDS:
        assert json.loads(text_of(kind)) == hims.schema(kind)
