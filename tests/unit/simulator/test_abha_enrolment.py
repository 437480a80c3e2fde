"""Creating an ABHA by Aadhaar OTP, and every way it is refused."""

import uuid
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes

from conformance import schemas
from conformance.simulator.abha_people import invented_aadhaar, is_aadhaar
from tests.unit.simulator.conftest import World
from tests.unit.simulator.desk import CONSENT, Desk, body_of, error_of

MOBILE, OTHER = "9810000001", "9810000002"
OTP_PATH = "/enrollment/request/otp"


@pytest.fixture
def aadhaar(world: World) -> str:
    return world.client.add_person("Asha", "Rao", "F", "1990-03-07", MOBILE)


def asked(desk: Desk, aadhaar: str) -> str:
    return str(body_of(desk.aadhaar_otp(aadhaar), "OtpSentResponse")["txnId"])


def enrolled(world: World, desk: Desk, aadhaar: str, mobile: str = MOBILE) -> dict[str, Any]:
    txn_id = asked(desk, aadhaar)
    return body_of(desk.enrol(txn_id, world.client.abha_otp(txn_id), mobile), "EnrolResponse")


def test_invented_aadhaar_numbers_have_a_right_check_digit() -> None:
    numbers = [invented_aadhaar(serial) for serial in range(50)]
    assert len(set(numbers)) == 50
    assert all(is_aadhaar(number) and number.startswith("9999") for number in numbers)
    assert is_aadhaar("999941057058")  # a published test number of UIDAI
    assert not is_aadhaar("999941057085")


def test_aadhaar_otp_creates_the_abha_and_makes_a_patient_of_it(
    world: World, desk: Desk, aadhaar: str
) -> None:
    reply = desk.aadhaar_otp(aadhaar)
    sent = body_of(reply, "OtpSentResponse")
    assert sent["message"].endswith("******0001")
    otp = world.client.latest_otp(MOBILE)
    assert otp == world.client.abha_otp(sent["txnId"])
    found = body_of(desk.enrol(sent["txnId"], otp, MOBILE), "EnrolResponse")
    assert found["isNew"] is True
    assert found["message"] == "Account created successfully"
    profile = found["ABHAProfile"]
    assert (profile["mobile"], profile["dob"]) == ("******0001", "07-03-1990")
    digits = profile["ABHANumber"].replace("-", "")
    assert profile["phrAddress"] == [f"{digits}@sbx"]
    assert found["tokens"]["expiresIn"] == 1800
    claims = jwt.decode(found["tokens"]["token"], options={"verify_signature": False})
    assert (claims["sub"], claims["typ"]) == (profile["ABHANumber"], "Transaction")
    assert jwt.get_unverified_header(found["tokens"]["token"])["alg"] == "RS512"
    link = {"abhaAddress": f"{digits}@sbx", "name": "Asha Rao", "gender": "F", "yearOfBirth": 1990}
    assert world.hip.call("generate-token", link).status_code == 202
    assert world.hip.wait("on-generate-token").body["linkToken"]


def test_second_enrolment_finds_the_same_abha(world: World, desk: Desk, aadhaar: str) -> None:
    first = enrolled(world, desk, aadhaar)
    second = enrolled(world, desk, aadhaar)
    assert second["isNew"] is False
    assert second["message"] == "This account already exist"
    assert second["ABHAProfile"]["ABHANumber"] == first["ABHAProfile"]["ABHANumber"]


def test_other_mobile_is_verified_by_its_own_otp(world: World, desk: Desk, aadhaar: str) -> None:
    found = enrolled(world, desk, aadhaar, OTHER)
    txn_id = found["txnId"]
    assert found["ABHAProfile"]["mobile"] is None
    scope = "abha-enrol mobile-verify"
    sent = body_of(
        desk.request_otp(OTP_PATH, scope, "mobile", OTHER, "abdm", txn_id), "OtpSentResponse"
    )
    assert sent["txnId"] == txn_id
    assert sent["message"].endswith("******0002")
    verify = "/enrollment/auth/byAbdm"
    wrong = body_of(desk.verify(verify, scope, txn_id, "000000"), "VerifyAbdmResponse")
    assert (wrong["authResult"], wrong["accounts"]) == ("failed", [])
    right = desk.verify(verify, scope, txn_id, world.client.latest_otp(OTHER))
    number = found["ABHAProfile"]["ABHANumber"]
    assert body_of(right, "VerifyAbdmResponse")["accounts"] == [{"ABHANumber": number}]
    assert world.client.abha(number).mobile == OTHER
    again = desk.request_otp(OTP_PATH, scope, "mobile", OTHER, "abdm", txn_id)
    assert error_of(again)[1].keys() == {"mobile"}


