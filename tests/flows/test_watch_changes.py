"""The record watch sees what ends a link: nobody has to tell the adapter."""

import pytest

from mappings.resources import key
from tests.flows.harness import Json, Site
from tests.flows.watching import Watched, watched
from tests.flows.wire import BOTH

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH


@pytest.fixture
def on(site: Site) -> Watched:
    return watched(site)


def states(on: Watched, patient: Json) -> set[str]:
    return set(on.links(patient).values())


def test_a_visit_that_is_cancelled_and_then_restored_is_withdrawn_and_linked_again(
    on: Watched,
) -> None:
    patient = on.site.patient()
    visit = on.site.visit(patient)
    on.linked(patient, visit)
    on.site.load(visit[0] | {"status": "cancelled"})
    on.sweep()
    assert states(on, patient) == {"WITHDRAWN"}
    on.site.load(visit[0])
    on.sweep()
    assert states(on, patient) == {"LINKED"}
    assert len(on.sent(patient)) == 1


def test_a_visit_given_to_the_right_patient_is_withdrawn_from_the_wrong_one(on: Watched) -> None:
    wrong, right = on.site.patient(), on.site.patient()
    visit = on.site.visit(wrong)
    on.linked(wrong, visit)
    on.site.load(right)
    subject = {"reference": key(right)}
    on.site.load(*(each | {"subject": subject} for each in visit))
    on.sweep()
    assert states(on, wrong) == {"WITHDRAWN"}
    assert states(on, right) == {"WAITING_FOR_TOKEN"}


def test_a_patient_merged_into_another_with_all_visits_moved_is_withdrawn(on: Watched) -> None:
    gone, kept = on.site.patient(), on.site.patient()
    visit = on.site.visit(gone)
    on.linked(gone, visit)
    subject = {"reference": key(kept)}
    on.site.load(kept, *(each | {"subject": subject} for each in visit))
    link = {"type": "replaced-by", "other": subject}
    on.site.load(gone | {"active": False, "link": [link]})
    on.sweep()
    assert states(on, gone) == {"WITHDRAWN"}
    assert states(on, kept) == {"WAITING_FOR_TOKEN"}


def test_another_abha_address_on_the_record_is_linked_anew(on: Watched) -> None:
    patient = on.site.patient()
    on.linked(patient, on.site.visit(patient))
    address, *others = patient["identifier"]
    changed = {**address, "value": f"new.{address['value']}"}
    patient = patient | {"identifier": [changed, *others]}
    on.site.load(patient)
    on.sweep()
    assert states(on, patient) == {"WAITING_FOR_TOKEN"}
    on.give_token(patient)
    on.accept(patient)
    assert states(on, patient) == {"LINKED"}
