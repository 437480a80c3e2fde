"""One hospital of its own for each test, over the run's one FHIR server."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import rig
from tests.flows.harness import Site, outside
from tests.flows.hims import Hospital, hospital_of


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """Where the adapter's own tables live: a SQLite file, unless a module says otherwise."""
    return rig.sqlite_url(tmp_path)


@pytest.fixture
def site(database_url: str, hapi: Any) -> Iterator[Site]:
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
        )
        yield Site(adapter, clock, recorded, hfr_id, f"{hfr_id}_1")
        adapter.db.close()


@pytest.fixture
def hospital(site: Site) -> Hospital:
    """The site's HIMS API, with a second facility that has a key of its own."""
    return hospital_of(site)
