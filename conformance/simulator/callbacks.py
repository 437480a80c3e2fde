"""Delivers signed callbacks to the bridges: asynchronous, repeated once, with faults applied.

A callback is built and signed once; a repeat carries the same bearer and REQUEST-ID, however
old they are by then. Nothing here decides what is said. Source: V3 contract 5 and 11.
"""

import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from conformance import schemas
from conformance.simulator import v05_callbacks
from conformance.simulator.state import Generation, new_id
from conformance.simulator.times import now, timestamp
from conformance.simulator.tokens import TokenKind

if TYPE_CHECKING:
    from conformance.simulator.core import Simulator

PATHS = {
    "OnGenerateLinkToken": "/api/v3/hip/token/on-generate-token",
    "OnHipLinkCareContext": "/api/v3/link/on_carecontext",
    "OnCareContextNotify": "/api/v3/links/context/on-notify",
    "OnSmsNotify": "/api/v3/patients/sms/on-notify",
    "DiscoverCareContexts": "/api/v3/hip/patient/care-context/discover",
    "LinkInit": "/api/v3/hip/link/care-context/init",
    "LinkConfirm": "/api/v3/hip/link/care-context/confirm",
    "HipConsentNotify": "/api/v3/consent/request/hip/notify",
    "HipHealthInformationRequest": "/api/v3/hip/health-information/request",
    "ProfileShare": "/api/v3/hip/patient/share",
    "OnConsentRequestInit": "/api/v3/hiu/consent/request/on-init",
    "OnConsentRequestStatus": "/api/v3/hiu/consent/request/on-status",
    "HiuConsentNotify": "/api/v3/hiu/consent/request/notify",
    "OnConsentFetch": "/api/v3/hiu/consent/on-fetch",
    "OnHiuHealthInformationRequest": "/api/v3/hiu/health-information/on-request",
}


@dataclass(frozen=True)
class Callback:
    """Everything that goes over the wire."""

    message: str
    url: str
    headers: dict[str, str]
    body: Any


class Callbacks:
    """Sends callbacks through the scheduler."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator
        self._held: list[Callback] = []
        self._lock = threading.Lock()

    def send(
        self,
        message: str,
        service_id: str,
        body: dict[str, Any],
        request_id: str | None = None,
        *,
        about: str = "",
        generation: Generation | None = None,
    ) -> None:
        """Deliver `message`, in the form of V3, to the bridge of this HIP or HIU, a little later.

        `about`: the artefact in question where the body need not name it. `generation`: how to
        write it if not as the bridge asked or is registered.
        Must not be called while holding the state: the bridge may call back at once.
        """
        generation = generation or self._simulator.generation_for(service_id, body)
        if generation == "v3":
            _check(message, body, generation)
        bridge = self._simulator.bridge_of(service_id)
        if bridge is None or not bridge.url:
            self._simulator.record_undelivered(message, service_id)
            return
        faults = self._simulator.faults.take("callback", message)
        if "drop" in faults:
            return
        kind: TokenKind | None = "expired" if "late" in faults else "valid"
        if "token" in faults:
            kind = faults["token"].params["kind"]
        if "key-rotation" in faults:
            realm = self._simulator.realm_of(generation)
            key = realm.rotate()
            self._simulator.scheduler.after(
                faults["key-rotation"].params["seconds"], lambda: realm.publish(key)
            )
        if "wrong-request-id" in faults and "response" in body:
            body = {**body, "response": {"requestId": new_id()}}
        if body.get("error") and self._simulator.faults.colon():
            body = {**body, "error": {**body["error"], "code": body["error"]["code"] + ": "}}
        callback = self._written(
            message,
            bridge.url,
            service_id,
            v05_callbacks.Told(body, request_id or new_id(), about),
            kind,
            generation,
        )
        if "before-202" in faults:
            self._deliver(callback, repeats=1)
            return
        config = self._simulator.config
        delay = random.uniform(config.callback_delay_min, config.callback_delay_max)
        for name in ("delay", "late"):
            if name in faults:
                delay += faults[name].params["seconds"]
        if "reorder" in faults:
            with self._lock:
                self._held.append(callback)
            self._simulator.scheduler.after(faults["reorder"].params["seconds"], self._release)
            return
        self._simulator.scheduler.after(delay, lambda: self._deliver(callback, repeats=1))
        if "duplicate" in faults:
            again = delay + faults["duplicate"].params["seconds"]
            self._simulator.scheduler.after(again, lambda: self._deliver(callback, repeats=0))

    def _written(
        self,
        message: str,
        url: str,
        service_id: str,
        told: v05_callbacks.Told,
        kind: TokenKind | None,
        generation: Generation,
    ) -> Callback:
        if generation == "v3":
            role = "X-HIU-ID" if "/hiu/" in PATHS[message] else "X-HIP-ID"
            headers = self.headers(kind, told.request_id, {role: service_id})
            return Callback(message, url.rstrip("/") + PATHS[message], headers, told.body)
        older = v05_callbacks.written(self._simulator, message, service_id, told)
        _check(older.schema, older.body, generation)
        headers = self._signed(
            kind, {"Content-Type": "application/json", older.role: service_id}, generation
        )
        return Callback(message, url.rstrip("/") + older.path, headers, older.body)

    def headers(
        self, kind: TokenKind | None, request_id: str, more: dict[str, str]
    ) -> dict[str, str]:
        """The headers of a callback in V3, signed in the given way or not at all."""
        headers = {
            "REQUEST-ID": request_id,
            "TIMESTAMP": timestamp(now()),
            "Content-Type": "application/json",
            **more,
        }
        return self._signed(kind, headers, "v3")

    def _signed(
        self, kind: TokenKind | None, headers: dict[str, str], generation: Generation
    ) -> dict[str, str]:
        if kind is not None:
            token = self._simulator.realm_of(generation).callback(
                self._simulator.config.callback_token_seconds, kind
            )
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def post(self, callback: Callback) -> tuple[int | None, str]:
        """One delivery now: the status and body that came back, None if nothing did."""
        exchange = self._simulator.begin(
            "out", callback.message, "POST", callback.url, callback.headers, callback.body
        )
        started = time.monotonic()
        try:
            reply = requests.post(
                callback.url,
                json=callback.body,
                headers=callback.headers,
                timeout=self._simulator.config.callback_timeout,
                allow_redirects=False,
            )
            status, text, note = reply.status_code, reply.text, ""
        except requests.RequestException as error:
            status, text, note = None, "", f"not delivered: {type(error).__name__}"
        self._simulator.finish(exchange, status, text, time.monotonic() - started, note)
        return status, text

    def _deliver(self, callback: Callback, repeats: int) -> None:
        status, _ = self.post(callback)
        self._release()
        if repeats and (status is None or not 200 <= status < 300):
            self._simulator.scheduler.after(
                self._simulator.config.callback_repeat_after,
                lambda: self._deliver(callback, repeats - 1),
            )

    def _release(self) -> None:
        with self._lock:
            held, self._held = self._held, []
        for callback in held:
            self._deliver(callback, repeats=1)


def _check(schema: str, body: Any, generation: Generation) -> None:
    wrong = schemas.problems(schema, body, generation)
    if wrong:
        raise RuntimeError(f"The simulator built a bad {schema}: {'; '.join(wrong)}")
