"""The simulator's HTTP surface: gateway and ABHA calls, the push endpoint, the SMS sink.

Applies request faults, checks, hands over to the rules, renders refusals, records everything.
The control calls and the patient's pages are blueprints of their own.
"""

import functools
import json
import time
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from flask import Flask, Response, request

from conformance.simulator import (
    counterparts,
    health_id_operations,
    phr_share,
    registry,
    share,
    sms,
    v05_operations,
)
from conformance.simulator.abha_checks import AbhaOperation, check_abha_call
from conformance.simulator.abha_operations import OPERATIONS as ABHA_OPERATIONS
from conformance.simulator.answers import faulty, refused_answer, response_of
from conformance.simulator.checks import check_call
from conformance.simulator.control import control_blueprint
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import Refusal, Shape, error_body
from conformance.simulator.operations import Operation, by_path
from conformance.simulator.phr import phr_blueprint
from conformance.simulator.times import now

MAX_BODY = 64 * 1024 * 1024
Answer = Callable[[], Response]
# How an unknown path is refused, by where it begins; the first that fits.
_UNKNOWN: dict[str, Shape] = {
    "/api/hiecm/data-flow": "not-found",
    "/api/": "framework",
    "/abha/": "framework",
    "/v4/": "not-found",
    "/gateway/": "older",
    "/devservice/": "older",
}
Check = Callable[[bytes], tuple[str, Any]]  # the raw body: client id, message


def create_app(simulator: Simulator) -> Flask:
    """The Flask application over one simulator."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    for (method, path), operations in by_path().items():
        view = _gateway_view(simulator, operations)
        app.add_url_rule(path, operations[0].message, view, methods=[method])
    for (method, path), older in v05_operations.by_path().items():
        view = _older_view(simulator, v05_operations.picker(older), v05_operations.answered)
        app.add_url_rule(path, f"{older[0].message} {method} {path}", view, methods=[method])
    for operation in registry.OPERATIONS:
        app.add_url_rule(
            operation.path,
            f"{operation.message} {operation.path}",
            _registry_view(simulator, operation),
            methods=[operation.method],
        )
    for abha in ABHA_OPERATIONS:
        view = _abha_view(simulator, abha)
        app.add_url_rule(abha.path, abha.message, view, methods=[abha.method])
    for health in health_id_operations.OPERATIONS:
        view = _older_view(
            simulator, health_id_operations.picker(health), health_id_operations.answered
        )
        app.add_url_rule(
            health.path, f"{health.message} {health.path}", view, methods=[health.method]
        )
    app.add_url_rule("/hiu/push/<token>", "push", _push_view(simulator), methods=["POST"])
    app.add_url_rule("/sms", "sms", _sms_view(simulator), methods=["POST"])
    app.register_blueprint(control_blueprint(simulator))
    app.register_blueprint(phr_blueprint(simulator))

    @app.get("/healthz")
    def healthz() -> Response:
        return response_of(200, {"ok": True})

    @app.get(share.PATH)
    def scanned() -> Response:
        """Where a counter's QR leads that names this simulator as its app."""
        return Response(status=302, headers={"Location": phr_share.landing(request.url)})

    @app.get("/")
    def index() -> Response:
        return Response(status=302, headers={"Location": "/phr/"})

    @app.after_request
    def date(response: Response) -> Response:
        if "Date" not in response.headers:
            response.headers["Date"] = format_datetime(now(), usegmt=True)
        return response

    @app.errorhandler(404)
    def unknown_path(_error: Exception) -> Response:
        shape = next((s for prefix, s in _UNKNOWN.items() if request.path.startswith(prefix)), None)
        if shape is None:
            return Response("There is nothing here.", 404, mimetype="text/plain")
        return response_of(404, error_body(shape, "404", "Not Found", 404))

    return app


# -- the three kinds of views ----------------------------------------------------------------


def _gateway_view(simulator: Simulator, operations: list[Operation]) -> Callable[..., Response]:
    def view(**arguments: str) -> Response:
        headers = _headers()
        body = _decoded(request.get_data()) if len(operations) > 1 else None
        operation = next((one for one in operations if one.fits(body)), operations[0])
        check = functools.partial(check_call, simulator, operation, headers)
        return _called(simulator, operation, headers, check, arguments)

    return view


