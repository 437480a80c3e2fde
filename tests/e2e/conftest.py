"""The whole stack as processes: real HAPI, gunicorn with its worker, the simulator, over HTTP."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance import stack as stacks
from conformance.journey import Journey
from conformance.stack import Stack


@pytest.fixture(scope="session")
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Adapter and simulator as processes over the run's HAPI, or what RUNNING_STACK names."""
    running = os.environ.get("RUNNING_STACK")
    if running:
        yield Stack(folder=Path(), env={}, **json.loads(running))
        return
    hapi: Any = request.getfixturevalue("hapi")
    folder = tmp_path_factory.mktemp("stack")
    with stacks.start(folder, fhir_url=hapi.base_url, fhir_token=hapi.token) as started:
        yield started


@pytest.fixture(scope="session")
def journey(stack: Stack) -> Journey:
    """The guided journey's shared memory."""
    return Journey(stack)
