"""The record watch: what is written to FHIR is found, linked once, and kept up to date."""

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapter.flows import record_watch
from adapter.rules import watching
from adapter.rules.watching import WATCHED_TYPES
from adapter.stores import watch
from adapter.stores.fhir_client import Client
from adapter.stores.fhir_store import FhirStore
from mappings import systems
from mappings.records import Records
from mappings.resources import HAPI_PLACEHOLDER
from tests.flows.harness import Json, Site, address_of, reference_of
from tests.flows.linking import references
from tests.flows.watching import Watched, watched
from tests.flows.wire import in_both
from tests.rig import NOWHERE

pytestmark = pytest.mark.hapi


@pytest.fixture
def on(site: Site) -> Watched:
    return watched(site)


def both(visit: list[Json], state: str) -> dict[tuple[str, str], str]:
    return {(reference_of(visit), t): state for t in ("OPConsultation", "Prescription")}


def without_address(patient: Json) -> Json:
    return {**patient, "identifier": patient["identifier"][1:]}


@in_both
def test_a_new_visit_is_linked_without_anyone_asking(on: Watched) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient)
    on.linked(patient, visit)
    assert on.links(patient) == both(visit, "LINKED")
    (call,) = on.sent(patient)
    assert references(call) == {reference_of(visit)}
    assert [notice["hiTypes"] for notice in on.told(visit)] == [["OPConsultation", "Prescription"]]


@in_both
def test_visits_found_together_are_linked_by_one_request(on: Watched) -> None:
    patient = on.site.patient()
    visits = [on.site.visit(patient) for _ in range(4)]
    on.linked(patient, *visits)
    (call,) = on.sent(patient)
    assert references(call) == {reference_of(visit) for visit in visits}


def test_more_visits_than_one_batch_are_all_found(on: Watched) -> None:
    patient = on.site.patient()
    visits = [on.site.visit(patient, prescription=False) for _ in range(30)]
    on.site.admit(patient, *visits)
    on.sweep()
    assert len(on.links(patient)) == 30
    assert len(on.asked(patient)) == 1


def test_a_search_that_finds_nothing_new_is_one_search(
    on: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = on.site.patient()
    on.site.admit(patient, on.site.visit(patient))
    on.sweep()
    calls: list[str] = []
    whole = Client._exchange

    def counted(self: Client, method: str, url: str, *rest: Any, **named: Any) -> Any:
        calls.append(url)
        return whole(self, method, url, *rest, **named)

    monkeypatch.setattr(Client, "_exchange", counted)
    for kind in WATCHED_TYPES:
        record_watch.search(on.site.adapter, kind)
    assert len(calls) == len(WATCHED_TYPES)
    waiting = [row["key"] for row in on.site.rows("watch_item")]
    assert not {f"Encounter/{patient['id']}", f"Patient/{patient['id']}"} & set(waiting)


def test_received_records_and_placeholders_are_passed_over(on: Watched) -> None:
    patient = on.site.patient()
    on.site.admit(patient)
    visit = on.site.visit(patient)
    received = [
        {**each, "meta": {"tag": [{"system": systems.TAG, "code": systems.TAG_RECEIVED}]}}
        for each in visit
    ]
    stub = {
        "resourceType": "Encounter",
        "id": f"v-{uuid.uuid4()}",
        "status": "unknown",
        "class": {"system": systems.ACT_CODE, "code": "AMB"},
        "extension": [{"url": HAPI_PLACEHOLDER, "valueBoolean": True}],
    }
    on.site.load(*received, stub)
    on.sweep()
    assert on.links(patient) == {}
    assert on.asked(patient) == []


def test_an_outage_of_the_fhir_server_only_delays_what_was_written(on: Watched) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient)
    on.site.admit(patient, visit)
    adapter = on.site.adapter
    on.site.adapter = replace(adapter, fhir=FhirStore(f"{NOWHERE}/fhir", ""))
    on.sweep()
    assert on.links(patient) == {}
    on.site.adapter = adapter
    on.site.clock.advance(5)
    on.site.run()
    assert set(on.links(patient)) == set(both(visit, ""))


def test_an_outage_between_finding_and_reading_loses_nothing(on: Watched) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient)
    on.site.admit(patient, visit)
    for kind in WATCHED_TYPES:
        record_watch.search(on.site.adapter, kind)
    adapter = on.site.adapter
    on.site.adapter = replace(adapter, fhir=FhirStore(f"{NOWHERE}/fhir", ""))
    on.site.run()
    assert on.links(patient) == {}
    on.site.adapter = adapter
    on.site.clock.advance(5)
    on.site.run()
    assert set(on.links(patient)) == set(both(visit, ""))


