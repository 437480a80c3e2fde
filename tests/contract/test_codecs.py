"""Every V3 message: what we write satisfies its schema and equals its sample; samples are read."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from adapter.protocol import messages as m
from adapter.protocol import routes, stored, v3
from adapter.protocol.errors import CODES, MalformedRequest, ProtocolError
from conformance.schemas import problems
from tests.contract import hiu_messages
from tests.contract.samples import (
    ADDRESS,
    CONSENT,
    HIP,
    HIU,
    LINK,
    REQUEST,
    TRANSACTION,
    TRANSFER,
    VISIT,
    at,
    sample,
)


def entry(hi_type: str) -> m.PatientEntry:
    context = m.CareContextEntry(VISIT, "OPD visit 14 Aug 2026")
    return m.PatientEntry("MRN-2208", "Meera Joshi", hi_type, (context,))


BOTH = (entry("OPConsultation"), entry("Prescription"))
PUSH = sample("HealthInformationPushStrict")

WRITTEN: dict[str, Any] = {
    "GenerateLinkTokenRequest": m.GenerateLinkTokenRequest(
        ADDRESS, "91-2200-0000-4405", "Meera Joshi", "F", 1984
    ),
    "HipLinkCareContextRequest": m.HipLinkCareContextRequest(
        ADDRESS, "91220000004405", BOTH, "a.link.token"
    ),
    "CareContextNotifyRequest": m.CareContextNotifyRequest(
        ADDRESS,
        "MRN-2208",
        VISIT,
        ("OPConsultation",),
        at("2026-08-14T10:05:00"),
        "Sahyadri General Hospital",
    ),
    "SmsNotifyRequest": m.SmsNotifyRequest("9820000045", "Sahyadri General Hospital"),
    "OnDiscoverRequest": m.OnDiscoverRequest(TRANSACTION, BOTH, ("MOBILE",)),
    "OnLinkInitRequest": m.OnLinkInitRequest(
        TRANSACTION, LINK, "xxxxxx0045", at("2026-11-02T04:20:00")
    ),
    "OnLinkConfirmRequest": m.OnLinkConfirmRequest((entry("OPConsultation"),)),
    "ProfileOnShareRequest": m.ProfileOnShareRequest(ADDRESS, "COUNTER-2", "17", 1800),
    "HipConsentOnNotifyRequest": m.HipConsentOnNotifyRequest(CONSENT),
    "HipHealthInformationOnRequest": m.HipHealthInformationOnRequest(TRANSFER),
    "DataFlowNotifyByHip": m.DataFlowNotifyByHip(
        CONSENT,
        TRANSFER,
        at("2026-11-02T04:12:00"),
        (m.ContextStatus(VISIT, True, "Delivered"),),
    ),
    "HealthInformationPushStrict": m.HealthInformationPush(
        TRANSFER,
        1,
        1,
        (
            m.HealthInformationEntry(
                PUSH["entries"][0]["content"], PUSH["entries"][0]["checksum"], VISIT
            ),
        ),
        m.KeyMaterial(
            PUSH["keyMaterial"]["dhPublicKey"]["keyValue"],
            PUSH["keyMaterial"]["nonce"],
            at("2026-12-01T06:00:00"),
        ),
    ),
    **hiu_messages.WRITTEN,
}

HEADERS = {
    "Request-Id": REQUEST,
    "timestamp": "2026-11-02T04:10:00Z",
    "X-HIP-ID": HIP,
}
ENVELOPE = m.Envelope("v3", hip_id=HIP, hiu_id=HIU, response_to=REQUEST)


def encode(message: Any) -> routes.Wire:
    return routes.outbound("v3", type(message)).encode(ENVELOPE, message)


def decode(name: str, body: Mapping[str, Any]) -> Any:
    return routes.decode("v3", name, HEADERS, json.dumps(body).encode())[1]


@pytest.mark.parametrize("name", WRITTEN)
def test_message_is_written_as_its_sample_and_satisfies_its_schema(name: str) -> None:
    wire = encode(WRITTEN[name])
    assert problems(name, wire.body) == []
    assert wire.body == sample(name)


def test_every_outbound_row_of_the_table_has_a_written_sample_here() -> None:
    rows = {row.message for row in v3.OUTBOUND}
    assert {type(message) for message in WRITTEN.values()} == rows


REPLIES_WITH_ERROR = [
    m.OnDiscoverRequest(TRANSACTION, error="PatientNotFound"),
    m.OnLinkInitRequest(TRANSACTION, error="OtpNotSent"),
    m.OnLinkConfirmRequest(error="OtpInvalid"),
    m.HipConsentOnNotifyRequest(CONSENT, error="ConsentExpired"),
    m.ProfileOnShareRequest(ADDRESS, error="ShareNotSupported"),
    m.HipHealthInformationOnRequest(TRANSFER, error="ConsentNotGranted"),
    m.HiuConsentOnNotifyRequest(error="RequestNotServable"),
]


@pytest.mark.parametrize("reply", REPLIES_WITH_ERROR, ids=lambda r: type(r).__name__)
def test_reply_with_an_error_carries_its_code_and_no_result(reply: Any) -> None:
    body = encode(reply).body
    assert problems(type(reply).__name__, body) == []
    assert body["error"] == {"code": CODES[reply.error].v3, "message": CODES[reply.error].message}
    assert body["response"] == {"requestId": REQUEST}
    assert not {"patient", "link", "acknowledgement", "hiRequest"} & set(body)


def all_protocol_errors() -> list[str]:
    return sorted(cls.__name__ for cls in ProtocolError.__subclasses__())


@pytest.mark.parametrize("error", all_protocol_errors())
def test_every_error_a_flow_may_raise_can_be_said_in_a_reply(error: str) -> None:
    body = encode(m.HipHealthInformationOnRequest(TRANSFER, error=error)).body
    assert problems("HipHealthInformationOnRequest", body) == []


def test_every_call_names_its_hip_or_hiu_and_only_the_link_carries_the_link_token() -> None:
    for name, message in WRITTEN.items():
        headers = encode(message).headers
        if name in hiu_messages.WRITTEN:
            assert headers == {"X-HIU-ID": HIU}
        elif name == "HealthInformationPushStrict":
            assert headers == {}
        elif name == "HipLinkCareContextRequest":
            assert headers == {"X-HIP-ID": HIP, "X-LINK-TOKEN": "a.link.token"}
        else:
            assert headers == {"X-HIP-ID": HIP}


def test_transfer_report_says_failed_only_when_nothing_was_delivered() -> None:
    statuses = (m.ContextStatus(VISIT, False, "Receiver gone"), m.ContextStatus("b", True, "ok"))
    for delivered, word in ((statuses, "TRANSFERRED"), (statuses[:1], "FAILED")):
        report = m.DataFlowNotifyByHip(CONSENT, TRANSFER, at("2026-11-02T04:12:00"), delivered)
        status = encode(report).body["notification"]["statusNotification"]
        assert status["sessionStatus"] == word
        assert status["statusResponses"][0]["hiStatus"] == "ERRORED"


def test_displays_that_abdm_would_refuse_are_reduced_and_never_empty() -> None:
    context = m.CareContextEntry("Encounter-1", "परामर्श 14 Aug 2026")
    patient = m.PatientEntry("MRN-1", "मीरा जोशी", "OPConsultation", (context,))
    body = encode(m.OnDiscoverRequest(TRANSACTION, (patient,), ("MOBILE",))).body
    assert problems("OnDiscoverRequest", body) == []
    assert body["patient"][0]["display"] == "Patient"
    assert body["patient"][0]["careContexts"][0]["display"] == "14 Aug 2026"


def test_description_of_a_failed_context_is_reduced_to_the_data_flow_class() -> None:
    status = m.ContextStatus(VISIT, False, "Receiver répondit (401) – शून्य")
    report = m.DataFlowNotifyByHip(CONSENT, TRANSFER, at("2026-11-02T04:12:00"), (status,))
    body = encode(report).body
    assert problems("DataFlowNotifyByHip", body) == []


# --- reading -----------------------------------------------------------------------------------

ARTEFACT_PERMISSION = m.Permission(
    "VIEW",
    m.DateRange(at("2026-01-01T00:00:00"), at("2026-11-01T00:00:00")),
    at("2027-01-31T18:30:00"),
    m.Frequency("HOUR", 1, 0),
)

READ: dict[str, Any] = {
    "OnGenerateLinkToken": None,
    "OnGenerateLinkToken.error": None,
    "OnHipLinkCareContext": None,
    "OnHipLinkCareContext.error": m.OnHipLinkCareContext(
        ADDRESS,
        "Failed to link care context",
        m.ErrorObject("ABDM-1056", "This care contexts has been already linked"),
    ),
    "OnCareContextNotify": m.OnCareContextNotify("SUCCESS", None),
    "OnCareContextNotify.error": m.OnCareContextNotify(
        "ERRORED",
        m.ErrorObject("ABDM-1006", "No care context linked with given reference number"),
    ),
    "OnSmsNotify": m.OnSmsNotify("SUCCESS", None),
    "OnSmsNotify.error": m.OnSmsNotify(
        None, m.ErrorObject("ABDM-1024", "Dependent service unavailable")
    ),
    "DiscoverCareContexts": None,
    "DiscoverCareContexts.nulls": m.DiscoverCareContexts(
        TRANSACTION, ADDRESS, (), (), "Meera Joshi", "F", 1984
    ),
    "LinkInit": m.LinkInit(
        TRANSACTION,
        ADDRESS,
        (m.PatientEntry("MRN-2208", "", "OPConsultation", (m.CareContextEntry(VISIT, ""),)),),
    ),
    "LinkInit.error": m.LinkInit(
        TRANSACTION,
        None,
        (),
        m.ErrorObject("ABDM-1056", "This care contexts has been already linked"),
    ),
    "LinkConfirm": None,
    "LinkConfirm.number": m.LinkConfirm(LINK, "081604"),
    "ProfileShare": m.ProfileShare(
        "PROFILE_SHARE",
        HIP,
        "COUNTER-2",
        m.SharedPatient(
            ADDRESS,
            "91-2200-0000-4405",
            "Meera Joshi",
            "F",
            1984,
            11,
            3,
            "4 Hill Road",
            "Mumbai",
            "Maharashtra",
            "400050",
            "9820000045",
        ),
    ),
    "HipConsentNotify": None,
    "HipConsentNotify.revoked": m.HipConsentNotify(CONSENT, "REVOKED", None, None),
    "HipConsentNotify.expired": m.HipConsentNotify(CONSENT, "EXPIRED", None, None),
    "HipHealthInformationRequest": m.HipHealthInformationRequest(
        TRANSFER,
        CONSENT,
        m.DateRange(at("2026-01-01T00:00:00"), at("2026-11-01T00:00:00")),
        "https://hiu.example.in/push/7Jm2rKq0sYv1",
        m.KeyMaterial(
            sample("HipHealthInformationRequest")["hiRequest"]["keyMaterial"]["dhPublicKey"][
                "keyValue"
            ],
            sample("HipHealthInformationRequest")["hiRequest"]["keyMaterial"]["nonce"],
            at("2026-12-01T06:00:00"),
        ),
    ),
    **hiu_messages.READ,
}


@pytest.mark.parametrize("name", READ)
def test_sample_is_read_and_survives_storing(name: str) -> None:
    message = decode(name.partition(".")[0], sample(name))
    if READ[name] is not None:
        assert message == READ[name]
    assert stored.load(type(message).__name__, stored.dump(message)) == message


def test_every_inbound_row_has_a_sample_that_satisfies_its_schema() -> None:
    read = {name.partition(".")[0] for name in READ}
    assert {row.message.__name__ for row in routes.inbound("v3")} == read
    for name in READ:
        assert problems(name.partition(".")[0], sample(name)) == []


@pytest.mark.parametrize("name", WRITTEN)
def test_written_message_survives_storing(name: str) -> None:
    message = WRITTEN[name]
    assert stored.load(type(message).__name__, stored.dump(message)) == message


def test_granted_consent_is_read_whole() -> None:
    notice = decode("HipConsentNotify", sample("HipConsentNotify"))
    artefact = notice.artefact
    assert (notice.consent_id, notice.status) == (CONSENT, "GRANTED")
    assert notice.signature == "c2FtcGxlIHNpZ25hdHVyZQ=="
    assert artefact.permission == ARTEFACT_PERMISSION
    assert artefact.care_contexts == (m.CareContextRef("MRN-2208", VISIT),)
    assert artefact.hi_types == ("OPConsultation", "Prescription")
    assert (artefact.hip_id, artefact.hiu_id, artefact.hiu_name) == (
        HIP,
        "IN2710000007",
        "Lakeside Clinic",
    )
    assert artefact.requester_name == "Dr. Farah Khan"
    assert (
        json.loads(artefact.verbatim) == sample("HipConsentNotify")["notification"]["consentDetail"]
    )


def test_artefact_is_kept_to_the_letter_as_it_stood_in_the_body() -> None:
    detail = json.dumps(sample("HipConsentNotify")["notification"]["consentDetail"])
    odd = detail.replace('"VIEW"', '"VI\\u0045W"').replace(": ", " :\n ")
    body = (
        f'{{ "x": {{"consentDetail": 1}}, "notification" : {{"status":"GRANTED",'
        f'"consentId":"{CONSENT}" , "consentDetail":\t{odd} }} }}'
    )
    _, notice = routes.decode("v3", "HipConsentNotify", HEADERS, body.encode())
    assert notice.artefact.verbatim == odd
    assert notice.artefact.permission.access_mode == "VIEW"


def test_erase_date_and_frequency_are_also_found_one_level_up() -> None:
    body = sample("HipConsentNotify")
    detail = body["notification"]["consentDetail"]
    detail["dataEraseAt"] = detail["permission"].pop("dataEraseAt")
    detail["frequency"] = detail["permission"].pop("frequency")
    assert decode("HipConsentNotify", body).artefact.permission == ARTEFACT_PERMISSION


def test_envelope_is_read_from_headers_in_any_case() -> None:
    body = json.dumps(sample("OnHipLinkCareContext")).encode()
    headers = HEADERS | {"x-hiu-id": "HIU1"}
    envelope, _ = routes.decode("v3", "OnHipLinkCareContext", headers, body)
    assert envelope == m.Envelope(
        "v3", REQUEST, at("2026-11-02T04:10:00"), HIP, "HIU1", response_to=REQUEST
    )


def test_unknown_fields_and_the_older_name_of_response_are_accepted() -> None:
    body = sample("OnHipLinkCareContext")
    body["resp"] = body.pop("response")
    body["response"] = None
    body["surprise"] = {"deep": [1]}
    envelope, _ = routes.decode("v3", "OnHipLinkCareContext", HEADERS, body)
    assert envelope.response_to == REQUEST


REQUIRED = [
    ("DiscoverCareContexts", "transactionId"),
    ("DiscoverCareContexts", "patient"),
    ("DiscoverCareContexts", "patient.id"),
    ("DiscoverCareContexts", "patient.name"),
    ("DiscoverCareContexts", "patient.gender"),
    ("DiscoverCareContexts", "patient.yearOfBirth"),
    ("LinkInit", "transactionId"),
    ("LinkInit", "patient"),
    ("LinkConfirm", "confirmation"),
    ("LinkConfirm", "confirmation.token"),
    ("LinkConfirm", "confirmation.linkRefNumber"),
    ("HipConsentNotify", "notification.status"),
    ("HipConsentNotify", "notification.consentId"),
    ("HipConsentNotify", "notification.consentDetail"),
    ("HipConsentNotify", "notification.consentDetail.hiTypes"),
    ("HipConsentNotify", "notification.consentDetail.permission.dataEraseAt"),
    ("HipConsentNotify", "notification.consentDetail.permission.dateRange.from"),
    ("HipHealthInformationRequest", "transactionId"),
    ("HipHealthInformationRequest", "hiRequest.consent.id"),
    ("HipHealthInformationRequest", "hiRequest.dateRange.to"),
    ("HipHealthInformationRequest", "hiRequest.dataPushUrl"),
    ("HipHealthInformationRequest", "hiRequest.keyMaterial.nonce"),
    ("HipHealthInformationRequest", "hiRequest.keyMaterial.dhPublicKey.keyValue"),
    ("OnGenerateLinkToken", "linkToken"),
    ("OnHipLinkCareContext", "response.requestId"),
    ("OnCareContextNotify", "response"),
    *hiu_messages.REQUIRED,
]


@pytest.mark.parametrize("value", ["removed", None], ids=["absent", "null"])
@pytest.mark.parametrize(("name", "place"), REQUIRED)
def test_missing_required_field_is_refused_by_name(
    name: str, place: str, value: str | None
) -> None:
    body = sample(name)
    *path, last = place.split(".")
    holder = body
    for part in path:
        holder = holder[part]
    if value is None:
        holder[last] = None
    else:
        del holder[last]
    with pytest.raises(MalformedRequest) as caught:
        decode(name, body)
    assert place in caught.value.sentence


WRONG = [
    ("DiscoverCareContexts", "patient", "not-an-object-9876543210"),
    ("DiscoverCareContexts", "transactionId", "not-a-uuid-9876543210"),
    ("DiscoverCareContexts", "patient.yearOfBirth", "about 9876543210"),
    ("DiscoverCareContexts", "patient.yearOfBirth", True),
    ("DiscoverCareContexts", "patient.name", ["9876543210"]),
    ("DiscoverCareContexts", "patient.name", "9876543210\x00"),
    ("DiscoverCareContexts", "patient.verifiedIdentifiers", "9876543210"),
    ("HipConsentNotify", "notification.status", "9876543210"),
    ("HipConsentNotify", "notification.consentDetail.hiTypes", "9876543210"),
    ("HipConsentNotify", "notification.consentDetail.consentId", TRANSFER),
    ("HipHealthInformationRequest", "hiRequest.dateRange.to", "9876543210"),
    *hiu_messages.WRONG,
]


@pytest.mark.parametrize(("name", "place", "value"), WRONG)
def test_unusable_field_is_refused_by_name_and_never_by_value(
    name: str, place: str, value: Any
) -> None:
    body = sample(name)
    *path, last = place.split(".")
    holder = body
    for part in path:
        holder = holder[part]
    holder[last] = value
    with pytest.raises(MalformedRequest) as caught:
        decode(name, body)
    assert place in caught.value.sentence
    assert "9876543210" not in caught.value.sentence


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe{}", b'{"a":NaN}'])
def test_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        routes.decode("v3", "LinkConfirm", HEADERS, body)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Request-Id", ""),
        ("Request-Id", "17"),
        ("timestamp", ""),
        ("timestamp", "yesterday"),
        ("timestamp", "2026-13-40T04:10:00Z"),
    ],
)
def test_header_that_cannot_be_read_is_refused_by_name(header: str, value: str) -> None:
    body = json.dumps(sample("LinkConfirm")).encode()
    with pytest.raises(MalformedRequest, match=header.upper()):
        routes.decode("v3", "LinkConfirm", HEADERS | {header: value}, body)
