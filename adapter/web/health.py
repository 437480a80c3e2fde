"""Is it alive, is it ready, how much does it do: `/healthz`, `/readyz`, `/metrics`.

Open to anyone who can reach the port, so they tell states and numbers only: no id, no person, no
secret, no address.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from adapter import metrics
from adapter.protocol.errors import FhirError, UpstreamError
from adapter.runtime import Adapter
from adapter.stores import facilities
from adapter.stores.counts import rows_by_state
from adapter.web.auth import GatewayAuth

#: Checks ask other services; callers who come often get the last answer.
KEPT_SECONDS = 3.0
LARGEST_OFFSET_SECONDS = 60

_NO_FACILITY = (
    "No facility is served: set ABDM_FACILITIES, or add one with `abdm-adapter facility add`."
)
_GUIDE_MISSING = (
    "The FHIR server has no implementation guide ndhm.in, so documents are not checked against it. "
    "Set ABDM_IG_PACKAGE for the FHIR server and start it again."
)


@dataclass(frozen=True)
class Check:
    """One line of `/readyz`. A `needed` one that is not ok makes the adapter not ready."""

    ok: bool
    detail: str
    needed: bool = True


def blueprint(adapter: Adapter, auth: GatewayAuth | None) -> Blueprint:
    """The three routes; `auth` is None while ABDM is switched off."""
    made = Blueprint("health", __name__)
    latest = _Latest(lambda: checks(adapter, auth))

    @made.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @made.get("/readyz")
    def readyz() -> tuple[Response, int]:
        found = latest.get()
        ready = all(check.ok for check in found.values() if check.needed)
        shown = {name: {"ok": c.ok, "detail": c.detail} for name, c in found.items()}
        return jsonify(ready=ready, checks=shown), 200 if ready else 503

    @made.get("/metrics")
    def show_metrics() -> Response:
        metrics.ROWS.clear()
        with adapter.db.reading() as tx:
            for table, state, number in rows_by_state(tx):
                metrics.ROWS.labels(table, state).set(number)
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)

    return made


def checks(adapter: Adapter, auth: GatewayAuth | None) -> dict[str, Check]:
    """Ask everything this adapter leans on."""
    found = {"database": _database(adapter), "fhir": _fhir(adapter)}
    if found["fhir"].ok:
        found["guide"] = _guide(adapter)
    if auth is not None:
        found["facilities"] = _facilities(adapter)
        found["gateway_session"] = _session(adapter)
        found["callback_sender"] = _sender(adapter, auth)
        found["clock"] = _clock(adapter)
    return found


def _database(adapter: Adapter) -> Check:
    try:
        with adapter.db.reading() as tx:
            tx.execute(text("SELECT 1 FROM inbox LIMIT 1"))
    except SQLAlchemyError:
        return Check(False, "The database of DATABASE_URL does not answer or has no tables.")
    return Check(True, "reachable")


def _facilities(adapter: Adapter) -> Check:
    try:
        with adapter.db.reading() as tx:
            number = len(facilities.served(tx))
    except SQLAlchemyError:
        number = 0
    sentence = f"{number} served" if number else _NO_FACILITY
    return Check(number > 0, sentence, needed=False)


def _fhir(adapter: Adapter) -> Check:
    try:
        adapter.fhir.ping()
    except FhirError:
        return Check(
            False, "The FHIR server of FHIR_BASE_URL does not answer, or refuses FHIR_TOKEN."
        )
    return Check(True, "reachable")


def _guide(adapter: Adapter) -> Check:
    try:
        loaded = adapter.fhir.guide_loaded()
    except FhirError:
        loaded = False
    detail = "ndhm.in is loaded" if loaded else _GUIDE_MISSING
    return Check(loaded, detail, needed=False)


def _session(adapter: Adapter) -> Check:
    try:
        for generation in sorted(adapter.config.api_versions):
            adapter.gateway.session_token(generation)
    except UpstreamError as error:
        return Check(False, error.sentence)
    return Check(True, "a session token is at hand")


def _sender(adapter: Adapter, auth: GatewayAuth) -> Check:
    try:
        pinned = {each: auth.pinned_claims(each) for each in sorted(adapter.config.api_versions)}
    except SQLAlchemyError:
        pinned = dict.fromkeys(sorted(adapter.config.api_versions))
    if all(pinned.values()):
        names = sorted({name for claims in pinned.values() for name in claims or {}})
        return Check(True, f"callbacks must carry the pinned {', '.join(names)}", False)
    missing = [each for each, claims in pinned.items() if not claims]
    of = f" of {', '.join(missing)}" if len(pinned) > 1 else ""
    return Check(
        False,
        f"No sender{of} is pinned yet: any client of the gateway's realm could send callbacks. It "
        "is learned from the first answer to a message of ours; or set CALLBACK_TOKEN_CLAIMS.",
        needed=False,
    )


def _clock(adapter: Adapter) -> Check:
    offset = adapter.gateway.clock_offset
    if offset is None:
        return Check(True, "not measured yet", needed=False)
    seconds = round(offset.total_seconds())
    if abs(seconds) > LARGEST_OFFSET_SECONDS:
        sentence = f"The gateway's clock is {seconds:+d} s from ours: set this machine's by NTP."
        return Check(False, sentence, needed=False)
    return Check(True, f"{seconds:+d} s from the gateway's", needed=False)


class _Latest:
    """Keeps a result for a few seconds; one caller at a time asks anew."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._kept: tuple[float, Any] | None = None

    def get(self) -> Any:
        with self._lock:
            if self._kept is None or monotonic() - self._kept[0] > KEPT_SECONDS:
                self._kept = (monotonic(), self._ask())
            return self._kept[1]
