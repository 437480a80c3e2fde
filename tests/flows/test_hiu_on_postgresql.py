"""The SQL of consent requests on a real PostgreSQL: asked, granted, overdue, ended."""

import pytest

from adapter import work
from tests.flows.harness import Site
from tests.flows.hiu import (
    FETCH,
    REQUEST,
    STATUS,
    THIRD_HIP,
    artefact,
    artefact_row,
    asked,
    fetched,
    notice,
    reachable,
    request_row,
    status,
)

pytestmark = [pytest.mark.hapi, pytest.mark.postgres]


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


def test_a_consent_request_lives_and_ends_on_postgresql(site: Site) -> None:
    hiu = reachable(site)
    patient = hiu.patient()
    hiu.load(patient)
    row, handle = asked(hiu, patient)
    hiu.clock.advance(60)
    work.sweep(hiu.adapter)
    hiu.run()
    first, second = artefact(hiu, patient), artefact(hiu, patient, hip={"id": THIRD_HIP})
    status(hiu, hiu.outside.only(STATUS), handle, "GRANTED", first, second)
    hiu.clock.advance(minutes=6)
    work.sweep(hiu.adapter)
    hiu.run()
    # Each was sent, repeated by the outbox as unanswered, and asked for anew.
    assert len(hiu.outside.to(FETCH)) == 6
    for detail in (first, second):
        fetched(hiu, detail)
    assert len(hiu.outside.to(REQUEST)) == 2
    notice(hiu, handle, "REVOKED", first)
    assert artefact_row(hiu, first)["reason"] == "REVOKED"
    assert request_row(hiu, row.id)["state"] == "GRANTED"
    hiu.clock.advance(days=40)
    hiu.run()
    work.sweep(hiu.adapter)
    assert artefact_row(hiu, second)["reason"] == "EXPIRED"
    assert request_row(hiu, row.id)["state"] == "REVOKED"
