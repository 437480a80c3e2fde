"""Scan and share: the QR is read, the profile sent, the token shown; and what goes wrong."""

import base64
import re
import uuid
from typing import Any

import pytest

from conformance import schemas
from tests.unit.simulator.conftest import World
from tests.unit.simulator.desk import error_of
from tests.unit.simulator.small_hip import ADDRESS, HIP_ID
from tests.unit.simulator.test_pages import Browser

SHARE, ON_SHARE = "/hip/patient/share", "/api/hiecm/patient-share/v3/on-share"
QR = f"https://phrsbx.abdm.gov.in/share-profile?hip-id={HIP_ID}&counter-id=OPD3"


def answer(
    world: World, request_id: str, token: str = "47", address: str = ADDRESS, **changes: Any
) -> tuple[int, Any]:
    body = {
        "acknowledgement": {
            "status": "SUCCESS",
            "abhaAddress": address,
            "profile": {"context": "OPD3", "tokenNumber": token, "expiry": 1800},
        },
        "response": {"requestId": request_id},
        **changes,
    }
    reply = world.hip.raw("POST", ON_SHARE, {k: v for k, v in body.items() if v is not None})
    return (reply.status_code, None) if reply.status_code == 202 else error_of(reply)


@pytest.fixture(autouse=True)
def silent(world: World) -> None:
    world.hip.silent = True


def test_scan_sends_the_profile_and_the_token_comes_back(world: World) -> None:
    aadhaar = world.client.add_person("Asha", "Rao", "F", "1990-03-07", "9810000001")
    number = world.client.add_abha(aadhaar, abha_address="asha.rao90@sbx")
    share_id = world.client.scan_qr("asha.rao90@sbx", QR)
    received = world.hip.wait(SHARE)
    assert received.request_id == share_id
    assert received.headers["X-Hip-Id"] == HIP_ID
    assert schemas.problems("ProfileShare", received.body) == []
    assert received.body["metaData"]["context"] == "OPD3"
    patient = received.body["profile"]["patient"]
    assert (patient["abhaNumber"], patient["dayOfBirth"]) == (number, "7")
    assert patient["address"]["pincode"] == "400050"
    assert answer(world, share_id, address="asha.rao90@sbx") == (202, None)
    found = world.client.wait_share(share_id)
    assert (found.status, found.token_number, found.counter) == ("ACCEPTED", "47", "OPD3")
    assert found.expires_at is not None


def test_patient_without_number_shares_less_and_in_the_spelling_seen(world: World) -> None:
    world.client.configure(share_spelling="seen")
    world.client.scan_qr("nobody.known@sbx", QR)
    body = world.hip.wait(SHARE).body
    assert schemas.problems("ProfileShare", body) == []
    assert body["profile"]["patient"]["abhaNumber"] is None
    assert (body["metaData"]["latitude"], body["metaData"]["longitude"]) == (None, "72.88")


@pytest.mark.parametrize(
    "text",
    [
        QR,
        QR.replace("phrsbx", "phr"),
        QR.replace("hip-id", "hipid").replace("counter-id", "counterid"),
        f'{{"hipId": "{HIP_ID}", "code": "OPD3"}}',
    ],
)
def test_every_form_of_the_counters_qr_is_read(world: World, text: str) -> None:
    world.client.scan_qr(ADDRESS, text)
    assert world.hip.wait(SHARE).body["metaData"]["context"] == "OPD3"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https://example.org/share-profile?hip-id=X1234&counter-id=1", "no QR code"),
        (QR.replace("https", "http"), "no QR code"),
        (QR.replace("OPD3", "OPD 3"), "letters or digits"),
        (QR.replace("&counter-id=OPD3", ""), "letters or digits"),
        (QR.replace(HIP_ID, "IN0000000000"), "cannot be reached"),
        ("{broken", "no QR code"),
        ("plain words", "no QR code"),
    ],
)
def test_foreign_or_broken_qr_is_refused_and_nothing_is_sent(
    world: World, text: str, words: str
) -> None:
    with pytest.raises(RuntimeError, match=words):
        world.client.scan_qr(ADDRESS, text)
    assert world.client.exchanges("ProfileShare") == []


