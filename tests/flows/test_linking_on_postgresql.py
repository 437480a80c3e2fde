"""Linking's SQL on a real PostgreSQL, with several workers at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapter.flows import hip_linking, link_changes
from adapter.flows.handler import ANY_REPLY
from adapter.flows.linked import self_started
from adapter.stores import links, outbox
from tests.flows.harness import GENERATE_TOKEN, Site, address_of
from tests.flows.linking import Linking
from tests.rig import run_until_idle

pytestmark = [pytest.mark.hapi, pytest.mark.postgres]


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


def test_many_workers_that_want_a_token_ask_once(site: Site) -> None:
    linking = Linking(site, visits=4)
    adapter = site.adapter

    def link(number: int) -> None:
        hip_linking.link_encounter(adapter, linking.visits[number][0]["id"], "desk-1")
        run_until_idle(adapter, ["outbox"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(link, range(4)))
    site.run()
    assert len(site.outside.to(GENERATE_TOKEN)) == 1
    linking.give_token()
    linking.accept()
    assert linking.states() == {"LINKED"}


def test_a_desk_waits_for_another_that_writes_the_first_token_of_the_patient(site: Site) -> None:
    linking = Linking(site, visits=1)
    db, address = site.adapter.db, address_of(linking.patient)
    past = threading.Event()

    def second() -> None:
        with db.transaction() as tx:
            links.hold_tokens(tx, [address.upper()])
            past.set()

    with ThreadPoolExecutor(1) as pool:
        with db.transaction() as tx:
            links.hold_tokens(tx, [address])
            desk = pool.submit(second)
            # Else it would take the links that are written here, and then wait for the token.
            assert not past.wait(0.5)
        desk.result(timeout=60)
    assert past.is_set()


def test_requests_queued_twice_for_one_address_leave_at_the_pace(site: Site) -> None:
    linking = Linking(site)
    linking.link()
    with site.adapter.db.transaction() as tx:
        (token,) = site.rows("link_token")
        row = links.token_by_id(tx, site.adapter, token["id"])
        assert row is not None
        outbox.queue(
            tx,
            site.adapter,
            self_started(site.adapter, row.hip_id),
            row.request,
            deadline=ANY_REPLY,
            subject=row.id,
        )
    site.run()
    assert len(site.outside.to(GENERATE_TOKEN)) == 1
    site.wait(430)
    assert len(site.outside.to(GENERATE_TOKEN)) == 2


def test_an_opt_out_withdraws_and_an_opt_in_restores(site: Site) -> None:
    linking = Linking(site)
    linking.linked()
    link_changes.opt_out(site.adapter, linking.patient["id"], "desk-1")
    assert linking.states() == {"WITHDRAWN"}
    link_changes.opt_in(site.adapter, linking.patient["id"])
    assert linking.states() == {"LINKED"}
