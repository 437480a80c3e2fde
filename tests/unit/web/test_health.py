import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.wrappers import Response

from adapter.protocol.errors import FhirUnavailable
from adapter.web import health
from tests.unit.web.conftest import Edge, MakeEdge


def ready(edge: Edge) -> tuple[int, dict[str, Any]]:
    response = edge.client.get("/readyz")
    return response.status_code, json.loads(response.data)


@pytest.fixture
def fhir(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets the FHIR server be there or not, with or without the guide."""

    def says(*, there: bool = True, guide: bool = True) -> None:
        from adapter.stores.fhir_store import FhirStore

        def ping(_store: FhirStore) -> None:
            if not there:
                raise FhirUnavailable("away")

        monkeypatch.setattr(FhirStore, "ping", ping)
        monkeypatch.setattr(FhirStore, "guide_loaded", lambda _store: guide)

    return says


def test_alive_says_so_without_asking_anyone(edge: Edge) -> None:
    response = edge.client.get("/healthz")
    assert (response.status_code, json.loads(response.data)) == (200, {"status": "ok"})
    assert edge.gateway.server.visits == []


def test_ready_names_every_check(edge: Edge, fhir: Any) -> None:
    fhir()
    status, body = ready(edge)
    assert (status, body["ready"]) == (200, True)
    assert set(body["checks"]) == {
        "facilities",
        "database",
        "fhir",
        "guide",
        "gateway_session",
        "callback_sender",
        "clock",
    }


def test_missing_guide_is_told_and_no_failure(edge: Edge, fhir: Any) -> None:
    fhir(guide=False)
    status, body = ready(edge)
    assert status == 200
    assert "ABDM_IG_PACKAGE" in body["checks"]["guide"]["detail"]


def test_unreachable_fhir_server_makes_it_not_ready(edge: Edge) -> None:
    status, body = ready(edge)
    assert (status, body["ready"]) == (503, False)
    assert "FHIR_BASE_URL" in body["checks"]["fhir"]["detail"]


def test_refused_session_makes_it_not_ready_and_names_the_settings(edge: Edge, fhir: Any) -> None:
    fhir()
    edge.gateway.session = lambda _request: Response(status=401)
    status, body = ready(edge)
    assert status == 503
    assert "ABDM_CLIENT_ID" in body["checks"]["gateway_session"]["detail"]


def test_clock_that_is_off_is_told(edge: Edge, fhir: Any) -> None:
    fhir()
    edge.clock.advance(minutes=-5)
    status, body = ready(edge)
    assert status == 200
    assert not body["checks"]["clock"]["ok"]
    assert "NTP" in body["checks"]["clock"]["detail"]


def test_frequent_questions_do_not_reach_the_gateway_each_time(edge: Edge, fhir: Any) -> None:
    fhir()
    edge.gateway.session = lambda _request: Response(status=503)
    for _ in range(5):
        ready(edge)
    assert len(edge.gateway.server.visits) == 1
    assert health.KEPT_SECONDS > 1


def test_with_abdm_switched_off_only_the_stores_are_checked(make_edge: MakeEdge, fhir: Any) -> None:
    fhir()
    _, body = ready(make_edge(enable_abdm=False))
    assert set(body["checks"]) == {"database", "fhir", "guide"}


def test_metrics_count_callbacks_and_waiting_rows_and_name_nobody(edge: Edge) -> None:
    edge.post()
    edge.post({})
    text = edge.client.get("/metrics").get_data(as_text=True)
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["abdm_rows", "WAITING", "inbox"] == 1
    assert samples["abdm_callbacks_total", "LinkConfirm", "new"] >= 1
    assert samples["abdm_callbacks_total", "LinkConfirm", "MalformedRequest"] >= 1
    assert "ref-1" not in text
