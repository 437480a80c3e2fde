"""The Health ID service of the older generation: creation, search, login, account, refusals."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from conformance.simulator.abha_people import invented_aadhaar
from tests.unit.simulator.conftest import World

BASE = "/healthid/api"
NOBODY = invented_aadhaar(99)
AADHAAR_MOBILE, OTHER_MOBILE = "9820000071", "9820000072"


class Desk:
    """A hospital's desk that creates and opens accounts; `aadhaar` is the patient's."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.aadhaar = world.client.add_person(
            "Lata", "Kulkarni", "F", "1990-05-04", AADHAAR_MOBILE
        )
        self.bearer = {"Authorization": f"Bearer {world.hip.session()}"}

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.world.hip.raw("GET", f"{BASE}/{path}", None, {**self.bearer, **headers})

    def post(self, path: str, headers: dict[str, Any] | None = None, **body: Any) -> Any:
        reply = self.try_post(path, headers, **body)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def try_post(self, path: str, headers: dict[str, Any] | None = None, **body: Any) -> Any:
        return self.world.hip.raw(
            "POST", f"{BASE}/{path}", body, {**self.bearer, **(headers or {})}
        )

    def refused(self, path: str, **body: Any) -> str:
        reply = self.try_post(path, **body)
        (detail,) = reply.json()["details"]
        assert reply.json()["code"] == f"HIS-{reply.status_code}"
        return str(detail["code"])

    def sealed(self, text: str) -> str:
        """PKCS#1 v1.5 under the key of the certificate call."""
        key = serialization.load_pem_public_key(self.get("v2/auth/cert").content)
        assert isinstance(key, rsa.RSAPublicKey)
        return base64.b64encode(key.encrypt(text.encode(), padding.PKCS1v15())).decode()

    def otp(self, mobile: str = AADHAAR_MOBILE) -> str:
        return self.world.client.latest_otp(mobile)

    def created(self) -> dict[str, Any]:
        """An account by the ten steps, in V2 where there is one, with another mobile."""
        reg = "registration/aadhaar"
        txn = {
            "txnId": self.post(f"v2/{reg}/generateOtp", aadhaar=self.sealed(self.aadhaar))["txnId"]
        }
        assert self.post(f"v2/{reg}/resendAadhaarOtp", **txn)["mobileNumber"] == "XXXXXX0071"
        verified = self.post(f"v2/{reg}/verifyOTP", otp=self.sealed(self.otp()), **txn)
        assert (verified["name"], verified["healthIdNumber"]) == ("Lata Kulkarni", None)
        asked = self.post(f"v2/{reg}/checkAndGenerateMobileOTP", mobile=OTHER_MOBILE, **txn)
        assert asked["mobileLinked"] is False
        assert self.post("v2/registration/mobile/resendOtp", **txn) is True
        code = self.sealed(self.otp(OTHER_MOBILE))
        assert self.post(f"v2/{reg}/verifyMobileOTP", otp=code, **txn) == txn
        made = self.post(f"v1/{reg}/createHealthIdWithPreVerified", healthId="lata.kulkarni", **txn)
        self.post(f"v2/{reg}/phr-address", phrAddress="lata.k1990", **txn)
        final = self.post(f"v2/{reg}/confirm", **txn)
        assert final["healthId"] == "lata.k1990@sbx"
        return dict(made)


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def test_an_account_is_created_in_ten_steps_and_known_to_the_gateway(desk: Desk) -> None:
    made = desk.created()
    assert made["new"] is True
    assert made["mobile"] == OTHER_MOBILE
    assert (made["dayOfBirth"], made["yearOfBirth"]) == ("4", "1990")
    again = {
        "txnId": desk.post("v1/registration/aadhaar/generateOtp", aadhaar=desk.aadhaar)["txnId"]
    }
    desk.post("v1/registration/aadhaar/verifyOTP", otp=desk.otp(), **again)
    found = desk.post(
        "v2/registration/aadhaar/createHealthIdByAdhaar",
        consent=True,
        consentVersion="v1.0",
        **again,
    )
    assert (found["new"], found["healthIdNumber"]) == (False, made["healthIdNumber"])
    assert desk.world.client.links("lata.kulkarni@sbx") == []


