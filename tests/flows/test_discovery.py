"""Discovery: who is found, what is offered, what the other side sees when nobody is."""

import uuid
from typing import Any

import pytest

from tests.flows.harness import (
    ON_DISCOVER,
    Json,
    Site,
    address_of,
    discovery,
    error_code,
    mobile_of,
    number_of,
    reference_of,
)
from tests.flows.wire import BOTH, only

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH


def offered(body: Json) -> set[tuple[str, str]]:
    return {
        (context["referenceNumber"], entry["hiType"])
        for entry in body["patient"]
        for context in entry["careContexts"]
    }


@only("v3")
def test_unlinked_visits_of_this_facility_are_offered_by_type(site: Site) -> None:
    patient = site.patient()
    full, consultation = site.visit(patient), site.visit(patient, prescription=False)
    elsewhere = site.visit(patient, hfr_id=f"{site.hfr_id}9")
    site.load(site.organization(f"{site.hfr_id}9"))
    site.admit(patient, full, consultation, elsewhere)
    request = discovery(patient)
    asked = site.deliver("DiscoverCareContexts", request)
    body = site.outside.only(ON_DISCOVER).body
    assert body["transactionId"] == request["transactionId"]
    assert body["response"] == {"requestId": asked}
    assert offered(body) == {
        (reference_of(full), "OPConsultation"),
        (reference_of(full), "Prescription"),
        (reference_of(consultation), "OPConsultation"),
    }
    assert all(entry["count"] == len(entry["careContexts"]) for entry in body["patient"])
    assert {c["display"] for e in body["patient"] for c in e["careContexts"]} == {
        "OPD visit 19 Nov 2026"
    }
    session = site.row("link_session")
    assert (session["state"], session["patient_id"]) == ("DISCOVERED", patient["id"])
    assert b"Verma" not in session["offered"]


@pytest.mark.parametrize(
    ("verified", "matched_by"),
    [
        ([], ["ABHA_ADDRESS"]),
        (["MOBILE"], ["MOBILE"]),
        (["ABHA_NUMBER", "MOBILE"], ["ABHA_NUMBER", "MOBILE"]),
    ],
)
def test_matched_by_names_what_was_verified(
    site: Site, verified: list[str], matched_by: list[str]
) -> None:
    patient = site.patient()
    site.admit(patient, site.visit(patient))
    values = {"MOBILE": mobile_of(patient), "ABHA_NUMBER": number_of(patient)}
    identifiers = [{"type": kind, "value": values[kind]} for kind in verified]
    site.deliver("DiscoverCareContexts", discovery(patient, verifiedIdentifiers=identifiers))
    assert site.outside.only(ON_DISCOVER).body["matchedBy"] == matched_by


def test_a_patient_without_abha_on_record_is_found_by_verified_mobile(site: Site) -> None:
    patient = site.patient()
    known = patient | {"identifier": patient["identifier"][2:]}
    site.admit(known, site.visit(known))
    site.deliver("DiscoverCareContexts", discovery(patient, verifiedIdentifiers=None))
    assert error_code(site.outside.only(ON_DISCOVER)) == "ABDM-1010"
    site.deliver("DiscoverCareContexts", discovery(patient))
    assert site.outside.to(ON_DISCOVER)[1].body["matchedBy"] == ["MOBILE"]


@pytest.mark.parametrize(
    "stranger",
    [
        {"id": "nobody.here@sbx", "verifiedIdentifiers": None},
        {"id": "nobody.here@sbx", "gender": "M"},
        {"id": "nobody.here@sbx", "yearOfBirth": 1970},
        {"id": "nobody.here@sbx", "name": "Usha Sharma"},
    ],
)
def test_an_unknown_patient_gets_an_error_and_nothing_is_kept(
    site: Site, stranger: dict[str, Any]
) -> None:
    patient = site.patient()
    site.admit(patient, site.visit(patient))
    asked = site.deliver("DiscoverCareContexts", discovery(patient, **stranger))
    reply = site.outside.only(ON_DISCOVER)
    assert error_code(reply) == "ABDM-1010"
    assert reply.body["response"] == {"requestId": asked}
    assert site.rows("link_session") == []
    assert site.refusal(asked) == ("REFUSED", "PatientNotFound")
    assert [e["outcomeDesc"] for e in site.audits()] == ["PatientNotFound"]


