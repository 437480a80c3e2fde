"""Linking an existing ABHA: by number, Aadhaar, mobile, search and address; and each refusal."""

from typing import Any

import jwt
import pytest

from conformance import schemas
from conformance.simulator.abha_people import invented_aadhaar
from tests.unit.simulator.conftest import World
from tests.unit.simulator.desk import Desk, body_of, error_of

MOBILE, AADHAAR_MOBILE = "9810000001", "9810000009"
NUMBER, ADDRESS = "91-2200-0000-7001", "asha.rao90@sbx"
BY_AADHAAR, BY_MOBILE = "abha-login aadhaar-verify", "abha-login mobile-verify"
INDEX_AADHAAR = "abha-login search-abha aadhaar-verify"
INDEX_MOBILE = "abha-login search-abha mobile-verify"
SEARCH, ACCOUNT_SEARCH = "/profile/login/search", "/profile/account/abha/search"
WEB = "/phr/web/login/abha"


@pytest.fixture
def aadhaar(world: World) -> str:
    """Somebody whose ABHA has another mobile than the Aadhaar."""
    aadhaar = world.client.add_person("Asha", "Rao", "F", "1990-03-07", AADHAAR_MOBILE)
    world.client.add_abha(aadhaar, NUMBER, ADDRESS, MOBILE)
    return aadhaar


def sent(desk: Desk, scope: str, hint: str, login_id: str, system: str, txn_id: str = "") -> str:
    reply = desk.login_otp(scope, hint, login_id, system, txn_id)
    return str(body_of(reply, "OtpSentResponse")["txnId"])


@pytest.mark.parametrize(
    ("scope", "hint", "login_id", "system", "mobile"),
    [
        (BY_AADHAAR, "abha-number", NUMBER, "aadhaar", AADHAAR_MOBILE),
        (BY_MOBILE, "abha-number", NUMBER, "abdm", MOBILE),
        (BY_AADHAAR, "aadhaar", "", "aadhaar", AADHAAR_MOBILE),
    ],
    ids=["number, Aadhaar OTP", "number, mobile OTP", "Aadhaar"],
)
def test_login_by_number_or_aadhaar_gives_an_x_token_at_once(
    world: World, desk: Desk, aadhaar: str,
    scope: str, hint: str, login_id: str, system: str, mobile: str,
) -> None:  # fmt: skip
    txn_id = sent(desk, scope, hint, login_id or aadhaar, system)
    found = body_of(
        desk.login(scope, txn_id, world.client.latest_otp(mobile)), "LoginVerifyResponse"
    )
    assert found["authResult"] == "success"
    assert (found["expiresIn"], found["refreshExpiresIn"]) == (1800, 1296000)
    assert [account["ABHANumber"] for account in found["accounts"]] == [NUMBER]
    assert found["accounts"][0]["preferredAbhaAddress"] == ADDRESS


def test_login_by_mobile_lists_the_accounts_and_one_is_chosen(
    world: World, desk: Desk, aadhaar: str
) -> None:
    child = world.client.add_person("Rohan", "Rao", "M", "2015-06-01", AADHAAR_MOBILE)
    second = world.client.add_abha(child, mobile=MOBILE)
    txn_id = sent(desk, BY_MOBILE, "mobile", MOBILE, "abdm")
    found = body_of(
        desk.login(BY_MOBILE, txn_id, world.client.latest_otp(MOBILE)), "LoginVerifyResponse"
    )
    assert found["expiresIn"] == 300
    assert "refreshToken" not in found
    assert {account["ABHANumber"] for account in found["accounts"]} == {NUMBER, second}
    transfer = {"T-token": f"Bearer {found['token']}"}
    body = {"ABHANumber": second, "txnId": found["txnId"]}
    chosen = body_of(desk.post("/profile/login/verify/user", body, **transfer), "TokenResponse")
    claims = jwt.decode(chosen["token"], options={"verify_signature": False})
    assert claims["abhaNumber"] == second
    not_mine = {**body, "ABHANumber": "91-0000-0000-0000"}
    refused = desk.post("/profile/login/verify/user", not_mine, **transfer)
    assert error_of(refused) == (400, {"ABHANumber": "Invalid ABHA Number"})
    with_x = {"T-token": f"Bearer {chosen['token']}"}
    refused = desk.post("/profile/login/verify/user", body, **with_x)
    assert error_of(refused) == (400, {"message": "Invalid T-token"})
    transfer_as_x = {"X-token": f"Bearer {found['token']}"}
    assert error_of(desk.get("/profile/account", **transfer_as_x))[0] == 400


