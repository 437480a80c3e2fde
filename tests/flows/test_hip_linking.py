"""HIP-initiated linking: token, link, notice (cases HIP_INTI_LINK_501 to 505)."""

import pytest

from adapter.flows.hip_linking import link_encounter
from adapter.protocol.errors import NotFound
from tests.flows.harness import (
    CONTEXT_NOTIFY,
    GENERATE_TOKEN,
    LINK,
    Call,
    Json,
    Site,
    address_of,
    number_of,
    reference_of,
)
from tests.flows.linking import NEW_TOKEN, TOKEN, Linking, references
from tests.flows.wire import BOTH, only

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH


@pytest.fixture
def linking(site: Site) -> Linking:
    return Linking(site)


def test_a_visit_is_linked_and_abdm_is_told_of_its_content(linking: Linking) -> None:
    site = linking.site
    report = linking.link()
    assert report.states == (
        ("OPConsultation", "WAITING_FOR_TOKEN"),
        ("Prescription", "WAITING_FOR_TOKEN"),
    )
    asked = site.outside.only(GENERATE_TOKEN).body
    asked.pop("abhaNumber", None)
    assert asked == {
        "abhaAddress": address_of(linking.patient),
        "name": "Asha Verma",
        "gender": "F",
        "yearOfBirth": 1991,
    }
    linking.give_token()
    call = site.outside.only(LINK)
    assert call.headers["x-link-token"] == TOKEN
    assert references(call) == {reference_of(linking.visits[0])}
    assert linking.states() == {"SENT"}
    linking.accept()
    assert linking.states() == {"LINKED"}
    assert site.outside.to(CONTEXT_NOTIFY) == []
    site.wait(5)
    notice = site.outside.only(CONTEXT_NOTIFY).body["notification"]
    assert notice["careContext"]["careContextReference"] == reference_of(linking.visits[0])
    assert notice["hiTypes"] == ["OPConsultation", "Prescription"]
    (event,) = site.audits()
    assert event["subtype"][0]["code"] == "record:context:link"
    assert [a["who"]["identifier"]["value"] for a in event["agent"]] == [
        "abdm_user_internal",
        "desk-1",
    ]
    encounter = site.adapter.fhir.encounter(linking.visits[0][0]["id"])
    assert encounter is not None
    assert [t["code"] for t in encounter["meta"]["tag"]] == ["linked"]


def test_the_token_is_sealed_and_serves_later_links(site: Site) -> None:
    linking = Linking(site, visits=2)
    linking.link(0)
    linking.give_token()
    linking.accept()
    linking.link(1)
    assert len(site.outside.to(GENERATE_TOKEN)) == 1
    assert len(site.outside.to(LINK)) == 2
    assert TOKEN.encode() not in site.row("link_token")["token"]
    assert site.row("link_token")["state"] == "ACTIVE"


def test_a_token_past_its_six_months_is_asked_for_again(site: Site) -> None:
    linking = Linking(site, visits=2)
    linking.link(0)
    linking.give_token()
    site.clock.advance(days=181)
    linking.link(1)
    assert len(site.outside.to(GENERATE_TOKEN)) == 2


def test_one_token_request_serves_all_who_wait(site: Site) -> None:
    linking = Linking(site, visits=3)
    for number in range(3):
        linking.link(number)
    assert len(site.outside.to(GENERATE_TOKEN)) == 1
    linking.give_token()
    assert references(site.outside.only(LINK)) == {reference_of(v) for v in linking.visits}


@only("v3")
def test_abha_number_hi_types_and_their_counts_are_named(site: Site) -> None:
    """v0.5 has no member for any of them."""
    linking = Linking(site, visits=3)
    for number in range(3):
        linking.link(number)
    stated = number_of(linking.patient).replace("-", "")
    assert site.outside.only(GENERATE_TOKEN).body["abhaNumber"] == int(stated)
    linking.give_token()
    body = site.outside.only(LINK).body
    assert body["abhaNumber"] == stated
    assert [(e["hiType"], e["count"]) for e in body["patient"]] == [
        ("OPConsultation", 3),
        ("Prescription", 3),
    ]


#: A care context of two HI types stands twice in V3 and once in v0.5.
BATCHES = {"v3": [20, 4], "v0.5": [10, 2]}