def test_namesakes_on_one_mobile_get_an_error_and_nobody_is_named(site: Site) -> None:
    patient = site.patient()
    twins = [
        patient | {"id": f"p-{uuid.uuid4()}", "identifier": [number]}
        for number in (
            patient["identifier"][2],
            {**patient["identifier"][2], "value": f"MRN-{uuid.uuid4().hex[:8]}"},
        )
    ]
    for twin in twins:
        site.admit(twin, site.visit(twin))
    asked = site.deliver("DiscoverCareContexts", discovery(patient))
    reply = site.outside.only(ON_DISCOVER)
    assert error_code(reply) == "ABDM-1036"
    assert b"Verma" not in reply.raw
    assert site.refusal(asked) == ("REFUSED", "MultiplePatients")

    narrowed = [{"type": "MR", "value": twins[1]["identifier"][0]["value"]}]
    site.deliver("DiscoverCareContexts", discovery(patient, unverifiedIdentifiers=narrowed))
    assert site.row("link_session")["patient_id"] == twins[1]["id"]


def test_a_patient_whose_visits_are_all_linked_gets_the_error_of_none_left(site: Site) -> None:
    patient = site.patient()
    site.admit(patient)
    asked = site.deliver("DiscoverCareContexts", discovery(patient))
    assert error_code(site.outside.only(ON_DISCOVER)) == "ABDM-1010"
    assert site.refusal(asked) == ("REFUSED", "NoUnlinkedCareContexts")


def test_a_callback_for_a_facility_not_served_is_quarantined_and_answered(site: Site) -> None:
    patient = site.patient()
    site.admit(patient, site.visit(patient))
    asked = site.deliver("DiscoverCareContexts", discovery(patient), hip_id="IN0000000000_9")
    assert error_code(site.outside.only(ON_DISCOVER)) == "ABDM-1055"
    assert site.refusal(asked) == ("REFUSED", "UnknownFacility")
    assert site.rows("link_session") == []


@only("v0.5")
def test_where_hi_types_are_unknown_each_visit_is_offered_once(site: Site) -> None:
    patient = site.patient()
    full, consultation = site.visit(patient), site.visit(patient, prescription=False)
    elsewhere = site.visit(patient, hfr_id=f"{site.hfr_id}9")
    site.load(site.organization(f"{site.hfr_id}9"))
    site.admit(patient, full, consultation, elsewhere)
    asked = site.deliver("DiscoverCareContexts", discovery(patient))
    body = site.outside.only(ON_DISCOVER).body
    assert body["response"] == {"requestId": asked}
    (entry,) = body["patient"]
    references = [context["referenceNumber"] for context in entry["careContexts"]]
    assert sorted(references) == sorted([reference_of(full), reference_of(consultation)])


@only("v3")
def test_more_than_twenty_visits_come_in_entries_of_twenty(site: Site) -> None:
    patient = site.patient()
    visits = [site.visit(patient, prescription=False) for _ in range(23)]
    site.admit(patient, *visits)
    site.deliver("DiscoverCareContexts", discovery(patient))
    entries = site.outside.only(ON_DISCOVER).body["patient"]
    assert [entry["count"] for entry in entries] == [20, 3]
    assert {c["referenceNumber"] for e in entries for c in e["careContexts"]} == {
        reference_of(visit) for visit in visits
    }


def test_the_answer_leaves_in_time_or_not_at_all(site: Site) -> None:
    patient = site.patient()
    site.admit(patient, site.visit(patient))
    site.outside.will_answer(ON_DISCOVER, *[(503, None)] * 20)
    site.deliver("DiscoverCareContexts", discovery(patient))
    site.wait(60)
    (row,) = [r for r in site.rows("outbox") if r["message"] == "OnDiscoverRequest"]
    assert row["state"] == "DEAD"
    assert len(site.outside.to(ON_DISCOVER)) <= 4
    assert address_of(patient) not in str(row["sentence"])
