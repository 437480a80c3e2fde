"""The one real FHIR server of a test run."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from conformance import fhir_server


@dataclass(frozen=True)
class Hapi:
    """How to reach the FHIR server: base URL without a slash at its end, and bearer token."""

    base_url: str
    token: str


@pytest.fixture(scope="session")
def hapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hapi]:
    """`FHIR_BASE_URL` and `FHIR_TOKEN` where set, else a server built and started for this run."""
    if base_url := os.environ.get("FHIR_BASE_URL"):
        yield Hapi(base_url.rstrip("/"), os.environ.get("FHIR_TOKEN", ""))
        return
    folder = tmp_path_factory.mktemp("fhir-server")
    with fhir_server.start(folder / "data", log_file=folder / "fhir-server.log") as server:
        yield Hapi(server.base_url, server.token)
