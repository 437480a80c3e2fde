"""The message schemas: every sample fits, and each known mistake is refused."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

import conformance
from conformance import schemas

SAMPLES = Path(conformance.__file__).parent / "samples" / "v3"
FILES = sorted(SAMPLES.glob("*.json"))


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_sample_fits_its_schema(path: Path) -> None:
    assert schemas.problems(path.stem.split(".")[0], json.loads(path.read_text("utf-8"))) == []


def test_every_message_has_a_sample_and_every_sample_a_message() -> None:
    assert {path.stem.split(".")[0] for path in FILES} == set(schemas.names())


@pytest.mark.parametrize("name", schemas.names())
def test_schema_is_itself_valid(name: str) -> None:
    schemas.validator(name).check_schema(json.loads(schemas.files()[name].read_text("utf-8")))


def test_unknown_message_is_named() -> None:
    with pytest.raises(KeyError, match="NoSuchMessage"):
        schemas.validator("NoSuchMessage")


REMOVE = object()
# (message, path to the member, wrong value): what the published counter-examples forbid
MISTAKES: list[tuple[str, str, Any]] = [
    ("GenerateLinkTokenRequest", "gender", "Female"),
    ("GenerateLinkTokenRequest", "abhaNumber", "91-2200-0000-4405"),
    ("HipLinkCareContextRequest", "abhaNumber", "91-2200-0000-4405"),
    ("HipLinkCareContextRequest", "patient/0/hiType", ["OPConsultation"]),
    ("HipLinkCareContextRequest", "patient/0/hiType", REMOVE),
    ("HipLinkCareContextRequest", "patient/0/hiTypes", "OPConsultation"),
    ("HipLinkCareContextRequest", "patient/0/count", 21),
    ("HipLinkCareContextRequest", "patient/0/count", 0),
    ("HipLinkCareContextRequest", "patient/0/careContexts", []),
    ("CareContextNotifyRequest", "notification/hiTypes", "OPConsultation"),
    ("SmsNotifyRequest", "requestId", "0000"),
    ("OnDiscoverRequest", "patient/0/hiType", ["OPConsultation"]),
    ("OnDiscoverRequest", "error", {"code": "ABDM-1010", "message": "x"}),
    ("OnDiscoverRequest", "matchedBy", REMOVE),
    ("OnLinkInitRequest", "link/authenticationType", "MEDIATE"),
    ("OnLinkInitRequest", "link/meta/communicationExpiry", "2026-11-02T04:20:00Z"),
    ("OnLinkConfirmRequest", "response", REMOVE),
    ("OnLinkConfirmRequest", "response/requestId", "not-a-uuid"),
    ("HipConsentOnNotifyRequest", "acknowledgement/status", "ok"),
    ("HipHealthInformationOnRequest", "hiRequest/sessionStatus", "REQUESTED"),
    ("HiuConsentOnNotifyRequest", "acknowledgement", {"status": "OK", "consentId": "x"}),
    ("ConsentRequestInit", "consent/purpose/code", REMOVE),
    ("ConsentRequestInit", "consent/purpose/text", "Self Requested"),
    ("ConsentRequestInit", "consent/permission/dateRange/from", "2026-01-01"),
    ("ConsentRequestInit", "consent/permission/frequency/unit", "MINUTE"),
    (
        "HiuHealthInformationRequest",
        "hiRequest/keyMaterial/nonce",
        "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    ),
    ("HiuHealthInformationRequest", "hiRequest/keyMaterial/cryptoAlg", "RSA"),
    ("HiuHealthInformationRequest", "hiRequest/dataPushUrl", "ftp://x.example.in"),
    ("DataFlowNotifyByHip", "notification/notifier/type", "HIU"),
    (
        "DataFlowNotifyByHip",
        "notification/statusNotification/statusResponses/0/hiStatus",
        "FAILED",
    ),
    ("DataFlowNotifyByHiu", "notification/statusNotification/sessionStatus", "DELIVERED"),
    ("HealthInformationPushStrict", "entries/0/checksum", "string"),
    ("HealthInformationPushStrict", "pageNumber", 0),
    ("OnHipLinkCareContext", "status", "SUCCESS"),
    ("HipConsentNotify", "notification/consentDetail", REMOVE),
    ("HiuConsentNotify", "notification/consentArtefacts", []),
    ("DiscoverCareContexts", "patient/yearOfBirth", "84"),
    ("LinkConfirm", "confirmation/token", "12345"),
    ("LinkConfirm", "confirmation/token", "१२३४५६"),
    ("LinkConfirm", "confirmation/token", "123456\n"),
    ("SessionRequest", "grantType", "refresh_token"),
    ("EnrolOtpAadhaarRequest", "scope", ["abha-enrol", "mobile-verify"]),
    ("EnrolOtpAadhaarRequest", "loginId", "9999 8888"),
    ("EnrolOtpMobileRequest", "txnId", ""),
    ("EnrolByAadhaarOtpRequest", "consent", REMOVE),
    ("EnrolByAadhaarOtpRequest", "consent/version", "1.3"),
    ("EnrolByAadhaarOtpRequest", "authData/otp/mobile", "98200"),
    ("SetAddressRequest", "abhaAddress", "meera.joshi@sbx"),
    ("SetAddressRequest", "abhaAddress", "meera..joshi"),
    ("SetAddressRequest", "abhaAddress", "short"),
    ("SetAddressRequest", "preferred", "1"),
    ("LoginOtpMobileRequest", "otpSystem", "aadhaar"),
    ("LoginVerifyAadhaarRequest", "authData/otp/otpValue", "123456"),
    ("LoginVerifyResponse", "token", REMOVE),
    ("SearchByNumberRequest", "ABHANumber", "91220000004405"),
    ("VerifyUserRequest", "txnId", REMOVE),
    ("AddressVerifyResponse", "tokens", REMOVE),
    ("FacilitySearchRequest", "resultsPerPage", 5),
]


def changed(body: Any, path: str, value: Any) -> Any:
    body = deepcopy(body)
    *way, last = path.split("/")
    holder = body
    for step in way:
        holder = holder[int(step) if step.isdigit() else step]
    if value is REMOVE:
        del holder[last]
    else:
        holder[int(last) if last.isdigit() else last] = value
    return body


@pytest.mark.parametrize(
    ("name", "path", "value"), MISTAKES, ids=[f"{n} {p} {v!r:.20}" for n, p, v in MISTAKES]
)
def test_mistake_is_refused(name: str, path: str, value: Any) -> None:
    assert schemas.problems(name, changed(sample(name), path, value))


def test_array_acknowledgement_of_a_hip_is_refused() -> None:
    body = sample("HipConsentOnNotifyRequest")
    body["acknowledgement"] = [body["acknowledgement"]]
    assert schemas.problems("HipConsentOnNotifyRequest", body)


def test_problems_name_the_place_and_never_the_value() -> None:
    body = changed(sample("GenerateLinkTokenRequest"), "abhaNumber", "91-2200-0000-4405")
    (first, *_rest) = schemas.problems("GenerateLinkTokenRequest", body)
    assert first.startswith("abhaNumber: ")
    assert not any("4405" in problem for problem in schemas.problems("SessionRequest", body))
    assert "4405" not in "".join(schemas.problems("GenerateLinkTokenRequest", body))
