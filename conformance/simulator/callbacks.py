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
from conformance.simulator.state import new_id
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
        self, message: str, service_id: str, body: dict[str, Any], request_id: str | None = None
    ) -> None:
        """Deliver `message` to the bridge that serves this HIP or HIU, a little later.

        Must not be called while holding the state: the bridge may call back at once.
        """
        wrong = schemas.problems(message, body)
        if wrong:
            raise RuntimeError(f"The simulator built a bad {message}: {'; '.join(wrong)}")
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
            key = self._simulator.realm.rotate()
            self._simulator.scheduler.after(
                faults["key-rotation"].params["seconds"],
                lambda: self._simulator.realm.publish(key),
            )
        if "wrong-request-id" in faults and "response" in body:
            body = {**body, "response": {"requestId": new_id()}}
        if body.get("error") and self._simulator.faults.colon():
            body = {**body, "error": {**body["error"], "code": body["error"]["code"] + ": "}}
        role = "X-HIU-ID" if "/hiu/" in PATHS[message] else "X-HIP-ID"
        callback = Callback(
            message,
            bridge.url.rstrip("/") + PATHS[message],
            self.headers(kind, request_id or new_id(), {role: service_id}),
            body,
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

    def headers(
        self, kind: TokenKind | None, request_id: str, more: dict[str, str]
    ) -> dict[str, str]:
        """The headers of a callback, signed in the given way or not at all."""
        headers = {
            "REQUEST-ID": request_id,
            "TIMESTAMP": timestamp(now()),
            "Content-Type": "application/json",
            **more,
        }
        if kind is not None:
            token = self._simulator.realm.callback(
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
