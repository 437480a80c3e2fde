"""The SQL of transfers in on a real PostgreSQL: pages, workers and the end of a consent at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from adapter.flows import archive
from adapter.rules.states import HiuArtefactState
from tests import rig
from tests.flows.harness import Site
from tests.flows.pushing import Pushing
from tests.flows.received import bundle

pytestmark = [pytest.mark.hapi, pytest.mark.postgres]


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


def test_pages_that_arrive_while_others_are_worked_on_are_all_stored(site: Site) -> None:
    contexts = tuple(f"visit-{n}" for n in range(1, 9))
    other = Pushing(site, contexts)
    other.grant()
    other.acknowledge()
    pages = [
        other.page(other.entry(context, bundle(1)), number=number, count=8)
        for number, context in enumerate(contexts, 1)
    ]
    path = other.path
    with ThreadPoolExecutor(4) as threads:
        sent = [threads.submit(other.send, page, path) for page in [*pages, *pages]]
        for _ in range(2):
            threads.submit(rig.run_until_idle, site.adapter, ("incoming",))
        assert {each.result().status_code for each in sent} == {202}
    site.run()
    assert len(site.rows("incoming_page")) == 8
    assert other.report[:2] == ("RECEIVED", dict.fromkeys(contexts, "OK"))
    assert site.rows("incoming_chunk") == []


def test_a_revoke_among_pages_and_workers_leaves_nothing_behind(site: Site) -> None:
    contexts = tuple(f"visit-{n}" for n in range(1, 7))
    other = Pushing(site, contexts)
    other.grant()
    pages = [
        other.page(other.entry(context, bundle(1)), number=number, count=6)
        for number, context in enumerate(contexts, 1)
    ]
    path = other.path
    for page in pages[:3]:
        other.send(page, path)
    with ThreadPoolExecutor(4) as threads:
        working = threads.submit(rig.run_until_idle, site.adapter, ("incoming",))
        sent = [threads.submit(other.send, page, path) for page in pages[3:]]
        ended = threads.submit(
            archive.note_end, site.adapter, other.artefact_id, HiuArtefactState.REVOKED
        )
        assert ended.result()
        assert {each.result().status_code for each in sent} <= {202, 410}
        working.result()
    site.wait(70)
    assert site.rows("incoming_chunk") == []
    for kind in ("Binary", "Observation", "Encounter", "Composition", "Patient"):
        assert other.found(kind) == []
    (artefact,) = site.rows("hiu_artefact")
    assert artefact["state"] in ("ARCHIVED", "ERASED")