def test_transfer_token_expires(world: World, desk: Desk, aadhaar: str) -> None:
    world.client.configure(abha_transfer_seconds=-1.0)
    txn_id = sent(desk, BY_MOBILE, "mobile", MOBILE, "abdm")
    found = desk.login(BY_MOBILE, txn_id, world.client.latest_otp(MOBILE)).json()
    body = {"ABHANumber": NUMBER, "txnId": txn_id}
    headers = {"T-token": f"Bearer {found['token']}"}
    reply = desk.post("/profile/login/verify/user", body, **headers)
    assert error_of(reply) == (401, {"message": "T-token expired"})


def test_nobody_at_a_mobile_is_only_said_after_the_otp(world: World, desk: Desk) -> None:
    txn_id = sent(desk, BY_MOBILE, "mobile", "9810000077", "abdm")
    reply = desk.login(BY_MOBILE, txn_id, world.client.latest_otp("9810000077"))
    assert error_of(reply) == (404, "ABDM-1114")


def test_aadhaar_without_abha_is_said_after_the_otp(world: World, desk: Desk) -> None:
    aadhaar = world.client.add_person("Nila", "Das", "F", "1985-05-05", MOBILE)
    txn_id = sent(desk, BY_AADHAAR, "aadhaar", aadhaar, "aadhaar")
    reply = desk.login(BY_AADHAAR, txn_id, world.client.latest_otp(MOBILE))
    assert error_of(reply) == (404, "ABDM-1114")
    assert "Aadhaar" in reply.json()["error"]["message"]


@pytest.mark.parametrize("as_list", [True, False])
def test_search_by_number_tells_methods_and_status(
    world: World, desk: Desk, aadhaar: str, as_list: bool
) -> None:
    world.client.configure(abha_search_lists=as_list)
    world.client.block_abha_methods(NUMBER, ["MOBILE_OTP"])
    reply = desk.post(SEARCH, {"ABHANumber": NUMBER})
    assert schemas.problems("SearchByNumberResponse", reply.json()) == []
    found = reply.json()[0] if as_list else reply.json()
    assert found["authMethods"] == ["AADHAAR_OTP", "MOBILE_OTP"]
    assert found["blockedAuthMethods"] == ["MOBILE_OTP"]
    assert found["status"] == "ACTIVE"
    blocked = desk.login_otp(BY_MOBILE, "abha-number", NUMBER, "abdm")
    assert error_of(blocked) == (400, "ABDM-1118")
    sent(desk, BY_AADHAAR, "abha-number", NUMBER, "aadhaar")


def test_unknown_or_undashed_number_is_refused(desk: Desk, aadhaar: str) -> None:
    unknown = desk.post(SEARCH, {"ABHANumber": "91-0000-0000-0000"})
    assert error_of(unknown) == (404, "ABDM-1114")
    undashed = {"ABHANumber": NUMBER.replace("-", "")}
    assert error_of(desk.post(SEARCH, undashed)) == (400, {"ABHANumber": "Invalid ABHA Number"})
    otp = desk.login_otp(BY_MOBILE, "abha-number", NUMBER.replace("-", ""), "abdm")
    assert error_of(otp) == (400, {"loginId": "LoginId is invalid"})
    otp = desk.login_otp(BY_MOBILE, "abha-number", "91-0000-0000-0000", "abdm")
    assert error_of(otp) == (404, "ABDM-1114")


