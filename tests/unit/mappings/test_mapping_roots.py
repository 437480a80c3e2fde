"""What is a care context of its own, whom it belongs to, and when it was."""

import random

import pytest

from mappings import group_by_root, hi_types
from mappings.roots import facility_references, root_date
from mappings.systems import TAG, TAG_RECEIVED
from tests.unit.mappings import foreign
from tests.unit.mappings.samples import (
    META,
    encounter,
    observation,
    organization,
    patient,
    resource,
)


def names(records):
    return {f"{r['resourceType']}/{r['id']}" for r in records.others}


def roots(resources, **options):
    return {
        f"{r.root['resourceType']}/{r.root['id']}": r for r in group_by_root(resources, **options)
    }


def everything_alone():
    return [
        *foreign.people(),
        *foreign.lab_report(visit=False),
        *foreign.immunizations(visit=False),
        foreign.file("loose", visit=False),
        *foreign.invoice(visit=False),
        *foreign.wellness(visit=False)[:-1],
    ]


@pytest.mark.parametrize("seed", range(4))
def test_each_record_alone_comes_with_what_belongs_to_it(seed):
    batch = everything_alone()
    random.Random(seed).shuffle(batch)
    found = roots(batch)
    assert names(found["DiagnosticReport/r1"]) == {
        "Observation/r1-hb",
        "Observation/r1-diff",
        "Observation/r1-neutro",
        "Specimen/r1-blood",
        "ServiceRequest/r1-order",
    }
    assert names(found["Immunization/i1"]) >= {
        "Observation/i1-fever",
        "ImmunizationRecommendation/n1",
        "ImmunizationRecommendation/n2",
        "DocumentReference/cert",
    }
    assert names(found["DocumentReference/loose"]) == set()
    assert names(found["Invoice/b1"]) == {"ChargeItem/b1-azee", "Medication/md9"}
    (day,) = [r for name, r in found.items() if name.startswith("Observation/")]
    assert len(day.others) == 10
    assert set(found) == {
        "DiagnosticReport/r1",
        "Immunization/i1",
        "Invoice/b1",
        "DocumentReference/loose",
        f"Observation/{day.root['id']}",
    }


def test_what_a_visit_holds_is_no_care_context_of_its_own():
    batch = [encounter(), *foreign.people(), *foreign.lab_report(), *foreign.invoice()]
    assert set(roots([*batch, *foreign.immunizations()])) == {"Encounter/e1"}


def test_an_invoice_belongs_to_the_visit_that_its_charges_name():
    visit, alone = foreign.invoice("b1"), foreign.invoice("b2", visit=False)
    found = roots([encounter(), *foreign.people(), *visit, *alone])
    assert "Invoice/b1" in names(found["Encounter/e1"])
    assert set(found) == {"Encounter/e1", "Invoice/b2"}
    # Also where the visit itself isn't in the batch.
    assert set(roots([*foreign.people(), *visit])) == set()


def test_a_record_that_gained_a_visit_can_still_be_read_by_the_reference_it_was_linked_under():
    batch = [encounter(), *foreign.people(), *foreign.lab_report()]
    (found,) = group_by_root(batch, roots=["DiagnosticReport/r1"])
    assert hi_types(found) == ("DiagnosticReport",)
    assert len([n for n in names(found) if n.startswith("Observation/")]) == 3


def test_received_and_wrong_records_are_no_roots():
    tag = [{"system": TAG, "code": TAG_RECEIVED}]
    theirs = foreign.file("theirs", visit=False, meta={**META, "tag": tag})
    wrong = foreign.file("wrong", visit=False, status="entered-in-error")
    assert roots([*foreign.people(), theirs, wrong]) == {}


def test_observations_of_one_indian_day_are_one_care_context():
    def at(id_, moment, **changes):
        return observation(id_, encounter=None, effectiveDateTime=moment, **changes)

    batch = [
        patient(),
        at("night", "2026-02-26T20:00:00Z"),  # already the 27th in India
        at("noon", "2026-02-27T12:00:00+05:30"),
        at("date", "2026-02-27"),
        at("next", "2026-02-27T20:00:00Z"),
        at("other", "2026-02-27", subject={"reference": "Patient/p2"}),
        observation("undated", encounter=None),  # of no day, so of no care context
    ]
    assert {name: names(r) for name, r in roots(batch).items()} == {
        # The first as written is the root.
        "Observation/night": {"Observation/noon", "Observation/date"},
        "Observation/next": set(),
        "Observation/other": set(),
    }
    # Any of the day leads to the whole of it.
    (again,) = group_by_root(batch, roots=["Observation/noon"])
    assert names(again) == {"Observation/night", "Observation/date"}


@pytest.mark.parametrize(
    ("root", "date"),
    [
        (encounter(), "2026-02-27T10:00:00+05:30"),
        (foreign.lab_report()[0], "2026-02-27T11:00:00+05:30"),
        (foreign.imaging_report()[0], "2026-02-27T16:00:00+05:30"),
        (foreign.immunizations()[0], "2026-02-27"),
        (foreign.invoice()[0], "2026-02-27T12:00:00+05:30"),
        (foreign.file(), "2026-02-27T10:00:00+05:30"),
        (foreign.file(context={"period": {"start": "2026-01-05"}}), "2026-01-05"),
        (observation("o"), ""),
    ],
)
def test_the_date_of_a_root_is_when_it_happened(root, date):
    assert root_date(root) == date


@pytest.mark.parametrize("kind", ["performer", "resultsInterpreter"])
def test_the_facility_of_a_report_is_found_through_organization_or_role(kind):
    role = resource("PractitionerRole", "role", organization={"reference": "Organization/o1"})
    named = {"performer": None, kind: [{"reference": "PractitionerRole/role"}]}
    report = foreign.lab_report(visit=False, **named)[0]
    (found,) = group_by_root([patient(), organization(), role, report])
    assert found.organization["id"] == "o1"
    assert facility_references(report) == [{"reference": "PractitionerRole/role"}]


def test_an_outside_laboratory_without_an_hfr_id_is_not_the_facility():
    lab = resource("Organization", "lab", name="City Lab")
    report = foreign.lab_report(visit=False, performer=[{"reference": "Organization/lab"}])[0]
    batch = [patient(), lab, report]
    (found,) = group_by_root(batch, organization=organization())
    assert found.organization["id"] == "o1"
    assert "Organization/lab" in names(found)
    (found,) = group_by_root(batch)
    assert found.organization["id"] == "lab"
