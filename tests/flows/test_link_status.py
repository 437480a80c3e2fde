"""What people see of linking and can do about it: status, retry, backfill; by call and command."""

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from adapter.app import create_app
from adapter.cli import main
from adapter.commands import operate
from adapter.config import ApiKey
from adapter.flows import backfill, hip_linking, link_status
from adapter.protocol.errors import FhirUnavailable, NotFound
from adapter.stores import watch
from adapter.stores.fhir_store import FhirStore
from tests.flows.harness import Json, Site, address_of, reference_of
from tests.flows.hims import LIMITED, WHOLE, Hospital
from tests.flows.watching import Watched, watched
from tests.flows.wire import in_both

pytestmark = pytest.mark.hapi

KEY = "a-key-of-sixteen-letters"


@pytest.fixture
def on(site: Site) -> Watched:
    return watched(site, hims_api_keys=(ApiKey(SecretStr(KEY), None),))


@pytest.fixture
def command(on: Watched, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`abdm-adapter link …` over the tables and the FHIR server of this test."""
    from adapter.commands import link

    monkeypatch.setattr(link, "open_adapter", lambda: on.site.adapter)
    assert operate.open_adapter is not link.open_adapter

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["link", *arguments])

    return run


def refuse(on: Watched, patient: Json) -> None:
    on.site.answer(
        on.asked(patient)[-1],
        "OnGenerateLinkToken",
        {
            "abhaAddress": address_of(patient),
            "error": {"code": "ABDM-1036", "message": "Patient demographics do not match"},
        },
    )


def told(on: Watched, patient: Json) -> dict[str, Json]:
    found = link_status.of_patient(on.site.adapter, patient["id"], [on.site.hip_id])
    return {each["reference"]: each for each in found}


def test_status_says_of_every_visit_how_it_stands_why_and_what_to_do(on: Watched) -> None:
    patient = on.site.patient()
    visit, planned, empty = (
        on.site.visit(patient),
        on.site.visit(patient, status="planned"),
        on.site.visit(patient)[:1],
    )
    on.site.admit(patient, visit, planned, empty)
    assert told(on, patient)[reference_of(visit)]["state"] == "not linked"
    on.sweep()
    found = told(on, patient)
    assert found[reference_of(visit)]["state"] == "waiting"
    assert "link token" in found[reference_of(visit)]["why"]
    assert found[reference_of(planned)]["state"] == "not linked"
    assert "planned" in found[reference_of(planned)]["why"]
    assert "nothing yet" in found[reference_of(empty)]["why"]
    refuse(on, patient)
    failed = told(on, patient)[reference_of(visit)]
    assert failed["state"] == "failed"
    assert failed["why"]
    assert "link retry" in failed["what_to_do"]


def test_status_of_a_linked_visit_and_of_a_patient_without_abha(on: Watched) -> None:
    patient, other = on.site.patient(), on.site.patient()
    visit, waiting = on.site.visit(patient), on.site.visit(other)
    on.linked(patient, visit)
    other["identifier"] = other["identifier"][1:]
    on.site.load(other, *waiting)
    on.sweep()
    assert told(on, patient)[reference_of(visit)]["state"] == "linked"
    found = told(on, other)[reference_of(waiting)]
    assert (found["state"], found["why"]) == (
        "waiting",
        "The patient has no ABHA address on record.",
    )
    assert found["what_to_do"]


def test_a_visit_that_names_no_facility_served_is_told_of(on: Watched) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient, hfr_id="IN9999999999")
    elsewhere = on.site.organization("IN9999999999")
    on.site.load(on.site.organization(), elsewhere, on.site.practitioner(), patient, *visit)
    assert "HFR id" in told(on, patient)[reference_of(visit)]["why"]


def test_status_by_the_hims_api(on: Watched) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient)
    on.site.admit(patient, visit)
    on.sweep()
    client = create_app(on.site.adapter).test_client()
    headers = {"Authorization": f"Bearer {KEY}", "X-User": "desk-1"}
    answer = client.get(f"/hims/v1/links/status?patient={patient['id']}", headers=headers)
    assert answer.json["care_contexts"] == [told(on, patient)[reference_of(visit)]]
    whole = client.get("/hims/v1/links/status", headers=headers).json
    (found,) = [each for each in whole["care_contexts"] if each["patient"] == patient["id"]]
    assert found["state"] == "waiting"
    assert whole["links"]["WAITING_FOR_TOKEN"] >= 2
    assert client.get("/hims/v1/links/status?patient=nobody", headers=headers).status_code == 404
    assert client.get("/hims/v1/links/status").status_code == 401


def test_who_acts_for_one_facility_is_told_of_no_record_of_another(
    site: Site, hospital: Hospital
) -> None:
    own, other = site.patient(), site.patient()
    site.admit(own, site.visit(own))
    site.load(site.organization(hospital.other.hfr_id))
    theirs = site.visit(other, hfr_id=hospital.other.hfr_id)
    site.admit(other, theirs)
    hip_linking.link_encounter(site.adapter, theirs[0]["id"], "desk-1")
    named = {f"Encounter/{theirs[0]['id']}", f"Patient/{other['id']}"}
    unknown = {f"Encounter/{uuid.uuid4()}", f"Patient/{uuid.uuid4()}"}
    with site.adapter.db.transaction() as tx:
        for each in (*named, *unknown):
            watch.await_(
                tx, each, site.clock(), "It cannot be read.", requester="watch", any_age=False
            )

    def unreadable(key: str) -> set[str]:
        return {each["record"] for each in hospital.get("links/status", key).json["unreadable"]}

    assert unreadable(LIMITED) == named
    assert unreadable(WHOLE) == named | unknown


@in_both
def test_a_retry_asks_again_and_no_sooner_than_the_pacing_allows(
    on: Watched, command: Callable[..., Result]
) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient)
    on.site.admit(patient, visit)
    on.sweep()
    refuse(on, patient)
    done = command("retry", patient["id"], "--user", "desk-1", "--json")
    assert done.exit_code == 0, done.output
    on.site.run()
    assert len(on.asked(patient)) == 1
    on.site.wait(8 * 60)
    assert len(on.asked(patient)) == 2
    on.give_token(patient)
    on.accept(patient)
    assert set(on.links(patient).values()) == {"LINKED"}


def test_the_commands_show_a_patient_the_hospital_and_one_visit(
    on: Watched, command: Callable[..., Result]
) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient)
    on.site.admit(patient, visit)
    linked = command("now", visit[0]["id"], "--user", "desk-1", "--json")
    assert linked.exit_code == 0, linked.output
    assert json.loads(linked.stdout.splitlines()[0])["care_context"] == reference_of(visit)
    shown = command("status", patient["id"], "--json")
    assert json.loads(shown.stdout)["state"] == "waiting"
    assert json.loads(command("status", "--json").stdout)["links"]
    assert "Links: " in command("status").stdout
    assert command("status", "nobody").exit_code == 1
    assert command("now", "nobody").exit_code == 1


def test_a_patient_opts_out_and_back_in_by_command(
    on: Watched, command: Callable[..., Result]
) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient)
    on.linked(patient, visit)
    out = command("opt-out", patient["id"], "--user", "desk-1", "--json")
    assert out.exit_code == 0, out.output
    assert json.loads(out.stdout.splitlines()[-1]) == {"patient": patient["id"], "opted_out": True}
    assert set(on.links(patient).values()) == {"WITHDRAWN"}
    assert [row["requester"] for row in on.site.rows("opt_out")] == ["desk-1"]
    assert "released" in command("opt-out", patient["id"]).stdout
    back = command("opt-in", patient["id"], "--json")
    assert back.exit_code == 0, back.output
    assert json.loads(back.stdout.splitlines()[-1]) == {
        "patient": patient["id"],
        "opted_out": False,
    }
    assert set(on.links(patient).values()) == {"LINKED"}
    for name in ("opt-out", "opt-in"):
        refused = command(name, "nobody")
        assert refused.exit_code == 1
        assert "no patient" in refused.stderr


def test_a_backfill_links_records_with_old_dates_of_writing_once(
    on: Watched, command: Callable[..., Result]
) -> None:
    """A month that no other test uses, so that the shared server holds nothing else of it."""
    patient = on.site.patient()
    visits = [
        on.site.visit(patient, start=start)
        for start in ("1931-03-05T10:00:00+05:30", "1931-03-31T23:30:00+05:30")
    ]
    on.site.admit(patient, *visits)
    adapter = on.site.adapter
    march = backfill.Month(date(1931, 3, 1), date(1931, 4, 1))
    for _twice in range(2):
        assert sum(backfill.queue_month(adapter, date(1931, 3, 1), march, "desk-1")) >= 2
        while backfill.look(adapter):
            pass
    on.site.run()
    assert len(on.links(patient)) == 4
    assert len(on.asked(patient)) == 1
    rows = on.site.rows("care_context_link")
    assert {r["requester"] for r in rows if r["patient_id"] == patient["id"]} == {"desk-1"}


def test_an_interrupted_backfill_goes_on_with_the_months_that_are_left(
    on: Watched, command: Callable[..., Result]
) -> None:
    adapter = on.site.adapter
    since = date(2026, 9, 15)
    waiting = backfill.months(adapter, since)
    assert [month.first.isoformat() for month in waiting] == [
        "2026-11-01",
        "2026-10-01",
        "2026-09-15",
    ]
    empty = backfill.Month(date(1931, 7, 1), date(1931, 8, 1))
    list(backfill.queue_month(adapter, date(1931, 7, 1), empty, "desk-1"))
    assert date(1931, 7, 1) not in [m.first for m in backfill.months(adapter, date(1931, 7, 1))]
    assert len(backfill.months(adapter, since)) == 3
    backfill.forget(adapter)
    assert date(1931, 7, 1) in [m.first for m in backfill.months(adapter, date(1931, 7, 1))]


def test_an_interrupted_backfill_command_goes_on_and_shows_how_far_it_is(
    on: Watched, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    on.site.clock.now = datetime(1932, 8, 15, tzinfo=UTC)
    patient = on.site.patient()
    august, july = (
        on.site.visit(patient, start=f"1932-{month}-05T10:00:00+05:30") for month in ("08", "07")
    )
    on.site.admit(patient, august, july)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    searched: list[str] = []
    away = {"ge1932-06-30"}
    whole = FhirStore.dated

    def dated(store: FhirStore, kind: str, search: Json, elements: str) -> Iterator[list[Json]]:
        begins = search["date"][0]
        if begins in away:
            raise FhirUnavailable("The FHIR server cannot be reached.")
        searched.append(begins)
        return whole(store, kind, search, elements)

    monkeypatch.setattr(FhirStore, "dated", dated)
    since = ("backfill", "--since", "1932-06-10", "--per-minute", "100000")
    interrupted = command(*since)
    assert interrupted.exit_code == 1
    assert "Run the same command again" in interrupted.stderr
    assert {reference for reference, _ in on.links(patient)} == {reference_of(august)}
    assert set(searched) == {"ge1932-07-31"}
    searched.clear()
    away.clear()
    done = command(*since)
    assert done.exit_code == 0, done.output
    assert "Months" in done.stdout
    assert "100%" in done.stdout
    assert set(searched) == {"ge1932-06-30", "ge1932-06-09"}
    assert {reference for reference, _ in on.links(patient)} == {
        reference_of(august),
        reference_of(july),
    }


def test_the_backfill_command_links_what_happened_since_a_day(
    on: Watched, command: Callable[..., Result]
) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient, start="2026-11-23T10:00:00+05:30")
    on.site.admit(patient, visit)
    done = command("backfill", "--since", "2026-11-23", "--per-minute", "100000")
    assert done.exit_code == 0, done.output
    assert "link status" in done.stdout
    assert set(on.links(patient).values()) == {"WAITING_FOR_TOKEN"}


def test_an_unknown_patient_has_no_status(on: Watched) -> None:
    with pytest.raises(NotFound):
        link_status.of_patient(on.site.adapter, "nobody", [on.site.hip_id])