@pytest.mark.parametrize(
    ("scope", "system", "mobile"),
    [(INDEX_MOBILE, "abdm", MOBILE), (INDEX_AADHAAR, "aadhaar", AADHAAR_MOBILE)],
)
def test_find_by_mobile_then_login_by_index(
    world: World, desk: Desk, aadhaar: str, scope: str, system: str, mobile: str
) -> None:
    child = world.client.add_person("Rohan", "Rao", "M", "2015-06-01", AADHAAR_MOBILE)
    second = world.client.add_abha(child, mobile=MOBILE)
    body = {"scope": ["search-abha"], "mobile": desk.secret(MOBILE)}
    reply = desk.post(ACCOUNT_SEARCH, body)
    assert schemas.problems("SearchByMobileResponse", reply.json()) == []
    (found,) = reply.json()
    assert [entry["index"] for entry in found["ABHA"]] == [1, 2]
    assert found["ABHA"][1]["ABHANumber"] == f"xx-xxxx-xxxx-{second[-4:]}"
    txn_id = sent(desk, scope, "index", "2", system, found["txnId"])
    assert txn_id == found["txnId"]
    login = body_of(
        desk.login(scope, txn_id, world.client.latest_otp(mobile)), "LoginVerifyResponse"
    )
    assert [account["ABHANumber"] for account in login["accounts"]] == [second]
    assert login["refreshToken"]


def test_search_by_mobile_refuses_strangers_and_bad_indexes(
    world: World, desk: Desk, aadhaar: str
) -> None:
    body = {"scope": ["search-abha"], "mobile": desk.secret("9810000077")}
    assert error_of(desk.post(ACCOUNT_SEARCH, body)) == (404, "ABDM-1114")
    body = {"scope": ["search-abha"], "mobile": desk.secret("98100")}
    invalid = (400, {"mobile": "Invalid Mobile Number"})
    assert error_of(desk.post(ACCOUNT_SEARCH, body)) == invalid
    body = {"scope": ["search-abha"], "mobile": desk.secret(MOBILE)}
    txn_id = desk.post(ACCOUNT_SEARCH, body).json()[0]["txnId"]
    reply = desk.login_otp(INDEX_MOBILE, "index", "3", "abdm", txn_id)
    assert error_of(reply) == (400, {"loginId": "Invalid LoginId"})


# -- codes -----------------------------------------------------------------------------------


def test_wrong_mobile_otp_is_refused_in_either_way_seen(
    world: World, desk: Desk, aadhaar: str
) -> None:
    txn_id = sent(desk, BY_MOBILE, "mobile", MOBILE, "abdm")
    wrong = desk.login(BY_MOBILE, txn_id, "000000")
    assert error_of(wrong) == (400, {"otpValue": "Invalid OTP Value"})
    world.client.configure(abha_wrong_login_otp="failed")
    failed = body_of(desk.login(BY_MOBILE, txn_id, "000000"), "LoginVerifyResponse")
    assert failed["authResult"] == "failed"
    assert "token" not in failed
    right = desk.login(BY_MOBILE, txn_id, world.client.latest_otp(MOBILE))
    assert body_of(right, "LoginVerifyResponse")["authResult"] == "success"


def test_wrong_aadhaar_otp_passes_on_uidai(world: World, desk: Desk, aadhaar: str) -> None:
    txn_id = sent(desk, BY_AADHAAR, "aadhaar", aadhaar, "aadhaar")
    assert error_of(desk.login(BY_AADHAAR, txn_id, "000000")) == (422, "ABDM-1204")
    assert desk.login(BY_AADHAAR, txn_id, world.client.abha_otp(txn_id)).status_code == 200


def test_expired_mobile_otp_is_a_failed_success(world: World, desk: Desk, aadhaar: str) -> None:
    txn_id = sent(desk, BY_MOBILE, "abha-number", NUMBER, "abdm")
    world.client.configure(abha_otp_seconds=0.0)
    reply = desk.login(BY_MOBILE, txn_id, world.client.abha_otp(txn_id))
    found = body_of(reply, "LoginVerifyResponse")
    assert (found["authResult"], found["message"]) == ("failed", "OTP expired, please try again")


def test_login_codes_are_limited_like_those_of_enrolment(
    world: World, desk: Desk, aadhaar: str
) -> None:
    txn_id = sent(desk, BY_MOBILE, "mobile", MOBILE, "abdm")
    for _ in range(2):
        assert sent(desk, BY_MOBILE, "mobile", MOBILE, "abdm", txn_id) == txn_id
    fourth = desk.login_otp(BY_MOBILE, "mobile", MOBILE, "abdm", txn_id)
    assert error_of(fourth) == (422, "ABDM-1100")
    txn_id = sent(desk, BY_AADHAAR, "abha-number", NUMBER, "aadhaar")
    codes = [error_of(desk.login(BY_AADHAAR, txn_id, "000000"))[1] for _ in range(3)]
    assert codes == ["ABDM-1204", "ABDM-1204", "ABDM-1100"]


