"""Finds a message's row in its dialect, and decodes what came in.

Flows and edges use this; only this module knows which dialects there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

import orjson

from adapter.protocol import ids, timestamps, v05, v3
from adapter.protocol.errors import MalformedRequest
from adapter.protocol.messages import Envelope, HealthInformationPushReceived
from adapter.protocol.wire import Dialect, Fields, Inbound, Outbound, Wire

__all__ = [
    "DIALECTS",
    "HEADERS",
    "Inbound",
    "Outbound",
    "Wire",
    "decode",
    "decode_push",
    "dialect_of",
    "enveloped",
    "inbound",
    "offers",
    "outbound",
    "question_of",
]

_DIALECTS = {each.name: each for each in (v3.DIALECT, v05.DIALECT, v05.SHARE_DIALECT)}

DIALECTS = tuple(_DIALECTS)

#: Every header that `decode` reads.
HEADERS = ("REQUEST-ID", "TIMESTAMP", "X-HIP-ID", "X-HIU-ID")


def dialect_of(name: str) -> Dialect:
    """The dialect `name`, a member of DIALECTS. Raises KeyError for an unknown one."""
    return _DIALECTS[name]


def inbound(dialect: str) -> tuple[Inbound, ...]:
    """Every message that may come in. Raises KeyError for an unknown dialect."""
    return _DIALECTS[dialect].inbound


@cache
def outbound(dialect: str, message: type) -> Outbound:
    """The row by which `message` leaves. Raises KeyError when the dialect has none."""
    return {row.message: row for row in _DIALECTS[dialect].outbound}[message]


def question_of(dialect: str, answer: type) -> str:
    """The name of the message of ours that `answer` answers. Raises KeyError for a message that
    answers none."""
    found = _inbound_by_name(dialect)[answer.__name__].answers
    if found is None:
        raise KeyError(f"{answer.__name__} answers nothing")
    return found.__name__


def offers(dialect: str, message: type) -> bool:
    """Whether `message` can be sent in this dialect: not every one has every question."""
    return any(row.message is message for row in _DIALECTS[dialect].outbound)


@cache
def _inbound_by_name(dialect: str) -> dict[str, Inbound]:
    return {row.message.__name__: row for row in inbound(dialect)}


def enveloped(dialect: str, wire: Wire, request_id: str, moment: datetime) -> Wire:
    """The message with the id and time of one attempt, where its dialect has them (V3: headers;
    v0.5: body)."""
    stamp = timestamps.format(moment)
    if _DIALECTS[dialect].in_body:
        return Wire(wire.headers, {"requestId": request_id, "timestamp": stamp} | wire.body)
    return Wire({"REQUEST-ID": request_id, "TIMESTAMP": stamp} | wire.headers, wire.body)


def decode(
    dialect: str, name: str, headers: Mapping[str, Any], body: bytes | Mapping[str, Any]
) -> tuple[Envelope, Any]:
    """Envelope and message `name` (its class name) from headers and body.

    Header names in any case. `body` as received (bytes), so that an artefact is kept to the letter;
    a parsed body is taken too. Raises MalformedRequest naming the field, KeyError for a name that
    the dialect does not know.
    """
    row = _inbound_by_name(dialect)[name]
    given = {key.lower(): value for key, value in headers.items()}
    fields = _fields(body)
    message = row.decode(fields)
    response_to = _response_to(fields)
    if row.answers is not None and response_to is None:
        name = "resp" if _DIALECTS[dialect].in_body else "response"
        raise MalformedRequest(f"The field {name}.requestId is missing.")
    around = _in_body if _DIALECTS[dialect].in_body else _in_headers
    request_id, timestamp = around(fields, given)
    envelope = Envelope(
        dialect=dialect,
        request_id=request_id,
        timestamp=timestamp,
        hip_id=given.get("x-hip-id") or None,
        hiu_id=given.get("x-hiu-id") or None,
        response_to=response_to,
    )
    return envelope, message


def decode_push(body: bytes) -> HealthInformationPushReceived:
    """A page that a HIP pushed to us, in whatever form peers write it (one in every dialect).

    Raises MalformedRequest naming the field, where no page can be made of it.
    """
    # Without the text beside it: a page may be a hundred megabytes, and is kept as it came anyway.
    return v3.PUSHED(Fields(_object(body)))


def _fields(body: bytes | Mapping[str, Any]) -> Fields:
    if not isinstance(body, bytes):
        return Fields(body)
    return Fields(_object(body), source=body.decode())


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedRequest("The body is not JSON.") from None
    if not isinstance(data, dict):
        raise MalformedRequest("The body must be a JSON object.")
    return data


def _response_to(fields: Fields) -> str | None:
    # `resp` is the older name of the same member; the gateway still sends both, one of them null.
    for name in ("response", "resp"):
        if fields.has(name):
            return fields.inner(name).text("requestId").lower()
    return None


def _in_body(fields: Fields, _headers: Mapping[str, Any]) -> tuple[str, datetime]:
    return fields.uuid("requestId"), fields.time("timestamp")


def _in_headers(_fields: Fields, headers: Mapping[str, Any]) -> tuple[str, Any]:
    return _request_id(headers), _timestamp(headers)


def _request_id(headers: Mapping[str, Any]) -> str:
    value = headers.get("request-id")
    if not value:
        raise MalformedRequest("The header REQUEST-ID is missing.")
    if not ids.is_uuid(value):
        raise MalformedRequest("The header REQUEST-ID must be a UUID.")
    return str(value)


def _timestamp(headers: Mapping[str, Any]) -> Any:
    value = headers.get("timestamp")
    if not value:
        raise MalformedRequest("The header TIMESTAMP is missing.")
    if not isinstance(value, str):
        return value
    try:
        return timestamps.parse(value)
    except ValueError as error:
        raise MalformedRequest(f"The header TIMESTAMP is {error}.") from None
