"""Every refusal as JSON: `{"error": {"code", "message"}}`, the shape ABDM itself uses.

One handler for all routes, so no 4xx or 5xx is a page of HTML or a traceback. What nobody foresaw
is answered with ABDM-9999 and logged by class and place, without its text.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from adapter.faults import failure
from adapter.protocol import routes
from adapter.protocol.abha_refusals import HTTP_STATUS, AbhaRefused
from adapter.protocol.errors import CODES, RequestError, RetryLater, UpstreamError

log = structlog.get_logger(__name__)

_SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    408: "The body took too long to arrive.",
    413: "The body is larger than MAX_CALLBACK_BYTES (for entities MAX_ENTITY_BYTES, for pages "
    "MAX_PAGE_BYTES) allows.",
    415: "Send the body as Content-Type: application/json.",
}


def body(name: str, message: str) -> dict[str, dict[str, Any]]:
    """The JSON body for the error class `name`; a callback's refusal has its own dialect's code."""
    dialect = routes.dialect_of(g.get("dialect", "v3"))
    return {"error": {"code": dialect.code(name), "message": message}}


def register(app: Flask) -> None:
    """Install the handler on `app`."""
    app.register_error_handler(Exception, answer)


def answer(error: Exception) -> tuple[Response, int]:
    """What the caller sees of `error`."""
    if isinstance(error, RequestError):
        name = type(error).__name__
        return jsonify(body(name, error.sentence)), CODES[name].http
    if isinstance(error, UpstreamError):
        return _upstream(error)
    if isinstance(error, HTTPException):
        status = error.code or 500
        name = "NotFound" if status == 404 else "MalformedRequest"
        if status >= 500:
            name = "Unexpected"
        sentence = _SENTENCES.get(status) or HTTPStatus(status).phrase
        response = jsonify(body(name, sentence))
        if status == 405 and getattr(error, "valid_methods", None):
            response.headers["Allow"] = ", ".join(error.valid_methods)  # type: ignore[attr-defined]  # MethodNotAllowed only
        return response, status
    route = request.url_rule.rule if request.url_rule else None
    log.error("request failed", route=route, **failure(error))
    return jsonify(body("Unexpected", CODES["Unexpected"].message)), 500


def _upstream(error: UpstreamError) -> tuple[Response, int]:
    """ABDM's own code where it gave one: 503 may be tried again, 422 needs something changed."""
    passing = isinstance(error, RetryLater)
    made = body("DependencyUnavailable" if passing else "Unexpected", error.sentence)
    made["error"]["code"] = error.code or made["error"]["code"]
    if isinstance(error, AbhaRefused):
        return jsonify(made), HTTP_STATUS.get(error.reason, 422)
    return jsonify(made), 503 if passing else 422
