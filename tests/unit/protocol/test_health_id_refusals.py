"""What the Health ID service's refusals mean at the desk."""

import orjson
import pytest

from adapter.protocol.abha_refusals import AbhaRefused, Reason
from adapter.protocol.errors import RetryLater, SessionExpired
from adapter.protocol.health_id_refusals import judged


def body(code: str) -> bytes:
    detail = {"code": code, "message": "x", "attribute": None}
    return orjson.dumps({"code": "HIS-422", "message": "x", "details": [detail]})


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("HIS-1008", Reason.NOT_FOUND),
        ("HIS-1015", Reason.ADDRESS_TAKEN),
        ("HIS-1023", Reason.OTHER),
        ("HIS-1026", Reason.TRANSACTION),
        ("HIS-1052", Reason.MOBILE_FULL),
        ("HIS-1056", Reason.OTP_EXPIRED),
        ("HIS-2017", Reason.LOCKED),
        ("HIS-2022", Reason.OTP_WRONG),
        ("HIS-9999", Reason.OTHER),
    ],
)
def test_the_code_in_the_details_decides(code: str, reason: Reason) -> None:
    error = judged("Create", body(code), status=422)
    assert isinstance(error, AbhaRefused)
    assert (error.reason, error.code) == (reason, code)


def test_a_401_is_our_session_that_has_ended() -> None:
    assert isinstance(judged("Search", body("HIS-401"), status=401), SessionExpired)


def test_trouble_behind_the_service_is_tried_again() -> None:
    assert isinstance(judged("Create", b"<html>", status=502), RetryLater)
    assert isinstance(judged("Create", body("HIS-500"), status=422), RetryLater)
