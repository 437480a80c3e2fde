import json
import time
from datetime import timedelta
from typing import Any

import pytest

from adapter.protocol.errors import (
    AddressBlocked,
    AlreadyDone,
    ClockRejected,
    LinkTokenRefused,
    Rejected,
    RetryLater,
    SessionExpired,
    UpstreamError,
)
from adapter.protocol.messages import ErrorObject
from adapter.protocol.refusals import masked, reaction, read_refusal

LINK = "HipLinkCareContextRequest"
TOKEN = "GenerateLinkTokenRequest"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"code": "ABDM-1035", "message": "Invalid HIP ID"}}, "ABDM-1035 Invalid HIP ID"),
        ({"error": {"code": "ABDM-1006: ", "message": "Bad"}}, "ABDM-1006 Bad"),
        ([{"error": {"code": "ABDM-9999", "message": "m"}}], "ABDM-9999 m"),
        ([{"code": "ABDM-1015", "message": "m"}], "ABDM-1015 m"),
        (
            {"code": 900901, "message": "Invalid Credentials", "description": "d"},
            "900901 Invalid Credentials: d",
        ),
        (
            {
                "code": "404",
                "type": "Status report",
                "message": "Runtime error",
                "description": "x",
            },
            "404 Runtime error: x",
        ),
        (
            {
                "timestamp": "t",
                "path": "/p",
                "status": 500,
                "error": "Internal Server Error",
                "requestId": "r",
            },
            "500 Internal Server Error",
        ),
        ({"yearOfBirth": "must be a year", "timestamp": "2026"}, " yearOfBirth: must be a year"),
        ({"message": "Invalid LoginId", "timestamp": "2026"}, " Invalid LoginId"),
        ({"error": [{"code": "1", "message": "m"}]}, "1 m"),
    ],
)
def test_every_error_shape_in_circulation_is_read(body: Any, expected: str) -> None:
    error = read_refusal(json.dumps(body).encode())
    assert error is not None
    assert f"{error.code} {error.message}" == expected


def test_plain_text_is_prose_and_html_or_nothing_is_no_error_at_all() -> None:
    assert read_refusal(b"Access Denied") == ErrorObject("", "Access Denied")
    assert read_refusal(b"<html><body>502</body></html>") is None
    assert read_refusal(b"  ") is None
    assert read_refusal(b"{}") is None
    assert read_refusal(b"[]") is None
    assert read_refusal(b"\xff\xfe") is not None


