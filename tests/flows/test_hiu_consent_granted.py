"""Granted consents: each artefact is fetched, checked against what was asked for, and used."""

import uuid

import pytest

from adapter.rules import consent_resource, hiu_consent_resource
from tests.flows.consenting import acknowledged, consent, fetches, ids_of, in_order, shown
from tests.flows.harness import Json, Site
from tests.flows.hiu import (
    FETCH,
    INIT,
    ON_NOTIFY,
    OTHER_HIP,
    REQUEST,
    THIRD_HIP,
    accept,
    answer,
    artefact,
    artefact_row,
    ask,
    asked,
    fetched,
    granted,
    notice,
    request_row,
)
from tests.flows.wire import BOTH, stated_hiu

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH


def test_grant_is_acknowledged_and_each_artefact_fetched_and_used_as_granted(
    hiu: Site, patient: Json
) -> None:
    wide = artefact(hiu, patient)
    narrow = artefact(
        hiu,
        patient,
        hip={"id": THIRD_HIP},
        hiTypes=["Prescription"],
        permission={
            **wide["permission"],
            "dateRange": {"from": "2026-06-01T00:00:00.000Z", "to": "2026-07-01T00:00:00.000Z"},
            "dataEraseAt": "2026-12-01T00:00:00.000Z",
        },
    )
    row, handle = asked(hiu, patient)
    told = notice(hiu, handle, "GRANTED", wide, narrow)
    assert acknowledged(hiu) == [(told, ids_of(wide, narrow))]
    assert fetches(hiu) == sorted(ids_of(wide, narrow))
    assert in_order(hiu) == [ON_NOTIFY, FETCH, FETCH]
    said = {c.headers.get("x-hiu-id") for c in hiu.outside.to(FETCH)}
    assert said == {stated_hiu(hiu.generation, hiu.hip_id)}
    assert request_row(hiu, row.id)["state"] == "GRANTED"
    assert shown(hiu, f"req-{row.id}")[:2] == ("active", "GRANTED")
    assert artefact_row(hiu, wide)["state"] == "NOTIFIED"
    assert hiu.outside.to(REQUEST) == []

    fetched(hiu, wide)
    fetched(hiu, narrow)
    assert [artefact_row(hiu, each)["state"] for each in (wide, narrow)] == ["GRANTED"] * 2
    assert [artefact_row(hiu, each)["hip_id"] for each in (wide, narrow)] == [OTHER_HIP, THIRD_HIP]
    assert artefact_row(hiu, narrow)["erase_at"].startswith("2026-12-01 00:00:00")
    by_id = {c.body["hiRequest"]["consent"]["id"]: c.body for c in hiu.outside.to(REQUEST)}
    assert set(by_id) == set(ids_of(wide, narrow))
    for detail in (wide, narrow):
        dates = by_id[detail["consentId"]]["hiRequest"]["dateRange"]
        assert dates == detail["permission"]["dateRange"]
        resource = consent(hiu, f"hiu-{detail['consentId']}")
        assert resource["status"] == "active"
        facts = consent_resource.read(resource)
        assert facts.hi_types == tuple(detail["hiTypes"])
        assert (facts.hiu_id, facts.hip_id) == (hiu.hip_id, detail["hip"]["id"])
        text, signature = hiu_consent_resource.verbatim(resource)
        assert detail["consentId"] in (text or "")
        assert signature == "c2lnbmF0dXJl"


def test_the_same_grant_twice_is_acknowledged_twice_and_fetched_once(
    hiu: Site, patient: Json
) -> None:
    detail = artefact(hiu, patient)
    _, handle = asked(hiu, patient)
    notice(hiu, handle, "GRANTED", detail)
    notice(hiu, handle, "GRANTED", detail)
    assert [names for _, names in acknowledged(hiu)] == [ids_of(detail)] * 2
    fetched(hiu, detail)
    fetched(hiu, detail)
    assert len(hiu.outside.to(FETCH)) == 1
    assert len(hiu.outside.to(REQUEST)) == 1


def test_notice_that_overtakes_on_init_waits_for_it(hiu: Site, patient: Json) -> None:
    row = ask(hiu, patient)
    handle, detail = str(uuid.uuid4()), artefact(hiu, patient)
    told = notice(hiu, handle, "GRANTED", detail)
    assert acknowledged(hiu) == []
    accept(hiu, hiu.outside.only(INIT), handle)
    hiu.wait(15)
    assert acknowledged(hiu) == [(told, ids_of(detail))]
    assert request_row(hiu, row.id)["state"] == "GRANTED"


def test_notice_of_nobodys_request_is_acknowledged_with_an_error_and_starts_nothing(
    hiu: Site, patient: Json
) -> None:
    told = notice(hiu, str(uuid.uuid4()), "GRANTED", artefact(hiu, patient))
    hiu.wait(620)
    assert hiu.refusal(told) == ("REFUSED", "ConsentNotFound")
    assert hiu.outside.only(ON_NOTIFY).body["error"]["code"] == "ABDM-1062"
    assert hiu.outside.to(FETCH) == []


def test_notice_for_an_unknown_hiu_is_quarantined_with_an_error_and_never_dropped(
    hiu: Site, patient: Json
) -> None:
    row, handle = asked(hiu, patient)
    told = notice(hiu, handle, "GRANTED", artefact(hiu, patient), hiu_id="IN0000000099")
    assert hiu.refusal(told) == ("REFUSED", "UnknownFacility")
    assert hiu.outside.only(ON_NOTIFY).body["error"]["code"] == "ABDM-1055"
    assert request_row(hiu, row.id)["state"] == "REQUESTED"
    assert hiu.outside.to(FETCH) == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"patient": {"id": "somebody.else@sbx"}}, "patient"),
        ({"hiu": {"id": "IN0000000099"}}, "HIU"),
        ({"purpose": {"code": "DSRCH"}}, "purpose"),
        ({"hiTypes": ["OPConsultation", "Invoice"]}, "HI types"),
    ],
)
def test_artefact_that_is_not_what_was_asked_for_is_refused_and_never_used(
    hiu: Site, patient: Json, changes: Json, why: str
) -> None:
    other = artefact(hiu, patient, **changes)
    granted(hiu, patient, other)
    stored = artefact_row(hiu, other)
    assert (stored["state"], stored["error"]) == ("REFUSED", "ArtefactRefused")
    assert why in stored["sentence"]
    assert hiu.outside.to(REQUEST) == []
    name = f"hiu-{other['consentId']}"
    assert shown(hiu, name) == ("rejected", "REFUSED", stored["sentence"])
    assert "sourceAttachment" not in consent(hiu, name)
    assert "ArtefactRefused" in [event.get("outcomeDesc") for event in hiu.audits()]
    # What the patient granted of another hospital is still used.
    right = artefact(hiu, patient)
    handle = hiu.rows("consent_request")[0]["abdm_id"]
    notice(hiu, handle, "GRANTED", right)
    fetched(hiu, right)
    assert artefact_row(hiu, right)["state"] == "GRANTED"


def test_answer_with_another_artefact_than_was_fetched_is_ignored(hiu: Site, patient: Json) -> None:
    detail, other = artefact(hiu, patient), artefact(hiu, patient)
    _, handle = asked(hiu, patient)
    notice(hiu, handle, "GRANTED", detail)
    body = {"consent": {"status": "GRANTED", "consentDetail": other, "signature": None}}
    told = answer(hiu, hiu.outside.only(FETCH), "OnConsentFetch", body)
    assert hiu.refusal(told) == ("DONE", "IllegalTransition")
    assert artefact_row(hiu, detail)["state"] == "NOTIFIED"