def test_the_aadhaars_own_mobile_needs_no_code(desk: Desk) -> None:
    reg = "v1/registration/aadhaar"
    txn = {"txnId": desk.post(f"{reg}/generateOtp", aadhaar=desk.aadhaar)["txnId"]}
    desk.post(f"{reg}/verifyOTP", otp=desk.otp(), **txn)
    asked = desk.post(f"{reg}/checkAndGenerateMobileOTP", mobile=AADHAAR_MOBILE, **txn)
    assert asked["mobileLinked"] is True
    made = desk.post(f"{reg}/createHealthIdWithPreVerified", **txn)
    assert (made["healthId"], made["mobile"]) == (None, AADHAAR_MOBILE)


def test_accounts_are_searched(desk: Desk) -> None:
    number = desk.created()["healthIdNumber"]
    found = desk.post("v1/search/searchByHealthId", healthId="lata.k1990@sbx")
    assert found["healthIdNumber"] == number
    assert found["authMethods"] == ["AADHAAR_OTP", "MOBILE_OTP", "DEMOGRAPHICS"]
    assert desk.post("v1/search/existsByHealthId", healthId=number) == {"status": True}
    assert desk.post("v1/search/existsByHealthId", healthId="no.one") == {"status": False}
    by_mobile = {"mobile": OTHER_MOBILE, "name": "lata kulkarni", "yearOfBirth": "1990"}
    assert desk.post("v1/search/searchByMobile", **by_mobile)["healthIdNumber"] == number
    assert desk.refused("v1/search/searchByMobile", **{**by_mobile, "gender": "M"}) == "HIS-1008"
    assert desk.refused("v1/search/searchByHealthId", healthId="no.one") == "HIS-1008"


@pytest.mark.parametrize(
    ("method", "path", "mobile"),
    [
        ("AADHAAR_OTP", "confirmWithAadhaarOtp", AADHAAR_MOBILE),
        ("MOBILE_OTP", "confirmWithMobileOTP", OTHER_MOBILE),
    ],
)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_login_opens_the_account(
    desk: Desk, method: str, path: str, mobile: str, version: str
) -> None:
    number = desk.created()["healthIdNumber"]
    txn = desk.post(f"{version}/auth/init", authMethod=method, healthid=number)
    assert desk.post("v1/auth/resendAuthOTP", authMethod=method, **txn) is True
    otp = desk.otp(mobile)
    tokens = desk.post(
        f"{version}/auth/{path}", otp=desk.sealed(otp) if version == "v2" else otp, **txn
    )
    user = {"X-Token": f"Bearer {tokens['token']}"}
    shown = desk.get("v1/account/profile", **user).json()
    assert shown["phrAddress"] == ["lata.kulkarni@sbx", "lata.k1990@sbx"]
    for picture in ("qrCode", "getPngCard"):
        assert desk.get(f"v1/account/{picture}", **user).content.startswith(b"\x89PNG")
    new = desk.post("v1/auth/generate/access-token", refreshToken=tokens["refreshToken"])
    assert desk.post("v1/account/token", authToken=new["accessToken"]) is True
    assert desk.get("v1/account/logout", **user).json() is True
    assert desk.post("v1/account/token", authToken=tokens["token"]) is False
    assert desk.get("v1/account/profile", **user).status_code == 401


def test_demographics_confirm_and_a_forgotten_number_is_told(desk: Desk) -> None:
    number = desk.created()["healthIdNumber"]
    txn = desk.post("v1/auth/init", authMethod="DEMOGRAPHICS", healthid=number)
    stated = {"name": "Lata Kulkarni", "gender": "F", "yearOfBirth": "1990"}
    path = "v1/auth/confirmWithDemographics"
    assert desk.post(path, **stated, **txn) == {"status": True}
    assert desk.refused(path, **{**stated, "yearOfBirth": "1991"}, **txn) == "HIS-1018"
    asked = desk.post("v1/forgot/healthId/aadhaar/generateOtp", aadhaar=desk.aadhaar)
    told = desk.post("v1/forgot/healthId/aadhaar", otp=desk.otp(), **asked)
    assert told == {"healthId": "lata.k1990@sbx", "healthIdNumber": number}