def test_wrong_mobile_otp_can_be_refused_with_a_description(
    world: World, desk: Desk, aadhaar: str
) -> None:
    world.client.configure(abha_wrong_mobile_otp="description")
    txn_id = enrolled(world, desk, aadhaar, OTHER)["txnId"]
    scope = "abha-enrol mobile-verify"
    desk.request_otp(OTP_PATH, scope, "mobile", OTHER, "abdm", txn_id)
    reply = desk.verify("/enrollment/auth/byAbdm", scope, txn_id, "000000")
    assert (reply.status_code, reply.json()["description"]) == (400, "Invalid OTP value")


def test_expired_mobile_otp_is_a_failed_success(world: World, desk: Desk, aadhaar: str) -> None:
    txn_id = enrolled(world, desk, aadhaar, OTHER)["txnId"]
    scope = "abha-enrol mobile-verify"
    desk.request_otp(OTP_PATH, scope, "mobile", OTHER, "abdm", txn_id)
    world.client.configure(abha_otp_seconds=0.0)
    reply = desk.verify("/enrollment/auth/byAbdm", scope, txn_id, world.client.latest_otp(OTHER))
    found = body_of(reply, "VerifyAbdmResponse")
    assert (found["authResult"], found["message"]) == ("failed", "OTP expired, please try again")


def test_email_is_verified_by_a_code_too(world: World, desk: Desk, aadhaar: str) -> None:
    txn_id = enrolled(world, desk, aadhaar)["txnId"]
    scope = "abha-enrol email-verify"
    sent = desk.request_otp(OTP_PATH, scope, "email", "asha@example.in", "abdm", txn_id)
    assert body_of(sent, "OtpSentResponse")["txnId"] == txn_id
    otp = world.client.abha_otp(txn_id)
    reply = desk.verify("/enrollment/auth/byAbdm", scope, txn_id, otp)
    assert body_of(reply, "VerifyAbdmResponse")["authResult"] == "success"


# -- address ---------------------------------------------------------------------------------


def test_address_is_suggested_and_chosen(world: World, desk: Desk, aadhaar: str) -> None:
    found = enrolled(world, desk, aadhaar)
    txn_id = found["txnId"]
    reply = desk.get("/enrollment/enrol/suggestion", Transaction_Id=txn_id)
    offered = body_of(reply, "SuggestionResponse")["abhaAddressList"]
    assert len(offered) >= 3
    assert not any("@" in local for local in offered)
    body = {"txnId": txn_id, "abhaAddress": offered[0], "preferred": 1}
    reply = desk.post("/enrollment/enrol/abha-address", body)
    chosen = body_of(reply, "SetAddressResponse")
    assert chosen["preferredAbhaAddress"] == f"{offered[0]}@sbx"
    account = world.client.abha(found["ABHAProfile"]["ABHANumber"])
    assert account.preferred == f"{offered[0]}@sbx"
    assert len(account.addresses) == 2  # the number stays an address
    again = desk.get("/enrollment/enrol/suggestion", Transaction_Id=txn_id)
    assert offered[0] not in again.json()["abhaAddressList"]


