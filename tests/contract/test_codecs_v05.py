"""Every v0.5 message: what we write fits its schema and equals its sample; samples are read."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from adapter.protocol import messages as m
from adapter.protocol import routes, stored, v05
from adapter.protocol.errors import CODES, MalformedRequest, ProtocolError, RequestNotServable
from conformance import schemas
from tests.contract import hiu_messages, openapi, test_codecs
from tests.contract.samples import (
    ADDRESS,
    HIP,
    HIU,
    ID,
    LINK,
    REQUEST,
    SAMPLES,
    TRANSACTION,
    TRANSFER,
    VISIT,
    at,
    sample,
)

ROOT = Path(__file__).resolve().parents[2]
AUTH, OTHER = f"00000501{ID}", f"00000102{ID}"
ENVELOPE = m.Envelope("v0.5", hip_id=HIP, hiu_id=HIU, response_to=REQUEST)
NOW = at("2026-11-02T04:10:00")

#: By sample. What a flow says is the same in V3; the rest is what V3 has no message for.
WRITTEN: dict[str, Any] = {
    **{
        name.removesuffix("Strict"): message
        for name, message in (test_codecs.WRITTEN | hiu_messages.WRITTEN).items()
    },
    "LinkTokenInit": m.LinkTokenInit(ADDRESS, "MOBILE_OTP"),
    "LinkTokenConfirm": m.LinkTokenConfirm(
        AUTH, demographics=m.Demographics("Meera Joshi", "F", date(1984, 11, 3), "9820000045")
    ),
    "LinkTokenConfirm.otp": m.LinkTokenConfirm(AUTH, otp="081604"),
    "LinkTokenOnNotifyRequest": m.LinkTokenOnNotifyRequest(),
    "PatientStatusOnNotifyRequest": m.PatientStatusOnNotifyRequest(),
    "FindPatientRequest": m.FindPatientRequest(ADDRESS),
    "OnDiscoverRequest.error": m.OnDiscoverRequest(TRANSACTION, error="PatientNotFound"),
    "OnLinkConfirmRequest.error": m.OnLinkConfirmRequest(error="OtpInvalid"),
    "HipHealthInformationOnRequest.error": m.HipHealthInformationOnRequest(
        TRANSFER, error="ConsentNotGranted"
    ),
    "ProfileOnShareRequest-v1.0": m.ProfileOnShareRequest(ADDRESS, "COUNTER-2", "17", 1800),
}

_TOKEN = ("a.link.token", at("2027-04-30T04:10:00"), 1)
_ENTRY = m.PatientEntry("MRN-2208", "", "", (m.CareContextEntry(VISIT, ""),))
_SHARED = test_codecs.READ["ProfileShare"].patient
READ: dict[str, Any] = {
    "LinkTokenModes": m.LinkTokenModes(("MOBILE_OTP", "DEMOGRAPHICS", "DIRECT")),
    "LinkTokenModes.error": m.LinkTokenModes((), m.ErrorObject("1404", "No such patient")),
    "LinkTokenChallenge": m.LinkTokenChallenge(
        AUTH, "MOBILE_OTP", "xxxxxx0045", at("2026-11-02T04:20:00")
    ),
    "LinkTokenChallenge.demographics": m.LinkTokenChallenge(AUTH, "DEMOGRAPHICS"),
    "LinkTokenChallenge.error": m.LinkTokenChallenge(
        None, None, error=m.ErrorObject("1407", "Too many OTP requests")
    ),
    "OnGenerateLinkToken": m.OnGenerateLinkToken(None, _TOKEN[0], None, *_TOKEN[1:]),
    "OnGenerateLinkToken.error": m.OnGenerateLinkToken(
        None, None, m.ErrorObject("1405", "Wrong OTP")
    ),
    "LinkTokenNotify": m.LinkTokenNotify(AUTH, True, *_TOKEN),
    "LinkTokenNotify.denied": m.LinkTokenNotify(AUTH, False, None),
    "OnHipLinkCareContext": m.OnHipLinkCareContext(None, "SUCCESS", None),
    "OnHipLinkCareContext.error": m.OnHipLinkCareContext(
        None, None, m.ErrorObject("1421", "Care context already linked")
    ),
    "OnCareContextNotify": m.OnCareContextNotify("SUCCESS", None),
    "OnSmsNotify": m.OnSmsNotify("ACKNOWLEDGED", None),
    "PatientStatusNotify": m.PatientStatusNotify(ADDRESS, "DEACTIVATED"),
    "DiscoverCareContexts": m.DiscoverCareContexts(
        TRANSACTION,
        ADDRESS,
        (
            m.Identifier("MOBILE", "+91-9820000045"),
            m.Identifier("ABHA_NUMBER", "91-2200-0000-4405"),
            m.Identifier("ABHA_ADDRESS", ADDRESS),
        ),
        (m.Identifier("MR", "MRN-2208"),),
        "Meera Joshi",
        "F",
        1984,
    ),
    "LinkInit": m.LinkInit(TRANSACTION, ADDRESS, (_ENTRY,)),
    "LinkConfirm": m.LinkConfirm(LINK, "081604"),
    "ProfileShare": m.ProfileShare("PROFILE_SHARE", "", "COUNTER-2", _SHARED),
    "ProfileShare-v1.0": m.ProfileShare("PROFILE_SHARE", "", "COUNTER-2", _SHARED),
    "HipConsentNotify": None,
    "HipConsentNotify.revoked": replace(
        test_codecs.READ["HipConsentNotify.revoked"], signature="c2FtcGxlIHNpZ25hdHVyZQ=="
    ),
    "HipHealthInformationRequest": test_codecs.READ["HipHealthInformationRequest"],
    "OnFindPatient": m.OnFindPatient(ADDRESS, None),
    "OnFindPatient.error": m.OnFindPatient(None, m.ErrorObject("1404", "No such patient")),
    "OnConsentRequestInit": hiu_messages.READ["OnConsentRequestInit"],
    "OnConsentRequestInit.error": m.OnConsentRequestInit(
        None, m.ErrorObject("1411", "Invalid HIU ID")
    ),
    "OnConsentRequestStatus": hiu_messages.READ["OnConsentRequestStatus"],
    "OnConsentRequestStatus.error": m.OnConsentRequestStatus(
        None, None, (), m.ErrorObject("1411", "No data found")
    ),
    "HiuConsentNotify": hiu_messages.READ["HiuConsentNotify"],
    "HiuConsentNotify.denied": hiu_messages.READ["HiuConsentNotify.denied"],
    "OnConsentFetch": None,
    "OnHiuHealthInformationRequest": hiu_messages.READ["OnHiuHealthInformationRequest"],
    "OnHiuHealthInformationRequest.error": m.OnHiuHealthInformationRequest(
        None, None, m.ErrorObject("1411", "Consent artefact expired")
    ),
}
SAMPLE_FILES = sorted(path.stem for path in (SAMPLES / "v05").glob("*.json"))


def dialect(name: str) -> str:
    return "v1.0" if "-v1.0" in name else "v0.5"


def message_name(name: str) -> str:
    return name.partition(".")[0].partition("-")[0]


def schema_name(name: str) -> str:
    return name if "-v1.0" in name else name.partition(".")[0]


def written(name: str) -> dict[str, Any]:
    """The body as it leaves. A page goes to another party, without the gateway's envelope."""
    message = WRITTEN[name]
    wire = routes.outbound(dialect(name), type(message)).encode(ENVELOPE, message)
    if isinstance(message, m.HealthInformationPush):
        return wire.body
    return routes.enveloped(dialect(name), wire, OTHER, NOW).body


