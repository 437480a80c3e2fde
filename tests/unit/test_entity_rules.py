"""Entities on their way in: origin and version, batches, whose facility; no server."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.rules import entities, entity_access, entity_batches
from adapter.rules.entities import Item, Mapped, Outcome, Result
from mappings.ids import fhir_id
from tests.unit.mappings.samples import HIMS

INDIA = ZoneInfo("Asia/Kolkata")


def mapped(kind: str = "patient", position: int = 0, **changes: Any) -> Mapped:
    """An entity of the samples, mapped."""
    item = Item(position, kind, {**HIMS[kind], **changes})
    made = entities.to_mapped(item, INDIA, coverage=False)
    assert isinstance(made, Mapped), made
    return made


@pytest.mark.parametrize("kind", HIMS)
def test_every_resource_says_where_it_comes_from_and_when_it_was_changed(kind: str) -> None:
    made = mapped(kind, modified_date="2026-02-27T10:00:00.5")
    assert made.resources
    for resource in made.resources:
        if resource["resourceType"] == "Medication":
            assert resource["meta"]["source"].endswith(resource["id"])
            continue
        assert resource["meta"]["source"] == f"urn:abdm-adapter:entity:{made.own_id}"
        # HAPI keeps 100 characters.
        assert len(resource["meta"]["source"]) <= 100
        (extension,) = resource["meta"]["extension"]
        assert extension["valueInstant"] == "2026-02-27T04:30:00.500+00:00"


@pytest.mark.parametrize("value", [None, ""])
def test_without_modified_date_nothing_is_older(value: str | None) -> None:
    made = mapped(modified_date=value)
    assert made.modified is None
    assert not entities.is_outdated(made, mapped(modified_date="2026-01-01").resources)


@pytest.mark.parametrize("value", ["yesterday", "31.12.2026", 17, {}, "2026-02-30T00:00:00"])
def test_a_modified_date_that_cannot_be_read_is_refused_without_its_value(value: object) -> None:
    item = Item(3, "patient", {**HIMS["patient"], "modified_date": value})
    refused = entities.to_mapped(item, INDIA, coverage=False)
    assert isinstance(refused, Result)
    assert (refused.position, refused.outcome) == (3, Outcome.REFUSED)
    (fault,) = refused.faults
    assert fault.field == "modified_date"
    assert str(value) not in fault.sentence


MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(first=MOMENTS, second=MOMENTS)
def test_the_older_of_two_versions_is_outdated_and_the_same_is_not(
    first: datetime, second: datetime
) -> None:
    stored = mapped(modified_date=first.isoformat()).resources
    arriving = mapped(modified_date=second.isoformat())
    outdated = entities.is_outdated(arriving, stored)
    if second >= first:
        assert not outdated
    elif first - second >= timedelta(milliseconds=1):
        assert outdated


@pytest.mark.parametrize("entity", [None, 7, "x", [], [1]])
def test_what_is_no_object_is_refused(entity: object) -> None:
    refused = entities.to_mapped(Item(0, "patient", entity), INDIA, coverage=True)
    assert isinstance(refused, Result)
    assert [fault.field for fault in refused.faults] == ["entity"]


def test_a_time_without_zone_is_read_in_the_hospitals_zone() -> None:
    entity = {**HIMS["consultation"], "encounter_date": "2026-02-27T10:00:00"}
    made = entities.to_mapped(Item(0, "consultation", entity), ZoneInfo("UTC"), coverage=False)
    assert isinstance(made, Mapped)
    assert made.resources[0]["period"]["start"] == "2026-02-27T10:00:00+00:00"


def test_coverage_does_not_call_the_version_dropped() -> None:
    entity = {**HIMS["patient"], "modified_date": "2026-01-01", "shoe_size": 39}
    made = entities.to_mapped(Item(0, "patient", entity), INDIA, coverage=True)
    assert isinstance(made, Mapped)
    assert made.coverage is not None
    assert [note["field"] for note in made.coverage["dropped"]] == ["shoe_size"]


def sizes(batches: list[entity_batches.Batch]) -> list[int]:
    return [len(batch.members) for batch in batches]


def test_batches_keep_order_and_limits() -> None:
    members = [mapped(position=n, id=f"p-{n}") for n in range(250)]
    batches = list(entity_batches.batches(members))
    assert sizes(batches) == [100, 100, 50]
    assert [m for batch in batches for m in batch.members] == members


def test_large_entities_go_in_smaller_batches_and_a_huge_one_alone() -> None:
    text = "x" * (entity_batches.BATCH_BYTES // 2)
    members = [
        mapped(position=n, id=f"p-{n}", present_health=text * (3 if n == 2 else 1))
        for n in range(5)
    ]
    assert sizes(list(entity_batches.batches(members))) == [1, 1, 1, 1, 1]


def test_the_same_entity_twice_lands_in_two_batches() -> None:
    members = [mapped(id="a"), mapped(id="b"), mapped(id="a", name="Other")]
    assert sizes(list(entity_batches.batches(members))) == [2, 1]


def test_a_medicine_that_two_prescriptions_share_splits_no_batch() -> None:
    members = [mapped("prescription", id=each) for each in ("a", "b")]
    assert sizes(list(entity_batches.batches(members))) == [2]


def test_results_stand_in_the_order_sent() -> None:
    refused = entities.refused(Item(1, "patient", {}), None)
    batch = entity_batches.Batch([mapped(position=0), refused, mapped(position=2)])
    results = batch.results(each.result(Outcome.CREATED) for each in batch.mapped)
    assert [r.position for r in results] == [0, 1, 2]


def test_what_its_own_entity_brought_is_left_to_it() -> None:
    visit = mapped("consultation", diagnoses=[{"id": "d-1", "diagnosis": "Fever"}])
    condition = mapped("diagnosis")
    (shared,) = condition.resources
    stored = {f"Condition/{shared['id']}": shared}
    assert shared["id"] in {r["id"] for r in visit.resources}
    assert shared["id"] not in {r["id"] for r in visit.to_write(stored)}
    assert condition.to_write(stored) == [shared]
    assert shared["id"] in {r["id"] for r in visit.to_write({})}


OWN, OTHER = "IN0000000001", "IN0000000002"


@pytest.mark.parametrize(
    ("kind", "facility", "stored", "claimed", "allowed"),
    [
        ("patient", OWN, set(), set(), True),
        ("patient", OTHER, set(), set(), False),
        ("patient", "local", {OWN}, set(), True),
        ("patient", "local", {OTHER}, set(), False),
        ("patient", "local", set(), {OWN}, True),
        ("patient", "local", set(), set(), False),
        ("patient", "local", {OTHER}, {OWN}, False),
        ("patient", OWN, {OTHER}, set(), False),
        ("facility", "local", set(), {OWN}, True),
        ("facility", "local", {OTHER}, {OWN}, False),
        ("facility", "local", {OWN}, {OTHER}, False),
        ("facility", "local", set(), set(), False),
    ],
)
def test_a_key_for_one_facility_writes_that_facilitys_entities_only(
    kind: str, facility: str, stored: set[str], claimed: set[str], allowed: bool
) -> None:
    place = {"id": facility, "hf_id": None} if kind == "facility" else {"facility": facility}
    entity = mapped(kind, **place)
    decided = entity_access.may_be_stored(
        entity, frozenset(stored), frozenset(claimed), lambda hfr_id: hfr_id == OWN
    )
    assert decided is allowed


def test_a_facilitys_claim_is_its_hfr_id() -> None:
    assert entity_access.claimed_hfr_ids(mapped("facility")) == {"IN0710000123"}
    assert entity_access.claimed_hfr_ids(mapped("patient")) == frozenset()


def test_own_id_is_the_derived_one() -> None:
    assert mapped("facility").own_id == fhir_id("f-1", "facility", "f-1")
    assert mapped("daily_round").own_id == fhir_id("f-1", "daily_round", "r-1")
    assert all(part.startswith("Observation/") for part in mapped("daily_round").parts())
    assert mapped("patient").parts() == []


def test_what_the_hims_deleted_is_not_imported_and_says_what_to_do() -> None:
    item = Item(1, "patient", {**HIMS["patient"], "deleted": True})
    refused = entities.to_mapped(item, INDIA, coverage=True)
    assert isinstance(refused, Result)
    assert refused.outcome is Outcome.REFUSED
    (fault,) = refused.faults
    assert fault.field == "deleted"
    assert "entered-in-error" in fault.sentence
