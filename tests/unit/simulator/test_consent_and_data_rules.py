"""Consent notices, data requests, pages and reports: each broken rule and who sees what."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from conformance.simulator.client import SimulatorError
from tests.unit.simulator.conftest import World
from tests.unit.simulator.small_bridge import Received
from tests.unit.simulator.small_hip import ADDRESS, HIP_ID, SmallHip, report


def granted(world: World) -> tuple[str, Received]:
    """An artefact whose notice waits for its acknowledgement."""
    world.link()
    world.hip.silent = True
    artefact_id = world.consented()
    return artefact_id, world.hip.wait("consent/request/hip/notify")


def acknowledgement(artefact_id: str, request_id: str) -> dict[str, Any]:
    return {
        "acknowledgement": {"status": "OK", "consentId": artefact_id},
        "response": {"requestId": request_id},
    }


def test_wrong_acknowledgement_is_refused_and_recorded_as_missing(world: World) -> None:
    artefact_id, notice = granted(world)
    good = acknowledgement(artefact_id, notice.request_id)
    array = {**good, "acknowledgement": [good["acknowledgement"]]}
    refused = world.hip.call("on-notify", array)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "ABDM-1006")
    lower = {**good, "acknowledgement": {"status": "ok", "consentId": artefact_id}}
    assert world.hip.call("on-notify", lower).json()[0]["error"]["code"] == "ABDM-9999"
    unmatched = acknowledgement(artefact_id, str(uuid.uuid4()))
    assert world.hip.call("on-notify", unmatched).json()["error"]["code"] == "ABDM-1015"
    other = acknowledgement(str(uuid.uuid4()), notice.request_id)
    assert world.hip.call("on-notify", other).json()["error"]["code"] == "ABDM-1041"
    world.client.configure(acknowledgement_seconds=0.0)
    assert world.client.artefact(artefact_id).acknowledgements[0].acknowledgement == "MISSING"
    assert world.hip.call("on-notify", good).status_code == 202
    assert world.hip.call("on-notify", good).json()["error"]["code"] == "ABDM-1041"
    assert world.client.artefact(artefact_id).acknowledgements[0].acknowledgement == "OK"


def test_error_in_place_of_an_acknowledgement_is_kept(world: World) -> None:
    artefact_id, notice = granted(world)
    error = {"code": "ABDM-1112", "message": "Invalid or already expired consent artefact id"}
    body = {"error": error, "response": {"requestId": notice.request_id}}
    assert world.hip.call("on-notify", body).status_code == 202
    (kept,) = world.client.artefact(artefact_id).acknowledgements
    assert kept.acknowledgement == "ERROR"
    assert kept.error is not None
    assert kept.error.code == "ABDM-1112"


def test_artefact_fits_the_contract_and_covers_only_linked_contexts(world: World) -> None:
    artefact_id, notice = granted(world)
    detail = notice.body["notification"]["consentDetail"]
    assert detail["consentId"] == artefact_id
    assert detail["hip"]["id"] == HIP_ID
    assert {c["careContextReference"] for c in detail["careContexts"]} == {
        link.care_context for link in world.client.links(ADDRESS)
    }
    assert notice.body["notification"]["signature"]


@pytest.mark.parametrize(
    ("narrowing", "sentence"),
    [
        ({"hi_types": ["Invoice"]}, "among those"),
        ({"date_from": datetime(2001, 1, 1, tzinfo=UTC)}, "within"),
        ({"erase_at": datetime(2099, 1, 1, tzinfo=UTC)}, "longer"),
        ({"care_contexts": ["encounter-9"]}, "Nothing linked"),
    ],
    ids=["type", "dates", "end", "visit"],
)
def test_grant_cannot_widen_what_was_asked(
    world: World, narrowing: dict[str, Any], sentence: str
) -> None:
    world.link()
    with pytest.raises(SimulatorError, match=sentence):
        world.client.grant(world.ask(), **narrowing)


def test_answered_request_cannot_be_answered_again(world: World) -> None:
    world.link()
    request_id = world.ask()
    world.client.deny(request_id)
    with pytest.raises(SimulatorError, match="DENIED"):
        world.client.grant(request_id)


def test_revocation_is_final(world: World) -> None:
    world.link()
    artefact_id = world.consented()
    world.client.revoke(artefact_id)
    with pytest.raises(SimulatorError, match="final"):
        world.client.revoke(artefact_id)


def asked(world: World, **arguments: Any) -> tuple[str, Received]:
    """A data request that waits for its answer."""
    world.link()
    artefact_id = world.consented()
    world.hip.silent = True
    transaction_id = world.client.request_data(artefact_id, wait=False, **arguments)
    return transaction_id, world.hip.wait("health-information/request")


def on_request(transaction_id: str, request_id: str) -> dict[str, Any]:
    return {
        "hiRequest": {"transactionId": transaction_id, "sessionStatus": "ACKNOWLEDGED"},
        "response": {"requestId": request_id},
    }


def test_wrong_on_request_is_refused_in_the_flat_shape(world: World) -> None:
    transaction_id, callback = asked(world)
    good = on_request(transaction_id, callback.request_id)
    for body, code in (
        (on_request(str(uuid.uuid4()), callback.request_id), "ABDM-1031"),
        (on_request(transaction_id, str(uuid.uuid4())), "ABDM-2500"),
        ({**good, "hiRequest": {**good["hiRequest"], "sessionStatus": "OK"}}, "ABDM-1031"),
    ):
        reply = world.hip.call("on-request", body)
        assert (reply.status_code, reply.json()["code"]) == (400, code)
        assert reply.json()["description"]
    assert world.hip.call("on-request", good).status_code == 200
    assert world.hip.call("on-request", good).json()["error"]["code"] == "ABDM-1113"


def page_of(transaction_id: str, callback: Received, number: int = 1, count: int = 1) -> Any:
    return SmallHip.page(transaction_id, number, count, "encounter-1", callback.body["hiRequest"])


def push(callback: Received, page: Any, **headers: str) -> requests.Response:
    url = callback.body["hiRequest"]["dataPushUrl"]
    return requests.post(url, json=page, headers=headers, timeout=60)


def test_pages_in_any_order_and_twice_give_each_document_once(world: World) -> None:
    transaction_id, callback = asked(world)
    second, first = (page_of(transaction_id, callback, number, 2) for number in (2, 1))
    for page in (second, first, second):
        assert push(callback, page).status_code == 202
    transfer = world.client.transfer(transaction_id)
    assert [page.repeated for page in transfer.pages] == [False, False, True]
    assert [document.page_number for document in transfer.documents] == [2, 1]
    assert transfer.errors == []


def test_bad_pages_are_taken_but_noted(world: World) -> None:
    transaction_id, callback = asked(world)
    wrong_sum = page_of(transaction_id, callback)
    wrong_sum["entries"][0]["checksum"] = "0" * 32
    wrong_tag = page_of(transaction_id, callback)
    wrong_tag["entries"][0]["content"] = "A" + wrong_tag["entries"][0]["content"][1:-8] + "AAAAAAA="
    same_keys = {**wrong_sum, "pageCount": 3}
    for page in (wrong_sum, wrong_tag, same_keys):
        assert push(callback, page).status_code == 202
    transfer = world.client.transfer(transaction_id)
    noted = " | ".join(transfer.errors)
    assert "checksum is not that of the plaintext" in noted
    assert "does not decrypt" in noted
    assert "used for an earlier page" in noted
    assert [document.checksum_ok for document in transfer.documents] == [False, False]


def test_unusable_pushes_are_refused(world: World) -> None:
    transaction_id, callback = asked(world)
    page = page_of(transaction_id, callback)
    assert push(callback, {**page, "transactionId": str(uuid.uuid4())}).status_code == 400
    assert push(callback, {**page, "entries": []}).status_code == 400
    elsewhere = f"{world.client.base_url}/hiu/push/unknown"
    assert requests.post(elsewhere, json=page, timeout=60).status_code == 404
    world.client.configure(push_needs_bearer=True)
    assert push(callback, page).status_code == 401
    bearer = f"Bearer {world.hip.session()}"
    assert push(callback, page, Authorization=bearer).status_code == 202
    assert world.client.transfer(transaction_id).pages[0].with_bearer


def test_page_after_revocation_is_noted(world: World) -> None:
    transaction_id, callback = asked(world)
    world.client.revoke(callback.body["hiRequest"]["consent"]["id"])
    assert push(callback, page_of(transaction_id, callback)).status_code == 202
    assert "the consent is REVOKED" in world.client.transfer(transaction_id).errors[0]


def line(status: str) -> dict[str, str]:
    return {"careContextReference": "encounter-1", "hiStatus": status, "description": "Text"}


def test_report_is_taken_once_and_must_be_consistent(world: World) -> None:
    transaction_id, callback = asked(world)
    consent_id = callback.body["hiRequest"]["consent"]["id"]
    good = report(transaction_id, consent_id, [line("DELIVERED"), line("ERRORED")])
    inconsistent = report(transaction_id, consent_id, [line("ERRORED")])
    inconsistent["notification"]["statusNotification"]["sessionStatus"] = "TRANSFERRED"
    foreign = report(transaction_id, consent_id, [line("DELIVERED")])
    foreign["notification"]["notifier"]["id"] = "IN0000000009"
    for body in (
        inconsistent,
        foreign,
        report(transaction_id, str(uuid.uuid4()), [line("ERRORED")]),
    ):
        refused = world.hip.call("notify", body)
        assert (refused.status_code, refused.json()["code"]) == (400, "ABDM-1031")
    accepted = world.hip.call("notify", good)
    assert (accepted.status_code, accepted.json()) == (202, {"status": "Notification is Accepted"})
    assert world.hip.call("notify", good).json()["error"]["code"] == "ABDM-1101"
    unknown = report(str(uuid.uuid4()), consent_id, [line("DELIVERED")])
    assert world.hip.call("notify", unknown).json()["error"]["code"] == "ABDM-1101"
    assert world.client.transfer(transaction_id).status == "TRANSFERRED"


def test_wrong_key_material_and_push_url_reach_the_hip_unchanged(world: World) -> None:
    material = {
        "cryptoAlg": "ECDH",
        "curve": "Curve25519",
        "dhPublicKey": {
            "expiry": "2099-01-01T00:00:00.000Z",
            "parameters": "Curve25519/32byte random key",
            "keyValue": "BA" + "A" * 86,
        },
        "nonce": "A" * 43 + "=",
    }
    _, callback = asked(world, push_url="http://10.0.0.1/push", key_material=material)
    assert callback.body["hiRequest"]["dataPushUrl"] == "http://10.0.0.1/push"
    assert callback.body["hiRequest"]["keyMaterial"] == material


def test_request_for_an_unknown_artefact_reaches_the_named_hip(world: World) -> None:
    unknown = str(uuid.uuid4())
    with pytest.raises(SimulatorError, match="Name the HIP"):
        world.client.request_data(unknown)
    transaction_id = world.client.request_data(unknown, hip_id=HIP_ID)
    error = world.client.transfer(transaction_id).error
    assert error is not None
    assert error.code == "ABDM-1062"


def test_one_request_and_two_hospitals_give_two_artefacts(world: World) -> None:
    world.link()
    world.client.add_service("IN2910000002", "Second Hospital", ["HIP"], "SBXID_900001")
    token = world.hip.call(
        "generate-token",
        {"abhaAddress": ADDRESS, "name": "Meera Joshi", "gender": "F", "yearOfBirth": 1984},
        X_HIP_ID="IN2910000002",
    )
    assert token.status_code == 202
    link_token = world.hip.wait("token/on-generate-token").body["linkToken"]
    body = {"abhaAddress": ADDRESS, "patient": SmallHip.entries(["encounter-2"])}
    world.hip.call("link", body, X_HIP_ID="IN2910000002", X_LINK_TOKEN=link_token)
    world.hip.wait("link/on_carecontext")
    artefacts = world.client.grant(world.ask())
    hospitals = {world.client.artefact(one).hip_id for one in artefacts}
    assert hospitals == {HIP_ID, "IN2910000002"}


def test_control_mistakes_are_sentences(world: World) -> None:
    moment = datetime.now(UTC)
    later = moment + timedelta(days=1)
    with pytest.raises(SimulatorError, match="no patient"):
        world.client.discover("who@sbx", HIP_ID)
    with pytest.raises(SimulatorError, match="no facility"):
        world.client.discover(ADDRESS, "IN0000000009")
    with pytest.raises(SimulatorError, match="ends before"):
        world.client.raise_consent_request("H", ADDRESS, ["Invoice"], later, moment, later)
    with pytest.raises(SimulatorError, match="no setting"):
        world.client.configure(no_such=1)
    with pytest.raises(SimulatorError, match="of type"):
        world.client.configure(session_seconds="soon")
    with pytest.raises(SimulatorError, match="14 digits"):
        world.client.add_patient("a.b@sbx", "123", "A", "F", 1980, "9820000001")
    reply = requests.post(f"{world.client.base_url}/control/grant", json={}, timeout=60)
    assert reply.status_code == 400
    assert "grant" in reply.json()["error"]
