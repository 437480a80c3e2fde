"""A received document as a page, drawn by the viewer that the hospital has built for itself.

A browser sends no key of its own: the proxy in front of the hospital's system, which knows who has
logged in, adds key and `X-User`, as for CARE's front end. The page holds the document itself, so
that one look is one entry of the audit trail, and what is drawn is what is listed. It may run our
script and nothing else; all of the document's texts are foreign.
"""

from __future__ import annotations

import json

from flask import Blueprint, Response, render_template, send_from_directory
from markupsafe import Markup

from adapter import viewer
from adapter.flows import received_records
from adapter.protocol import timestamps
from adapter.protocol.errors import CODES, DependencyUnavailable, NotFound, RequestError
from adapter.runtime import Adapter
from adapter.web.answering import hims_route, hip_ids_of
from adapter.web.auth import Caller
from mappings.value_text import date_text
from mappings.viewer import viewed

#: No address but our own script and style; no inline code, frames, forms, pictures or connections.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_NOT_BUILT = (
    "The viewer is not built on this machine. Whoever runs the adapter builds it with "
    "`abdm-adapter viewer build`; until then GET /hims/v1/received/ID/document gives the document."
)


def blueprint(adapter: Adapter) -> Blueprint:
    """The page under /hims/v1/received and the viewer's files under /hims/v1/viewer."""
    pages = Blueprint("viewer", __name__, template_folder=str(viewer.SOURCES))
    hims_route(adapter, pages, "/hims/v1/received/<document_id>/view", "GET", _page)
    hims_route(adapter, pages, "/hims/v1/viewer/<name>", "GET", _file)

    @pages.errorhandler(RequestError)
    def explain(error: RequestError) -> tuple[Response, int]:
        return _html("refused.html", sentence=error.sentence), CODES[type(error).__name__].http

    @pages.after_request
    def protect(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response

    return pages


def _page(adapter: Adapter, caller: Caller, document_id: str) -> Response:
    if not viewer.is_built(adapter.config.viewer_dir):
        raise DependencyUnavailable(_NOT_BUILT)
    found = received_records.verbatim(
        adapter, hip_ids_of(adapter, caller), caller.name, document_id
    )
    shown = viewed(found.content)
    records = [row for row in shown.rows if not row.of_people]
    return _html(
        "viewer.html",
        source=found.document.hip_id,
        received_at=date_text(timestamps.format(found.document.received_at)),
        patient=shown.patient,
        records=records,
        people=[row for row in shown.rows if row.of_people],
        lost=shown.lost,
        complete=not shown.lost and not any(row.why for row in records),
        bundle=_data_block(shown.bundle) if shown.bundle else None,
    )


def _file(adapter: Adapter, caller: Caller, name: str) -> Response:
    folder = adapter.config.viewer_dir.resolve()
    if name not in viewer.FILES or not viewer.is_built(folder):
        raise NotFound("The viewer has no such file, or is not built on this machine.")
    return send_from_directory(folder, name, mimetype=viewer.FILES[name])


def _html(template: str, **values: object) -> Response:
    return Response(render_template(template, **values), content_type="text/html; charset=utf-8")


def _data_block(value: object) -> Markup:
    """JSON that ends no script element, whatever texts are in it; ASCII only."""
    return Markup(json.dumps(value).replace("<", "\\u003c"))  # noqa: S704 - escaped just here
