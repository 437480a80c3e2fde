"""What reaches the log, from our own code, from libraries and from the request log."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from adapter import logs
from tests.unit.web.conftest import CONFIRM, Edge

SECRETS = {
    "bearer": "Bearer abc.def-123",
    "token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
    "push": "https://a.example.in/push/7Jm2rKq0sYv1 failed",
    "password": "postgresql://user:hunter2@db/adapter",
    "address": "asha.verma@sbx",
    "number": "91-2345-6789-0123",
    "digits": "91234567890123",
    "mobile": "+919876543210",
}
PARTS = ("abc.def", "eyJh", "7Jm2", "hunter2", "asha", "6789", "9876")


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Standard error as a file; logging as it was afterwards."""
    caught = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", caught)
    logs.configure("INFO")
    # A logger that kept this stream would write the next tests' lines into it.
    structlog.configure(cache_logger_on_first_use=False)
    yield caught
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_lines_are_json_with_time_and_level(stream: io.StringIO) -> None:
    structlog.get_logger("test").warning("rejected", route="/api", request_id="1")
    (line,) = lines(stream)
    assert line["event"] == "rejected"
    assert line["level"] == "warning"
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("library", [False, True])
def test_credentials_and_identifiers_are_blanked(stream: io.StringIO, library: bool) -> None:
    for text in SECRETS.values():
        if library:
            logging.getLogger("some.package").warning("value %s", text)
        else:
            structlog.get_logger("test").info(f"value {text}", detail=text, deep={"x": [text]})
    # Threads of earlier tests may still log: a key set that could not be fetched, for one.
    own = [line for line in lines(stream) if line["event"].startswith("value ")]
    assert len(own) == len(SECRETS)
    for part in PARTS:
        assert part not in stream.getvalue()


def test_fields_with_telling_names_are_blanked_whatever_they_hold(stream: io.StringIO) -> None:
    structlog.get_logger("test").info(
        "x", client_secret="s3cret", otp=42917, link_token="s3cret", deep={"password": "s3cret"}
    )
    assert "s3cret" not in stream.getvalue()
    assert "42917" not in stream.getvalue()


def test_ids_stay_readable(stream: io.StringIO) -> None:
    uuid = "00000301-5b1e-4c60-9d2a-123456789012"
    structlog.get_logger("test").info("x", request_id=uuid, hip_id="IN2910000001")
    (line,) = lines(stream)
    assert (line["request_id"], line["hip_id"]) == (uuid, "IN2910000001")


@pytest.mark.parametrize("library", [False, True])
def test_exception_is_told_by_class_and_place_not_by_its_text(
    stream: io.StringIO, library: bool
) -> None:
    try:
        raise ValueError("Asha Verma, HIV positive")
    except ValueError:
        if library:
            logging.getLogger("some.package").exception("failed")
        else:
            structlog.get_logger("test").exception("failed")
    (line,) = lines(stream)
    assert "ValueError" in line["error"]
    assert "test_logs.py" in str(line["places"])
    assert "Asha" not in stream.getvalue()


def test_gunicorn_that_names_the_address_of_a_failed_request_is_redacted_too(
    stream: io.StringIO,
) -> None:
    gunicorn = logging.getLogger("gunicorn.error")
    own = logging.StreamHandler(stream)
    gunicorn.addHandler(own)
    gunicorn.propagate = False
    try:
        logs.configure("INFO")
        try:
            raise ValueError("Asha Verma")
        except ValueError:
            gunicorn.exception("Error handling request %s", "/push/7Jm2rKq0sYv1")
    finally:
        gunicorn.removeHandler(own)
        gunicorn.propagate = True
    (line,) = lines(stream)
    assert line["event"] == f"Error handling request /push/{logs.BLANK}"
    assert "Asha" not in stream.getvalue()


def test_libraries_that_print_urls_stay_silent_below_warning(stream: io.StringIO) -> None:
    logs.configure("DEBUG")
    logging.getLogger("urllib3.connectionpool").debug("POST /sms?key=1")
    assert stream.getvalue() == ""


def test_request_log_has_the_route_and_never_the_address(edge: Edge, stream: io.StringIO) -> None:
    edge.post(path=f"{CONFIRM}?secret=s3cret")
    edge.post(path="/api/v3/s3cret")
    edge.client.get("/healthz")
    asked = [line for line in lines(stream) if line["event"] == "request"]
    assert [(line["route"], line["status"]) for line in asked] == [(CONFIRM, 202), (None, 404)]
    assert "s3cret" not in stream.getvalue()


@given(
    st.lists(
        st.one_of(
            st.text(max_size=12),
            st.sampled_from(
                [*SECRETS.values(), "Bearer ", "eyJ", "/push/", "://", "@sbx", "91-2200"]
            ),
        ),
        max_size=5,
    ).map("".join)
)
def test_the_quick_look_lets_nothing_through_that_a_pattern_would_blank(text: str) -> None:
    thorough = text[: logs.LONGEST_TEXT]
    for pattern, replacement in logs._PATTERNS:
        thorough = pattern.sub(replacement, thorough)
    assert logs.redact(None, "info", {"event": text})["event"] == thorough