@pytest.mark.parametrize(
    ("scope", "hint", "login_id", "system", "error"),
    [
        (BY_MOBILE, "mobile", "98100", "abdm", {"loginId": "Invalid Mobile Number"}),
        (BY_MOBILE, "aadhaar", MOBILE, "abdm", {"loginHint": "Invalid Login Hint"}),
        (BY_MOBILE, "mobile", MOBILE, "aadhaar", {"otpSystem": "Invalid OTP System"}),
        ("abha-login", "mobile", MOBILE, "abdm", {"scope": "Invalid Scope"}),
        ("mobile-verify aadhaar-verify", "mobile", MOBILE, "abdm", "ABDM-1107"),
        (BY_AADHAAR, "aadhaar", "999941057085", "aadhaar", {"loginId": "Invalid LoginId"}),
    ],
    ids=str,
)
def test_login_request_that_does_not_fit_is_refused(
    desk: Desk, scope: str, hint: str, login_id: str, system: str, error: Any
) -> None:
    status, found = error_of(desk.login_otp(scope, hint, login_id, system))
    assert status == 400
    assert found == error or error.items() <= found.items()


def test_undecryptable_login_id_reads_as_a_bad_mobile(
    world: World, desk: Desk, aadhaar: str
) -> None:
    desk.fetch_key()
    world.client.rotate_abha_key()
    reply = desk.login_otp(BY_MOBILE, "mobile", MOBILE, "abdm")
    assert error_of(reply) == (400, {"loginId": "Invalid Mobile Number"})


def test_transaction_of_another_scope_or_client_is_unknown(
    world: World, desk: Desk, aadhaar: str
) -> None:
    txn_id = sent(desk, BY_MOBILE, "mobile", MOBILE, "abdm")
    unknown = (400, {"txnId": "Invalid Transaction Id"})
    assert error_of(desk.login(BY_AADHAAR, txn_id, world.client.abha_otp(txn_id))) == unknown
    world.client.add_bridge("SBXID_OTHER", "other")
    body = {"clientId": "SBXID_OTHER", "clientSecret": "other", "grantType": "client_credentials"}
    session = world.hip.raw(
        "POST", "/api/hiecm/gateway/v3/sessions", body, {"Authorization": None}
    ).json()["accessToken"]
    other = Desk(world.client.base_url, session)
    assert error_of(other.login(BY_MOBILE, txn_id, world.client.abha_otp(txn_id))) == unknown


def test_deactivated_abha_is_refused_wherever_it_shows(
    world: World, desk: Desk, aadhaar: str
) -> None:
    txn_id = sent(desk, BY_MOBILE, "mobile", MOBILE, "abdm")
    found = desk.login(BY_MOBILE, txn_id, world.client.latest_otp(MOBILE)).json()
    world.client.set_abha_status(NUMBER, "DEACTIVATED")
    body, headers = {"ABHANumber": NUMBER, "txnId": txn_id}, {"T-token": f"Bearer {found['token']}"}
    reply = desk.post("/profile/login/verify/user", body, **headers)
    assert error_of(reply) == (400, "ABDM-1134")
    assert desk.post(SEARCH, {"ABHANumber": NUMBER}).json()[0]["status"] == "DEACTIVATED"
    by_number = desk.login_otp(BY_MOBILE, "abha-number", NUMBER, "abdm")
    assert error_of(by_number) == (400, "ABDM-1134")
    by_address = desk.request_otp(
        f"{WEB}/request/otp", "abha-address-login mobile-verify", "abha-address", ADDRESS, "abdm"
    )
    assert error_of(by_address) == (400, "ABDM-1216")
    link = {"abhaAddress": ADDRESS, "name": "Asha Rao", "gender": "F", "yearOfBirth": 1990}
    refused = world.hip.call("generate-token", link)
    assert error_of(refused) == (400, "ABDM-1407")
    world.client.set_abha_status(NUMBER, "ACTIVE")
    sent(desk, BY_MOBILE, "abha-number", NUMBER, "abdm")


