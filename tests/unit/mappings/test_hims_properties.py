"""What holds for every HIMS entity, whatever it says: valid FHIR, same ids, no leaked values."""

import random

import orjson
import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mappings import hims, to_fhir
from mappings.coverage import to_fhir_with_coverage
from mappings.hims import EntityInvalid
from mappings.ids import is_fhir_id
from mappings.resources import as_list, references
from tests.unit.mappings.hims_entities import SAMPLES, entities

KINDS = tuple(hims.KINDS)


def mapped_or_refused(kind, entity):
    try:
        return to_fhir(kind, entity), ()
    except EntityInvalid as refused:
        return [], refused.faults


def made_of_all(order=KINDS):
    return [r for kind in order for r in to_fhir(kind, SAMPLES[kind])]


@pytest.mark.parametrize("kind", KINDS)
def test_each_sample_becomes_valid_r4_with_ids_that_hapi_takes(kind):
    for resource in to_fhir(kind, SAMPLES[kind]):
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        assert is_fhir_id(resource["id"])


@pytest.mark.parametrize("kind", KINDS)
def test_an_entity_with_nothing_but_its_ids_becomes_valid_r4_that_claims_nothing(kind):
    ids = {k: v for k, v in SAMPLES[kind].items() if k in ("id", "facility", "patient")}
    for resource in to_fhir(kind, ids):
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        assert resource.get("status") in (None, "unknown", "active", "current")
        assert "coding" not in str(resource.get("code"))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_an_entity_says_it_is_refused_or_becomes_valid_r4(kind, data):
    entity = data.draw(entities(kind))
    resources, faults = mapped_or_refused(kind, entity)
    assert all(f.field and f.sentence for f in faults)
    assert bool(resources) != bool(faults) or (kind == "daily_round" and not faults)
    if faults:
        return
    assert resources == to_fhir(kind, entity)
    assert len({(r["resourceType"], r["id"]) for r in resources}) == len(resources)
    for resource in resources:
        assert is_fhir_id(resource["id"])
        get_fhir_model_class(resource["resourceType"]).model_validate_json(orjson.dumps(resource))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_report_holds_a_value_and_every_field_is_accounted_for(kind, data):
    entity = {**data.draw(entities(kind)), "secret_field": "Sunita Devi 9876543210"}
    _, faults = mapped_or_refused(kind, entity)
    assert "Sunita" not in str(faults)
    if faults:
        return
    coverage = to_fhir_with_coverage(kind, entity).coverage
    told = {*coverage.mapped, *(n.field for n in coverage.dropped)}
    model = hims.KINDS[kind].model_fields
    silent = {k for k, v in entity.items() if k not in told}
    for name in silent:
        value = entity[name]
        assert not value or not str(value).strip() or value == model[name].default, name
    assert "Sunita" not in orjson.dumps(coverage.as_json()).decode()
    assert "secret_field" in told


@given(st.text(min_size=4, alphabet=st.characters(categories=["Lu"])), st.sampled_from(KINDS))
def test_a_refusal_never_repeats_the_value(secret, kind):
    fields = ("id", "facility", "date_of_birth", "created_date", "days", "pulse", "values", "items")
    wrong = {name: [{"value": secret * 20}] for name in fields}
    with pytest.raises(EntityInvalid) as refused:
        hims.read(kind, {**wrong, "patient": [secret * 20]})
    assert secret * 20 not in str(refused.value)


@settings(max_examples=15, deadline=None)
@given(st.permutations(KINDS))
def test_the_order_in_which_entities_arrive_changes_nothing(order):
    def by_key(resources):
        return sorted(orjson.dumps(r) for r in resources)

    assert by_key(made_of_all(order)) == by_key(made_of_all())


def test_references_between_the_samples_name_resources_that_the_samples_make():
    made = made_of_all()
    known = {f"{r['resourceType']}/{r['id']}" for r in made}
    dangling = {n for r in made for n in references(r) if n not in known}
    # Users and the outside facility that no sample describes.
    assert {n.split("/")[0] for n in dangling} <= {"Practitioner"}
    visit = next(r for r in made if r["resourceType"] == "Encounter")
    assert visit["location"][0]["location"]["reference"] in known


def test_a_resource_is_made_once_by_the_samples_of_all_kinds():
    made = [f"{r['resourceType']}/{r['id']}" for r in made_of_all()]
    assert len(made) == len(set(made))


@pytest.mark.parametrize("kind", KINDS)
def test_mapping_leaves_the_entity_and_the_code_tables_as_they_are(kind):
    before = orjson.dumps(SAMPLES[kind])
    first = to_fhir(kind, SAMPLES[kind])
    scratch = orjson.loads(orjson.dumps(first))
    for resource in first:
        _spoil(resource)
    assert to_fhir(kind, SAMPLES[kind]) == scratch
    assert orjson.dumps(SAMPLES[kind]) == before


def _spoil(value):
    """Change everything inside a resource, to find what it shares with a table."""
    if isinstance(value, dict):
        for inner in list(value.values()):
            _spoil(inner)
        value.clear()
    elif isinstance(value, list):
        for inner in as_list(value):
            _spoil(inner)
        value.append(random.random())
