"""Link tokens are asked for rarely: over workers, restarts, attempts and facilities."""

import uuid
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from adapter import work
from adapter.flows import hip_linking
from adapter.rules.abha_profile import Profile
from adapter.stores import abha_profiles, facilities
from adapter.stores.db import facility
from tests.flows.harness import (
    GENERATE_TOKEN,
    LINK,
    Json,
    Site,
    address_of,
    number_of,
    reference_of,
)
from tests.flows.linking import Linking, references
from tests.flows.wire import BOTH, FIRST_STEP, only

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH

MISMATCH = {"error": {"code": "ABDM-1036", "message": "Data does not matched"}}
BLOCKED = {"error": {"code": "ABDM-1027", "message": "You are blocked."}}
REMEMBERED = {"error": {"code": "ABDM-1092", "message": "Duplicate link token request"}}


@pytest.fixture
def linking(site: Site) -> Linking:
    return Linking(site)


def asked(site: Site) -> int:
    return len(site.asked_for_token())


def answer(linking: Linking, error: Json) -> None:
    call = linking.site.outside.to(GENERATE_TOKEN)[-1]
    linking.site.answer(call, "OnGenerateLinkToken", error)


def profile(linking: Linking, **changes: str) -> None:
    told = Profile(
        abha_number=number_of(linking.patient),
        health_id=address_of(linking.patient),
        name="Asha Verma",
        gender="F",
        date_of_birth="1991-04-02",
    )
    with linking.site.adapter.db.transaction() as tx:
        abha_profiles.note(
            tx,
            linking.site.adapter,
            replace(told, **changes),  # type: ignore[arg-type]
            source="account",
            hip_id=linking.site.hip_id,
            verified=True,
        )


def test_under_a_clock_that_runs_the_first_request_leaves_at_the_first_attempt(
    linking: Linking,
) -> None:
    """Each look at the clock is later than the one before, as on every real machine."""
    site = linking.site

    def running() -> datetime:
        return site.clock.advance(0.000001)

    site.adapter = replace(site.adapter, clock=running)
    linking.link()
    assert asked(site) == 1
    (row,) = [r for r in site.rows("outbox") if r["message"] == "GenerateLinkTokenRequest"]
    assert row["attempts"] == 1


def test_an_attempt_that_failed_on_the_way_is_not_repeated_within_the_pacing(
    linking: Linking,
) -> None:
    site = linking.site
    site.outside.will_answer(FIRST_STEP[site.generation], (503, None))
    linking.link()
    site.wait(6 * 60 + 50)
    assert asked(site) == 1
    site.wait(20)
    assert asked(site) == 2


def test_a_worker_that_died_with_the_request_does_not_make_the_next_ask_at_once(
    linking: Linking,
) -> None:
    site = linking.site
    hip_linking.link_encounter(site.adapter, linking.visits[0][0]["id"], "desk-1")

    def die(*_: object) -> None:
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site.adapter.gateway, "send", die)
        with pytest.raises(SystemExit):
            site.run()
    site.wait(6 * 60 + 50)
    assert asked(site) == 0
    site.wait(30)
    assert asked(site) == 1


def test_two_facilities_do_not_ask_about_one_address_at_once(linking: Linking) -> None:
    site = linking.site
    other = f"IN{uuid.uuid4().int % 10**10:010d}"
    with site.adapter.db.transaction() as tx:
        tx.execute(facility.insert().values(hfr_id=other, hip_id=other, state="CONFIGURED"))
        assert facilities.by_hip_id(tx, other) is not None
    site.load(site.organization(other))
    visit = site.visit(linking.patient, hfr_id=other)
    site.load(*visit)
    linking.link()
    report = hip_linking.link_encounter(site.adapter, visit[0]["id"], "desk-2")
    assert report.hip_id == other
    assert "7 minutes" in report.sentence or "8 minutes" in report.sentence
    site.wait(6 * 60 + 50)
    assert asked(site) == 1
    site.wait(20)
    first, second = site.outside.to(GENERATE_TOKEN)
    assert {first.headers["x-hip-id"], second.headers["x-hip-id"]} == {site.hip_id, other}


@only("v3")
def test_a_request_that_abdm_remembers_from_elsewhere_is_repeated_when_it_has_forgotten(
    linking: Linking,
) -> None:
    """ABDM-1092 is V3's: v0.5 answers each request with a challenge of its own."""
    site = linking.site
    site.outside.will_answer(GENERATE_TOKEN, (400, REMEMBERED))
    linking.link()
    site.wait(6 * 60 + 50)
    assert asked(site) == 1
    site.wait(20)
    assert asked(site) == 2
    linking.give_token()
    linking.accept()
    assert linking.states() == {"LINKED"}


def test_ten_refusals_a_day_are_the_end_however_often_somebody_presses_the_button(
    linking: Linking,
) -> None:
    site = linking.site
    for _ in range(14):
        linking.link()
        site.wait(430)
        if _unanswered(site):
            answer(linking, MISMATCH)
    assert asked(site) == 10
    assert "block it for a day" in linking.link().sentence


def _unanswered(site: Site) -> bool:
    awaiting = [r for r in site.rows("outbox") if r["state"] == "AWAITING"]
    steps = ("GenerateLinkTokenRequest", "LinkTokenConfirm")
    return any(row["message"] in steps for row in awaiting)


