"""The user's own account: profile, card, QR texts, changes, and the life of its tokens."""

import base64
import json

import pytest

from conformance import schemas
from conformance.simulator.abha_cards import FORMS
from tests.unit.simulator.conftest import World
from tests.unit.simulator.desk import Desk, body_of, error_of

MOBILE, NEW_MOBILE = "9810000001", "9810000002"
NUMBER, ADDRESS = "91-2200-0000-7001", "asha.rao90@sbx"
SCOPE = "abha-login mobile-verify"
ACCOUNT = "/profile/account"
WELL_FORMED = list(FORMS)[:7]


@pytest.fixture
def aadhaar(world: World) -> str:
    aadhaar = world.client.add_person("Asha", "Rao", "F", "1990-03-07", MOBILE, photo="QUJD")
    world.client.add_abha(aadhaar, NUMBER, ADDRESS)
    return aadhaar


def tokens(world: World, desk: Desk) -> dict[str, str]:
    """The answer to a login by number."""
    reply = desk.login_otp(SCOPE, "abha-number", NUMBER, "abdm")
    txn_id = reply.json()["txnId"]
    login = desk.login(SCOPE, txn_id, world.client.abha_otp(txn_id))
    found: dict[str, str] = body_of(login, "LoginVerifyResponse")
    return found


@pytest.fixture
def user(world: World, desk: Desk, aadhaar: str) -> dict[str, str]:
    """The header of a logged-in user."""
    return {"X-token": f"Bearer {tokens(world, desk)['token']}"}


def test_profile_carries_every_field(world: World, desk: Desk, user: dict[str, str]) -> None:
    found = body_of(desk.get(ACCOUNT, **user), "ProfileResponse")
    assert (found["ABHANumber"], found["preferredAbhaAddress"]) == (NUMBER, ADDRESS)
    assert (found["yearOfBirth"], found["stateCode"], found["mobile"]) == ("1990", "27", MOBILE)
    assert (found["status"], found["profilePhoto"]) == ("ACTIVE", "QUJD")
    world.client.set_abha_status(NUMBER, "DEACTIVATED")
    assert desk.get(ACCOUNT, **user).json()["status"] == "DEACTIVATED"


def test_card_and_qr_are_pictures(world: World, desk: Desk, user: dict[str, str]) -> None:
    for path in ("qrCode", "abha-card", "download-abha-card"):
        reply = desk.get(f"{ACCOUNT}/{path}", **user)
        assert (reply.status_code, reply.headers["Content-Type"]) == (200, "image/png")
        assert reply.content.startswith(b"\x89PNG")
    world.client.configure(abha_card_status=202)
    assert desk.get(f"{ACCOUNT}/abha-card", **user).status_code == 202


@pytest.mark.parametrize("form", WELL_FORMED)
def test_qr_text_of_every_known_form_identifies_the_person(
    world: World, aadhaar: str, form: str
) -> None:
    read = json.loads(world.client.abha_qr(NUMBER, form))
    lower = {key.lower(): value for key, value in read.items()}
    assert NUMBER in lower.values() or ADDRESS in lower.values()
    if form != "camel":
        assert schemas.problems("AbhaCardQr", read) == []


@pytest.mark.parametrize("form", list(FORMS)[7:])
def test_malformed_qr_texts_are_to_be_had(world: World, aadhaar: str, form: str) -> None:
    assert world.client.abha_qr(NUMBER, form)


def test_photo_is_replaced(desk: Desk, user: dict[str, str]) -> None:
    photo = base64.b64encode(b"another").decode()
    reply = desk.send("PATCH", ACCOUNT, {"profilePhoto": photo}, **user)
    assert body_of(reply, "ProfileResponse")["profilePhoto"] == photo
    empty = desk.send("PATCH", ACCOUNT, {}, **user)
    text = {"profilePhoto": "Please provide a valid field to update"}
    assert error_of(empty) == (400, text)


def test_mobile_is_changed_by_its_otp(world: World, desk: Desk, user: dict[str, str]) -> None:
    scope = "abha-profile mobile-verify"
    body = {
        "scope": scope.split(),
        "loginHint": "mobile",
        "loginId": desk.secret(NEW_MOBILE),
        "otpSystem": "abdm",
    }
    txn_id = body_of(desk.post(f"{ACCOUNT}/request/otp", body, **user), "OtpSentResponse")["txnId"]
    wrong = desk.verify(f"{ACCOUNT}/verify", scope, txn_id, "000000", **user)
    assert error_of(wrong) == (400, {"otpValue": "Invalid OTP Value"})
    code = world.client.latest_otp(NEW_MOBILE)
    right = desk.verify(f"{ACCOUNT}/verify", scope, txn_id, code, **user)
    assert body_of(right, "ProfileVerifyResponse")["message"] == "Mobile Number linked successfully"
    assert world.client.abha(NUMBER).mobile == NEW_MOBILE


