"""Where a changed record belongs, when a care context's content is another, which ones count."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapter.rules.watching import STATUSES, Choice, content_of, places, why_not
from mappings import systems
from mappings.records import Records
from mappings.systems import HAPI_PLACEHOLDER

NOW = datetime(2026, 11, 23, tzinfo=UTC)
EVERYTHING = Choice(STATUSES, frozenset(), frozenset({"HIP-1"}), None)
RECEIVED = {"tag": [{"system": systems.TAG, "code": systems.TAG_RECEIVED}]}
PATIENT = {"reference": "Patient/5"}


def record(kind: str, identity: str = "1", **fields: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": identity, "meta": {"versionId": "1"}, **fields}


@pytest.mark.parametrize(
    ("changed", "keys"),
    [
        (record("Encounter", "17", subject=PATIENT), ["Encounter/17"]),
        (record("Patient", "5"), ["Patient/5"]),
        (
            record("Condition", subject=PATIENT, encounter={"reference": "Encounter/17"}),
            ["Encounter/17"],
        ),
        (
            record("MedicationStatement", subject=PATIENT, context={"reference": "Encounter/17"}),
            ["Encounter/17"],
        ),
        (
            record("DocumentReference", context={"encounter": [{"reference": "Encounter/17"}]}),
            ["Encounter/17"],
        ),
        (record("Immunization", patient=PATIENT), ["Patient/5"]),
        (record("Observation", subject={"reference": "Group/1"}), []),
        (record("Encounter", "17", meta=RECEIVED), []),
        (record("Encounter", "17", extension=[{"url": HAPI_PLACEHOLDER}]), []),
    ],
)
def test_a_changed_record_is_looked_at_with_its_visit_or_its_patient(
    changed: dict[str, Any], keys: list[str]
) -> None:
    assert places(changed) == keys


def test_content_is_another_when_a_record_comes_goes_or_changes_and_only_then() -> None:
    root, held = record("Encounter", "17"), record("Condition")
    whole = Records(root, record("Patient", "5"), others=(held,))
    same = Records(root, record("Patient", "5", name=[]), record("Organization"), others=(held,))
    assert content_of(whole) == content_of(same)
    later = {**held, "meta": {"versionId": "2"}}
    others = [(), (held, record("Condition", "2")), (later,)]
    told = {content_of(Records(root, None, others=each)) for each in others}
    assert len(told | {content_of(whole)}) == 4


def test_facility_and_medicine_written_again_are_no_news_of_a_visit() -> None:
    root = record("Encounter", "17")
    before = Records(root, None, others=(record("Location"), record("Medication")))
    after = Records(root, None, others=(record("Location", meta={"versionId": "2"}),))
    assert content_of(before) == content_of(after)


@pytest.mark.parametrize(
    ("root", "hip_id", "choice", "word"),
    [
        ({}, "HIP-1", {}, ""),
        ({}, None, {}, "HFR id"),
        ({}, "HIP-2", {}, "WATCH_FACILITIES"),
        ({"status": "cancelled"}, "HIP-1", {}, "WATCH_STATUSES"),
        ({"status": None}, "HIP-1", {}, "not stated"),
        ({}, "HIP-1", {"classes": frozenset({"IMP"})}, "WATCH_CLASSES"),
        ({"period": {"start": "2026-11-01"}}, "HIP-1", {"max_age": timedelta(days=7)}, "backfill"),
        ({"period": {"start": "2026-11-17"}}, "HIP-1", {"max_age": timedelta(days=7)}, ""),
        ({"period": {}}, "HIP-1", {"max_age": timedelta(days=7)}, "no date"),
        ({"resourceType": "Invoice", "status": "draft"}, "HIP-1", {}, ""),
    ],
)
def test_why_a_record_is_not_linked_by_itself(
    root: dict[str, Any], hip_id: str | None, choice: dict[str, Any], word: str
) -> None:
    visit = {
        **record("Encounter", "17", status="finished"),
        "class": {"code": "AMB"},
        "period": {"start": "2026-11-19T10:00:00+05:30"},
        **root,
    }
    chosen = Choice(**{**vars(EVERYTHING), **choice})
    said = why_not(visit, hip_id, chosen, NOW)
    assert word in said
    assert bool(said) == bool(word)
