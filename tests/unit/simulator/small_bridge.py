"""A small bridge: signs in to the simulator, calls it, and records the callbacks it gets.

What stands behind a bridge is in small_hip.py and small_hiu.py.
"""

import json
import logging
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import jwt
import requests
from flask import Flask, Response, request
from werkzeug.serving import make_server

from conformance.simulator.times import timestamp

GATEWAY = "/api/hiecm/gateway/v3"


@dataclass
class Received:
    """A callback as it arrived."""

    path: str
    headers: dict[str, str]
    body: Any
    at: datetime

    @property
    def request_id(self) -> str:
        return self.headers["Request-Id"]


@dataclass
class SmallBridge:
    """Serve it with `start()`; `status` is what it answers to callbacks."""

    simulator_url: str
    silent: bool = False
    status: int = 202
    received: list[Received] = field(default_factory=list)
    client_id: str = ""
    client_secret: str = "a-secret-of-the-tests"

    def start(self) -> Self:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        app = Flask("small-bridge")
        app.add_url_rule("/<path:path>", "callback", self._callback, methods=["POST"])
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/abdm"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()
        self._pool = ThreadPoolExecutor(1)
        self._token: str | None = None
        self._arrived = threading.Condition()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    # -- towards the gateway -----------------------------------------------------------------

    def session(self) -> str:
        reply = self.raw(
            "POST",
            f"{GATEWAY}/sessions",
            {"clientId": self.client_id, "clientSecret": self.client_secret,
             "grantType": "client_credentials"},
            {"Authorization": None},
        )  # fmt: skip
        assert reply.status_code == 202, reply.text
        return str(reply.json()["accessToken"])

    def raw(
        self, method: str, path: str, body: Any = None, headers: dict[str, Any] | None = None
    ) -> requests.Response:
        """A call with all standard headers; a header given as None is left out."""
        sent: dict[str, Any] = {
            "REQUEST-ID": str(uuid.uuid4()),
            "TIMESTAMP": timestamp(datetime.now(UTC)),
            "X-CM-ID": "sbx",
            "Content-Type": "application/json",
            **(headers or {}),
        }
        if "Authorization" not in sent:
            self._token = self._token or self.session()
            sent["Authorization"] = f"Bearer {self._token}"
        sent = {name: value for name, value in sent.items() if value is not None}
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        return requests.request(
            method, self.simulator_url + path, data=data, headers=sent, timeout=60
        )

    # -- from the gateway --------------------------------------------------------------------

    def wait(self, path: str, count: int = 1, seconds: float = 30.0) -> Received:
        """The count-th callback whose path ends so."""

        def found() -> list[Received]:
            return [one for one in self.received if one.path.endswith(path)]

        with self._arrived:
            assert self._arrived.wait_for(lambda: len(found()) >= count, seconds), (
                f"{path} did not come {count} time(s)"
            )
            return found()[count - 1]

    def _callback(self, path: str) -> Response:
        headers = dict(request.headers.items())
        if self._wants_signature(path) and not self._signed(headers.get("Authorization", "")):
            return Response(status=401)
        one = Received(f"/{path}", headers, request.get_json(), datetime.now(UTC))
        with self._arrived:
            self._keep(one)
            self._arrived.notify_all()
        if not self.silent and self.status < 300:
            self._pool.submit(self._answer, one)
        return Response(status=self.status)

    def _keep(self, one: Received) -> None:
        self.received.append(one)

    def _wants_signature(self, _path: str) -> bool:
        return True

    def _signed(self, bearer: str) -> bool:
        return self._signed_by(f"{GATEWAY}/certs", bearer)

    def _signed_by(self, certs: str, bearer: str) -> bool:
        token = bearer.removeprefix("Bearer ")
        keys = self.raw("GET", certs).json()
        try:
            kid = jwt.get_unverified_header(token)["kid"]
            key = next(k for k in jwt.PyJWKSet.from_dict(keys).keys if k.key_id == kid)
            jwt.decode(token, key.key, algorithms=["RS256"], audience="account")
        except (jwt.InvalidTokenError, StopIteration, KeyError):
            return False
        return True

    def _answer(self, one: Received) -> None:
        raise NotImplementedError
