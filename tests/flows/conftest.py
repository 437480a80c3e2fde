"""One hospital of its own for each test, over the run's one FHIR server."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from adapter.app import create_app
from adapter.config import ApiKey
from adapter.runtime import system_clock
from conformance.simulator.config import SimulatorConfig
from conformance.simulator.server import RunningSimulator, start_in_thread
from tests import rig
from tests.flows.abha import KEY, Front, fresh_numbers
from tests.flows.harness import Json, Site, outside
from tests.flows.hims import Hospital, hospital_of
from tests.flows.hiu import reachable
from tests.flows.pushing import Pushing


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """Where the adapter's own tables live: a SQLite file, unless a module says otherwise."""
    return rig.sqlite_url(tmp_path)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module that names GENERATIONS runs in each; a test may name its own (`wire.only`)."""
    if "generation" in metafunc.fixturenames:
        found = getattr(metafunc.module, "GENERATIONS", ("v3",))
        metafunc.parametrize("generation", getattr(metafunc.function, "generations", found))


@pytest.fixture
def site(database_url: str, hapi: Any, generation: str) -> Iterator[Site]:
    """An adapter that serves one new facility, real HAPI behind it, a recording outside."""
    hfr_id = f"IN{uuid.uuid4().int % 10**10:010d}"
    with outside() as recorded:
        clock = rig.FrozenClock()
        adapter = rig.adapter_over(
            database_url,
            clock,
            abdm_facilities=f"{hfr_id}={hfr_id}_1",
            abdm_url=recorded.url,
            otp_url=f"{recorded.url}/otp",
            fhir_base_url=hapi.base_url,
            fhir_token=hapi.token,
            allow_local_push=True,
            public_url="https://hospital.example",
            abdm_api_version=generation,
        )
        yield Site(adapter, clock, recorded, hfr_id, f"{hfr_id}_1", generation)
        adapter.db.close()


@pytest.fixture
def hospital(site: Site) -> Hospital:
    """The site's HIMS API, with a second facility that has a key of its own."""
    return hospital_of(site)


@pytest.fixture
def hiu(site: Site) -> Site:
    """The site with a public address, where pages of records can reach it."""
    return reachable(site)


@pytest.fixture
def patient(hiu: Site) -> Json:
    """A patient on record whom other hospitals can be asked about."""
    made = hiu.patient()
    hiu.load(made)
    return made


@pytest.fixture
def other(site: Site) -> Pushing:
    """Another hospital that a consent lets send its records here."""
    made = Pushing(site)
    made.grant()
    return made


@pytest.fixture(scope="session")
def abdm() -> Iterator[RunningSimulator]:
    """The simulated ABDM of all desks."""
    quick = SimulatorConfig(callback_delay_min=0.0, callback_delay_max=0.01)
    with start_in_thread(quick) as running:
        running.client.timeout = 30.0
        yield running


@pytest.fixture
def front(database_url: str, hapi: Any, abdm: RunningSimulator, generation: str) -> Iterator[Front]:
    """A registration desk: an adapter of its own, real HAPI, and the real simulator's ABHA service
    or, in v0.5, its Health ID service."""
    hfr_id = f"IN{uuid.uuid4().int % 10**10:010d}"
    abdm.client.reset()
    fresh_numbers(abdm)
    abdm.client.add_bridge("SBX_000001", "secret-of-a-test", "http://127.0.0.1:9")
    abdm.client.add_service(hfr_id, "Hospital of a Test", ["HIP", "HIU"], "SBX_000001")
    adapter = rig.adapter_over(
        database_url,
        system_clock,
        abdm_facilities=hfr_id,
        abdm_url=abdm.base_url,
        abha_url=abdm.base_url,
        health_service_api_url=f"{abdm.base_url}/healthid/api",
        abdm_api_version=generation,
        fhir_base_url=hapi.base_url,
        fhir_token=hapi.token,
        hims_api_keys=(ApiKey(SecretStr(KEY), None),),
    )
    yield Front(adapter, create_app(adapter).test_client(), abdm, generation)
    adapter.db.close()
