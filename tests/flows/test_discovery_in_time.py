"""A patient who looks for records gets an answer within 10 seconds, also when FHIR is slow."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from adapter import work
from adapter.runtime import system_clock
from tests import rig
from tests.flows.harness import ON_DISCOVER, Site, artefact, discovery, error_code, grant, outside
from tests.outages import TcpProxy

pytestmark = pytest.mark.hapi

DEADLINE = 10.0


@pytest.fixture
def proxy(hapi: Any) -> Iterator[TcpProxy]:
    made = TcpProxy(urlsplit(hapi.base_url).port or 80)
    yield made
    made.close()


@pytest.fixture
def slow(tmp_path: Path, hapi: Any, proxy: TcpProxy) -> Iterator[Site]:
    """A hospital whose FHIR server is behind the proxy; real time and real workers."""
    hfr_id = f"IN{uuid.uuid4().int % 10**10:010d}"
    url = urlsplit(hapi.base_url)
    with outside() as recorded:
        adapter = rig.adapter_over(
            rig.sqlite_url(tmp_path),
            system_clock,
            abdm_facilities=hfr_id,
            abdm_url=recorded.url,
            fhir_base_url=url._replace(netloc=f"127.0.0.1:{proxy.port}").geturl(),
            fhir_token=hapi.token,
        )
        worker = work.EmbeddedWorker(adapter)
        worker.start()
        yield Site(adapter, adapter.clock, recorded, hfr_id, hfr_id)  # type: ignore[arg-type]
        worker.stop()
        adapter.db.close()


def answered_after(site: Site, patient: dict[str, Any]) -> float:
    """Seconds from a discovery to its answer."""
    begun = time.monotonic()
    site.store("DiscoverCareContexts", discovery(patient))
    while not site.outside.to(ON_DISCOVER):
        assert time.monotonic() - begun < 2 * DEADLINE, "no answer at all"
        time.sleep(0.05)
    return time.monotonic() - begun


def test_a_slow_fhir_server_gets_the_documented_error_in_time(slow: Site, proxy: TcpProxy) -> None:
    patient = slow.patient()
    slow.admit(patient, slow.visit(patient))
    proxy.delay = 6.0
    assert answered_after(slow, patient) < DEADLINE
    assert error_code(slow.outside.only(ON_DISCOVER)) == "ABDM-1019"


def test_other_callbacks_that_wait_for_a_slow_fhir_server_do_not_delay_it(
    slow: Site, proxy: TcpProxy
) -> None:
    patient = slow.patient()
    visit = slow.visit(patient)
    slow.admit(patient, visit)
    proxy.delay = 6.0
    for _ in range(6):
        slow.store("HipConsentNotify", grant(artefact(slow, patient, visit)))
    time.sleep(1)
    assert answered_after(slow, patient) < DEADLINE


def test_a_healthy_fhir_server_is_answered_for_with_the_visits(slow: Site) -> None:
    patient = slow.patient()
    slow.admit(patient, slow.visit(patient))
    assert answered_after(slow, patient) < DEADLINE
    assert slow.outside.only(ON_DISCOVER).body["patient"]
