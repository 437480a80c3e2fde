"""Records that belong to no visit, and what R4 can't search by visit, read from a real HAPI."""

import base64
from typing import Any

import pytest

from adapter.rules.care_contexts import display_of, reference_of
from adapter.stores.fhir_store import FhirStore
from mappings import build_documents, hi_types
from tests.contract.test_fhir_store import RECEIVED, World, names

pytestmark = pytest.mark.hapi

Resource = dict[str, Any]
PDF = base64.b64encode(b"%PDF-1.7 a scan").decode()


@pytest.fixture
def world(hapi: Any) -> World:
    return World(FhirStore(hapi.base_url, hapi.token))


def make(world: World, kind: str, name: str, **fields: Any) -> Resource:
    return {"resourceType": kind, "id": world.id(name), **fields}


def to(world: World, kind: str, name: str) -> Resource:
    return {"reference": f"{kind}/{world.id(name)}"}


def write_alone(world: World) -> None:
    """One record of every type that may stand alone, with what comes along."""
    who = {"reference": f"Patient/{world.patient}"}
    here = {"reference": f"Organization/{world.id('org')}"}
    world.fhir.transaction(
        [
            make(world, "Observation", "hb", status="final", code={"text": "Hb"}, subject=who),
            make(world, "Binary", "pdf", contentType="application/pdf", data=PDF),
            make(
                world,
                "DiagnosticReport",
                "report",
                status="final",
                code={"text": "Blood count"},
                subject=who,
                issued="2026-02-27T15:00:00+05:30",
                performer=[here],
                result=[to(world, "Observation", "hb")],
                presentedForm=[{"url": f"Binary/{world.id('pdf')}", "title": "report"}],
            ),
            make(
                world,
                "Immunization",
                "dose",
                status="completed",
                vaccineCode={"text": "BCG"},
                patient=who,
                occurrenceDateTime="2026-02-27",
                performer=[{"actor": here}],
            ),
            make(
                world,
                "ImmunizationRecommendation",
                "next",
                patient=who,
                date="2026-02-27",
                recommendation=[
                    {
                        "vaccineCode": [{"text": "OPV"}],
                        "forecastStatus": {"text": "due"},
                        "supportingImmunization": [to(world, "Immunization", "dose")],
                    }
                ],
            ),
            make(
                world,
                "ChargeItem",
                "charge",
                status="billed",
                code={"text": "Vaccine"},
                subject=who,
            ),
            make(
                world,
                "Invoice",
                "bill",
                status="issued",
                subject=who,
                date="2026-02-27",
                issuer=here,
                lineItem=[{"chargeItemReference": to(world, "ChargeItem", "charge")}],
            ),
            make(
                world,
                "DocumentReference",
                "paper",
                status="current",
                subject=who,
                date="2026-02-27T10:00:00Z",
                custodian=here,
                content=[{"attachment": {"contentType": "application/pdf", "data": PDF}}],
            ),
            *(
                make(
                    world,
                    "Observation",
                    f"steps{hour}",
                    status="final",
                    code={"coding": [{"system": "http://loinc.org", "code": "55423-8"}]},
                    subject=who,
                    effectiveDateTime=f"2026-02-26T{hour}:00:00Z",
                    performer=[here],
                    valueQuantity={"value": 900},
                )
                # 19:00 UTC is the next day in India.
                for hour in ("08", "17", "19")
            ),
        ]
    )


ALONE = {
    "report": ("DiagnosticReport", "Diagnostic report 27 Feb 2026", "DiagnosticReport"),
    "dose": ("Immunization", "Immunization record 27 Feb 2026", "ImmunizationRecord"),
    "bill": ("Invoice", "Invoice 27 Feb 2026", "Invoice"),
    "paper": ("DocumentReference", "Health document 27 Feb 2026", "HealthDocumentRecord"),
    "steps08": ("Observation", "Wellness record 26 Feb 2026", "WellnessRecord"),
    "steps19": ("Observation", "Wellness record 27 Feb 2026", "WellnessRecord"),
}


def test_what_belongs_to_no_visit_is_a_care_context_of_its_own(world: World) -> None:
    write_alone(world)
    found = {each.root["id"]: each for each in world.fhir.care_contexts_of(world.patient)}
    expected = {world.id(name): parts for name, parts in ALONE.items()}
    # Undated observations named by nobody would be one more; the report's result is none.
    assert {
        each: (
            found[each].root["resourceType"],
            display_of(found[each].root),
            *hi_types(found[each]),
        )
        for each in found
    } == expected