def test_re_kyc_needs_the_aadhaar_otp(world: World, desk: Desk, user: dict[str, str]) -> None:
    scope = "abha-profile re-kyc"
    body = {
        "scope": scope.split(),
        "loginHint": "abha-number",
        "loginId": desk.secret(NUMBER),
        "otpSystem": "aadhaar",
    }
    txn_id = desk.post(f"{ACCOUNT}/request/otp", body, **user).json()["txnId"]
    wrong = desk.verify(f"{ACCOUNT}/verify", scope, txn_id, "000000", **user)
    assert error_of(wrong) == (422, "ABDM-1204")
    code = world.client.abha_otp(txn_id)
    right = desk.verify(f"{ACCOUNT}/verify", scope, txn_id, code, **user)
    assert body_of(right, "ProfileVerifyResponse")["authResult"] == "success"


# -- tokens ----------------------------------------------------------------------------------


def test_refresh_gives_new_tokens_for_a_refresh_token_only(
    world: World, desk: Desk, aadhaar: str
) -> None:
    held = tokens(world, desk)
    path = f"{ACCOUNT}/request/token"
    renewed = desk.get(path, **{"R-token": f"Bearer {held['refreshToken']}"})
    fresh = body_of(renewed, "TokenResponse")
    assert desk.get(ACCOUNT, **{"X-token": f"Bearer {fresh['token']}"}).status_code == 200
    swapped = desk.get(path, **{"R-token": f"Bearer {held['token']}"})
    assert error_of(swapped) == (400, {"message": "Invalid R-token"})
    as_x = desk.get(ACCOUNT, **{"X-token": f"Bearer {held['refreshToken']}"})
    assert error_of(as_x) == (400, {"message": "Invalid X-token"})
    world.client.set_abha_status(NUMBER, "DEACTIVATED")
    ended = desk.get(path, **{"R-token": f"Bearer {held['refreshToken']}"})
    assert error_of(ended) == (400, "ABDM-1134")


def test_expired_missing_and_bare_x_tokens_are_told_apart(
    world: World, desk: Desk, aadhaar: str
) -> None:
    world.client.configure(abha_token_seconds=-1.0)
    held = tokens(world, desk)
    expired = desk.get(ACCOUNT, **{"X-token": f"Bearer {held['token']}"})
    assert error_of(expired) == (401, {"message": "X-token expired"})
    for headers in ({}, {"X-token": held["token"]}, {"X-token": "Bearer a.b.c"}):
        assert error_of(desk.get(ACCOUNT, **headers)) == (400, {"message": "Invalid X-token"})
    assert desk.get(ACCOUNT, **{"REQUEST-ID": "17"}).status_code == 404  # theirs, for this call


def test_logout_ends_the_x_token(desk: Desk, user: dict[str, str]) -> None:
    assert desk.get(f"{ACCOUNT}/request/logout", **user).status_code == 200
    assert error_of(desk.get(ACCOUNT, **user)) == (400, {"message": "Invalid X-token"})


def test_record_of_exchanges_holds_no_token_and_no_picture(
    world: World, desk: Desk, user: dict[str, str]
) -> None:
    desk.get(f"{ACCOUNT}/qrCode", **user)
    (exchange,) = world.client.exchanges("AbhaQr", "in")
    assert exchange.headers["X-TOKEN"] == "(present)"
    assert exchange.answer == "(a picture)"


def test_patient_of_the_consent_manager_gets_an_account_under_the_same_number_only(
    world: World,
) -> None:
    aadhaar = world.client.add_person("Meera", "Joshi", "F", "1984-11-03", "9820000045")
    with pytest.raises(RuntimeError, match="taken"):
        world.client.add_abha(aadhaar, "91-2200-0000-9999", "meera.joshi@sbx")
    assert world.client.abha_of(aadhaar) is None
    number = world.client.add_abha(aadhaar, "91-2200-0000-4405", "meera.joshi@sbx")
    assert world.client.abha(number).preferred == "meera.joshi@sbx"
