"""The gateway as far as a client sees it: sessions, certs, and one answer for everything else."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from werkzeug.wrappers import Request, Response

from tests.unit.upstream.server import Server, Visit, accepted, serving

SESSIONS = "/api/hiecm/gateway/v3/sessions"
CERTS = "/api/hiecm/gateway/v3/certs"


class Clock:
    """Stands still until told; in no zone's favour."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **time: float) -> None:
        self.now += timedelta(**time)


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def jwk(kid: str, key: rsa.RSAPrivateKey, alg: str = "RS256") -> dict[str, Any]:
    shown = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return {"kid": kid, "kty": "RSA", "use": "sig", "alg": alg, "n": shown["n"], "e": shown["e"]}


@dataclass
class FakeGateway:
    """Issues token-1, token-2, …; `session`, `certs` and `answer` may be replaced by a test."""

    server: Server
    expires_in: Any = 1200
    keys: list[dict[str, Any]] = field(default_factory=list)
    session: Callable[[Request], Response] | None = None
    certs: Callable[[Request], Response] | None = None
    answer: Callable[[Request], Response] = accepted
    issued: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return self.server.url

    def respond(self, request: Request) -> Response:
        if request.path == SESSIONS:
            return self.session(request) if self.session else self._new_session()
        if request.path == CERTS:
            body = json.dumps({"keys": self.keys})
            return self.certs(request) if self.certs else Response(body, 200)
        return self.answer(request)

    def _new_session(self) -> Response:
        with self.lock:
            self.issued += 1
            body = {"accessToken": f"token-{self.issued}", "expiresIn": self.expires_in}
        return Response(json.dumps(body), 202)

    def visits(self, path: str | None = None) -> list[Visit]:
        """Visits to `path`, or to everything that is neither sessions nor certs."""
        return [
            visit
            for visit in self.server.visits
            if visit.path == path or (path is None and visit.path not in (SESSIONS, CERTS))
        ]


@contextmanager
def fake_gateway() -> Iterator[FakeGateway]:
    with serving() as server:
        gateway = FakeGateway(server)
        server.answer = gateway.respond
        yield gateway