def test_each_is_read_by_its_reference_with_all_that_belongs_to_it(world: World) -> None:
    write_alone(world)
    roots = [f"{kind}-{world.id(name)}" for name, (kind, *_) in ALONE.items()]
    found = list(world.fhir.records_of(["Encounter-none", *roots]))
    assert [reference_of(each.root) for each in found] == roots
    held = dict(zip(ALONE, found, strict=True))
    assert names(held["report"].others) == {f"Observation/{world.id('hb')}"}
    assert names(held["dose"].others) == {f"ImmunizationRecommendation/{world.id('next')}"}
    assert names(held["bill"].others) == {f"ChargeItem/{world.id('charge')}"}
    assert names(held["steps08"].others) == {f"Observation/{world.id('steps17')}"}
    assert held["steps19"].others == ()
    for name, (_, _, hi_type) in ALONE.items():
        assert held[name].patient["id"] == world.patient
        assert held[name].organization["id"] == world.id("org")
        (document,) = build_documents(hi_type, held[name])
        if name in ("report", "paper"):
            assert PDF in str(document)


def test_a_received_record_is_never_a_care_context(world: World) -> None:
    who = {"reference": f"Patient/{world.patient}"}
    theirs = make(
        world, "DiagnosticReport", "theirs", status="final", code={"text": "X"}, subject=who
    )
    world.fhir.put(theirs | RECEIVED)
    assert world.fhir.care_contexts_of(world.patient) == []
    assert list(world.fhir.records_of([f"DiagnosticReport-{world.id('theirs')}"])) == []


def test_a_visit_comes_with_what_r4_cannot_search_by_visit(world: World) -> None:
    who = {"reference": f"Patient/{world.patient}"}
    here = to(world, "Encounter", "v1")
    elsewhere = to(world, "Encounter", "v2")
    order = world.of_visit("ServiceRequest", "order", "v1", status="active", intent="order")
    given = {"status": "completed", "vaccineCode": {"text": "OPV"}, "patient": who}
    world.fhir.transaction([world.visit("v1"), world.visit("v2"), order])
    world.fhir.transaction(
        [
            make(world, "Immunization", "d1", **given, encounter=here, occurrenceString="today"),
            make(world, "Immunization", "d2", **given, encounter=elsewhere, occurrenceString="x"),
            make(
                world,
                "ChargeItem",
                "charge",
                status="billed",
                code={"text": "OPV"},
                subject=who,
                context=here,
            ),
            make(
                world,
                "Invoice",
                "bill",
                status="issued",
                subject=who,
                lineItem=[{"chargeItemReference": to(world, "ChargeItem", "charge")}],
            ),
            make(
                world,
                "Appointment",
                "next",
                status="booked",
                basedOn=[to(world, "ServiceRequest", "order")],
                participant=[{"actor": who, "status": "accepted"}],
            ),
            make(
                world,
                "DocumentReference",
                "film",
                status="current",
                subject=who,
                content=[{"attachment": {"contentType": "application/pdf", "data": PDF}}],
                context={"related": [to(world, "DiagnosticReport", "xray")]},
            ),
            world.of_visit(
                "DiagnosticReport", "xray", "v1", status="final", code={"text": "X-ray"}
            ),
        ]
    )
    first, second = world.records("v1", "v2")
    assert names(first.others) == {
        f"{kind}/{world.id(name)}"
        for kind, name in (
            ("ServiceRequest", "order"),
            ("Immunization", "d1"),
            ("ChargeItem", "charge"),
            ("Invoice", "bill"),
            ("Appointment", "next"),
            ("DiagnosticReport", "xray"),
            ("DocumentReference", "film"),
        )
    }
    assert names(second.others) == {f"Immunization/{world.id('d2')}"}
    assert {each.root["id"] for each in world.fhir.care_contexts_of(world.patient)} == {
        world.id("v1"),
        world.id("v2"),
    }


def test_a_file_that_is_all_a_visit_holds_counts_before_it_is_read(world: World) -> None:
    """What is offered to the patient is what can be sent later."""
    world.fhir.put(world.visit("v1"))
    world.fhir.put(world.document("d1", "v1", {"data": PDF, "title": "Scan"}))
    (outlined,) = world.fhir.care_contexts_of(world.patient)
    (whole,) = world.records("v1")
    assert hi_types(outlined) == hi_types(whole) == ("HealthDocumentRecord",)
