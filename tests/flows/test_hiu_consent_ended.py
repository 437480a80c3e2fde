"""Consents that are denied, end or stay silent: nothing is used any more, and ABDM is asked."""

from typing import Any

import pytest

from adapter import work
from adapter.protocol.errors import FhirUnavailable
from conformance.schemas import problems
from tests.flows.consenting import acknowledged, consent, fetches, ids_of, in_order, shown
from tests.flows.harness import Json, Site
from tests.flows.hiu import (
    FETCH,
    ON_NOTIFY,
    REQUEST,
    STATUS,
    THIRD_HIP,
    artefact,
    artefact_row,
    asked,
    fetched,
    granted,
    notice,
    request_row,
    status,
)
from tests.flows.wire import BOTH, stated_hiu

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH


# --- denied, unanswered, ended -------------------------------------------------------------------


def test_denial_is_shown_with_reason_and_date_and_nothing_is_fetched(
    hiu: Site, patient: Json
) -> None:
    row, handle = asked(hiu, patient)
    told = notice(hiu, handle, "DENIED", reason="Not now")
    assert acknowledged(hiu) == [(told, [])]
    stored = request_row(hiu, row.id)
    assert (stored["state"], stored["sentence"]) == ("DENIED", "Not now")
    assert stored["done_at"] is not None
    assert shown(hiu, f"req-{row.id}") == ("rejected", "DENIED", "Not now")
    assert hiu.outside.to(FETCH) == hiu.outside.to(REQUEST) == []


def test_request_that_nobody_answered_expires(hiu: Site, patient: Json) -> None:
    row, handle = asked(hiu, patient)
    told = notice(hiu, handle, "EXPIRED")
    assert acknowledged(hiu) == [(told, [])]
    assert request_row(hiu, row.id)["state"] == "EXPIRED"
    assert shown(hiu, f"req-{row.id}")[:2] == ("inactive", "EXPIRED")


@pytest.mark.parametrize("end", ["REVOKED", "EXPIRED"])
def test_end_concerns_the_artefacts_named_and_the_request_once_all_have_ended(
    hiu: Site, patient: Json, end: str
) -> None:
    first, second = artefact(hiu, patient), artefact(hiu, patient, hip={"id": THIRD_HIP})
    request_id, handle = granted(hiu, patient, first, second)
    hiu.clock.advance(60)
    told = notice(hiu, handle, end, first)
    assert acknowledged(hiu)[-1] == (told, ids_of(first))
    assert artefact_row(hiu, first)["reason"] == end
    assert artefact_row(hiu, second)["state"] == "GRANTED"
    assert request_row(hiu, request_id)["state"] == "GRANTED"
    # ABDM has to say the same when asked.
    assert fetches(hiu) == sorted(ids_of(first, first, second))
    assert in_order(hiu)[-2:] == [ON_NOTIFY, FETCH]
    fetched(hiu, first, end)

    hiu.clock.advance(60)
    notice(hiu, handle, end, second)
    stored = request_row(hiu, request_id)
    assert stored["state"] == end
    assert stored["done_at"] is not None
    assert stored["sentence"]
    assert shown(hiu, f"req-{request_id}") == ("inactive", end, stored["sentence"])
    assert consent(hiu, f"hiu-{second['consentId']}")["status"] == "inactive"
    assert len(hiu.outside.to(REQUEST)) == 2


def test_end_is_in_force_before_it_is_acknowledged(hiu: Site, patient: Json) -> None:
    detail = artefact(hiu, patient)
    _, handle = granted(hiu, patient, detail)
    at_ack: list[str] = []
    hiu.outside.hook = lambda call: (
        at_ack.append(artefact_row(hiu, detail)["reason"])
        if call.path.endswith(ON_NOTIFY)
        else None
    )
    notice(hiu, handle, "REVOKED", detail)
    assert at_ack == ["REVOKED"]


