"""The whole stack as processes: real HAPI, gunicorn with its worker, the simulator, over HTTP."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter import runtime
from adapter.config import Config
from adapter.flows import change_hooks
from conformance import stack as stacks
from conformance.journey import Journey
from conformance.stack import Stack
from tests.hapi_fixture import Client


@pytest.fixture(scope="package")
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Adapter and simulator as processes over the run's HAPI, or what RUNNING_STACK names.

    They end with these tests: their record watch would look at the records of all that follow.
    """
    running = os.environ.get("RUNNING_STACK")
    if running:
        yield Stack(folder=Path(), env={}, **json.loads(running))
        return
    hapi: Any = request.getfixturevalue("hapi")
    folder = tmp_path_factory.mktemp("stack")
    with stacks.start(folder, fhir_url=hapi.base_url, fhir_token=hapi.token) as started:
        yield started
    _remove_hooks(started, Client(hapi))


def _remove_hooks(stack: Stack, fhir: Client) -> None:
    """Nobody listens to them any more."""
    settings = {name.lower(): value for name, value in stack.env.items()}
    adapter = runtime.build(Config(_env_file=None, **settings))
    for name in change_hooks.wanted_subscriptions(adapter):
        fhir.call("DELETE", f"Subscription/{name}")
    adapter.db.close()


@pytest.fixture(scope="package")
def journey(stack: Stack) -> Journey:
    """The guided journey's shared memory."""
    return Journey(stack)
