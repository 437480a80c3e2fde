"""What becomes of linked visits that are cancelled, merged, opted out of: nothing more leaves."""

from typing import Any

import pytest

from adapter.flows import hip_linking, link_changes, lookup
from adapter.rules import care_contexts
from adapter.stores import links
from mappings import hi_types, systems
from tests.flows.harness import (
    GENERATE_TOKEN,
    LINK,
    NOTIFY,
    ON_DISCOVER,
    ON_REQUEST,
    PUSH,
    Call,
    Hiu,
    Site,
    artefact,
    discovery,
    error_code,
    grant,
    reference_of,
)
from tests.flows.hims import Hospital
from tests.flows.linking import Linking
from tests.flows.wire import BOTH, only

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH

NEW_ADDRESS = "asha.new@sbx"


@pytest.fixture
def linking(site: Site) -> Linking:
    made = Linking(site, visits=2)
    made.linked()
    made.link(1)
    made.accept()
    assert made.states() == {"LINKED"}
    return made


def watch(linking: Linking, *, again: bool = False) -> None:
    """What the record watch does with the patient's visits after a change."""
    site = linking.site
    served = lookup.served_pairs(site.adapter)
    for visit in linking.visits:
        records = lookup.records(site.adapter, reference_of(visit), served)
        assert records is not None
        assert records.patient is not None
        context = care_contexts.care_context(records, hi_types(records), served)
        with site.adapter.db.transaction() as tx:
            found = [(records.patient, context)]
            hip_linking.link_records(site.adapter, tx, found, "watch", again=again)
    site.run()


def states(linking: Linking, number: int) -> set[str]:
    reference = reference_of(linking.visits[number])
    rows = linking.site.rows("care_context_link")
    return {row["state"] for row in rows if row["reference"] == reference}


def sentences(linking: Linking) -> set[str]:
    return {row["sentence"] for row in linking.site.rows("care_context_link")}


def asked_for(linking: Linking, **changes: Any) -> dict[str, str]:
    """A consent for both visits and a request under it: what the report says of each."""
    site = linking.site
    detail = artefact(site, linking.patient, *linking.visits, **changes)
    site.deliver("HipConsentNotify", grant(detail))
    site.deliver("HipHealthInformationRequest", Hiu().request(site, detail))
    site.wait(5)
    if not site.outside.to(NOTIFY):
        return {}
    told = site.outside.to(NOTIFY)[-1].body["notification"]["statusNotification"]
    return {s["careContextReference"]: s["hiStatus"] for s in told["statusResponses"]}


def subtypes(site: Site) -> list[str]:
    return [event["subtype"][0]["code"] for event in site.audits()]


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_a_cancelled_visit_is_withdrawn_and_only_the_other_one_is_released(
    linking: Linking, status: str
) -> None:
    site = linking.site
    site.load(linking.visits[0][0] | {"status": status})
    watch(linking)
    assert (states(linking, 0), states(linking, 1)) == ({"WITHDRAWN"}, {"LINKED"})
    assert any("released any more" in (said or "") for said in sentences(linking))
    assert "record:context:withdraw" in subtypes(site)
    first, second = map(reference_of, linking.visits)
    assert asked_for(linking) == {first: "ERRORED", second: "DELIVERED"}


def test_a_visit_cancelled_by_mistake_is_linked_again_without_asking_abdm(linking: Linking) -> None:
    site = linking.site
    site.load(linking.visits[0][0] | {"status": "cancelled"})
    watch(linking)
    calls = len(site.outside.to(LINK))
    site.load(linking.visits[0][0])
    watch(linking)
    assert linking.states() == {"LINKED"}
    assert len(site.outside.to(LINK)) == calls


def test_a_cancelled_visit_is_not_released_even_before_anybody_noticed(linking: Linking) -> None:
    linking.site.load(linking.visits[0][0] | {"status": "cancelled"})
    first, second = map(reference_of, linking.visits)
    assert asked_for(linking) == {first: "ERRORED", second: "DELIVERED"}


def test_a_deleted_visit_is_withdrawn(linking: Linking) -> None:
    reference = reference_of(linking.visits[0])
    with linking.site.adapter.db.transaction() as tx:
        link_changes.record_ended(linking.site.adapter, tx, reference, "It was deleted.")
    assert states(linking, 0) == {"WITHDRAWN"}


def test_a_merged_patients_visits_are_linked_under_the_record_that_remains(
    linking: Linking,
) -> None:
    site = linking.site
    other = site.patient(identifier=linking.patient["identifier"])
    site.load(other)
    merged = linking.patient | {
        "active": False,
        "link": [{"type": "replaced-by", "other": {"reference": f"Patient/{other['id']}"}}],
    }
    site.load(merged)
    watch(linking)
    assert linking.states() == {"WITHDRAWN"}
    assert any(f"Patient/{other['id']}" in said for said in sentences(linking))
    first, second = map(reference_of, linking.visits)
    assert asked_for(linking) == {first: "ERRORED", second: "ERRORED"}
    assert site.outside.to(PUSH) == []
    site.load(
        *(
            each | {"subject": {"reference": f"Patient/{other['id']}"}}
            for visit in linking.visits
            for each in visit
        )
    )
    watch(linking)
    site.outside.will_answer(LINK, (400, {"error": {"code": "ABDM-1090", "message": "Duplicate"}}))
    site.run()
    for call in site.outside.to(LINK)[2:]:
        linking.accept(call)
    assert asked_for(linking) == {first: "DELIVERED", second: "DELIVERED"}