def _older_view(
    simulator: Simulator,
    pick: Callable[[Any], Any],
    answered: Callable[..., Reply],
) -> Callable[..., Response]:
    """`answered` gets operation, headers and body, and the variables of the path by their names."""

    def view(**arguments: str) -> Response:
        headers, raw = _headers(), request.get_data()
        operation = pick(_decoded(raw))

        def answer() -> Response:
            reply = answered(simulator, operation, headers, raw, **arguments)
            return response_of(reply.status, reply.body)

        return _served(simulator, operation.message, headers, answer)

    return view


def _abha_view(simulator: Simulator, operation: AbhaOperation) -> Callable[..., Response]:
    def view(**arguments: str) -> Response:
        headers = _headers()
        check = functools.partial(check_abha_call, simulator, operation, headers)
        return _called(simulator, operation, headers, check, arguments)

    return view


def _registry_view(simulator: Simulator, operation: Operation) -> Callable[..., Response]:
    def view(**arguments: str) -> Response:
        headers = _headers()
        check = functools.partial(registry.check_registry_call, simulator, operation, headers)
        return _called(simulator, operation, headers, check, arguments)

    return view


def _called(
    simulator: Simulator,
    operation: Operation | AbhaOperation,
    headers: dict[str, str],
    check: Check,
    arguments: dict[str, str],
) -> Response:
    def answer() -> Response:
        client_id, body = check(request.get_data())
        request_id = headers.get("REQUEST-ID", "")  # the registry does not ask for one
        call = Call(operation.message, client_id, request_id, headers, body, arguments)
        reply: Reply = operation.handler(simulator, call)
        return response_of(reply.status, reply.body)

    return _served(simulator, operation.message, headers, answer)


def _push_view(simulator: Simulator) -> Callable[..., Response]:
    def view(token: str) -> Response:
        headers = _headers()

        def answer() -> Response:
            path = f"/hiu/push/{token}"
            return response_of(
                *counterparts.receive_page(simulator, path, headers, request.get_data())
            )

        return _served(simulator, "HealthInformationPush", headers, answer, named_only=True)

    return view


def _sms_view(simulator: Simulator) -> Callable[..., Response]:
    def view() -> Response:
        def answer() -> Response:
            return response_of(*sms.receive(simulator, request.get_json(silent=True)))

        return _served(simulator, "Sms", _headers(), answer, named_only=True)

    return view


# -- serving ---------------------------------------------------------------------------------


def _served(
    simulator: Simulator,
    message: str,
    headers: dict[str, str],
    answer: Answer,
    *,
    named_only: bool = False,
) -> Response:
    started = time.monotonic()
    raw = request.get_data()  # read to the end, so that the connection can be used again
    exchange = simulator.begin(
        "in", message, request.method, request.path, _masked(headers), _decoded(raw)
    )
    faults = simulator.faults.take("request", message, named_only=named_only)
    note = ", ".join(f"fault {name}" for name in faults)
    if "slow" in faults:
        time.sleep(faults["slow"].params["seconds"])
    try:
        response = faulty(faults) or answer()
    except Refusal as refused:
        note = "; ".join(part for part in (note, refused.why or refused.message) if part)
        response = refused_answer(refused, colon="trailing-colon" in faults)
    if "clock-skew" in faults:
        moment = now() + timedelta(seconds=faults["clock-skew"].params["seconds"])
        response.headers["Date"] = format_datetime(moment, usegmt=True)
    seconds = time.monotonic() - started
    picture = response.mimetype == "image/png"
    said = "(a picture)" if picture else _decoded(response.get_data())
    simulator.finish(exchange, response.status_code, said, seconds, note)
    return response


def _headers() -> dict[str, str]:
    # A WSGI server leaves out headers with an underscore; ours hands them over on the side.
    underscored = request.environ.get("simulator.underscored", {})
    return {name.upper(): value for name, value in [*request.headers.items(), *underscored.items()]}


def _masked(headers: dict[str, str]) -> dict[str, str]:
    secret = {"AUTHORIZATION", "X-LINK-TOKEN", "X-TOKEN", "T-TOKEN", "R-TOKEN"}
    return {name: "(present)" if name in secret else value for name, value in headers.items()}


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw.decode("utf-8", "replace")