def test_late_grant_after_the_revocation_opens_nothing(hiu: Site, patient: Json) -> None:
    detail = artefact(hiu, patient)
    request_id, handle = granted(hiu, patient, detail)
    hiu.clock.advance(5)
    notice(hiu, handle, "REVOKED", detail)
    fetches = len(hiu.outside.to(FETCH))
    told = notice(hiu, handle, "GRANTED", detail)
    assert acknowledged(hiu)[-1] == (told, ids_of(detail))
    assert request_row(hiu, request_id)["state"] == "REVOKED"
    assert len(hiu.outside.to(FETCH)) == fetches
    assert "IllegalTransition" in [event.get("outcomeDesc") for event in hiu.audits()]


def test_revocation_that_overtakes_its_grant_wins(hiu: Site, patient: Json) -> None:
    detail = artefact(hiu, patient)
    row, handle = asked(hiu, patient)
    notice(hiu, handle, "REVOKED", detail)
    notice(hiu, handle, "GRANTED", detail)
    work.sweep(hiu.adapter)
    assert artefact_row(hiu, detail)["reason"] == "REVOKED"
    assert request_row(hiu, row.id)["state"] == "REVOKED"
    assert hiu.outside.to(REQUEST) == []


def test_artefact_that_ends_while_it_is_stored_is_never_used(
    hiu: Site, patient: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other worker's revocation comes between the Consent's write and the commit."""
    detail = artefact(hiu, patient)
    _, handle = asked(hiu, patient)
    notice(hiu, handle, "GRANTED", detail)
    put = hiu.adapter.fhir.put
    revoked: list[str] = []

    def put_then_revoke(resource: Json) -> None:
        put(resource)
        if resource["id"] == f"hiu-{detail['consentId']}" and not revoked:
            revoked.append("once")
            notice(hiu, handle, "REVOKED", detail)
            put(resource)  # the grant's own write lands last

    monkeypatch.setattr(hiu.adapter.fhir, "put", put_then_revoke)
    fetched(hiu, detail)
    hiu.wait(15)
    assert artefact_row(hiu, detail)["reason"] == "REVOKED"
    assert consent(hiu, f"hiu-{detail['consentId']}")["status"] == "inactive"
    assert hiu.outside.to(REQUEST) == []


def test_abdm_that_calls_an_ended_artefact_granted_is_not_believed(
    hiu: Site, patient: Json
) -> None:
    detail = artefact(hiu, patient)
    _, handle = granted(hiu, patient, detail)
    hiu.clock.advance(60)
    notice(hiu, handle, "REVOKED", detail)
    told = fetched(hiu, detail)
    assert hiu.refusal(told) == ("DONE", None)
    assert artefact_row(hiu, detail)["reason"] == "REVOKED"
    assert consent(hiu, f"hiu-{detail['consentId']}")["status"] == "inactive"
    assert len(hiu.outside.to(REQUEST)) == 1
    assert "IllegalTransition" in [event.get("outcomeDesc") for event in hiu.audits()]


def test_fetch_that_finds_the_artefact_ended_ends_it(hiu: Site, patient: Json) -> None:
    detail = artefact(hiu, patient)
    row, handle = asked(hiu, patient)
    notice(hiu, handle, "GRANTED", detail)
    fetched(hiu, detail, "EXPIRED")
    assert artefact_row(hiu, detail)["reason"] == "EXPIRED"
    assert request_row(hiu, row.id)["state"] == "EXPIRED"


def test_revocation_that_names_nothing_makes_each_artefact_be_looked_at(
    hiu: Site, patient: Json
) -> None:
    first, second = artefact(hiu, patient), artefact(hiu, patient, hip={"id": THIRD_HIP})
    request_id, handle = granted(hiu, patient, first, second)
    notice(hiu, handle, "REVOKED")
    assert fetches(hiu) == sorted(ids_of(first, first, second, second))
    fetched(hiu, first, "REVOKED")
    fetched(hiu, second)
    assert artefact_row(hiu, first)["reason"] == "REVOKED"
    assert artefact_row(hiu, second)["state"] == "GRANTED"
    assert request_row(hiu, request_id)["state"] == "GRANTED"


def test_consent_that_runs_out_by_our_clock_is_confirmed_by_abdm(hiu: Site, patient: Json) -> None:
    soon = artefact(hiu, patient)
    soon["permission"]["dataEraseAt"] = "2026-11-23T19:00:00.000Z"
    request_id, _ = granted(hiu, patient, soon)
    hiu.clock.advance(minutes=31)
    hiu.run()
    work.sweep(hiu.adapter)
    hiu.run()
    assert artefact_row(hiu, soon)["reason"] == "EXPIRED"
    assert request_row(hiu, request_id)["state"] == "EXPIRED"
    assert len(hiu.outside.to(FETCH)) == 2
    fetched(hiu, soon, "EXPIRED")
    work.sweep(hiu.adapter)
    hiu.run()
    assert len(hiu.outside.to(FETCH)) == 2


# --- overdue -------------------------------------------------------------------------------------


def test_request_without_notice_is_polled_at_growing_intervals_and_the_answer_is_the_notice(
    hiu: Site, patient: Json
) -> None:
    row, handle = asked(hiu, patient)

    def polls_after(seconds: float) -> int:
        hiu.clock.advance(seconds)
        work.sweep(hiu.adapter)
        hiu.run()
        return len(hiu.outside.to(STATUS))

    assert polls_after(59) == 0
    assert polls_after(1) == 1
    call = hiu.outside.to(STATUS)[0]
    assert problems("ConsentRequestStatusRequest", call.body) == []
    assert call.body == {"consentRequestId": handle}
    assert call.headers.get("x-hiu-id") == stated_hiu(hiu.generation, hiu.hip_id)
    status(hiu, call, handle, "REQUESTED")
    assert request_row(hiu, row.id)["state"] == "REQUESTED"
    assert polls_after(119) == 1
    assert polls_after(1) == 2

    detail = artefact(hiu, patient)
    status(hiu, hiu.outside.to(STATUS)[1], handle, "GRANTED", detail)
    assert request_row(hiu, row.id)["state"] == "GRANTED"
    assert hiu.outside.only(FETCH).body == {"consentId": detail["consentId"]}
    assert acknowledged(hiu) == []
    assert polls_after(86400) == 2


@pytest.mark.parametrize("end", ["REVOKED", "EXPIRED"])
def test_request_whose_notices_were_all_lost_ends_as_abdm_says_when_asked(
    hiu: Site, patient: Json, end: str
) -> None:
    row, handle = asked(hiu, patient)
    detail = artefact(hiu, patient)
    hiu.clock.advance(60)
    work.sweep(hiu.adapter)
    hiu.run()
    status(hiu, hiu.outside.only(STATUS), handle, end, detail)
    assert request_row(hiu, row.id)["state"] == end
    assert artefact_row(hiu, detail)["reason"] == end
    assert hiu.outside.to(REQUEST) == []


def test_unfetched_artefact_is_asked_for_again(hiu: Site, patient: Json) -> None:
    detail = artefact(hiu, patient)
    _, handle = asked(hiu, patient)
    hiu.outside.will_answer(FETCH, (400, {"error": {"code": "ABDM-1001", "message": "No data"}}))
    notice(hiu, handle, "GRANTED", detail)
    assert "No data" in artefact_row(hiu, detail)["sentence"]
    hiu.clock.advance(minutes=5)
    work.sweep(hiu.adapter)
    hiu.run()
    assert len(hiu.outside.to(FETCH)) == 2
    fetched(hiu, detail)
    stored = artefact_row(hiu, detail)
    assert (stored["state"], stored["sentence"]) == ("GRANTED", None)


def test_while_fhir_is_down_an_end_is_noted_at_once_and_acknowledged_later(
    hiu: Site, patient: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    detail = artefact(hiu, patient)
    request_id, handle = granted(hiu, patient, detail)

    def down(*_: Any, **__: Any) -> None:
        raise FhirUnavailable("The FHIR server cannot be reached.")

    with monkeypatch.context() as outage:
        outage.setattr(hiu.adapter.fhir, "put", down)
        before = len(acknowledged(hiu))
        notice(hiu, handle, "REVOKED", detail)
        assert artefact_row(hiu, detail)["reason"] == "REVOKED"
        assert len(acknowledged(hiu)) == before
    hiu.wait(30)
    assert len(acknowledged(hiu)) == before + 1
    assert request_row(hiu, request_id)["state"] == "REVOKED"
