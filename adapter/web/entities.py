"""HIMS entities in: `POST /hims/v1/<kind>` with one entity or a list, and their JSON Schemas.

Each entity has its own result; refused ones stop no other. Nothing here decides: it parses, calls
`flows.import_entities` and answers.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson
from flask import Blueprint, Response, jsonify, request, url_for

from adapter.flows import import_entities
from adapter.protocol.errors import (
    CODES,
    DependencyUnavailable,
    FhirUnavailable,
    MalformedRequest,
    NotFound,
)
from adapter.rules.entities import Item, Outcome, Result
from adapter.runtime import Adapter
from adapter.web import errors
from adapter.web.auth import require_hims_key
from mappings import hims

_EXPECTED = "Send one entity as a JSON object, or a list of them, with the fields of GET {schema}."


def blueprint(adapter: Adapter) -> Blueprint:
    """The routes under /hims/v1 that take entities and show their schemas."""
    api = Blueprint("entities", __name__, url_prefix="/hims/v1")

    @api.post("/<kind>")
    def post(kind: str) -> Response:
        request.max_content_length = adapter.config.max_entity_bytes
        caller = require_hims_key(adapter)
        schema = url_for("entities.schema", kind=_known(kind))
        items = _items(kind, request.get_data(cache=False), schema)
        try:
            stored = import_entities.store(
                adapter, items, caller.may_act_for, coverage=_wants_coverage()
            )
            return _answer([result for batch in stored for result in batch])
        except FhirUnavailable as error:
            raise DependencyUnavailable(
                "The FHIR server cannot be reached now, so not everything is stored; "
                "send the same entities again in a moment."
            ) from error

    @api.get("/schemas")
    def schemas() -> Response:
        require_hims_key(adapter)
        return jsonify(
            schemas=[
                {"kind": kind, "url": url_for("entities.schema", kind=kind)} for kind in hims.KINDS
            ]
        )

    @api.get("/schemas/<kind>")
    def schema(kind: str) -> Response:
        require_hims_key(adapter)
        response = jsonify(hims.schema(_known(kind)))
        response.content_type = "application/schema+json"
        return response

    return api


def _known(kind: str) -> str:
    if kind not in hims.KINDS:
        raise NotFound(f"There is no such kind of entity; known kinds: {', '.join(hims.KINDS)}.")
    return kind


def _wants_coverage() -> bool:
    asked = request.args.get("coverage", "true")
    if asked not in ("true", "false"):
        raise MalformedRequest("coverage must be true or false.")
    return asked == "true"


def _items(kind: str, body: bytes, schema: str) -> list[Item]:
    expected = _EXPECTED.format(schema=schema)
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedRequest(f"The body is no JSON. {expected}") from None
    if isinstance(parsed, dict):
        # Who acts may stand in the body (`auth.require_hims_key`); it is no field of the entity.
        parsed = [{name: value for name, value in parsed.items() if name != "requester"}]
    if not isinstance(parsed, list) or not parsed:
        raise MalformedRequest(expected)
    return [Item(index, kind, entity) for index, entity in enumerate(parsed)]


def _answer(results: list[Result]) -> Response:
    """200 with every result; 400 or 404 beside them where nothing could go in."""
    content: dict[str, Any] = {
        "counts": {str(o): n for o in Outcome if (n := sum(r.outcome is o for r in results))},
        "results": [result.as_dict("index") for result in results],
    }
    status = HTTPStatus.OK
    if all(result.outcome is Outcome.REFUSED for result in results):
        name, sentence = "MalformedRequest", "No entity could be stored; each result says why."
        if all(import_entities.is_not_yours(result) for result in results):
            name, sentence = "NotFound", "No entity is of a facility that this key may act for."
        content = {**errors.body(name, sentence), **content}
        status = HTTPStatus(CODES[name].http)
    response = jsonify(content)
    response.status_code = status
    return response
