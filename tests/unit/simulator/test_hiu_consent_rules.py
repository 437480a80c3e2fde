"""Consent as an HIU sees it: asked, answered, fetched, ended; each broken rule and its code."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance import schemas
from conformance.simulator.client import SimulatorError
from conformance.simulator.times import parse, timestamp
from tests.unit.simulator.conftest import KONKAN, NILGIRI, HiuWorld
from tests.unit.simulator.small_hip import ADDRESS
from tests.unit.simulator.small_hiu import HIU_ID, REQUESTER, acknowledgement, consent

NOTICE = "hiu/consent/request/notify"
REF_URI = "http://terminology.hl7.org/ValueSet/v3-PurposeOfUse"


def permission(**changes: Any) -> dict[str, Any]:
    """The permission of the usual request, changed."""
    return {"permission": {**consent(ADDRESS)["consent"]["permission"], **changes}}


def dates(start: timedelta, end: timedelta) -> dict[str, Any]:
    """A date range that far from now."""
    moment = datetime.now(UTC)
    return permission(dateRange={"from": timestamp(moment + start), "to": timestamp(moment + end)})


def test_request_reaches_the_patient_with_everything_that_was_asked(hiu_world: HiuWorld) -> None:
    request_id = hiu_world.hiu.asked(
        ADDRESS,
        hip={"id": NILGIRI},
        careContexts=[{"patientReference": "P-1", "careContextReference": "N-2"}],
    )
    seen = hiu_world.client.wait_consent_request(ADDRESS, HIU_ID)
    assert (seen.id, seen.hip_id, seen.care_contexts) == (request_id, NILGIRI, ["N-2"])
    assert seen.requester == REQUESTER
    answer = hiu_world.hiu.wait("on-init")
    assert answer.headers["X-Hiu-Id"] == HIU_ID
    assert answer.body["error"] is None
    (artefact_id,) = hiu_world.client.grant(request_id)
    detail = hiu_world.client.artefact(artefact_id).detail
    assert detail["requester"] == REQUESTER
    assert [c["careContextReference"] for c in detail["careContexts"]] == ["N-2"]


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"purpose": {"text": "Care Management", "refUri": REF_URI}}, "ABDM-9999", "be null"),
        ({"purpose": {"text": "Fun", "code": "FUN", "refUri": REF_URI}}, "ABDM-1047", "exist"),
        ({"purpose": {"text": "Break the Glass", "code": "CAREMGT", "refUri": REF_URI}},
         "ABDM-1046", "Purpose"),
        ({"purpose": {"text": "Care Management", "code": "CAREMGT", "refUri": ""}},
         "ABDM-9999", "refURI"),
        ({"patient": {"id": "not an address"}}, "ABDM-1170", "ABHA address"),
        ({"hiu": {"id": "a b!"}}, "ABDM-9999", "Service ID"),
        ({"hip": {"id": "!"}}, "ABDM-9999", "Service ID"),
        ({"hiTypes": ["Recipe"]}, "ABDM-9999", "HIType"),
        ({"requester": {"name": "Dr. Nisha Rao"}}, "ABDM-9999", "request Body"),
        (permission(frequency={"unit": "MINUTE", "value": 1, "repeats": 0}), "ABDM-9999", "Body"),
        (dates(timedelta(days=-3), timedelta(hours=1)), "ABDM-9999", "present/before"),
        (dates(timedelta(days=-3), timedelta(days=-4)), "ABDM-9999", "present/before"),
        (permission(dataEraseAt="2020-01-01T00:00:00.000Z"), "ABDM-9999", "future"),
    ],
    ids=["no code", "code", "pair", "uri", "address", "hiu", "hip", "type", "requester", "unit",
         "future", "reversed", "erase"],
)  # fmt: skip
def test_field_error_is_an_array(
    hiu_world: HiuWorld, changes: dict[str, Any], code: str, text: str
) -> None:
    reply = hiu_world.hiu.call("init", consent(ADDRESS, **changes))
    assert reply.status_code == 400
    (wrong,) = reply.json()
    assert wrong["error"]["code"] == code
    assert text in wrong["error"]["message"]
    assert hiu_world.client.consent_requests(ADDRESS) == []


def test_date_without_a_time_and_unreadable_json_are_an_object_with_a_colon(
    hiu_world: HiuWorld,
) -> None:
    day = permission(dateRange={"from": "2026-01-01", "to": "2026-02-01"})
    for body in (consent(ADDRESS, **day), b"{"):
        reply = hiu_world.hiu.call("init", body)
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "ABDM-1006: ")


def test_unknown_and_foreign_hiu_is_refused_with_1040(hiu_world: HiuWorld) -> None:
    for body, header in (
        (consent(ADDRESS, hiu={"id": "IN0000000009"}), HIU_ID),
        (consent(ADDRESS, hiu={"id": NILGIRI}), HIU_ID),
        (consent(ADDRESS), "IN0000000009"),
    ):
        reply = hiu_world.hiu.call("init", body, X_HIU_ID=header)
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "ABDM-1040")
    assert hiu_world.hiu.call("init", consent(ADDRESS), X_HIU_ID=None).status_code == 202


def test_patient_or_hip_that_cannot_be_asked_is_refused_in_the_callback_or_at_once(
    hiu_world: HiuWorld,
) -> None:
    hiu_world.client.add_patient(
        "gone.away@sbx", None, "Ravi Rao", "M", 1970, "9820000099", deactivated=True
    )
    bodies = [
        (consent("no.body@sbx"), "ABDM-1001"),
        (consent("gone.away@sbx"), "ABDM-1407"),
        (consent(ADDRESS, hip={"id": "IN0000000009"}), "ABDM-1001"),
    ]
    for number, (body, code) in enumerate(bodies, start=1):
        assert hiu_world.hiu.call("init", body).status_code == 202
        answer = hiu_world.hiu.wait("on-init", number).body
        assert (answer["consentRequest"], answer["error"]["code"]) == (None, code)
    hiu_world.client.configure(hiu_refused_in_callback=False)
    for body, code in bodies:
        reply = hiu_world.hiu.call("init", body)
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)


def test_status_names_the_state_and_the_artefacts(hiu_world: HiuWorld) -> None:
    request_id = hiu_world.hiu.asked(ADDRESS)
    hiu_world.hiu.call("status", {"consentRequestId": request_id})
    found = hiu_world.hiu.wait("on-status").body["consentRequest"]
    assert found == {"id": request_id, "status": "REQUESTED", "consentArtefacts": []}
    artefacts = hiu_world.client.grant(request_id)
    hiu_world.hiu.call("status", {"consentRequestId": request_id})
    found = hiu_world.hiu.wait("on-status", 2).body["consentRequest"]
    assert found["status"] == "GRANTED"
    assert [one["id"] for one in found["consentArtefacts"]] == artefacts


@pytest.mark.parametrize("name", ["status", "fetch"])
def test_wrong_id_is_an_array_and_a_missing_hiu_header_an_empty_401(
    hiu_world: HiuWorld, name: str
) -> None:
    member = {"status": "consentRequestId", "fetch": "consentId"}[name]
    for value in (str(uuid.uuid4()), "no uuid"):
        reply = hiu_world.hiu.call(name, {member: value})
        assert (reply.status_code, reply.json()[0]["error"]["code"]) == (400, "ABDM-9999")
        assert reply.json()[0]["error"]["message"].startswith("Invalid Consent")
    without = hiu_world.hiu.call(name, {member: str(uuid.uuid4())}, X_HIU_ID=None)
    assert (without.status_code, without.content) == (401, b"")
    foreign = hiu_world.hiu.call(name, {member: str(uuid.uuid4())}, X_HIU_ID=NILGIRI)
    assert foreign.json()["error"]["code"] == "ABDM-1040"


def test_grant_gives_one_artefact_per_hip_and_each_can_be_narrowed(hiu_world: HiuWorld) -> None:
    start = datetime.now(UTC) - timedelta(days=90)
    request_id, artefacts = hiu_world.granted(
        per_hip={NILGIRI: {"date_from": start, "hi_types": ["OPConsultation"]}}
    )
    notice = hiu_world.hiu.wait(NOTICE).body["notification"]
    assert (notice["status"], notice["consentRequestId"]) == ("GRANTED", request_id)
    assert [one["id"] for one in notice["consentArtefacts"]] == artefacts
    by_hip = {hiu_world.hiu.fetched(a)["consentDetail"]["hip"]["id"]: a for a in artefacts}
    assert set(by_hip) == {NILGIRI, KONKAN}
    narrowed = hiu_world.hiu.fetched(by_hip[NILGIRI])["consentDetail"]
    assert narrowed["hiTypes"] == ["OPConsultation"]
    assert abs(parse(narrowed["permission"]["dateRange"]["from"]) - start) < timedelta(seconds=1)
    as_asked = hiu_world.hiu.fetched(by_hip[KONKAN])["consentDetail"]
    assert as_asked["hiTypes"] == consent(ADDRESS)["consent"]["hiTypes"]
    assert as_asked["hiu"]["id"] == HIU_ID


def test_grant_can_leave_out_a_hospital(hiu_world: HiuWorld) -> None:
    _, artefacts = hiu_world.granted(hip_ids=[KONKAN])
    assert [hiu_world.client.artefact(one).hip_id for one in artefacts] == [KONKAN]
    with pytest.raises(SimulatorError, match="cannot narrow hospital"):
        hiu_world.client.grant(hiu_world.hiu.asked(ADDRESS), per_hip={NILGIRI: {"hospital": 1}})


def test_played_hip_acknowledges_at_once(hiu_world: HiuWorld) -> None:
    (notice,) = hiu_world.client.artefact(hiu_world.at(NILGIRI)).acknowledgements
    assert (notice.status, notice.acknowledgement) == ("GRANTED", "OK")


def test_denied_and_lapsed_requests_are_told_without_artefacts(hiu_world: HiuWorld) -> None:
    denied = hiu_world.hiu.asked(ADDRESS)
    hiu_world.client.deny(denied)
    assert hiu_world.client.wait_hiu_acknowledged(denied, "DENIED").acknowledgement == "OK"
    hiu_world.client.configure(consent_request_seconds=0.05)
    lapsed = hiu_world.hiu.asked(ADDRESS)
    assert hiu_world.client.wait_hiu_acknowledged(lapsed, "EXPIRED").artefacts == []
    for number in (1, 2):
        notice = hiu_world.hiu.wait(NOTICE, number).body["notification"]
        assert notice["consentArtefacts"] == []
    with pytest.raises(SimulatorError, match="EXPIRED"):
        hiu_world.client.grant(lapsed)


def test_revocation_and_expiry_list_only_what_ended_and_leave_nothing_to_fetch(
    hiu_world: HiuWorld,
) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    request_id, artefacts = hiu_world.granted(per_hip={KONKAN: {"erase_at": soon}})
    by_hip = {hiu_world.client.artefact(one).hip_id: one for one in artefacts}
    hiu_world.client.revoke(by_hip[NILGIRI])
    for hip_id, status in ((NILGIRI, "REVOKED"), (KONKAN, "EXPIRED")):
        notice = hiu_world.client.wait_hiu_acknowledged(request_id, status)
        assert notice.artefacts == [by_hip[hip_id]]
        ended = hiu_world.hiu.fetched(by_hip[hip_id])
        assert ended == {"status": status, "consentDetail": None, "signature": None}
        told = [n.status for n in hiu_world.client.artefact(by_hip[hip_id]).acknowledgements]
        assert told == ["GRANTED", status]


def test_expiry_can_come_without_a_notice(hiu_world: HiuWorld) -> None:
    hiu_world.client.configure(expiry_notice=False)
    artefact_id = hiu_world.at(NILGIRI, erase_at=datetime.now(UTC) + timedelta(seconds=1.0))
    hiu_world.client.wait_for(
        lambda: hiu_world.client.artefact(artefact_id).status == "EXPIRED", "the expiry"
    )
    assert hiu_world.hiu.fetched(artefact_id)["status"] == "EXPIRED"
    assert len(hiu_world.client.artefact(artefact_id).acknowledgements) == 1


def test_wrong_acknowledgement_of_an_hiu_is_refused(hiu_world: HiuWorld) -> None:
    hiu_world.hiu.silent = True
    request_id, artefacts = hiu_world.granted()
    notice = hiu_world.hiu.wait(NOTICE)
    good = acknowledgement(notice, artefacts)
    single = {**good, "acknowledgement": good["acknowledgement"][0]}
    unmatched = {**good, "response": {"requestId": str(uuid.uuid4())}}
    for body, code in (
        (single, "ABDM-1006"),
        (unmatched, "ABDM-1015"),
        (acknowledgement(notice, artefacts[:1]), "ABDM-1015"),
        (acknowledgement(notice, [*artefacts, artefacts[0]]), "ABDM-1015"),
        (acknowledgement(notice, []), "ABDM-1015"),
    ):
        reply = hiu_world.hiu.call("on-notify", body)
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)
    lower = {**good, "acknowledgement": [{"status": "ok", "consentId": artefacts[0]}]}
    assert hiu_world.hiu.call("on-notify", lower).json()[0]["error"]["code"] == "ABDM-9999"
    (waiting,) = hiu_world.client.consent_request(request_id).notices
    assert waiting.acknowledgement == "PENDING"
    assert hiu_world.hiu.call("on-notify", good).status_code == 202
    assert hiu_world.hiu.call("on-notify", good).json()["error"]["code"] == "ABDM-1041"
    assert hiu_world.client.consent_request(request_id).notices[0].acknowledgement == "OK"


def test_artefact_of_another_hiu_cannot_be_fetched(hiu_world: HiuWorld) -> None:
    moment = datetime.now(UTC)
    request_id = hiu_world.client.raise_consent_request(
        "REMOTE-HIU",
        ADDRESS,
        ["OPConsultation"],
        moment - timedelta(days=90),
        moment,
        moment + timedelta(days=1),
    )
    (artefact_id,) = hiu_world.client.grant(request_id)
    assert hiu_world.hiu.call("fetch", {"consentId": artefact_id}).status_code == 202
    answer = hiu_world.hiu.wait("hiu/consent/on-fetch").body
    assert (answer["consent"], answer["error"]["code"]) == (None, "ABDM-1112")
    assert hiu_world.hiu.call("status", {"consentRequestId": request_id}).status_code == 202
    assert hiu_world.hiu.wait("on-status").body["error"]["code"] == "ABDM-1001"


def test_request_id_in_place_of_an_artefact_id_is_refused(hiu_world: HiuWorld) -> None:
    request_id, _ = hiu_world.granted()
    reply = hiu_world.hiu.call("fetch", {"consentId": request_id})
    assert reply.json()[0]["error"]["message"] == "Invalid Consent artefact id"


def test_every_callback_to_an_hiu_fits_its_schema_and_carries_the_headers(
    hiu_world: HiuWorld,
) -> None:
    request_id, artefacts = hiu_world.granted()
    hiu_world.hiu.call("status", {"consentRequestId": request_id})
    hiu_world.hiu.wait("on-status")
    hiu_world.hiu.transfer(artefacts[0])
    hiu_world.client.revoke(artefacts[0])
    hiu_world.client.wait_hiu_acknowledged(request_id, "REVOKED")
    assert hiu_world.hiu.fetched(artefacts[0])["status"] == "REVOKED"
    sent = [e for e in hiu_world.client.exchanges(direction="out") if "/hiu/" in e.url]
    assert {e.message for e in sent} == {
        "OnConsentRequestInit",
        "OnConsentRequestStatus",
        "HiuConsentNotify",
        "OnConsentFetch",
        "OnHiuHealthInformationRequest",
    }
    for exchange in sent:
        assert schemas.problems(exchange.message, exchange.body) == []
        assert exchange.headers["X-HIU-ID"] == HIU_ID
        assert "X-HIP-ID" not in exchange.headers