@only("v3")
def test_a_blocked_address_is_asked_about_after_the_block_by_itself(linking: Linking) -> None:
    """v0.5 blocks OTPs "for a while" (1423) and says nothing of a day."""
    site = linking.site
    linking.link()
    answer(linking, BLOCKED)
    assert linking.states() == {"WAITING_FOR_TOKEN"}
    assert "24 hours" in site.rows("care_context_link")[0]["sentence"]
    site.clock.advance(hours=23, minutes=50)
    site.run()
    assert asked(site) == 1
    site.clock.advance(minutes=11)
    site.run()
    assert asked(site) == 2
    linking.give_token()
    linking.accept()
    assert linking.states() == {"LINKED"}


@only("v3")
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "in the callback"])
def test_a_link_refused_by_a_block_is_made_after_the_block_by_itself_though_nothing_is_watched(
    site: Site, at_once: bool
) -> None:
    """A block of a day is V3's (1027)."""
    linking = Linking(site, visits=3)
    assert not site.adapter.config.watch_records
    linking.link(0)
    linking.give_token()
    linking.accept()
    if at_once:
        site.outside.will_answer(LINK, (400, BLOCKED))
    linking.link(1)
    if not at_once:
        site.answer(site.outside.to(LINK)[-1], "OnHipLinkCareContext", BLOCKED)
    report = linking.link(2)
    assert "24 hours" in report.sentence
    assert linking.states() == {"LINKED", "WAITING_FOR_TOKEN"}
    assert len(site.outside.to(LINK)) == 2
    site.clock.advance(hours=23, minutes=50)
    site.run()
    assert len(site.outside.to(LINK)) == 2
    site.clock.advance(minutes=11)
    site.run()
    assert len(site.outside.to(LINK)) == 3
    linking.accept()
    assert linking.states() == {"LINKED"}
    assert asked(site) == 1


def test_a_passing_trouble_of_abdm_is_asked_again_by_itself(linking: Linking) -> None:
    site = linking.site
    linking.link()
    answer(linking, {"error": {"code": "ABDM-1024", "message": "Dependent service unavailable"}})
    assert linking.states() == {"WAITING_FOR_TOKEN"}
    site.wait(430)
    assert asked(site) == 2


def test_a_mismatch_names_the_field_that_differs_from_the_stored_profile(linking: Linking) -> None:
    profile(linking, gender="M", date_of_birth="1990-01-01")
    linking.link()
    answer(linking, MISMATCH)
    (said,) = {row["sentence"] for row in linking.site.rows("care_context_link")}
    assert "gender and year of birth differ" in said
    assert "1990" not in said


def test_a_mismatch_without_a_profile_names_the_fields_to_compare(linking: Linking) -> None:
    linking.link()
    answer(linking, MISMATCH)
    (said,) = {row["sentence"] for row in linking.site.rows("care_context_link")}
    assert "name, gender, year of birth and ABHA number" in said


def test_the_token_is_asked_for_in_the_words_of_the_patients_verified_profile(
    linking: Linking,
) -> None:
    profile(linking, name="Asha Devi Verma", date_of_birth="1990-01-01")
    with linking.site.adapter.db.transaction() as tx:
        (row,) = abha_profiles.by_identifiers(
            tx, linking.site.adapter, None, address_of(linking.patient)
        )
        assert abha_profiles.claim(tx, row.id, linking.patient["id"], linking.site.clock())
    linking.link()
    body = linking.site.outside.only(GENERATE_TOKEN).body
    assert (body["name"], body["yearOfBirth"]) == ("Asha Devi Verma", 1990)


def test_a_refused_request_is_not_made_again_by_the_watch_until_the_record_is_corrected(
    site: Site,
) -> None:
    linking = Linking(site, visits=2)
    linking.link(0)
    answer(linking, MISMATCH)

    def watched(patient: Json) -> None:
        from adapter.flows import lookup
        from adapter.rules import care_contexts

        served = lookup.served_pairs(site.adapter)
        for visit in linking.visits:
            records = lookup.records(site.adapter, f"Encounter-{visit[0]['id']}", served)
            assert records is not None
            context = care_contexts.care_context(records, ["OPConsultation"], served)
            with site.adapter.db.transaction() as tx:
                hip_linking.link_records(site.adapter, tx, [(patient, context)], "watch")
        site.wait(430)

    watched(linking.patient)
    assert asked(site) == 1
    assert linking.states() == {"FAILED"}
    watched(linking.patient | {"birthDate": "1992-04-02"})
    assert asked(site) == 2
    linking.give_token()
    assert references(site.outside.only(LINK)) == {reference_of(visit) for visit in linking.visits}


def test_a_correction_replaces_a_request_that_still_waits_to_leave(linking: Linking) -> None:
    site = linking.site
    linking.link()
    answer(linking, MISMATCH)
    linking.link()
    site.load(linking.patient | {"birthDate": "1992-04-02"})
    linking.link()
    site.wait(15 * 60)
    assert [call.body["yearOfBirth"] for call in site.outside.to(GENERATE_TOKEN)] == [1991, 1992]


def test_a_token_in_its_last_day_is_replaced_before_it_is_used(site: Site) -> None:
    linking = Linking(site, visits=2)
    linking.link(0)
    linking.give_token()
    linking.accept()
    site.clock.advance(timedelta(days=179, hours=1).total_seconds())
    linking.link(1)
    assert asked(site) == 2
    assert len(site.outside.to(LINK)) == 1


def test_an_answer_that_never_comes_shows_why_the_link_waits(linking: Linking) -> None:
    linking.link()
    linking.site.clock.advance(seconds=61)
    work.sweep(linking.site.adapter)
    (said,) = {row["sentence"] for row in linking.site.rows("care_context_link")}
    assert "service id" in said
