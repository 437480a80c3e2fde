"""Consent requests: what leaves, what every answer and notice does, and what is never done."""

import uuid
from typing import Any

import pytest

from adapter import work
from adapter.flows import hiu_raise
from adapter.protocol.errors import FhirUnavailable, MalformedRequest, NotFound
from adapter.rules import consent_resource, hiu_consent_resource
from adapter.stores.consent_requests import ConsentRequest
from conformance.schemas import problems
from tests.flows.harness import Json, Site, address_of, number_of
from tests.flows.hiu import (
    FETCH,
    INIT,
    ON_NOTIFY,
    OTHER_HIP,
    REQUEST,
    STATUS,
    THIRD_HIP,
    USER,
    accept,
    answer,
    artefact,
    artefact_row,
    ask,
    asked,
    fetched,
    granted,
    notice,
    reachable,
    request_row,
    status,
    tell,
    wanted,
)
from tests.flows.wire import BOTH, Call, only, stated_hiu

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH


@pytest.fixture
def hiu(site: Site) -> Site:
    return reachable(site)


@pytest.fixture
def patient(hiu: Site) -> Json:
    made = hiu.patient()
    hiu.load(made)
    return made


def consent(site: Site, name: str) -> Json:
    found = site.adapter.fhir.consent(name)
    assert found is not None
    return found


def shown(site: Site, name: str) -> tuple[str, str, str | None]:
    """FHIR status, exact ABDM state and reason of a Consent."""
    resource = consent(site, name)
    told = {e["url"]: next(v for k, v in e.items() if k != "url") for e in resource["extension"]}
    return (
        resource["status"],
        told[consent_resource.STATUS_EXTENSION],
        told.get(hiu_consent_resource.REASON_EXTENSION),
    )


def acknowledged(site: Site) -> list[tuple[str, list[str]]]:
    """(REQUEST-ID answered, artefacts acknowledged) of every acknowledgement."""
    made = []
    for call in site.outside.to(ON_NOTIFY):
        assert problems("HiuConsentOnNotifyRequest", call.body) == []
        lines = call.body["acknowledgement"]
        assert all(line["status"] == "OK" for line in lines)
        made.append((call.body["response"]["requestId"], [line["consentId"] for line in lines]))
    return made


def ids_of(*details: Json) -> list[str]:
    return [detail["consentId"] for detail in details]


def in_order(site: Site) -> list[str]:
    """Acknowledgements and fetches as they left."""
    paths = (ON_NOTIFY, FETCH)
    return [path for call in site.outside.calls for path in paths if call.path.endswith(path)]


def fetches(site: Site) -> list[str]:
    """Which artefacts ABDM was asked for, sorted: messages due at one time leave in any order."""
    return sorted(call.body["consentId"] for call in site.outside.to(FETCH))


# --- asking --------------------------------------------------------------------------------------


def test_request_leaves_with_everything_asked_for_and_is_readable_in_fhir(
    hiu: Site, patient: Json
) -> None:
    at_init: list[Json] = []
    hiu.outside.hook = lambda call: (
        at_init.extend(hiu.rows("consent_request")) if call.path.endswith(INIT) else None
    )
    row = ask(
        hiu,
        patient,
        purpose="HPAYMT",
        hip=OTHER_HIP,
        care_contexts=[{"patientReference": "P-9", "careContextReference": "V-9"}],
        access_mode="STORE",
        frequency_unit="DAY",
        frequency_value=2,
        frequency_repeats=3,
        requester="Dr Farah Khan",
        requester_identifier={
            "type": "REGNO",
            "value": "MMC-30117",
            "system": "https://www.council.example.in",
        },
    )
    call = hiu.outside.only(INIT)
    assert problems("ConsentRequestInit", call.body) == []
    assert call.headers.get("x-hiu-id") == stated_hiu(hiu.generation, hiu.hip_id)
    body = call.body["consent"]
    assert body["purpose"]["text"] == "Healthcare Payment"
    assert body["patient"] == {"id": address_of(patient)}
    assert (body["hip"], body["hiu"]) == ({"id": OTHER_HIP}, {"id": hiu.hip_id})
    assert body["requester"]["identifier"]["value"] == "MMC-30117"
    assert body["permission"] == {
        "accessMode": "STORE",
        "dateRange": {"from": "2025-12-31T18:30:00.000Z", "to": "2026-11-23T00:00:00.000Z"},
        "dataEraseAt": "2026-12-31T18:30:00.000Z",
        "frequency": {"unit": "DAY", "value": 2, "repeats": 3},
    }
    assert [each["state"] for each in at_init] == ["CREATED"]
    assert request_row(hiu, row.id)["patient_id"] == patient["id"]
    assert shown(hiu, f"req-{row.id}") == ("proposed", "CREATED", None)
    init = hiu_consent_resource.asked(consent(hiu, f"req-{row.id}"))
    assert init is not None
    assert (init.requester.name, init.permission.access_mode) == ("Dr Farah Khan", "STORE")
    (event,) = hiu.audits()
    assert event["subtype"][0]["code"] == "consent:request:send"
    assert USER in str(event["agent"])