def test_a_record_that_shows_only_after_a_search_of_its_time_is_found_by_the_next(
    site: Site,
) -> None:
    on = watched(site, watch_overlap_seconds=30)
    patient = site.patient()
    visit = site.visit(patient)
    site.admit(patient, visit)
    with site.adapter.db.transaction() as tx:
        for kind in WATCHED_TYPES:
            later = site.adapter.fhir.time(kind) + timedelta(seconds=10)
            watch.finish_search(tx, kind, later, later)
    on.sweep()
    assert set(on.links(patient)) == set(both(visit, ""))


def test_the_first_search_ever_reaches_back_by_the_overlap(site: Site) -> None:
    patient = site.patient()
    site.admit(patient, site.visit(patient))
    on = watched(site, watch_overlap_seconds=20)
    with site.adapter.db.transaction() as tx:
        tx.exec_driver_sql("UPDATE watch SET watermark = NULL")
    on.sweep()
    assert len(on.links(patient)) == 2


def test_what_is_written_before_the_first_search_succeeds_is_found_however_late_it_is(
    site: Site,
) -> None:
    on = watched(site, watch_overlap_seconds=0)
    with site.adapter.db.transaction() as tx:
        tx.exec_driver_sql("UPDATE watch SET watermark = NULL")
        watch.prepare(tx, site.adapter.fhir.time("Patient"), watching=True)
    patient = site.patient()
    site.admit(patient, site.visit(patient))
    later = site.adapter.fhir.time("Patient") + timedelta(seconds=2)
    while site.adapter.fhir.time("Patient") <= later:
        time.sleep(0.2)
    on.sweep()
    assert len(on.links(patient)) == 2


@in_both
def test_several_changes_of_a_linked_visit_are_told_of_by_one_notice(on: Watched) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient)
    on.linked(patient, visit)
    for text in ("Fever since four days", "Fever since five days"):
        on.site.load({**visit[1], "code": {**visit[1]["code"], "text": text}})
        on.sweep()
    on.site.wait(180)
    assert len(on.told(visit)) == 2
    assert on.links(patient) == both(visit, "LINKED")


def test_a_linked_visit_that_is_written_again_unchanged_is_no_news(on: Watched) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient)
    on.linked(patient, visit)
    on.site.load(on.site.organization(), on.site.practitioner(), patient, *visit)
    on.sweep()
    on.site.wait(180)
    assert len(on.told(visit)) == 1
    assert len(on.sent(patient)) == 1


def test_a_new_hi_type_of_a_linked_visit_is_linked_too(on: Watched) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient)
    on.linked(patient, visit[:2])
    assert set(on.links(patient)) == {(reference_of(visit), "OPConsultation")}
    on.site.load(visit[2])
    on.sweep()
    on.accept(patient)
    assert on.links(patient) == both(visit, "LINKED")
    (entry,) = on.sent(patient)[-1].body["patient"]
    assert (entry["hiType"], entry["count"]) == ("Prescription", 1)


@in_both
def test_a_stay_linked_before_discharge_is_linked_again_as_a_discharge_summary(
    on: Watched,
) -> None:
    patient = on.site.patient()
    stay = on.site.visit(patient, prescription=False, status="in-progress")
    stay[0]["class"] = {"system": systems.ACT_CODE, "code": "IMP"}
    del stay[0]["period"]["end"]
    on.linked(patient, stay)
    assert set(on.links(patient)) == {(reference_of(stay), "OPConsultation")}
    begun = stay[0]["period"]["start"]
    on.site.load(
        {**stay[0], "status": "finished", "period": {"start": begun, "end": "2026-11-22T09:00:00Z"}}
    )
    on.sweep()
    on.accept(patient)
    assert on.links(patient)[reference_of(stay), "DischargeSummary"] == "LINKED"


def test_a_visit_in_progress_is_linked_when_its_first_shareable_record_exists(
    on: Watched,
) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient, status="in-progress")
    on.site.admit(patient, visit[:1])
    on.sweep()
    assert on.links(patient) == {}
    on.site.load(visit[1])
    on.sweep()
    assert on.links(patient) == {(reference_of(visit), "OPConsultation"): "WAITING_FOR_TOKEN"}


def test_a_patient_who_gets_an_abha_address_later_has_the_waiting_visits_linked(
    on: Watched,
) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient)
    on.site.admit(without_address(patient), visit)
    on.sweep()
    assert on.links(patient) == both(visit, "NO_ABHA")
    on.site.load(patient)
    on.sweep()
    assert len(on.asked(patient)) == 1
    on.give_token(patient)
    on.accept(patient)
    assert on.links(patient) == both(visit, "LINKED")


def test_a_report_without_a_visit_is_found_through_its_patient(on: Watched) -> None:
    patient = on.site.patient()
    on.site.admit(patient)
    report = {
        "resourceType": "DiagnosticReport",
        "id": f"r-{uuid.uuid4()}",
        "status": "final",
        "code": {"text": "Blood count"},
        "subject": {"reference": f"Patient/{patient['id']}"},
        "issued": "2026-11-19T15:00:00+05:30",
        "performer": [{"reference": f"Organization/org-{on.site.hfr_id}"}],
        "conclusion": "Normal",
    }
    on.site.load(report)
    on.sweep()
    expected = (f"DiagnosticReport-{report['id']}", "DiagnosticReport")
    assert on.links(patient) == {expected: "WAITING_FOR_TOKEN"}