@pytest.mark.parametrize(
    ("local", "error"),
    [
        ("short", {"abhaAddress": "Invalid ABHA Address"}),
        ("asha..rao90", {"abhaAddress": "Invalid ABHA Address"}),
        (".asharao90", {"abhaAddress": "Invalid ABHA Address"}),
        ("asharao90@sbx", {"abhaAddress": "Invalid ABHA Address"}),
        ("9810000001", {"abhaAddress": "Invalid ABHA Address"}),
        ("Meera.Joshi", "ABDM-1101"),
    ],
)
def test_unfit_or_taken_address_is_refused(
    world: World, desk: Desk, aadhaar: str, local: str, error: Any
) -> None:
    txn_id = enrolled(world, desk, aadhaar)["txnId"]
    body = {"txnId": txn_id, "abhaAddress": local, "preferred": 1}
    assert error_of(desk.post("/enrollment/enrol/abha-address", body)) == (400, error)


def test_address_calls_need_a_transaction_that_enrolled(
    world: World, desk: Desk, aadhaar: str
) -> None:
    path = "/enrollment/enrol/suggestion"
    assert error_of(desk.get(path)) == (400, {"txnId": "Invalid Transaction Id"})
    hyphen = desk.get(path, **{"Transaction-Id": str(uuid.uuid4())})
    assert error_of(hyphen) == (400, {"txnId": "Invalid Transaction Id"})
    for txn_id in (str(uuid.uuid4()), asked(desk, aadhaar)):
        assert error_of(desk.get(path, TRANSACTION_ID=txn_id)) == (401, "ABDM-1017")
        body = {"txnId": txn_id, "abhaAddress": "asha.rao90", "preferred": 1}
        reply = desk.post("/enrollment/enrol/abha-address", body)
        assert error_of(reply) == (401, "ABDM-1017")


# -- refusals --------------------------------------------------------------------------------


def test_wrong_otp_can_be_retried_on_the_same_transaction(
    world: World, desk: Desk, aadhaar: str
) -> None:
    txn_id = asked(desk, aadhaar)
    wrong = desk.enrol(txn_id, "000000", MOBILE)
    assert error_of(wrong) == (422, "ABDM-1204")
    assert "UIDAI Error code : 400" in wrong.json()["error"]["message"]
    assert world.client.abha_of(aadhaar) is None
    body_of(desk.enrol(txn_id, world.client.abha_otp(txn_id), MOBILE), "EnrolResponse")
    used = desk.enrol(txn_id, world.client.abha_otp(txn_id), MOBILE)
    assert error_of(used) == (400, {"txnId": "Invalid Transaction Id"})


def test_expired_aadhaar_otp_passes_on_an_error_of_uidai(
    world: World, desk: Desk, aadhaar: str
) -> None:
    txn_id = asked(desk, aadhaar)
    world.client.configure(abha_otp_seconds=0.0)
    reply = desk.enrol(txn_id, world.client.abha_otp(txn_id), MOBILE)
    assert error_of(reply) == (422, "ABDM-1204")
    assert "561" in reply.json()["error"]["message"]


def test_resend_keeps_the_transaction_and_ends_after_the_third_code(
    world: World, desk: Desk, aadhaar: str
) -> None:
    txn_id = asked(desk, aadhaar)
    for _ in range(2):
        again = desk.aadhaar_otp(aadhaar, txn_id)
        assert body_of(again, "OtpSentResponse")["txnId"] == txn_id
    assert len({message.text for message in world.client.sms()}) == 3
    assert error_of(desk.aadhaar_otp(aadhaar, txn_id)) == (422, "ABDM-1100")
    assert error_of(desk.aadhaar_otp(aadhaar)) == (
        422,
        "ABDM-1100",
    )  # a fresh start changes nothing


def test_third_wrong_otp_locks_until_the_pause_is_over(
    world: World, desk: Desk, aadhaar: str
) -> None:
    world.client.configure(abha_lock_seconds=1.0)
    txn_id = asked(desk, aadhaar)
    codes = [error_of(desk.enrol(txn_id, "000000", MOBILE))[1] for _ in range(3)]
    assert codes == ["ABDM-1204", "ABDM-1204", "ABDM-1100"]
    right = world.client.abha_otp(txn_id)
    assert error_of(desk.enrol(txn_id, right, MOBILE)) == (422, "ABDM-1100")
    world.client.wait_for(
        lambda: desk.aadhaar_otp(aadhaar).status_code == 200, "the end of the pause"
    )


