"""The simulator's HTTP answers: right ones, refusals, and the wrong ones that a fault demands."""

import json
import socket
import struct
from typing import Any

from flask import Response, request

from conformance.simulator.errors import Refusal, error_body
from conformance.simulator.faults import Fault


def faulty(faults: dict[str, Fault]) -> Response | None:
    """The wrong answer that a fault demands instead of the right one, if any."""
    for name, fault in faults.items():
        params = fault.params
        match name:
            case "silent-202":
                return Response(status=202)
            case "empty-400":
                return Response(status=400)
            case "unauthorised":
                body = error_body(params["shape"], "900901", "Invalid Credentials", 401)
                return response_of(401, body)
            case "rate-limited":
                body = error_body("object", params["code"], "Too many requests found", 429)
                response = response_of(429, body)
                response.headers["Retry-After"] = str(params["retry_after"])
                return response
            case "uidai":
                text = f"UIDAI Error code : {params['code']} : {params['text']}"
                return response_of(422, error_body("object", "ABDM-1204", text, 422))
            case "server-error":
                status = params["status"]
                body = error_body(params["shape"], "ABDM-1024", "Service Unavailable", status)
                return response_of(status, body)
            case "error-shape":
                colon = ": " if "trailing-colon" in faults else ""
                code = params["code"] + colon
                body = error_body(params["shape"], code, params["text"], params["status"])
                return response_of(params["status"], body)
            case "redirect":
                return Response(status=307, headers={"Location": params["location"]})
            case "reset":
                _reset_connection()
    return None


def _reset_connection() -> None:
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # Shutting down lets the server notice quietly; with no linger its close sends a reset.
    connection.shutdown(socket.SHUT_RDWR)


def refused_answer(refused: Refusal, *, colon: bool) -> Response:
    """The answer to a refused call; `colon`: with the colon that ABDM has been seen to add."""
    if colon and refused.code and not refused.code.endswith(": "):
        refused.code += ": "
    return response_of(refused.status, refused.body())


def response_of(status: int, body: Any) -> Response:
    """JSON, or what the type of the body says: a picture, text, a page, nothing."""
    if body is None:
        return Response(status=status)
    if isinstance(body, bytes):
        return Response(body, status, mimetype="image/png")
    if isinstance(body, str):
        media = "text/html" if body.startswith("<") else "text/plain"
        return Response(body, status, mimetype=media)
    return Response(json.dumps(body), status, mimetype="application/json")