def test_more_than_twenty_care_contexts_go_in_several_requests(site: Site) -> None:
    linking = Linking(site, visits=12)
    for number in range(12):
        linking.link(number)
    linking.give_token()
    sent = [call.body["patient"] for call in site.outside.to(LINK)]
    counts = [sum(len(entry["careContexts"]) for entry in entries) for entries in sent]
    assert counts == BATCHES[site.generation]
    for call in site.outside.to(LINK):
        linking.accept(call)
    assert linking.states() == {"LINKED"}


def test_a_refused_profile_fails_the_link_and_keeps_no_token(linking: Linking) -> None:
    site = linking.site
    linking.link()
    error = {"error": {"code": "ABDM-1036", "message": "Data does not matched"}}
    site.answer(site.outside.only(GENERATE_TOKEN), "OnGenerateLinkToken", error)
    assert linking.states() == {"FAILED"}
    (row, _) = site.rows("care_context_link")
    assert "1036" in row["sentence"]
    assert "ABHA profile" in row["sentence"]
    assert (site.row("link_token")["state"], site.row("link_token")["token"]) == (
        "REJECTED",
        None,
    )


def test_no_second_token_request_leaves_within_seven_minutes(linking: Linking) -> None:
    site = linking.site
    linking.link()
    error = {"error": {"code": "ABDM-1036", "message": "Data does not matched"}}
    site.answer(site.outside.only(GENERATE_TOKEN), "OnGenerateLinkToken", error)
    corrected = linking.patient | {"birthDate": "1992-04-02"}
    site.load(corrected)
    report = linking.link()
    assert "7 minutes" in report.sentence or "8 minutes" in report.sentence
    site.wait(6 * 60 + 50)
    assert len(site.outside.to(GENERATE_TOKEN)) == 1
    site.wait(15)
    assert site.outside.to(GENERATE_TOKEN)[1].body["yearOfBirth"] == 1992


def test_an_unanswered_token_request_is_not_repeated_within_the_pacing_and_a_late_answer_serves(
    linking: Linking,
) -> None:
    from adapter import work

    linking.link()
    for _ in range(3):
        linking.site.clock.advance(minutes=3)
        work.sweep(linking.site.adapter)
        linking.site.run()
    assert len(linking.site.outside.to(GENERATE_TOKEN)) == 1
    assert linking.states() == {"FAILED"}
    linking.give_token(linking.site.outside.only(GENERATE_TOKEN))
    assert linking.site.row("link_token")["state"] == "ACTIVE"
    linking.site.clock.advance(minutes=3)
    linking.site.run()
    linking.accept()
    assert linking.states() == {"LINKED"}
    assert len(linking.site.outside.to(GENERATE_TOKEN)) == 1


WHEN = pytest.mark.parametrize("when", ["at once", "in the callback"])


@WHEN
def test_a_refused_token_is_dropped_and_asked_for_once_again(linking: Linking, when: str) -> None:
    refused_twice(linking, "ABDM-1026", when)


@only("v3")
@pytest.mark.parametrize("code", ["ABDM-1038", "ABDM-1026: "])
@WHEN
def test_every_spelling_of_a_refused_token_means_the_same(
    linking: Linking, code: str, when: str
) -> None:
    """v0.5 has one number for it."""
    refused_twice(linking, code, when)


def refused_twice(linking: Linking, code: str, when: str) -> None:
    site = linking.site
    if when == "at once":
        site.will_refuse(LINK, code, "Invalid Link Token", times=2)
    linking.link()
    linking.give_token()
    if when == "in the callback":
        linking.refuse(code, "Invalid Link Token")
    assert linking.states() == {"WAITING_FOR_TOKEN"}
    site.wait(7 * 60 + 5)
    assert len(site.outside.to(GENERATE_TOKEN)) == 2
    linking.give_token(token=NEW_TOKEN)
    assert site.outside.to(LINK)[1].headers["x-link-token"] == NEW_TOKEN
    if when == "in the callback":
        linking.refuse(code, "Invalid Link Token")
    assert linking.states() == {"FAILED"}
    site.wait(20 * 60)
    assert len(site.outside.to(GENERATE_TOKEN)) == 2


ALREADY = [
    ("ABDM-1056", "This care contexts has been already linked"),
    ("ABDM-1090", "Duplicate HIP link request"),
    ("ABDM-9999", "Duplicate HIP link request"),
]