def test_an_inactive_patient_is_not_found_by_discovery(linking: Linking) -> None:
    site = linking.site
    site.load(linking.patient | {"active": False})
    site.deliver("DiscoverCareContexts", discovery(linking.patient))
    assert error_code(site.outside.only(ON_DISCOVER)) == "ABDM-1010"


def test_another_abha_address_links_anew_and_the_old_consents_open_nothing(
    linking: Linking,
) -> None:
    site = linking.site
    old, *others = linking.patient["identifier"]
    changed = linking.patient | {
        "identifier": [
            {"system": systems.ABHA_ADDRESS, "value": NEW_ADDRESS},
            {**old, "use": "old"},
            *others,
        ]
    }
    site.load(changed)
    watch(linking)
    asked = site.outside.to(GENERATE_TOKEN)[-1]
    assert asked.body["abhaAddress"] == NEW_ADDRESS
    assert linking.states() == {"WAITING_FOR_TOKEN"}
    (remark,) = {row["remark"] for row in site.rows("care_context_link")}
    assert "earlier ABHA address" in remark
    assert asked_for(linking) == {}
    assert error_code(site.outside.to(ON_REQUEST)[-1]) == "ABDM-1057"
    linking.give_token(asked)
    linking.accept()
    assert linking.states() == {"LINKED"}


def test_an_answer_to_the_old_addresss_link_does_not_count_for_the_new_one(site: Site) -> None:
    linking = Linking(site)
    linking.link()
    linking.give_token()
    old_call: Call = site.outside.to(LINK)[-1]
    identifiers = [
        {"system": systems.ABHA_ADDRESS, "value": NEW_ADDRESS},
        *linking.patient["identifier"][1:],
    ]
    site.load(linking.patient | {"identifier": identifiers})
    watch(linking)
    linking.accept(old_call)
    assert linking.states() == {"WAITING_FOR_TOKEN"}


def test_an_abha_address_taken_off_the_record_withdraws_what_was_linked(linking: Linking) -> None:
    site = linking.site
    site.load(linking.patient | {"identifier": linking.patient["identifier"][1:]})
    watch(linking)
    assert linking.states() == {"WITHDRAWN"}
    first, second = map(reference_of, linking.visits)
    assert asked_for(linking) == {first: "ERRORED", second: "ERRORED"}
    site.load(linking.patient)
    watch(linking)
    assert linking.states() == {"LINKED"}


def test_what_a_patient_linked_in_their_app_needs_no_address_on_the_record(
    linking: Linking,
) -> None:
    site = linking.site
    without = linking.patient | {"identifier": linking.patient["identifier"][2:]}
    with site.adapter.db.transaction() as tx:
        for row in links.of_patient(tx, linking.patient["id"]):
            links.note(tx, row.id, requester="patient")
        assert link_changes.patient_changed(site.adapter, tx, without) == ""
    assert linking.states() == {"LINKED"}


def test_an_opt_out_takes_effect_at_once_and_an_opt_in_restores(
    linking: Linking, hospital: Hospital
) -> None:
    site = linking.site
    path = f"patients/{linking.patient['id']}/opt-out"
    answer = hospital.call("POST", path)
    assert answer.status_code == 200
    assert "released" in answer.get_json()["message"]
    site.run()
    assert linking.states() == {"WITHDRAWN"}
    first, second = map(reference_of, linking.visits)
    assert asked_for(linking) == {first: "ERRORED", second: "ERRORED"}
    assert site.outside.to(PUSH) == []
    site.deliver("DiscoverCareContexts", discovery(linking.patient))
    assert error_code(site.outside.only(ON_DISCOVER)) == "ABDM-1010"
    third = site.visit(linking.patient)
    site.load(*third)
    report = hip_linking.link_encounter(site.adapter, third[0]["id"], "desk-1")
    assert report.states == ()
    assert "opted out" in report.sentence
    assert hospital.call("DELETE", path).status_code == 200
    assert linking.states() == {"LINKED"}


def test_an_opt_out_while_pages_leave_stops_the_rest(linking: Linking) -> None:
    site = linking.site

    def stop(call: Call) -> None:
        if PUSH in call.path:
            link_changes.opt_out(site.adapter, linking.patient["id"], "desk-1")

    site.outside.hook = stop
    said = asked_for(linking)
    assert len(site.outside.to(PUSH)) == 1
    assert "ERRORED" in said.values()


@only("v3")
def test_a_deactivated_abha_withdraws_all_and_its_reactivation_is_asked_about(
    linking: Linking,
) -> None:
    """v0.5 says it by PatientStatusNotify; 1407 is another thing there."""
    site = linking.site
    third = site.visit(linking.patient)
    site.load(*third)
    linking.visits.append(third)
    linking.link(2)
    linking.refuse("ABDM-1407", "The ABHA Number is currently deactivated.")
    assert linking.states() == {"WITHDRAWN"}
    assert any("deactivated" in said for said in sentences(linking))
    first, second, third_reference = map(reference_of, linking.visits)
    assert asked_for(linking) == dict.fromkeys((first, second, third_reference), "ERRORED")
    watch(linking)
    assert linking.states() == {"WITHDRAWN"}
    site.wait(430)
    linking.link(2)
    linking.give_token()
    linking.accept()
    assert linking.states() == {"LINKED"}


def test_nobody_opts_out_another_hospitals_patient(hospital: Hospital) -> None:
    answer = hospital.call("POST", "patients/no-such-patient/opt-out")
    assert answer.status_code == 404
