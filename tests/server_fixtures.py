"""Fixtures over `tests.servers`: one PostgreSQL and one Redis a run, a fresh database a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import rig, servers


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server's own database; tests use `postgres_url`."""
    with servers.postgres_server() as running:
        yield running


@pytest.fixture
def postgres_url(postgres: str) -> str:
    """The URL of a new, empty PostgreSQL database."""
    return servers.new_database(postgres)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a running Redis server."""
    with servers.redis_server() as running:
        yield running


@pytest.fixture(
    params=[pytest.param("sqlite"), pytest.param("postgres", marks=pytest.mark.postgres)]
)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each of the two kinds of database in turn, empty."""
    if request.param == "sqlite":
        return rig.sqlite_url(tmp_path)
    url: str = request.getfixturevalue("postgres_url")
    return url