def test_replay_and_duplicate_carry_the_same_request_id(world: World) -> None:
    world.client.fault("duplicate", "ProfileShare", times=1)
    share_id = world.client.scan_qr(ADDRESS, QR)
    assert world.hip.wait(SHARE, 2).request_id == share_id
    world.client.replay_share(share_id)
    third = world.hip.wait(SHARE, 3)
    assert (third.request_id, third.body) == (share_id, world.hip.wait(SHARE).body)


def test_share_is_repeated_when_the_hospital_does_not_take_it(world: World) -> None:
    world.hip.status = 503
    share_id = world.client.scan_qr(ADDRESS, QR)
    world.hip.wait(SHARE)
    world.hip.status = 202
    assert world.hip.wait(SHARE, 2).request_id == share_id


def test_answer_after_the_deadline_is_refused(world: World) -> None:
    world.client.configure(share_deadline=0.1)
    share_id = world.client.scan_qr(ADDRESS, QR)
    world.hip.wait(SHARE)
    assert world.client.wait_share(share_id).status == "UNANSWERED"
    assert answer(world, share_id) == (408, "ABDM-1007")


def test_refusal_of_the_hospital_is_shown(world: World) -> None:
    share_id = world.client.scan_qr(ADDRESS, QR)
    error = {"code": "ABDM-1006", "message": "Counter closed"}
    assert answer(world, share_id, acknowledgement=None, error=error) == (202, None)
    found = world.client.wait_share(share_id)
    assert (found.status, found.token_number, found.error) == ("FAILED", None, error)


def test_answer_that_does_not_fit_the_share_is_refused(world: World) -> None:
    share_id = world.client.scan_qr(ADDRESS, QR)
    world.hip.wait(SHARE)
    assert answer(world, str(uuid.uuid4())) == (400, "ABDM-2500")
    assert answer(world, share_id, address="nobody.known@sbx") == (400, "ABDM-1006")
    success = {"status": "SUCCESS", "abhaAddress": ADDRESS}
    assert answer(world, share_id, acknowledgement=success) == (400, "ABDM-1006")
    ticket = {"context": "OPD4", "tokenNumber": "1", "expiry": "1800"}
    elsewhere = {**success, "profile": ticket}
    assert answer(world, share_id, acknowledgement=elsewhere) == (400, "ABDM-1006")
    assert answer(world, share_id) == (202, None)
    assert answer(world, share_id) == (400, "ABDM-1087")


def test_pages_show_the_profile_before_anything_is_sent_and_then_the_token(world: World) -> None:
    browser = Browser(world.client.base_url)
    browser.get(f"/share-profile?hip-id={HIP_ID}&counter-id=OPD3")
    assert "Meera Joshi" in browser.text
    path = next(
        p for p in re.findall(r'href="(/phr/[^"]+/scan[^"]*)"', browser.text) if "meera" in p
    )
    browser.get(path)
    assert "Share your profile with Sahyadri General Hospital" in browser.text
    assert "Cancel" in browser.text
    assert world.client.exchanges("ProfileShare") == []
    browser.post(f"/phr/{ADDRESS}/scan", {"text": QR})
    assert "Waiting for the hospital" in browser.text
    page = browser.url.removeprefix(world.client.base_url)
    share_id = page.rsplit("/", 1)[1]
    assert answer(world, share_id, token="52") == (202, None)
    browser.get(page)
    assert re.search(r"Your token number is <strong[^>]*>52</strong>", browser.text)
    browser.get(f"/phr/{ADDRESS}/scan")
    assert "counter OPD3" in browser.text
    assert browser.get(f"/phr/nobody.known@sbx/shares/{share_id}").status_code == 404


def test_page_shows_the_qr_of_whoever_has_an_abha(world: World) -> None:
    aadhaar = world.client.add_person("Asha", "Rao", "F", "1990-03-07", "9810000001")
    number = world.client.add_abha(aadhaar, abha_address="asha.rao90@sbx")
    browser = Browser(world.client.base_url)
    browser.get("/phr/asha.rao90@sbx/card")
    assert world.client.abha_qr(number, "app") in browser.text
    picture = re.search(r'src="data:image/png;base64,([^"]+)"', browser.text)
    assert picture is not None
    assert base64.b64decode(picture[1]).startswith(b"\x89PNG")
    assert browser.get(f"/phr/{ADDRESS}/card").status_code == 404
