"""Every call to the ABHA service, the registry and the bridge matches the published contract.

Each call is really made, over HTTP, to a server that records it and answers with the sample of the
contract; what arrived is compared with the message's schema.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import conformance
from adapter.protocol.abha import LOGIN_WAYS
from adapter.upstream.abha_service import AbhaService
from adapter.upstream.facility_registry import FacilityRegistry
from adapter.upstream.gateway import Gateway
from conformance import schemas
from tests import rig
from tests.flows.harness import Call, Outside, outside

SAMPLES = Path(next(iter(conformance.__path__))) / "samples" / "v3"
NOW = datetime(2026, 11, 23, 6, 41, 9, 127000, tzinfo=UTC)
TXN = "3f0a6f1e-9d2b-4c57-8a41-5b1e2c9d7f10"
NUMBER, ADDRESS, MOBILE, OTP = "91-5512-7788-3406", "asha.verma84@sbx", "9811044170", "123456"
ABHA = "/abha/api/v3"

Made = Callable[[AbhaService], Any]


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def way(by: str, otp_to: str) -> Any:
    return LOGIN_WAYS[by, otp_to]


def send(by: str, otp_to: str, transaction: str = "") -> Made:
    return lambda abha: abha.send_login_otp(
        way(by, otp_to), abha.protected(by, "value"), transaction
    )


def verify(by: str, otp_to: str) -> Made:
    return lambda abha: abha.verify_login(way(by, otp_to), TXN, OTP)


LOGIN, WEB = f"{ABHA}/profile/login", f"{ABHA}/phr/web/login/abha"
SENT = "OtpSentResponse"

#: By schema of the request: path, the sample that answers, and the call.
BODIES: dict[str, tuple[str, str, Made]] = {
    "EnrolOtpAadhaarRequest": (
        f"{ABHA}/enrollment/request/otp", SENT,
        lambda abha: abha.send_aadhaar_otp(abha.protected("aadhaar", "999900001238")),
    ),
    "EnrolByAadhaarOtpRequest": (
        f"{ABHA}/enrollment/enrol/byAadhaar", "EnrolResponse",
        lambda abha: abha.enrol(TXN, OTP, MOBILE),
    ),
    "EnrolOtpMobileRequest": (
        f"{ABHA}/enrollment/request/otp", SENT,
        lambda abha: abha.send_mobile_otp(TXN, MOBILE),
    ),
    "EnrolVerifyMobileRequest": (
        f"{ABHA}/enrollment/auth/byAbdm", "VerifyAbdmResponse",
        lambda abha: abha.verify_mobile(TXN, OTP),
    ),
    "SetAddressRequest": (
        f"{ABHA}/enrollment/enrol/abha-address", "SetAddressResponse",
        lambda abha: abha.set_address(TXN, "asha.verma84"),
    ),
    "SearchByNumberRequest": (
        f"{LOGIN}/search", "SearchByNumberResponse",
        lambda abha: abha.search_number(NUMBER),
    ),
    "SearchByMobileRequest": (
        f"{ABHA}/profile/account/abha/search", "SearchByMobileResponse",
        lambda abha: abha.search_mobile(MOBILE),
    ),
    "AddressSearchRequest": (
        f"{WEB}/search", "AddressSearchResponse",
        lambda abha: abha.search_address(ADDRESS),
    ),
    "VerifyUserRequest": (
        f"{LOGIN}/verify/user", "TokenResponse",
        lambda abha: abha.choose("a.transfer.token", NUMBER, TXN),
    ),
    "LoginOtpAbhaNumberAadhaarRequest": (
        f"{LOGIN}/request/otp", SENT, send("abha_number", "aadhaar"),
    ),
    "LoginOtpAbhaNumberMobileRequest": (
        f"{LOGIN}/request/otp", SENT, send("abha_number", "mobile"),
    ),
    "LoginOtpAadhaarRequest": (f"{LOGIN}/request/otp", SENT, send("aadhaar", "aadhaar")),
    "LoginOtpMobileRequest": (f"{LOGIN}/request/otp", SENT, send("mobile", "mobile")),
    "LoginOtpIndexMobileRequest": (
        f"{LOGIN}/request/otp", SENT, send("index", "mobile", TXN),
    ),
    "LoginOtpIndexAadhaarRequest": (
        f"{LOGIN}/request/otp", SENT, send("index", "aadhaar", TXN),
    ),
    "LoginVerifyAadhaarRequest": (
        f"{LOGIN}/verify", "LoginVerifyResponse", verify("abha_number", "aadhaar"),
    ),
    "LoginVerifyMobileRequest": (
        f"{LOGIN}/verify", "LoginVerifyResponse.transfer", verify("mobile", "mobile"),
    ),
    "LoginVerifyIndexMobileRequest": (
        f"{LOGIN}/verify", "LoginVerifyResponse", verify("index", "mobile"),
    ),
    "LoginVerifyIndexAadhaarRequest": (
        f"{LOGIN}/verify", "LoginVerifyResponse", verify("index", "aadhaar"),
    ),
    "AddressOtpMobileRequest": (
        f"{WEB}/request/otp", SENT, send("abha_address", "mobile"),
    ),
    "AddressOtpAadhaarRequest": (
        f"{WEB}/request/otp", SENT, send("abha_address", "aadhaar"),
    ),
    "AddressVerifyMobileRequest": (
        f"{WEB}/verify", "AddressVerifyResponse", verify("abha_address", "mobile"),
    ),
    "AddressVerifyAadhaarRequest": (
        f"{WEB}/verify", "AddressVerifyResponse", verify("abha_address", "aadhaar"),
    ),
}  # fmt: skip

#: Calls without a body: path, sample, header of their own, and the call.
READS: dict[str, tuple[str, str, tuple[str, str], Made]] = {
    "suggestions": (
        f"{ABHA}/enrollment/enrol/suggestion", "SuggestionResponse", ("transaction_id", TXN),
        lambda abha: abha.suggestions(TXN),
    ),
    "profile": (
        f"{ABHA}/profile/account", "ProfileResponse", ("x-token", "Bearer a.user.token"),
        lambda abha: abha.profile("a.user.token"),
    ),
    "profile of an address": (
        f"{ABHA}/phr/web/login/profile/abha-profile", "AddressProfileResponse",
        ("x-token", "Bearer a.user.token"),
        lambda abha: abha.profile("a.user.token", of_address=True),
    ),
    "refresh": (
        f"{ABHA}/profile/account/request/token", "TokenResponse",
        ("r-token", "Bearer a.refresh.token"),
        lambda abha: abha.refresh("a.refresh.token"),
    ),
}  # fmt: skip


@pytest.fixture
def theirs() -> Iterator[Outside]:
    """ABDM, recording; its certificate is that of a new key."""
    der = rsa.generate_private_key(65537, 2048).public_key()
    published = b64encode(der.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    with outside() as made:
        made.will_answer(
            "/public/certificate",
            (
                200,
                {
                    "publicKey": published.decode(),
                    "encryptionAlgorithm": "RSA/ECB/OAEPWithSHA-1AndMGF1Padding",
                },
            ),
        )
        yield made


@pytest.fixture
def service(theirs: Outside) -> AbhaService:
    config = rig.config("sqlite://", abdm_url=theirs.url, abha_url=theirs.url)
    return AbhaService(config, Gateway(config, lambda: NOW), lambda: NOW)


@pytest.fixture
def registry(theirs: Outside) -> FacilityRegistry:
    config = rig.config("sqlite://", abdm_url=theirs.url, abdm_facility_url=f"{theirs.url}/v4/int")
    return FacilityRegistry(config, Gateway(config, lambda: NOW), lambda: NOW)


def check_headers(call: Call) -> None:
    """The headers of every call (section 2)."""
    assert call.headers["authorization"] == "Bearer token-of-the-gateway"
    assert schemas.definition("Uuid").is_valid(call.request_id)
    assert call.headers["timestamp"] == "2026-11-23T06:41:09.127Z"


@pytest.mark.parametrize("name", BODIES)
def test_a_call_with_a_body_matches_its_schema(
    theirs: Outside, service: AbhaService, name: str
) -> None:
    path, answer, make = BODIES[name]
    assert schemas.problems(answer.partition(".")[0], sample(answer)) == []
    theirs.will_answer(path, (200, sample(answer)))
    make(service)
    call = theirs.only(path)
    assert schemas.problems(name, call.body) == []
    check_headers(call)
    for secret in (OTP, "999900001238"):
        assert secret not in call.raw.decode()


def test_every_request_of_the_contract_that_a_hospital_needs_is_made_here() -> None:
    requests = {name for name in schemas.names() if name.startswith(("Enrol", "Login", "Address"))}
    requests = {name for name in requests if name.endswith("Request")}
    # By e-mail nobody enrols at a desk.
    assert requests - set(BODIES) == {"EnrolOtpEmailRequest", "EnrolVerifyEmailRequest"}


@pytest.mark.parametrize("what", READS)
def test_a_call_without_a_body_names_whom_it_is_for(
    theirs: Outside, service: AbhaService, what: str
) -> None:
    path, answer, (header, value), make = READS[what]
    assert schemas.problems(answer, sample(answer)) == []
    theirs.will_answer(path, (200, sample(answer)))
    make(service)
    call = theirs.only(path)
    assert call.headers[header] == value
    assert call.raw == b""
    check_headers(call)


def test_the_transfer_token_goes_in_its_own_header(theirs: Outside, service: AbhaService) -> None:
    theirs.will_answer("/verify/user", (200, sample("TokenResponse")))
    service.choose("a.transfer.token", NUMBER, TXN)
    call = theirs.only("/verify/user")
    assert call.headers["t-token"] == "Bearer a.transfer.token"
    assert "x-token" not in call.headers


def test_the_key_is_fetched_once_for_many_calls(theirs: Outside, service: AbhaService) -> None:
    for _ in range(3):
        service.protected("otp", "123456")
    assert len(theirs.to("/public/certificate")) == 1


def test_a_facility_is_searched_and_linked_as_the_contract_says(
    theirs: Outside, registry: FacilityRegistry
) -> None:
    theirs.will_answer("/facility/search", (200, sample("FacilitySearchResponse")))
    found = sample("FacilitySearchResponse")["facilities"][0]
    assert registry.name_of(found["facilityId"]) == found["facilityName"]
    assert schemas.problems("FacilitySearchRequest", theirs.only("/facility/search").body) == []

    answer: Any = sample("FacilityServiceRegistrationResponse")
    assert schemas.problems("FacilityServiceRegistrationResponse", answer) == []
    theirs.will_answer("/MutipleHRPAddUpdateServices", (200, answer))
    registry.link("IN2910004417", "Lakeview Clinic", "Lakeview Clinic")
    call = theirs.only("/MutipleHRPAddUpdateServices")
    assert call.path == "/v4/int/v1/bridges/MutipleHRPAddUpdateServices"
    assert schemas.problems("FacilityServiceRegistration", call.body) == []
    check_headers(call)


def test_the_bridge_is_set_and_read_as_the_contract_says(
    theirs: Outside, registry: FacilityRegistry
) -> None:
    registry.set_bridge_url("https://his.example.org/abdm")
    call = theirs.only("/bridge/url")
    assert schemas.problems("BridgeUrlUpdate", call.body) == []
    assert call.headers["x-cm-id"] == "sbx"
    listed = sample("BridgeServicesResponse")
    theirs.will_answer("/bridge-services", (200, listed))
    bridge = registry.bridge()
    assert (bridge.url, len(bridge.services)) == (
        listed["bridge"].get("url"),
        len(listed["services"]),
    )
    one = sample("BridgeServiceResponse")
    theirs.will_answer("/bridge-service/serviceId/", (200, one), (204, None))
    service = registry.service(one["serviceId"])
    assert service is not None
    assert ("HIP" in service.types) is one["isHip"]
    assert registry.service("IN0000000000") is None