def decode(name: str, body: Mapping[str, Any], hip_id: str | None = HIP) -> Any:
    headers = {"X-HIP-ID": hip_id}
    return routes.decode(dialect(name), message_name(name), headers, json.dumps(body).encode())


@pytest.mark.parametrize("name", WRITTEN)
def test_message_is_written_as_its_sample(name: str) -> None:
    assert written(name) == sample(name, "v05")
    assert schemas.problems(schema_name(name), written(name), "v0.5") == []


@pytest.mark.parametrize("name", SAMPLE_FILES)
def test_sample_satisfies_its_schema(name: str) -> None:
    assert schemas.problems(schema_name(name), sample(name, "v05"), "v0.5") == []


@pytest.mark.parametrize("name", SAMPLE_FILES if openapi.FOLDER.is_dir() else [])
def test_sample_satisfies_what_ndhm_published(name: str) -> None:
    body = sample(name, "v05")
    assert openapi.problems(schema_name(name), body) == []
    assert openapi.problems(schema_name(name), {}) != []


def test_every_row_and_every_schema_has_a_sample() -> None:
    for name, written_or_read, rows in (
        ("v0.5", WRITTEN, v05.DIALECT.outbound),
        ("v1.0", WRITTEN, v05.SHARE_DIALECT.outbound),
        ("v0.5", READ, v05.DIALECT.inbound),
        ("v1.0", READ, v05.SHARE_DIALECT.inbound),
    ):
        shown = {message_name(each) for each in written_or_read if dialect(each) == name}
        assert {row.message.__name__ for row in rows} == shown
    assert {schema_name(name) for name in SAMPLE_FILES} == set(schemas.names("v0.5"))


