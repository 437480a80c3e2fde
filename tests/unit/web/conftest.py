"""An application over real tables, and a gateway that signs callbacks."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jwt
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import rsa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from adapter.app import create_app
from adapter.protocol import ids, timestamps
from adapter.runtime import Adapter
from adapter.stores.db import inbox
from tests.rig import HIP_ID, adapter_over, sqlite_url
from tests.unit.upstream.fake_gateway import Clock, FakeGateway, fake_gateway, jwk, new_key

CONFIRM = "/api/v3/hip/link/care-context/confirm"
KEY = new_key()
ISSUER = "https://gateway.example.in/realms/central"


@dataclass
class Edge:
    """The application as the gateway meets it."""

    adapter: Adapter
    client: FlaskClient
    gateway: FakeGateway
    clock: Clock
    woken: list[None] = field(default_factory=list)

    def token(
        self,
        *,
        key: Any = KEY,
        alg: str = "RS256",
        kid: str | None = "kid-1",
        life: float = 1200,
        without: str | None = None,
        **claims: Any,
    ) -> str:
        """A bearer token as the gateway makes them, or one with something wrong."""
        now = int(self.clock().timestamp())
        made: dict[str, Any] = {
            "iss": ISSUER,
            "azp": "gateway",
            "aud": "account",
            "iat": now,
            "exp": now + life,
        } | claims
        if without is not None:
            del made[without]
        headers = {"kid": kid} if kid is not None else None
        return jwt.encode(made, key, algorithm=alg, headers=headers)

    def post(
        self,
        body: Any = None,
        *,
        path: str = CONFIRM,
        token: str | None = None,
        request_id: str | None = None,
        **headers: str | None,
    ) -> TestResponse:
        """One callback; a header given as None is left out."""
        if body is None:
            body = {"confirmation": {"token": 42917, "linkRefNumber": "ref-1"}}
        sent: dict[str, str | None] = {
            "Authorization": f"Bearer {token or self.token()}",
            "REQUEST-ID": request_id or ids.new_request_id(),
            "TIMESTAMP": timestamps.format(self.clock()),
            "X-HIP-ID": HIP_ID,
            "Content-Type": "application/json",
        }
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(
            path,
            data=body if isinstance(body, bytes | str) else json.dumps(body),
            headers={name: value for name, value in sent.items() if value is not None},
        )

    def rows(self) -> list[Any]:
        with self.adapter.db.reading() as tx:
            return list(tx.execute(sa.select(inbox).order_by(inbox.c.created_at)))


MakeEdge = Callable[..., Edge]


@pytest.fixture
def make_edge(tmp_path: Path) -> Iterator[MakeEdge]:
    """Builds an Edge with the given settings; closed at the end of the test."""
    made: list[Edge] = []
    with fake_gateway() as gateway:
        gateway.keys = [jwk("kid-1", KEY)]

        def build(clock: Clock | None = None, **settings: Any) -> Edge:
            clock = clock or Clock()
            woken: list[None] = []
            settings = {"abdm_url": gateway.url} | settings
            adapter = adapter_over(sqlite_url(tmp_path), clock, **settings)
            adapter = replace(adapter, wake=lambda: woken.append(None))
            app = create_app(adapter)
            edge = Edge(adapter, app.test_client(), gateway, clock, woken)
            made.append(edge)
            return edge

        yield build
        for edge in made:
            edge.adapter.db.close()


@pytest.fixture
def edge(make_edge: MakeEdge) -> Edge:
    return make_edge()


@pytest.fixture(scope="session")
def other_key() -> rsa.RSAPrivateKey:
    return new_key()