def test_transaction_is_forgotten_after_its_time(world: World, desk: Desk, aadhaar: str) -> None:
    txn_id = asked(desk, aadhaar)
    world.client.configure(abha_transaction_seconds=0.0)
    reply = desk.enrol(txn_id, world.client.abha_otp(txn_id), MOBILE)
    assert error_of(reply) == (400, {"txnId": "Invalid Transaction Id"})


def test_seventh_abha_of_a_mobile_is_refused(world: World, desk: Desk, aadhaar: str) -> None:
    for day in range(1, 7):
        person = world.client.add_person("Child", "Rao", "M", f"2010-01-{day:02d}", MOBILE)
        world.client.add_abha(person)
    txn_id = asked(desk, aadhaar)
    reply = desk.enrol(txn_id, world.client.abha_otp(txn_id), MOBILE)
    assert error_of(reply) == (422, "ABDM-1124")


def test_client_has_an_allowance_of_creations(world: World, desk: Desk, aadhaar: str) -> None:
    world.client.configure(abha_creations=0)
    txn_id = asked(desk, aadhaar)
    reply = desk.enrol(txn_id, world.client.abha_otp(txn_id), MOBILE)
    assert error_of(reply) == (422, "ABDM-1227")


@pytest.mark.parametrize("login_id", ["99994105705", "999941057085", "abcdefghijkl"])
def test_malformed_aadhaar_is_refused(desk: Desk, login_id: str) -> None:
    assert error_of(desk.aadhaar_otp(login_id)) == (400, {"loginId": "Invalid LoginId"})


def test_uidai_knows_neither_strangers_nor_people_without_a_mobile(
    world: World, desk: Desk
) -> None:
    stranger = desk.aadhaar_otp(invented_aadhaar(4_000_000))
    assert error_of(stranger) == (422, "ABDM-1204")
    assert "998" in stranger.json()["error"]["message"]
    without = world.client.add_person("Old", "Rao", "M", "1930-01-01", "")
    assert "111" in desk.aadhaar_otp(without).json()["error"]["message"]


def test_wrong_key_or_hash_looks_like_a_bad_login_id(desk: Desk, aadhaar: str) -> None:
    def with_secret(secret: str) -> tuple[int, Any]:
        body = {
            "txnId": "",
            "scope": ["abha-enrol"],
            "loginHint": "aadhaar",
            "loginId": secret,
            "otpSystem": "aadhaar",
        }
        return error_of(desk.post(OTP_PATH, body))

    assert with_secret(desk.secret(aadhaar, hashes.SHA256)) == (400, {"loginId": "Invalid LoginId"})
    assert with_secret("QUJD" * 20) == (400, {"loginId": "Invalid LoginId"})


def test_rotated_key_must_be_fetched_again(world: World, desk: Desk, aadhaar: str) -> None:
    asked(desk, aadhaar)
    world.client.rotate_abha_key()
    assert error_of(desk.aadhaar_otp(aadhaar)) == (400, {"loginId": "Invalid LoginId"})
    desk.fetch_key()
    asked(desk, aadhaar)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, {"scope", "loginHint", "loginId", "otpSystem"}),
        ({"scope": ["abha-enroll"]}, {"scope"}),
        ({"scope": ["mobile-verify", "email-verify"]}, "ABDM-1107"),
        ({"loginHint": "pan"}, {"loginHint"}),
        ({"otpSystem": "abdm"}, {"otpSystem"}),
        ({"loginId": "not base64!"}, {"loginId"}),
        ({"txnId": "17"}, {"txnId"}),
        ({"extra": 1}, {"extra"}),
    ],
    ids=str,
)
def test_request_that_does_not_fit_names_its_fields(
    desk: Desk, aadhaar: str, body: dict[str, Any], error: Any
) -> None:
    fitting = {
        "scope": ["abha-enrol"],
        "loginHint": "aadhaar",
        "loginId": desk.secret(aadhaar),
        "otpSystem": "aadhaar",
    }
    status, found = error_of(desk.post(OTP_PATH, {**fitting, **body} if body else {}))
    assert status == 400
    assert (found if isinstance(error, str) else set(found)) == error