def test_one_of_the_accounts_of_a_mobile_is_chosen(desk: Desk) -> None:
    number = desk.created()["healthIdNumber"]
    login = "v2/registration/mobile/login"
    txn = {"txnId": desk.post(f"{login}/generateOtp", mobile=OTHER_MOBILE)["txnId"]}
    assert desk.post(f"{login}/resendOtp", **txn) is True
    opened = desk.post(f"{login}/verifyOtp", otp=desk.sealed(desk.otp(OTHER_MOBILE)), **txn)
    (linked,) = opened["mobileLinkedHid"]
    bearer = {"T-Token": f"Bearer {opened['token']}"}
    chosen = desk.post(
        f"{login}/userAuthorizedToken", bearer, healthId=linked["healthIdNumber"], **txn
    )
    assert chosen["healthIdNumber"] == number
    assert desk.refused(f"{login}/userAuthorizedToken", healthId=number, **txn) == "HIS-401"


def _wrong_otp(desk: Desk) -> str:
    txn = {"txnId": desk.post("v1/registration/aadhaar/generateOtp", aadhaar=desk.aadhaar)["txnId"]}
    codes = [
        desk.refused("v1/registration/aadhaar/verifyOTP", otp="999999", **txn) for _ in range(3)
    ]
    return " ".join(codes)


def _too_many(desk: Desk) -> str:
    path = "v1/registration/aadhaar/resendAadhaarOtp"
    txn = {"txnId": desk.post("v1/registration/aadhaar/generateOtp", aadhaar=desk.aadhaar)["txnId"]}
    desk.post(path, **txn)
    desk.post(path, **txn)
    return desk.refused(path, **txn)


def _taken(desk: Desk) -> str:
    txn = {"txnId": desk.post("v1/registration/aadhaar/generateOtp", aadhaar=desk.aadhaar)["txnId"]}
    desk.post("v1/registration/aadhaar/verifyOTP", otp=desk.otp(), **txn)
    path = "v1/registration/aadhaar/createHealthIdWithPreVerified"
    return desk.refused(path, healthId="meera.joshi", **txn)


REFUSALS: list[tuple[str, Callable[[Desk], str]]] = [
    ("HIS-2022 HIS-2022 HIS-1041", _wrong_otp),
    ("HIS-2017", _too_many),
    ("HIS-1015", _taken),
    ("HIS-1047", lambda d: d.refused("v2/registration/aadhaar/generateOtp", aadhaar=d.aadhaar)),
    ("HIS-1012", lambda d: d.refused("v1/registration/aadhaar/generateOtp", aadhaar="123")),
    (
        "HIS-2016",
        lambda d: d.refused("v1/registration/aadhaar/generateOtp", aadhaar=NOBODY),
    ),
    ("HIS-1026", lambda d: d.refused("v1/registration/aadhaar/verifyOTP", otp="1", txnId="no")),
    ("HIS-400", lambda d: d.refused("v1/registration/aadhaar/verifyOTP", otp="1")),
    (
        "HIS-1008",
        lambda d: d.refused("v1/auth/init", authMethod="MOBILE_OTP", healthid="no.one"),
    ),
]


@pytest.mark.parametrize(("code", "provoke"), REFUSALS, ids=[code for code, _ in REFUSALS])
def test_what_is_refused_says_why(desk: Desk, code: str, provoke: Callable[[Desk], str]) -> None:
    assert provoke(desk) == code


def test_the_gateways_token_is_needed(desk: Desk) -> None:
    desk.bearer = {"Authorization": "Bearer nothing"}
    assert desk.refused("v1/search/existsByHealthId", healthId="x") == "HIS-401"
