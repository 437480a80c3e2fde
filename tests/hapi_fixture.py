"""The real FHIR servers of a test run: one for everything, one with callers of every role."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from conformance import fhir_server
from tests import issuer as issuers

#: Settings of a server that lives for a minute or less: half its start goes into optimising code.
SHORT_LIVED = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}


@dataclass(frozen=True)
class Hapi:
    """How to reach the FHIR server: base URL without a slash at its end, and bearer token."""

    base_url: str
    token: str


class Client:
    """Plain HTTP against the server under test, so that no FHIR library can hide what it does."""

    def __init__(self, hapi: Hapi) -> None:
        self.base_url = hapi.base_url
        self.session = requests.Session()
        self.session.headers.update(
            {"Authorization": f"Bearer {hapi.token}", "Content-Type": "application/fhir+json"}
        )

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """One call on a path below the base URL, or on a full URL the server gave out."""
        url = path if path.startswith("http") else f"{self.base_url}/{path}".rstrip("/")
        data = json.dumps(body) if body is not None else None
        return self.session.request(method, url, data=data, timeout=120, **options)

    def put(self, resource: dict[str, Any]) -> requests.Response:
        return self.call("PUT", f"{resource['resourceType']}/{resource['id']}", resource)

    def get(self, path: str, **options: Any) -> dict[str, Any]:
        answer = self.call("GET", path, **options)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="session")
def hapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hapi]:
    """`FHIR_BASE_URL` and `FHIR_TOKEN` where set, else a server built and started for this run."""
    if base_url := os.environ.get("FHIR_BASE_URL"):
        yield Hapi(base_url.rstrip("/"), os.environ.get("FHIR_TOKEN", ""))
        return
    folder = tmp_path_factory.mktemp("fhir-server")
    with fhir_server.start(folder / "data", log_file=folder / "fhir-server.log") as server:
        yield Hapi(server.base_url, server.token)


@pytest.fixture(scope="session")
def fhir(hapi: Hapi) -> Client:
    """Plain HTTP to the FHIR server of this run."""
    return Client(hapi)


@dataclass(frozen=True)
class Guarded:
    """A FHIR server, a caller of each role by its name, and the issuer whose tokens it takes."""

    base_url: str
    callers: dict[str, Client]
    issuer: issuers.Issuer
    log_file: Path


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A server of this run's own, also where `FHIR_BASE_URL` names another."""
    folder = tmp_path_factory.mktemp("guarded")
    with issuers.running() as issuer:
        settings = SHORT_LIVED | {
            "FHIR_JWT_ISSUER": issuers.NAME,
            "FHIR_JWT_JWKS_URL": issuer.jwks_url,
            "FHIR_JWT_AUDIENCE": issuers.AUDIENCE,
        }
        with fhir_server.start(
            folder / "data",
            log_file=folder / "fhir-server.log",
            guide=None,
            roles=fhir_server.ROLES,
            settings=settings,
        ) as server:
            tokens = {"adapter": server.token, **server.tokens}
            callers = {role: Client(Hapi(server.base_url, token)) for role, token in tokens.items()}
            yield Guarded(server.base_url, callers, issuer, server.log_file)
