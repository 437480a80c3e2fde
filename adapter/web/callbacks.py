"""The gateway's callbacks: store, answer, then let the worker know. Nothing else happens here.

In order (architecture 7): size, token, sender, headers, decode, insert, commit, 202, wake. The
gateway never waits for FHIR or for another network call but the key fetch of at most 2 s. What is
wrong up to decode is answered at once; what is wrong later, an unknown facility included, is told
through the matching `on-…` message by the worker.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from flask import Blueprint, Response, g, jsonify, request
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from adapter import flows, metrics
from adapter.protocol import routes, timestamps
from adapter.protocol.errors import DependencyUnavailable, Unauthenticated
from adapter.protocol.routes import Inbound
from adapter.runtime import Adapter
from adapter.stores import inbox
from adapter.stores.db import Tx
from adapter.stores.together import Together
from adapter.web.auth import GatewayAuth

ACCEPTED = 202
#: Where the older gateway looks whether a bridge is there; it tells nothing that /healthz doesn't.
HEARTBEAT_PATH = "/v0.5/heartbeat"


def blueprint(adapter: Adapter, auth: GatewayAuth) -> Blueprint:
    """A route for every inbound row of every dialect in use; others answer 404."""
    made = Blueprint("callbacks", __name__)
    together = Together(adapter.db)
    used = adapter.config.api_versions
    for dialect in (each for each in routes.DIALECTS if routes.dialect_of(each).generation in used):
        for row in routes.inbound(dialect):
            # Flask allows no dot in the name of a route.
            name = f"{dialect.replace('.', '_')}_{row.message.__name__}"
            made.add_url_rule(
                row.path, name, _view(adapter, auth, together, dialect, row), methods=["POST"]
            )
    if "v0.5" in used:
        made.add_url_rule(HEARTBEAT_PATH, "heartbeat", _heartbeat(adapter))
    return made


def _heartbeat(adapter: Adapter) -> Callable[[], Response]:
    def heartbeat() -> Response:
        return jsonify(timestamp=timestamps.format(adapter.clock()), status="UP")

    return heartbeat


def _view(
    adapter: Adapter, auth: GatewayAuth, together: Together, dialect: str, row: Inbound
) -> Callable[[], Response]:
    name = row.message.__name__

    def receive() -> Response:
        started = perf_counter()
        g.dialect = dialect  # a refusal is said in it
        try:
            with adapter.turns.answering():
                outcome = _receive(adapter, auth, together, dialect, row)
        except Exception as error:
            metrics.CALLBACKS.labels(name, type(error).__name__).inc()
            raise
        if outcome == "new":
            adapter.wake()
        metrics.CALLBACKS.labels(name, outcome).inc()
        metrics.CALLBACK_SECONDS.observe(perf_counter() - started)
        return Response(status=ACCEPTED)

    return receive


def _receive(
    adapter: Adapter, auth: GatewayAuth, together: Together, dialect: str, row: Inbound
) -> str:
    limit = adapter.config.max_callback_bytes
    request.max_content_length = limit
    if (request.content_length or 0) > limit:
        raise RequestEntityTooLarge
    generation = routes.dialect_of(dialect).generation
    sender = auth.verify(request.headers.get("Authorization"), generation)
    if not request.is_json:
        raise UnsupportedMediaType
    body = request.get_data(cache=False)
    name = row.message.__name__
    # By name, since going through all of them costs as much as the rest of decoding.
    headers = {each: request.headers.get(each) for each in routes.HEADERS}
    envelope, _ = routes.decode(dialect, name, headers, body)

    def write(tx: Tx) -> str:
        if sender.late and inbox.seen(tx, name, envelope.request_id):
            # The leeway on expiry is for a delivery we refused, never for a replay.
            raise Unauthenticated
        auth.learn(tx, sender, envelope.response_to)
        return inbox.store(
            tx,
            adapter,
            message=name,
            dialect=dialect,
            request_id=envelope.request_id,
            hip_id=envelope.hip_id,
            hiu_id=envelope.hiu_id,
            sent_at=envelope.timestamp,
            body=body,
            patience=flows.HANDLERS[row.message].patience,
        )

    try:
        return together.write(write)
    except OperationalError:
        raise DependencyUnavailable(
            "The adapter's database does not answer; send this again later."
        ) from None