@pytest.mark.parametrize(
    "consent", [{}, {"code": "abha-enrollment"}, {**CONSENT, "version": "1.3"}], ids=str
)
def test_enrolment_without_the_published_consent_is_refused(
    world: World, desk: Desk, aadhaar: str, consent: dict[str, str]
) -> None:
    txn_id = asked(desk, aadhaar)
    reply = desk.enrol(txn_id, world.client.abha_otp(txn_id), MOBILE, consent=consent)
    assert error_of(reply) == (400, {"consent": "Invalid Consent"})
    assert world.client.abha_of(aadhaar) is None


def test_deactivated_abha_is_not_enrolled_again(world: World, desk: Desk, aadhaar: str) -> None:
    world.client.add_abha(aadhaar, status="DEACTIVATED")
    txn_id = asked(desk, aadhaar)
    reply = desk.enrol(txn_id, world.client.abha_otp(txn_id), MOBILE)
    assert error_of(reply) == (400, "ABDM-1134")


# -- headers and the service as a whole ------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"Authorization": None}, (401, "900902")),
        ({"Authorization": "Bearer a.b.c"}, (401, "900901")),
        ({"REQUEST-ID": "17"}, (400, "ABDM-1030")),
        ({"TIMESTAMP": "2026-01-01T00:00:00.000Z"}, (400, "ABDM-1016")),
        ({"TIMESTAMP": None}, (400, "ABDM-1016")),
    ],
    ids=str,
)
def test_bad_header_is_refused_with_its_code(
    desk: Desk, headers: dict[str, str | None], error: tuple[int, str]
) -> None:
    assert error_of(desk.get("/profile/public/certificate", **headers)) == error


def test_request_id_can_be_used_once(desk: Desk) -> None:
    used = {"REQUEST-ID": str(uuid.uuid4())}
    assert desk.get("/profile/public/certificate", **used).status_code == 200
    assert error_of(desk.get("/profile/public/certificate", **used)) == (400, "ABDM-1030")


def test_whole_service_can_be_down_while_the_gateway_works(
    world: World, desk: Desk, aadhaar: str
) -> None:
    world.client.fault("server-error", "Abha*", status=503, shape="html")
    assert desk.get("/profile/public/certificate").status_code == 503
    assert world.hip.raw("GET", "/api/hiecm/gateway/v3/bridge-services").status_code == 200
    world.client.clear_faults()
    asked(desk, aadhaar)


def test_uidai_and_rate_limits_fail_on_demand(world: World, desk: Desk, aadhaar: str) -> None:
    world.client.fault("uidai", "AbhaEnrolOtp", times=1, code="563", text="Duplicate request")
    assert error_of(desk.aadhaar_otp(aadhaar)) == (422, "ABDM-1204")
    world.client.fault("rate-limited", "AbhaEnrolOtp", times=1, code="ABDM-1022")
    reply = desk.aadhaar_otp(aadhaar)
    assert error_of(reply) == (429, "ABDM-1022")
    assert reply.headers["Retry-After"] == "1"
    asked(desk, aadhaar)


def test_unknown_path_is_answered_in_the_shape_of_the_service(desk: Desk) -> None:
    reply = desk.get("/enrollment/none")
    assert (reply.status_code, reply.json()["error"]) == (404, "Not Found")


@pytest.mark.parametrize(
    "name", [("Asha", "Rao"), ("O", ""), ("आशा", "राव"), ("Venkatanarasimha", "R")]
)
def test_suggestions_fit_the_rules_whatever_the_name(
    world: World, desk: Desk, name: tuple[str, str]
) -> None:
    person = world.client.add_person(*name, "F", "1990-03-07", MOBILE)
    txn_id = enrolled(world, desk, person)["txnId"]
    reply = desk.get("/enrollment/enrol/suggestion", Transaction_Id=txn_id)
    for local in reply.json()["abhaAddressList"]:
        body = {"txnId": txn_id, "abhaAddress": local, "preferred": 1}
        assert schemas.problems("SetAddressRequest", body) == []