# -- by address ------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [ADDRESS, "asha.rao90", "91220000007001@sbx"])
def test_address_is_found_with_and_without_its_suffix(
    desk: Desk, aadhaar: str, address: str
) -> None:
    found = body_of(desk.post(f"{WEB}/search", {"abhaAddress": address}), "AddressSearchResponse")
    assert found["healthIdNumber"] == NUMBER
    assert found["mobile"] == "9810******"
    unknown = desk.post(f"{WEB}/search", {"abhaAddress": "nobody.here@sbx"})
    assert error_of(unknown) == (400, "ABDM-1211")


@pytest.mark.parametrize(
    ("scope", "system", "mobile"),
    [
        ("abha-address-login mobile-verify", "abdm", MOBILE),
        ("abha-address-login aadhaar-verify", "aadhaar", AADHAAR_MOBILE),
    ],
)
def test_login_by_address_leads_to_profile_card_and_qr(
    world: World, desk: Desk, aadhaar: str, scope: str, system: str, mobile: str
) -> None:
    reply = desk.request_otp(f"{WEB}/request/otp", scope, "abha-address", ADDRESS, system)
    txn_id = body_of(reply, "OtpSentResponse")["txnId"]
    code = world.client.latest_otp(mobile)
    found = body_of(desk.verify(f"{WEB}/verify", scope, txn_id, code), "AddressVerifyResponse")
    assert found["users"][0]["abhaNumber"] == NUMBER
    token = {"X-token": f"Bearer {found['tokens']['token']}"}
    web = "/phr/web/login/profile"
    profile = body_of(desk.get(f"{web}/abha-profile", **token), "AddressProfileResponse")
    assert (profile["abhaAddress"], profile["mobileVerified"]) == (ADDRESS, "true")
    card = desk.get(f"{web}/abha/phr-card", **token)
    assert (card.status_code, card.headers["Content-Type"]) == (202, "image/png")
    qr = desk.get(f"{web}/abha/qr-code", **token)
    assert qr.status_code == 200
    assert qr.content.startswith(b"\x89PNG")
    bare = desk.get(f"{web}/abha-profile", **{"X-token": found["tokens"]["token"]})
    assert error_of(bare) == (400, "ABDM-1006")


def test_address_login_refuses_in_its_own_shapes(world: World, desk: Desk, aadhaar: str) -> None:
    scope, path = "abha-address-login mobile-verify", f"{WEB}/request/otp"
    unknown = desk.request_otp(path, scope, "abha-address", "nobody.here@sbx", "abdm")
    assert isinstance(unknown.json(), list)
    assert error_of(unknown) == (400, "ABDM-1211")
    hint = desk.request_otp(path, scope, "mobile", ADDRESS, "abdm")
    assert error_of(hint) == (400, "ABDM-9999")
    world.client.block_abha_methods(NUMBER, ["MOBILE_OTP"])
    blocked = desk.request_otp(path, scope, "abha-address", ADDRESS, "abdm")
    assert error_of(blocked) == (400, "ABDM-1215")
    world.client.block_abha_methods(NUMBER, [])
    txn_id = desk.request_otp(path, scope, "abha-address", ADDRESS, "abdm").json()["txnId"]
    assert error_of(desk.verify(f"{WEB}/verify", scope, txn_id, "000000")) == (400, "ABDM-9999")
    world.client.configure(abha_otp_seconds=0.0)
    code = world.client.abha_otp(txn_id)
    expired = body_of(desk.verify(f"{WEB}/verify", scope, txn_id, code), "AddressVerifyResponse")
    assert (expired["authResult"], expired["users"]) == ("failed", [])


def test_wrong_aadhaar_otp_of_an_address_is_refused_as_an_array(
    world: World, desk: Desk, aadhaar: str
) -> None:
    scope = "abha-address-login aadhaar-verify"
    reply = desk.request_otp(f"{WEB}/request/otp", scope, "abha-address", ADDRESS, "aadhaar")
    wrong = desk.verify(f"{WEB}/verify", scope, reply.json()["txnId"], "000000")
    assert isinstance(wrong.json(), list)
    assert error_of(wrong) == (400, "ABDM-1204")


def test_stranger_to_uidai_cannot_log_in(desk: Desk) -> None:
    stranger = invented_aadhaar(4_000_000)
    reply = desk.login_otp(BY_AADHAAR, "aadhaar", stranger, "aadhaar")
    assert error_of(reply) == (422, "ABDM-1204")