@pytest.mark.parametrize(
    ("operation", "code", "message", "kind"),
    [
        (TOKEN, "ABDM-1000", "Unable to connect the database", RetryLater),
        (TOKEN, "ABDM-1024", "Dependent service unavailable", RetryLater),
        (TOKEN, "ABDM-1036", "Data does not matched", Rejected),
        (TOKEN, "ABDM-1027", "You are blocked.", AddressBlocked),
        (LINK, "ABDM-1026", "Invalid Link Token", LinkTokenRefused),
        (LINK, "ABDM-1038", "ABHA address and Link token mismatch", LinkTokenRefused),
        (LINK, "ABDM-1062", "ABHA number mismatch with Link token", LinkTokenRefused),
        (LINK, "ABDM-1063", "HIP Id mismatch with Link token", LinkTokenRefused),
        (LINK, "ABDM-1066", "Invalid JWT token", LinkTokenRefused),
        (TOKEN, "ABDM-1066", "Invalid JWT token", SessionExpired),
        ("HipHealthInformationOnRequest", "ABDM-1062", "Consent Not granted", Rejected),
        ("HipHealthInformationOnRequest", "ABDM-1063", "Date Range given is invalid", Rejected),
        (LINK, "ABDM-1056", "This care contexts has been already linked", AlreadyDone),
        ("OnLinkInitRequest", "ABDM-1056", "Invalid Link Reference Number", Rejected),
        (LINK, "ABDM-1056", "Invalid Link Reference Number", Rejected),
        (LINK, "ABDM-1090", "Duplicate HIP link request", AlreadyDone),
        (LINK, "ABDM-9999", "Duplicate HIP link request", AlreadyDone),
        ("OnDiscoverRequest", "ABDM-1106", "Duplicate On discovery request", AlreadyDone),
        ("OnLinkConfirmRequest", "ABDM-1108", "Duplicate On confirm request", AlreadyDone),
        ("OnLinkConfirmRequest", "ABDM-1108", "Notification DB service unavailable", RetryLater),
        ("OnDiscoverRequest", "ABDM-1109", "Invalid On discovery response", Rejected),
        ("OnDiscoverRequest", "ABDM-1109", "ABHA DB service unavailable", RetryLater),
        ("DataFlowNotifyByHip", "ABDM-1101", "Duplicate Health Information request", AlreadyDone),
        (TOKEN, "ABDM-1064", "request with this request id already exists", RetryLater),
        (TOKEN, "ABDM-1064", "Request body was missing", Rejected),
        (TOKEN, "ABDM-2500", "Authorization header is missing", SessionExpired),
        (TOKEN, "ABDM-2500", "No mapping found for /x", Rejected),
        (TOKEN, "ABDM-1016", "Invalid TimeStamp", ClockRejected),
        (TOKEN, "ABDM-2402", "Invalid Timestamp", ClockRejected),
        (TOKEN, "ABDM-9999", "User not found", Rejected),
        (TOKEN, "ABDM-9999", "Unknown exception", RetryLater),
        (TOKEN, "ABDM-9999", "Invalid consent purpose refURI", Rejected),
        (TOKEN, "900901", "Invalid Credentials", SessionExpired),
        (
            "CareContextNotifyRequest",
            "ABDM-1006",
            "No care context linked with given reference number",
            RetryLater,
        ),
        ("CareContextNotifyRequest", "ABDM-1006", "Bad Request, invalid request Body", Rejected),
        (
            "CareContextNotifyRequest",
            "1006",
            "No care context linked with given reference number",
            RetryLater,
        ),
        ("CareContextNotifyRequest", "1006", "Bad Request, invalid request Body", Rejected),
    ],
)
def test_operation_and_words_decide_what_a_code_means(
    operation: str, code: str, message: str, kind: type[UpstreamError]
) -> None:
    assert type(reaction(operation, ErrorObject(code, message), status=400)) is kind
    # Inside a callback, where there is no status, it means the same.
    assert type(reaction(operation, ErrorObject(code, message))) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (401, SessionExpired),
        (403, Rejected),
        (404, Rejected),
        (408, RetryLater),
        (429, RetryLater),
        (500, RetryLater),
        (503, RetryLater),
    ],
)
def test_status_decides_where_no_known_code_is_stated(
    status: int, kind: type[UpstreamError]
) -> None:
    assert type(reaction(TOKEN, None, status=status)) is kind
    assert type(reaction(TOKEN, ErrorObject("X-1", "odd"), status=status)) is kind


def test_code_in_the_body_counts_before_the_status() -> None:
    error = reaction(LINK, ErrorObject("ABDM-1090", "Duplicate HIP link request"), status=500)
    assert isinstance(error, AlreadyDone)


def test_the_longer_of_our_waiting_time_and_theirs_is_kept() -> None:
    duplicate = ErrorObject("ABDM-1092", "Duplicate Link token request")
    for theirs, expected in ((None, 7), (timedelta(minutes=1), 7), (timedelta(minutes=9), 9)):
        error = reaction(LINK, duplicate, status=400, retry_after=theirs)
        assert isinstance(error, RetryLater)
        assert error.after == timedelta(minutes=expected)


def test_sentence_names_operation_code_and_what_to_do() -> None:
    error = reaction(TOKEN, ErrorObject("ABDM-1035", "Invalid HIP ID"), status=400)
    assert error.sentence == (
        "The gateway refused GenerateLinkTokenRequest: ABDM-1035 Invalid HIP ID. Compare the HIP "
        "service id in ABDM_FACILITIES with the services registered for this bridge."
    )
    assert error.code == "ABDM-1035"
    silent = reaction(TOKEN, None, status=400).sentence
    assert silent == "The gateway refused GenerateLinkTokenRequest: HTTP 400 without a reason."


@pytest.mark.parametrize(
    "secret",
    [
        "asha.verma@sbx",
        "91-2345-6789-0123",
        "+91 9876543210",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
    ],
)
def test_peoples_identifiers_and_tokens_are_blanked_in_others_prose(secret: str) -> None:
    text = masked(f"value {secret} is wrong")
    assert secret not in text
    assert text.startswith("value …")
    assert text.endswith("is wrong")


def test_endless_prose_is_cut_before_it_is_searched() -> None:
    started = time.monotonic()
    assert len(masked("x" * 10_000_000)) <= 200
    assert time.monotonic() - started < 1