@pytest.mark.parametrize(
    ("settings", "change"),
    [
        ({}, lambda site: {"status": "planned"}),
        ({}, lambda site: {"status": "cancelled"}),
        ({}, lambda site: {"status": "entered-in-error"}),
        ({"watch_statuses": frozenset({"finished"})}, lambda site: {"status": "in-progress"}),
        ({"watch_classes": frozenset({"IMP"})}, lambda site: {}),
        ({"watch_max_age_days": 3}, lambda site: {}),
        ({"watch_facilities": frozenset({"IN0000000000"})}, lambda site: {}),
    ],
    ids=["planned", "cancelled", "an error", "status", "class", "age", "facility"],
)
def test_records_that_do_not_count_are_not_linked(
    site: Site, settings: dict[str, Any], change: Callable[[Site], Json]
) -> None:
    on = watched(site, **settings)
    patient = site.patient()
    visit = site.visit(patient, **change(site))
    site.admit(patient, visit)
    on.sweep()
    assert on.links(patient) == {}


@pytest.mark.parametrize("code", ["ABDM-1024", "ABDM-1092"])
def test_a_token_refused_for_a_passing_reason_is_asked_for_again_by_itself(
    on: Watched, code: str
) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient)
    on.site.admit(patient, visit)
    on.sweep()
    refusal = {
        "abhaAddress": address_of(patient),
        "error": {"code": code, "message": "Dependent service unavailable"},
    }
    on.site.answer(on.asked(patient)[-1], "OnGenerateLinkToken", refusal)
    on.site.wait(60)
    assert len(on.asked(patient)) == 1
    on.site.wait(14 * 60)
    assert len(on.asked(patient)) == 2
    on.give_token(patient)
    on.accept(patient)
    assert on.links(patient) == both(visit, "LINKED")


def test_a_token_refused_for_good_is_not_asked_for_again_until_the_patient_is_corrected(
    on: Watched,
) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient)
    on.site.admit(patient, visit)
    on.sweep()
    refusal = {
        "abhaAddress": address_of(patient),
        "error": {"code": "ABDM-1036", "message": "Patient demographics do not match"},
    }
    on.site.answer(on.asked(patient)[-1], "OnGenerateLinkToken", refusal)
    on.site.wait(20 * 60)
    assert len(on.asked(patient)) == 1
    assert on.links(patient) == both(visit, "FAILED")
    on.site.load({**patient, "birthDate": "1990-04-02"})
    on.sweep()
    on.site.wait(60)
    assert [call.body["yearOfBirth"] for call in on.asked(patient)] == [1991, 1990]


def test_a_visit_that_is_stored_before_its_patient_is_linked_once_the_patient_is_there(
    on: Watched,
) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient)
    on.site.load(on.site.organization(), on.site.practitioner(), *visit)
    on.sweep()
    assert on.links(patient) == {}
    on.site.load(patient)
    on.sweep()
    assert set(on.links(patient).values()) == {"WAITING_FOR_TOKEN"}


def test_a_patient_who_is_written_just_when_nobody_waits_yet_is_looked_for_again(
    on: Watched,
) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient)
    on.site.load(on.site.organization(), on.site.practitioner(), *visit)
    on.sweep()
    on.site.load(patient)
    with on.site.adapter.db.transaction() as tx:
        for row in on.site.rows("watch"):
            watch.plan(tx, row["id"], on.site.clock() + timedelta(days=1))
        watch.plan(tx, watch.QUEUE, on.site.clock())
    on.site.wait(60)
    assert on.links(patient) == {}
    on.site.wait(10 * 60)
    assert set(on.links(patient).values()) == {"WAITING_FOR_TOKEN"}


def test_a_record_that_nobody_can_read_stops_no_other(
    on: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = on.site.patient()
    bad, good = on.site.visit(patient), on.site.visit(patient)
    on.site.admit(patient, bad, good)
    whole = watching.content_of

    def failing(records: Records) -> str:
        if records.root["id"] == bad[0]["id"]:
            raise KeyError("a canary that must not be shown")
        return whole(records)

    monkeypatch.setattr(watching, "content_of", failing)
    on.sweep()
    assert {reference for reference, _ in on.links(patient)} == {reference_of(good)}
    with on.site.adapter.db.reading() as tx:
        trouble = dict(watch.troubled(tx))
    assert "unforeseen" in trouble[f"Encounter/{bad[0]['id']}"]
    monkeypatch.undo()
    on.site.wait(3600)
    assert {reference for reference, _ in on.links(patient)} == {
        reference_of(good),
        reference_of(bad),
    }