def test_every_path_of_ndhms_files_is_in_the_table_of_messages() -> None:
    if not openapi.FOLDER.is_dir():
        return
    table = (ROOT / "conformance" / "messages.md").read_text("utf-8")
    told = {path.removeprefix("/gateway") for path in re.findall(r"`(/[^` ]+)`", table)}
    files = ("ndhm-devservice", "ndhm-gateway-v1", "ndhm-hip", "ndhm-hiu")
    assert {path for file in files for path in openapi.paths(file)} <= told


def test_every_message_of_v3_has_its_row_in_v05() -> None:
    for side in (routes.inbound, lambda name: routes.dialect_of(name).outbound):
        assert {row.message for row in side("v3")} <= {row.message for row in side("v0.5")}


@pytest.mark.parametrize("name", READ)
def test_sample_is_read_and_survives_storing(name: str) -> None:
    _, message = decode(name, sample(name, "v05"))
    if READ[name] is not None:
        assert message == READ[name]
    assert stored.load(type(message).__name__, stored.dump(message)) == message


@pytest.mark.parametrize("name", WRITTEN)
def test_written_message_survives_storing(name: str) -> None:
    assert stored.load(message_name(name), stored.dump(WRITTEN[name])) == WRITTEN[name]


def test_an_artefact_is_read_as_in_v3() -> None:
    _, notice = decode("HipConsentNotify", sample("HipConsentNotify", "v05"))
    assert notice.artefact.permission == test_codecs.ARTEFACT_PERMISSION
    assert notice.artefact.care_contexts == (m.CareContextRef("MRN-2208", VISIT),)
    _, fetched = decode("OnConsentFetch", sample("OnConsentFetch", "v05"))
    assert (fetched.status, fetched.artefact.hiu_id) == ("GRANTED", HIU)


def test_id_and_time_of_a_message_stand_in_its_body_and_its_facility_in_a_header() -> None:
    envelope, _ = decode("OnHipLinkCareContext", sample("OnHipLinkCareContext", "v05"))
    assert envelope == m.Envelope("v0.5", OTHER, NOW, HIP, None, response_to=REQUEST)
    share, _ = decode("ProfileShare-v1.0", sample("ProfileShare-v1.0", "v05"))
    assert share.reply().dialect == "v1.0"


