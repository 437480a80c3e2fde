"""What ABDM is told of linked visits that change."""

import pytest

from adapter.flows import hip_linking
from tests.flows.harness import CONTEXT_NOTIFY, Site, reference_of
from tests.flows.linking import Linking
from tests.flows.wire import BOTH

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH


@pytest.fixture
def linking(site: Site) -> Linking:
    made = Linking(site)
    made.linked()
    return made


def change(linking: Linking) -> None:
    with linking.site.adapter.db.transaction() as tx:
        hip_linking.note_changed(linking.site.adapter, tx, linking.link_ids())
    linking.site.run()


def test_several_changes_within_the_window_are_one_notice(linking: Linking) -> None:
    site = linking.site
    for _ in range(4):
        change(linking)
        site.wait(60)
    assert len(site.outside.to(CONTEXT_NOTIFY)) == 1
    site.wait(60)
    _, notice = site.outside.to(CONTEXT_NOTIFY)
    told = notice.body["notification"]
    assert told["careContext"]["careContextReference"] == reference_of(linking.visits[0])
    assert told["hiTypes"] == ["OPConsultation", "Prescription"]
    site.wait(600)
    assert len(site.outside.to(CONTEXT_NOTIFY)) == 2


def test_a_change_after_the_window_is_told_again(linking: Linking) -> None:
    change(linking)
    linking.site.wait(301)
    change(linking)
    linking.site.wait(301)
    assert len(linking.site.outside.to(CONTEXT_NOTIFY)) == 3


def test_a_change_of_a_visit_not_linked_yet_is_told_with_its_link(site: Site) -> None:
    linking = Linking(site)
    linking.link()
    change(linking)
    site.wait(600)
    assert site.outside.to(CONTEXT_NOTIFY) == []