@only("v3")
@pytest.mark.parametrize(("code", "message"), ALREADY)
@WHEN
def test_what_abdm_has_already_counts_as_linked(
    linking: Linking, code: str, message: str, when: str
) -> None:
    """v0.5 names no HI type, so nothing there says that a repeat is one; none is published."""
    if when == "at once":
        body: Json = {"error": {"code": code, "message": message}}
        linking.site.outside.will_answer(LINK, (400, body))
    linking.link()
    linking.give_token()
    if when == "in the callback":
        linking.refuse(code, message)
    assert linking.states() == {"LINKED"}


def test_a_refused_link_fails_with_the_gateways_reason(linking: Linking) -> None:
    linking.link()
    linking.give_token()
    linking.refuse("ABDM-1037", "Counter and Care context count mismatch")
    assert linking.states() == {"FAILED"}
    assert "1037" in linking.site.rows("care_context_link")[0]["sentence"]
    assert linking.site.audits() == []


def test_the_same_answer_twice_changes_nothing(linking: Linking) -> None:
    linking.link()
    linking.give_token()
    linking.accept()
    linking.accept()
    linking.site.wait(10)
    assert len(linking.site.outside.to(CONTEXT_NOTIFY)) == 1
    assert len(linking.site.audits()) == 1


def test_an_answer_to_nothing_of_ours_is_ignored_and_audited(linking: Linking) -> None:
    linking.link()
    stranger = Call("", {"request-id": "00000001-1d2c-4b3a-8f6e-5a4b3c2d1e0f"}, b"")
    linking.give_token(stranger)
    assert linking.site.row("link_token")["state"] == "REQUESTED"
    assert linking.states() == {"WAITING_FOR_TOKEN"}
    assert [e["outcomeDesc"] for e in linking.site.audits()] == ["IllegalTransition"]


def test_a_notice_before_the_gateway_knows_the_link_is_repeated_after_5_15_60_seconds(
    linking: Linking,
) -> None:
    site = linking.site
    unknown = {
        "acknowledgement": {"status": "ERRORED"},
        "error": {
            "code": "ABDM-1006: ",
            "message": "No care context linked with given reference number",
        },
    }
    linking.link()
    linking.give_token()
    linking.accept()
    for seconds in (5, 5, 15, 60):
        before = len(site.outside.to(CONTEXT_NOTIFY))
        site.wait(seconds - 1)
        assert len(site.outside.to(CONTEXT_NOTIFY)) == before
        site.wait(1)
        site.answer(site.outside.to(CONTEXT_NOTIFY)[-1], "OnCareContextNotify", unknown)
    site.wait(300)
    assert len(site.outside.to(CONTEXT_NOTIFY)) == 4
    assert linking.states() == {"LINKED"}
    assert any("1006" in (r["sentence"] or "") for r in site.rows("care_context_link"))


def test_without_abha_address_the_link_waits_and_says_so(site: Site) -> None:
    linking = Linking(site)
    site.load(linking.patient | {"identifier": linking.patient["identifier"][2:]})
    report = linking.link()
    assert {state for _, state in report.states} == {"NO_ABHA"}
    assert "no ABHA address" in report.sentence
    assert site.outside.calls == []
    site.load(linking.patient)
    linking.link()
    assert len(site.outside.to(GENERATE_TOKEN)) == 1


def test_missing_demographics_are_named(site: Site) -> None:
    linking = Linking(site)
    without = {k: v for k, v in linking.patient.items() if k != "birthDate"}
    site.load(without)
    assert "year of birth" in linking.link().sentence
    assert site.outside.calls == []


def test_a_visit_of_no_facility_served_is_not_linked(site: Site) -> None:
    patient = site.patient()
    visit = site.visit(patient, hfr_id=f"{site.hfr_id}9")
    site.load(site.organization(f"{site.hfr_id}9"))
    site.admit(patient, visit)
    report = link_encounter(site.adapter, visit[0]["id"], "desk-1")
    assert report.hip_id is None
    assert "serviceProvider" in report.sentence
    assert site.rows("care_context_link") == []


def test_an_empty_visit_has_nothing_to_link(site: Site) -> None:
    patient = site.patient()
    visit = site.visit(patient)[:1]
    site.admit(patient, visit)
    assert "nothing" in link_encounter(site.adapter, visit[0]["id"], "desk-1").sentence


def test_an_unknown_visit_is_not_found(site: Site) -> None:
    with pytest.raises(NotFound, match="no-such-visit"):
        link_encounter(site.adapter, "no-such-visit", "desk-1")