@pytest.mark.parametrize("place", ["requestId", "timestamp", "resp"])
def test_an_answer_without_id_time_or_what_it_answers_is_refused_by_name(place: str) -> None:
    body = sample("OnHipLinkCareContext", "v05")
    del body[place]
    with pytest.raises(MalformedRequest, match=place):
        decode("OnHipLinkCareContext", body)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("LinkTokenModes", "auth.modes", None),
        ("LinkTokenChallenge", "auth.mode", "SIGNATURE"),
        ("LinkTokenChallenge", "auth.transactionId", None),
        ("OnGenerateLinkToken", "auth.accessToken", None),
        ("LinkTokenNotify", "auth.status", "MAYBE"),
        ("LinkTokenNotify", "auth.accessToken", None),
        ("PatientStatusNotify", "notification.status", "ASLEEP"),
        ("LinkInit", "patient.careContexts", []),
        ("LinkInit", "patient.referenceNumber", None),
        ("ProfileShare", "profile.patient.healthId", None),
        ("ProfileShare-v1.0", "intent.type", None),
        ("OnFindPatient", "patient.id", None),
    ],
)
def test_a_field_that_is_missing_or_unusable_is_refused_by_name(
    name: str, place: str, value: Any
) -> None:
    body = sample(name, "v05")
    *path, last = place.split(".")
    holder = body
    for part in path:
        holder = holder[part]
    holder[last] = value
    with pytest.raises(MalformedRequest) as caught:
        decode(name, body)
    assert place in caught.value.sentence


def test_null_members_are_read_as_absent_ones() -> None:
    body = sample("OnConsentRequestInit.error", "v05") | {"consentRequest": None}
    assert decode("OnConsentRequestInit", body)[1].error.code == "1411"
    body = sample("LinkTokenChallenge", "v05") | {"error": None}
    body["auth"]["meta"] = None
    assert decode("LinkTokenChallenge", body)[1].hint is None


@pytest.mark.parametrize("error", test_codecs.all_protocol_errors())
def test_every_error_a_flow_may_raise_can_be_said_in_a_reply(error: str) -> None:
    for reply in (
        m.HipHealthInformationOnRequest(TRANSFER, error=error),
        m.LinkTokenOnNotifyRequest(error),
        m.PatientStatusOnNotifyRequest(error),
        m.ProfileOnShareRequest(ADDRESS, error=error),
    ):
        row = routes.outbound("v0.5", type(reply))
        body = routes.enveloped("v0.5", row.encode(ENVELOPE, reply), OTHER, NOW).body
        assert schemas.problems(type(reply).__name__, body, "v0.5") == []
        assert body["error"] == {"code": CODES[error].v05, "message": CODES[error].message}
        assert body["resp"] == {"requestId": REQUEST}


def test_no_header_of_ours_carries_what_v05_has_in_the_body() -> None:
    for name, message in WRITTEN.items():
        assert routes.outbound(dialect(name), type(message)).encode(ENVELOPE, message).headers == {}


def test_a_care_context_with_several_hi_types_stands_there_once() -> None:
    request = m.HipLinkCareContextRequest(ADDRESS, None, test_codecs.BOTH, "a.link.token")
    body = routes.outbound("v0.5", type(request)).encode(ENVELOPE, request).body
    (context,) = body["link"]["patient"]["careContexts"]
    assert context["referenceNumber"] == VISIT


def notice(*hi_types: str) -> m.CareContextNotifyRequest:
    return m.CareContextNotifyRequest(ADDRESS, "MRN-2208", VISIT, hi_types, NOW, "Sahyadri")


def test_invoices_are_left_out_of_the_hi_types_since_v05_has_none() -> None:
    row = routes.outbound("v0.5", m.CareContextNotifyRequest)
    body = row.encode(ENVELOPE, notice("OPConsultation", "Invoice")).body
    assert body["notification"]["hiTypes"] == ["OPConsultation"]


def test_what_is_about_invoices_only_cannot_be_said_and_the_sentence_tells_what_to_do() -> None:
    row = routes.outbound("v0.5", m.CareContextNotifyRequest)
    with pytest.raises(RequestNotServable, match="FACILITY_API_VERSIONS"):
        row.encode(ENVELOPE, notice("Invoice"))


def test_every_error_has_a_code_in_both_generations() -> None:
    for name in (cls.__name__ for cls in ProtocolError.__subclasses__()):
        assert routes.dialect_of("v3").code(name) == CODES[name].v3
        assert routes.dialect_of("v0.5").code(name) == CODES[name].v05


def test_only_v05_can_ask_whether_an_abha_address_exists() -> None:
    assert routes.offers("v0.5", m.FindPatientRequest)
    assert not routes.offers("v3", m.FindPatientRequest)