def test_abha_number_is_resolved_by_the_hospitals_own_patient(hiu: Site, patient: Json) -> None:
    ask(hiu, number_of(patient))
    assert hiu.outside.only(INIT).body["consent"]["patient"] == {"id": address_of(patient)}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"patient_abha": "asha@nowhere"}, "patient_abha"),
        ({"patient_abha": "91-0000-0000-0000"}, "ABHA address"),
        ({"purpose": "CURIOSITY"}, "purpose"),
        ({"hi_types": ["Xray"]}, "hi_types"),
        ({"to_time": "2027-01-01T00:00:00Z"}, "to_time"),
        ({"expiry": "2026-11-01T00:00:00Z"}, "expiry"),
    ],
)
def test_what_abdm_would_refuse_never_leaves_and_stores_nothing(
    hiu: Site, patient: Json, changes: Json, named: str
) -> None:
    with pytest.raises(MalformedRequest, match=named):
        ask(hiu, patient, **changes)
    hiu.run()
    assert hiu.outside.to(INIT) == []
    assert hiu.rows("consent_request") == []


def test_request_for_another_facility_is_not_found(hiu: Site, patient: Json) -> None:
    with pytest.raises(NotFound):
        ask(hiu, patient, hiu="IN0000000099")
    with pytest.raises(MalformedRequest, match="hiu is missing"):
        hiu_raise.raise_request(
            hiu.adapter, wanted(patient), user=USER, hiu_ids=[hiu.hip_id, "IN0000000099"]
        )


def test_nothing_is_asked_while_fhir_is_down(
    hiu: Site, patient: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any) -> None:
        raise FhirUnavailable("The FHIR server cannot be reached.")

    monkeypatch.setattr(hiu.adapter.fhir, "put", down)
    with pytest.raises(FhirUnavailable):
        ask(hiu, patient)
    assert hiu.rows("consent_request") == []
    assert hiu.outside.to(INIT) == []


# --- what ABDM answers ---------------------------------------------------------------------------


def test_on_init_names_the_request_in_sql_and_fhir(hiu: Site, patient: Json) -> None:
    row, handle = asked(hiu, patient)
    stored = request_row(hiu, row.id)
    assert (stored["state"], stored["abdm_id"]) == ("REQUESTED", handle)
    assert shown(hiu, f"req-{row.id}") == ("proposed", "REQUESTED", None)
    assert {"system": hiu_consent_resource.ABDM_REQUEST_ID, "value": handle} in consent(
        hiu, f"req-{row.id}"
    )["identifier"]


def test_refused_request_fails_with_abdms_own_reason(hiu: Site, patient: Json) -> None:
    row = ask(hiu, patient)
    error = {"code": "ABDM-1407", "message": "The ABHA Number is currently deactivated."}
    answer(hiu, hiu.outside.only(INIT), "OnConsentRequestInit", {"error": error})
    stored = request_row(hiu, row.id)
    # In v0.5 the number 1407 stands for something else, so only the words tell.
    known = {"v3": "AbhaDeactivated", "v0.5": "Rejected"}[hiu.generation]
    assert (stored["state"], stored["error"]) == ("FAILED", known)
    assert "deactivated" in stored["sentence"]
    assert stored["done_at"] is not None
    assert shown(hiu, f"req-{row.id}") == ("rejected", "FAILED", stored["sentence"])


