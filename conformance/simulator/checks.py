"""What the gateway checks of every call before it looks at the message: headers, id, body.

Source: V3 contract sections 2 and 13.2.
"""

import json
from datetime import timedelta
from typing import Any

from conformance import schemas
from conformance.simulator.core import Simulator
from conformance.simulator.errors import empty_refusal, refusal
from conformance.simulator.operations import Operation
from conformance.simulator.times import now, parse

UNKNOWN_CLIENT = ""


def check_call(
    simulator: Simulator, operation: Operation, headers: dict[str, str], raw: bytes
) -> tuple[str, Any]:
    """(client id, body) of a call that may be handled; else raises a Refusal.

    `headers` have upper-case names. The client id is empty where no token is asked for.
    """
    client_id = _authorised(simulator, operation, headers)
    _check_headers(simulator, operation, headers)
    simulator.use_request_id(client_id, headers["REQUEST-ID"])
    if operation.schema is None:
        return client_id, None
    return client_id, _body(operation, headers, raw)


def _authorised(simulator: Simulator, operation: Operation, headers: dict[str, str]) -> str:
    needed = operation.authorised
    if operation.message == "CertsGet":
        needed = simulator.config.certs_need_token
    if not needed:
        return UNKNOWN_CLIENT
    value = headers.get("AUTHORIZATION")
    if not value:
        raise refusal("ABDM-2500", status=401)
    client_id = simulator.realm.client_of(value.removeprefix("Bearer "))
    with simulator.state.changed:
        known = client_id in simulator.state.bridges
    if client_id is None or not value.startswith("Bearer ") or not known:
        raise refusal("900901", status=401, shape="flat", why="the token is not valid (any more)")
    return client_id


def _check_headers(simulator: Simulator, operation: Operation, headers: dict[str, str]) -> None:
    if not schemas.definition("Uuid").is_valid(headers.get("REQUEST-ID")):
        raise refusal("ABDM-2404", why="REQUEST-ID is missing or no UUID")
    stamp = headers.get("TIMESTAMP", "")
    if not schemas.definition("TimestampStrict").is_valid(stamp):
        raise refusal("ABDM-2402", why="TIMESTAMP is missing or not in the form of the contract")
    tolerance = timedelta(seconds=simulator.config.timestamp_tolerance)
    try:
        offset = abs(parse(stamp) - now())
    except ValueError as error:
        raise refusal("ABDM-2402", why="TIMESTAMP is no date") from error
    if offset > tolerance:
        raise refusal("ABDM-2402", why=f"TIMESTAMP is off by {offset}")
    if headers.get("X-CM-ID") != simulator.config.cm_id:
        raise refusal("ABDM-2403")
    for name in operation.headers:
        if not headers.get(name) and name == "X-HIU-ID":
            raise empty_refusal("X-HIU-ID is missing", 401)  # seen in the sandbox
        if not headers.get(name):
            raise refusal("ABDM-1032", why=f"{name} is missing")


def _body(operation: Operation, headers: dict[str, str], raw: bytes) -> Any:
    media = headers.get("CONTENT-TYPE", "").split(";")[0].strip().lower()
    if operation.message == "SessionRequest" and (media != "application/json" or not raw):
        raise operation.bad_body(None, "no JSON body")
    if media != "application/json":
        raise refusal(
            "ABDM-9999", "415 UNSUPPORTED_MEDIA_TYPE", status=415, why=f"Content-Type {media!r}"
        )
    if not raw.strip():
        raise refusal("ABDM-1064", "Request body was missing")
    try:
        body = json.loads(raw)
    except ValueError as error:
        if operation.message == "SessionRequest":
            raise operation.bad_body(None, "unreadable JSON") from error
        message = "Bad Request, invalid request Body"
        raise refusal("ABDM-1006: ", message, why="unreadable JSON") from error
    assert operation.schema is not None  # noqa: S101 - the caller asked only for those with one
    wrong = schemas.problems(operation.schema, body)
    if wrong:
        raise operation.bad_body(body, "; ".join(wrong))
    return body
