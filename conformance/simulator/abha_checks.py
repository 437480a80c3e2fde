"""What the ABHA service checks of every call: headers, REQUEST-ID, and the body by its schema.

Which schema applies follows from scope and loginHint. Source: M0/M1 document, sections 2, 6, 10.1.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from conformance import schemas
from conformance.simulator.abha_errors import BodyRefusal, abha_refusal, field_refusal, fields_of
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import Refusal
from conformance.simulator.times import now, parse

Handler = Callable[[Simulator, Call], Reply]
Schemas = dict[tuple[frozenset[str], str | None], str]


@dataclass(frozen=True)
class AbhaOperation:
    """One call of the ABHA service: its schema, or its schemas by (scope, loginHint)."""

    message: str
    method: str
    path: str
    handler: Handler
    schema: str | None = None
    schemas: Schemas = field(default_factory=dict)
    arrays: bool = False  # errors as a one-element array (E5)
    header_status: int = 400  # of a bad REQUEST-ID or TIMESTAMP


def check_abha_call(
    simulator: Simulator, operation: AbhaOperation, headers: dict[str, str], raw: bytes
) -> tuple[str, Any]:
    """(client id, body) of a call that may be handled; else raises a Refusal."""
    client_id = _authorised(simulator, headers)
    _check_headers(simulator, operation, client_id, headers)
    if operation.schema is None and not operation.schemas:
        return client_id, None
    return client_id, _body(operation, raw)


def _authorised(simulator: Simulator, headers: dict[str, str]) -> str:
    value = headers.get("AUTHORIZATION")
    if not value:
        raise abha_refusal("900902", status=401, shape="flat")
    client_id = simulator.client_of(value.removeprefix("Bearer "))
    with simulator.state.changed:
        known = client_id in simulator.state.bridges
    if client_id is None or not value.startswith("Bearer ") or not known:
        raise abha_refusal("900901", status=401, shape="flat", why="the token is not valid")
    return client_id


def _check_headers(
    simulator: Simulator, operation: AbhaOperation, client_id: str, headers: dict[str, str]
) -> None:
    status = operation.header_status
    request_id = headers.get("REQUEST-ID", "")
    if not schemas.definition("Uuid").is_valid(request_id):
        raise abha_refusal("ABDM-1030: ", status=status, why="REQUEST-ID is missing or no UUID")
    stamp = headers.get("TIMESTAMP", "")
    tolerance = timedelta(seconds=simulator.config.timestamp_tolerance)
    try:
        fits = schemas.definition("TimestampStrict").is_valid(stamp)
        fits = fits and abs(parse(stamp) - now()) <= tolerance
    except ValueError:
        fits = False
    if not fits:
        raise abha_refusal("ABDM-1016: ", status=status, why="TIMESTAMP is malformed or stale")
    try:
        simulator.use_request_id(client_id, request_id)
    except Refusal as error:
        raise abha_refusal("ABDM-1030: ", status=status, why=error.why) from error


def _body(operation: AbhaOperation, raw: bytes) -> Any:
    try:
        body = json.loads(raw or b"{}")
    except ValueError as error:
        raise abha_refusal("ABDM-1006: ", why="unreadable JSON") from error
    if not isinstance(body, dict):
        raise abha_refusal("ABDM-1006: ", why="the body is no object")
    wrong = schemas.problems(operation.schema or _schema_for(operation, body), body)
    if not wrong:
        return body
    texts = fields_of(wrong)
    if operation.arrays:
        given = [{"code": "ABDM-9999: ", "message": text} for text in texts.values()]
        raise BodyRefusal(given[:1], why="; ".join(wrong))
    raise field_refusal("; ".join(wrong), **texts)


def _schema_for(operation: AbhaOperation, body: dict[str, Any]) -> str:
    """The schema for this scope and hint; the operation's first if none is meant for them."""
    scope, hint = body.get("scope"), body.get("loginHint")
    listed = [text for text in scope if isinstance(text, str)] if isinstance(scope, list) else []
    wanted = frozenset(listed)
    for (known, known_hint), name in operation.schemas.items():
        if known == wanted and known_hint in (None, hint):
            return name
    scopes = {known for known, _ in operation.schemas}
    if len(wanted) > 1 and wanted not in scopes and wanted <= frozenset().union(*scopes):
        raise abha_refusal("ABDM-1107", why="known scopes that do not go together")
    same_scope = [name for (known, _), name in operation.schemas.items() if known == wanted]
    return (same_scope or list(operation.schemas.values()))[0]
