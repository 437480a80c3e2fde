"""Records that belong to no visit, and visits with several documents of a type, on the journeys:
discovered, linked by the hospital, and pushed."""

import uuid

import pytest

from adapter.flows.hip_linking import link_encounter
from adapter.protocol.errors import NotFound
from tests.flows.harness import (
    ON_DISCOVER,
    PUSH,
    Hiu,
    Json,
    Site,
    artefact,
    discovery,
    grant,
    reference_of,
)
from tests.flows.wire import in_both

pytestmark = pytest.mark.hapi


def report(site: Site, patient: Json, name: str, visit: list[Json] | None = None) -> Json:
    made: Json = {
        "resourceType": "DiagnosticReport",
        "id": f"r-{uuid.uuid4()}",
        "status": "final",
        "code": {"text": name},
        "subject": {"reference": f"Patient/{patient['id']}"},
        "issued": "2026-11-19T15:00:00+05:30",
        "performer": [{"reference": f"Organization/org-{site.hfr_id}"}],
        "conclusion": f"{name}: normal",
    }
    if visit:
        made["encounter"] = {"reference": f"Encounter/{visit[0]['id']}"}
    return made


def pushed(site: Site, detail: Json) -> list[tuple[str, str]]:
    """(care context, title) of every page that leaves under this artefact."""
    site.deliver("HipConsentNotify", grant(detail))
    hiu = Hiu()
    site.deliver("HipHealthInformationRequest", hiu.request(site, detail))
    opened = [hiu.open(page) for page in site.outside.to(PUSH)]
    return [(reference, doc["entry"][0]["resource"]["title"]) for reference, doc in opened]


def test_each_report_of_a_visit_is_a_page_of_its_care_context(site: Site) -> None:
    patient = site.patient()
    visit = site.visit(patient)
    site.admit(patient, visit)
    site.load(*(report(site, patient, name, visit) for name in ("Blood count", "Urine test")))
    detail = artefact(site, patient, visit, hiTypes=["DiagnosticReport"])
    pages = pushed(site, detail)
    assert {reference for reference, _ in pages} == {reference_of(visit)}
    assert sorted(title for _, title in pages) == [
        "Laboratory report: Blood count",
        "Laboratory report: Urine test",
    ]


@in_both
def test_a_report_without_a_visit_is_discovered_linked_and_pushed(site: Site) -> None:
    patient = site.patient()
    alone = report(site, patient, "Blood count")
    site.admit(patient)
    site.load(alone)
    reference = f"DiagnosticReport-{alone['id']}"

    site.deliver("DiscoverCareContexts", discovery(patient))
    (entry,) = site.outside.only(ON_DISCOVER).body["patient"]
    assert entry.get("hiType") == {"v3": "DiagnosticReport"}.get(site.generation)
    assert entry["careContexts"] == [
        {"referenceNumber": reference, "display": "Diagnostic report 19 Nov 2026"}
    ]

    linked = link_encounter(site.adapter, f"DiagnosticReport/{alone['id']}", "desk-1")
    site.run()
    assert (linked.reference, linked.hip_id) == (reference, site.hip_id)
    assert [hi_type for hi_type, _ in linked.states] == ["DiagnosticReport"]

    detail = artefact(
        site,
        patient,
        hiTypes=["DiagnosticReport"],
        careContexts=[{"patientReference": "MRN-1", "careContextReference": reference}],
    )
    assert pushed(site, detail) == [(reference, "Laboratory report: Blood count")]


def test_a_record_that_names_nobody_belongs_to_the_only_facility(site: Site) -> None:
    patient = site.patient()
    alone = report(site, patient, "Blood count")
    del alone["performer"]
    site.admit(patient)
    site.load(alone)
    linked = link_encounter(site.adapter, f"DiagnosticReport/{alone['id']}", "desk-1")
    assert linked.hip_id == site.hip_id
    assert linked.states


def test_a_report_of_a_visit_is_not_linked_by_itself(site: Site) -> None:
    patient = site.patient()
    visit = site.visit(patient)
    part = report(site, patient, "Blood count", visit)
    site.admit(patient, visit)
    site.load(part)
    with pytest.raises(NotFound, match=f"link Encounter/{visit[0]['id']} instead"):
        link_encounter(site.adapter, f"DiagnosticReport/{part['id']}", "desk-1")