def test_request_refused_at_once_fails_with_the_reason_and_fhir_follows(
    hiu: Site, patient: Json
) -> None:
    refusal = [{"error": {"code": "ABDM-9999", "message": "Invalid consent purpose refURI"}}]
    hiu.outside.will_answer(INIT, (400, refusal))  # type: ignore[arg-type]  # a list, as ABDM does
    row = ask(hiu, patient)
    stored = request_row(hiu, row.id)
    assert stored["state"] == "FAILED"
    assert "Invalid consent purpose refURI" in stored["sentence"]
    work.sweep(hiu.adapter)
    assert shown(hiu, f"req-{row.id}") == ("rejected", "FAILED", stored["sentence"])


def test_unanswered_request_is_not_put_to_the_patient_twice_and_a_late_answer_is_taken(
    hiu: Site, patient: Json
) -> None:
    row = ask(hiu, patient)
    for _ in range(3):
        hiu.clock.advance(61)
        work.sweep(hiu.adapter)
        hiu.run()
    call = hiu.outside.only(INIT)
    assert request_row(hiu, row.id)["state"] == "FAILED"
    assert "bridge URL" in request_row(hiu, row.id)["sentence"]
    handle = str(uuid.uuid4())
    accept(hiu, call, handle)
    stored = request_row(hiu, row.id)
    assert (stored["state"], stored["abdm_id"], stored["sentence"]) == ("REQUESTED", handle, None)
    assert shown(hiu, f"req-{row.id}") == ("proposed", "REQUESTED", None)


def test_answer_to_nothing_of_ours_is_ignored_and_audited(hiu: Site, patient: Json) -> None:
    row, handle = asked(hiu, patient)
    call = hiu.outside.only(INIT)
    other = answer(
        hiu, call, "OnConsentRequestStatus", {"consentRequest": {"id": handle, "status": "DENIED"}}
    )
    assert hiu.refusal(other) == ("DONE", "IllegalTransition")
    assert request_row(hiu, row.id)["state"] == "REQUESTED"
    assert hiu.outside.to(FETCH) == []


# --- granted -------------------------------------------------------------------------------------


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


# --- where ABDM can be asked whether an address exists ------------------------------------------


def looked_up(site: Site, patient: Json, answer: Json | None) -> ConsentRequest:
    """A consent request whose existence check is answered so, or not at all."""

    def keep(call: Call) -> None:
        if call.path.endswith("/patients/find"):
            site.answered.add(call.body["requestId"])

    site.outside.hook = keep
    row = ask(site, patient)
    if answer is not None:
        (find,) = [c for c in site.outside.wires if c.path.endswith("/patients/find")]
        response = {"response": {"requestId": find.body["requestId"]}}
        tell(site, "OnFindPatient", answer | response)
    return row


@only("v0.5")
def test_an_address_that_abdm_does_not_know_is_asked_for_nothing(hiu: Site) -> None:
    row = looked_up(hiu, hiu.patient(), {"error": {"code": 1404, "message": "No such patient"}})
    assert hiu.outside.to(INIT) == []
    stored = request_row(hiu, row.id)
    assert stored["state"] == "FAILED"
    assert "no such ABHA address" in stored["sentence"]
    hiu.wait(120)
    assert hiu.outside.to(INIT) == []


@only("v0.5")
def test_a_question_that_stays_unanswered_holds_no_request_up(hiu: Site) -> None:
    looked_up(hiu, hiu.patient(), None)
    assert hiu.outside.to(INIT) == []
    for _ in range(2):
        hiu.wait(61)
        work.sweep(hiu.adapter)
    hiu.run()
    assert len(hiu.outside.to(INIT)) == 1


@only("v3")
def test_where_abdm_cannot_be_asked_the_request_leaves_at_once(hiu: Site) -> None:
    ask(hiu, hiu.patient())
    assert [c for c in hiu.outside.wires if "find" in c.path] == []
    assert len(hiu.outside.to(INIT)) == 1
