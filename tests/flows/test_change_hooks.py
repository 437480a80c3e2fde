"""The FHIR server rings by Subscriptions that the adapter makes, keeps in repair and knows."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests
from werkzeug.serving import make_server

from adapter.app import create_app
from adapter.flows import change_hooks
from adapter.rules.watching import WATCHED_TYPES
from adapter.runtime import Adapter
from adapter.stores import watch
from tests.flows.harness import Site
from tests.hapi_fixture import Client
from tests.servers import free_port

pytestmark = pytest.mark.hapi


@pytest.fixture
def rung(site: Site, fhir: Client) -> Iterator[Adapter]:
    """An adapter that answers at an address of its own; its Subscriptions go with it."""
    port = free_port()
    changes = {"watch_records": True, "watch_hook_url": f"http://127.0.0.1:{port}"}
    adapter = replace(site.adapter, config=site.adapter.config.model_copy(update=changes))
    server = make_server("127.0.0.1", port, create_app(adapter), threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield adapter
    for name in change_hooks.wanted_subscriptions(adapter):
        fhir.call("DELETE", f"Subscription/{name}")
    server.shutdown()


def url_of(adapter: Adapter, kind: str) -> str:
    return f"{adapter.config.watch_hook_url}{change_hooks.PATH}/{kind}"


def secret_of(adapter: Adapter) -> dict[str, str]:
    one = next(iter(change_hooks.wanted_subscriptions(adapter).values()))
    name, _, value = one["channel"]["header"][0].partition(": ")
    return {name: value}


def due(adapter: Adapter, kind: str) -> float:
    """Seconds until a type is searched next."""
    with adapter.db.reading() as tx:
        row = tx.exec_driver_sql(f"SELECT due_at FROM watch WHERE id = '{kind}'").scalar_one()
    at = adapter.clock()
    return float((type(at).fromisoformat(str(row)).replace(tzinfo=at.tzinfo) - at).total_seconds())


def later(adapter: Adapter) -> None:
    with adapter.db.transaction() as tx:
        for kind in (*WATCHED_TYPES, watch.HOOKS):
            watch.plan(tx, kind, adapter.clock().replace(year=2030))


def test_a_written_record_rings_and_its_type_is_searched_in_a_moment(
    site: Site, rung: Adapter, fhir: Client
) -> None:
    assert change_hooks.repair(rung) == len(WATCHED_TYPES)
    names = change_hooks.wanted_subscriptions(rung)
    until = time.monotonic() + 60
    while any(fhir.get(f"Subscription/{name}")["status"] != "active" for name in names):
        assert time.monotonic() < until, "the Subscriptions were never activated"
        time.sleep(0.5)
    later(rung)
    patient = site.patient()
    site.admit(patient, site.visit(patient))
    while not all(due(rung, kind) <= 3 for kind in ("Encounter", "Condition", "Patient")):
        assert time.monotonic() < until, "the hook never came"
        time.sleep(0.2)
    assert change_hooks.repair(rung) == 0


def test_a_subscription_that_is_gone_off_or_altered_is_made_again(
    rung: Adapter, fhir: Client
) -> None:
    change_hooks.repair(rung)
    first, second, third, *_ = change_hooks.wanted_subscriptions(rung).values()
    fhir.call("DELETE", f"Subscription/{first['id']}")
    fhir.put({**second, "status": "off"})
    fhir.put({**third, "channel": {**third["channel"], "header": ["X-Watch-Secret: old"]}})
    assert change_hooks.repair(rung) == 3
    assert change_hooks.repair(rung) == 0


def test_without_an_address_there_are_no_subscriptions(site: Site) -> None:
    config = site.adapter.config.model_copy(update={"public_url": ""})
    assert change_hooks.repair(replace(site.adapter, config=config)) == 0


@pytest.mark.parametrize("secret", ["", "wrong", "é"])
def test_whoever_has_no_secret_rings_in_vain(rung: Adapter, secret: str) -> None:
    later(rung)
    headers = {change_hooks.SECRET_HEADER: secret.encode("latin-1")}
    assert requests.post(url_of(rung, "Encounter"), headers=headers, timeout=10).status_code == 401
    assert due(rung, "Encounter") > 3


def test_a_ring_for_a_type_that_is_not_watched_changes_nothing(rung: Adapter) -> None:
    later(rung)
    url = url_of(rung, "Nothing")
    assert requests.post(url, headers=secret_of(rung), timeout=10).status_code == 204
    assert due(rung, "Encounter") > 3


def test_a_ring_puts_off_no_search_that_is_due_sooner(rung: Adapter) -> None:
    with rung.db.transaction() as tx:
        watch.plan(tx, "Encounter", rung.clock())
    answer = requests.post(url_of(rung, "Encounter"), headers=secret_of(rung), timeout=10)
    assert answer.status_code == 204
    assert due(rung, "Encounter") == 0
