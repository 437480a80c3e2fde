"""The Flask application: which blueprints there are, and what all routes share.

Routes parse, authenticate and answer; this module only puts them together. With
`ENABLE_ABDM=false` no ABDM route exists.
"""

from __future__ import annotations

from time import perf_counter

import structlog
from flask import Flask, Response, g, request

from adapter.runtime import Adapter
from adapter.web import (
    abha,
    archive,
    callbacks,
    changes,
    consents,
    entities,
    errors,
    facilities,
    fidelius,
    health,
    hims,
    incoming,
    push,
    queue,
    received,
    viewer,
)
from adapter.web.auth import GatewayAuth
from adapter.web.care import routes as care

log = structlog.get_logger("adapter.requests")

# Asked every few seconds by machines, and nothing happens there.
_NOT_LOGGED = frozenset({"/healthz", "/readyz", "/metrics"})


def create_app(adapter: Adapter) -> Flask:
    """The application over `adapter`, ready to serve; starts no worker and no thread."""
    app = Flask("adapter", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = adapter.config.max_callback_bytes
    auth = GatewayAuth(adapter) if adapter.config.enable_abdm else None
    app.register_blueprint(health.blueprint(adapter, auth))
    if auth is not None:
        app.register_blueprint(callbacks.blueprint(adapter, auth))
        app.register_blueprint(push.blueprint(adapter))
        app.register_blueprint(consents.blueprint(adapter))
        app.register_blueprint(incoming.blueprint(adapter))
        app.register_blueprint(hims.blueprint(adapter))
        app.register_blueprint(changes.blueprint(adapter))
        app.register_blueprint(entities.blueprint(adapter))
        app.register_blueprint(facilities.blueprint(adapter))
        app.register_blueprint(archive.blueprint(adapter))
        app.register_blueprint(received.blueprint(adapter))
        app.register_blueprint(viewer.blueprint(adapter))
        app.register_blueprint(abha.blueprint(adapter))
        app.register_blueprint(queue.blueprint(adapter))
        care.register(app, adapter)
        if adapter.config.fidelius_service:
            app.register_blueprint(fidelius.blueprint(adapter))
    errors.register(app)
    app.before_request(_start)
    app.after_request(_log)
    return app


def _start() -> None:
    g.started = perf_counter()


def _log(response: Response) -> Response:
    """One line a request: the route's template, never the URL, which may hold a credential."""
    route = request.url_rule.rule if request.url_rule else None
    if route not in _NOT_LOGGED:
        log.info(
            "request",
            method=request.method,
            route=route,
            status=response.status_code,
            ms=round((perf_counter() - g.started) * 1000, 1),
        )
    return response
