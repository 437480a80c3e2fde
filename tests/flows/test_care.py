"""CARE's front end works on this adapter: its calls, its names, its refusals."""

import json
import uuid

import pytest

from adapter.flows import archive
from adapter.rules.states import HiuArtefactState
from adapter.stores.db import facility
from tests.flows import care
from tests.flows.care import TABLE, refused, well
from tests.flows.harness import Json, Site, address_of
from tests.flows.hims import LIMITED, Hospital, hospital_of
from tests.flows.hiu import (
    INIT,
    OTHER_HIP,
    STATUS,
    accept,
    artefact,
    fetched,
    notice,
    reachable,
    wanted,
)
from tests.flows.received import bundle, give
from tests.flows.test_facilities import known, listed, new_id, will_register

pytestmark = pytest.mark.hapi

HANDLE = "000003e7-5b1e-4c60-9d2a-6f0c1e9a7b35"


@pytest.fixture
def hospital(site: Site) -> Hospital:
    registry = site.adapter.registry._registry
    registry._base_url = f"{site.outside.url}/v4/int"
    return hospital_of(reachable(site))


def one_facility(hospital: Hospital) -> None:
    """The site's key acts for its own facility only, as a hospital with one facility has it."""
    site = hospital.site
    with site.adapter.db.transaction() as tx:
        tx.execute(facility.delete().where(facility.c.hfr_id == hospital.other.hfr_id))


# --- facilities -----------------------------------------------------------------------------------


def test_a_facility_is_configured_registered_and_shown(hospital: Hospital) -> None:
    hfr_id, own = new_id(), f"f-{uuid.uuid4()}"
    will_register(hospital.site, hfr_id, f"{hfr_id}_1")
    made = well(hospital.client, "healthFacility.create", {"facility": own, "hf_id": hfr_id})
    assert (made["hf_id"], made["facility"], made["registered"]) == (hfr_id, own, True)
    assert well(hospital.client, "healthFacility.get", facility_id=own) == made

    page = well(hospital.client, "healthFacility.list")
    assert page["count"] == 3
    assert made in page["results"]


def test_a_facility_that_abdm_refuses_is_kept_with_the_reason_and_registered_later(
    hospital: Hospital,
) -> None:
    hfr_id, own = new_id(), f"f-{uuid.uuid4()}"
    hospital.site.outside.will_answer("/facility/search", (503, {}))
    body = {"facility": own, "hf_id": hfr_id}
    made = well(hospital.client, "healthFacility.create", body)
    assert made["registered"] is False
    assert made["detail"]

    will_register(hospital.site, hfr_id, hfr_id)
    done = well(hospital.client, "healthFacility.registerAsService", facility_id=own)
    assert done["registered"] is True
    hospital.site.outside.will_answer("/facility/search", known(hfr_id))
    hospital.site.outside.will_answer(
        "/MutipleHRPAddUpdateServices",
        (200, [{"servicesLinked": {"id": hfr_id}}]),  # type: ignore[arg-type]
    )
    hospital.site.outside.will_answer("/bridge-services", listed(hfr_id, "HIP", "HIU"))
    assert well(hospital.client, "healthFacility.update", body, facility_id=own)["registered"]


def test_the_hfr_id_of_a_facility_stays(hospital: Hospital) -> None:
    own = hospital.site.hfr_id
    says = refused(
        hospital.client, "healthFacility.partialUpdate", 400, {"hf_id": new_id()}, facility_id=own
    )
    assert own in says
    body = {"facility": own, "hf_id": new_id()}
    refused(hospital.client, "healthFacility.update", 400, body, facility_id=own)


def test_a_facility_of_another_key_does_not_exist(hospital: Hospital) -> None:
    own = hospital.site.hfr_id
    refused(hospital.client, "healthFacility.get", 404, facility_id=own, key=LIMITED)
    (row,) = well(hospital.client, "healthFacility.list", key=LIMITED)["results"]
    assert row["hf_id"] == hospital.other.hfr_id


# --- consent --------------------------------------------------------------------------------------


def raised(hospital: Hospital, patient: Json, **changes: object) -> Json:
    """A consent request that has left."""
    made = well(hospital.client, "consent.create", wanted(patient, **changes))
    hospital.site.run()
    return made


def test_a_consent_request_is_raised_and_shown_as_care_words_it(hospital: Hospital) -> None:
    one_facility(hospital)
    patient = hospital.site.patient()
    hospital.site.load(patient)
    # CARE's form sends its own range beside the two times.
    made = raised(hospital, patient, time_range={"from": "x", "to": "y"}, hip=None)
    assert made["status"] == "REQUESTED"
    assert made["requester"]["first_name"] == "Sister Mary"
    assert made["patient_abha"] == address_of(patient)
    assert made["patient_abha_object"]["health_id"] == address_of(patient)
    assert set(TABLE["shapes"]["abha_number"]) <= set(made["patient_abha_object"])
    assert made["patient_abha_object"]["patient"] == patient["id"]
    assert made["consent_artefacts"] == []
    assert len(hospital.site.outside.to(INIT)) == 1

    page = well(
        hospital.client,
        "consent.list",
        query={"patient": patient["id"], "ordering": "-created_date"},
    )
    assert (page["count"], page["next"], page["previous"]) == (1, None, None)
    assert [each["id"] for each in page["results"]] == [made["id"]]
    of = {"facility": hospital.site.hfr_id, "patient": patient["id"]}
    assert well(hospital.client, "consent.list", query=of)["count"] == 1
    nobody = well(hospital.client, "consent.list", query={"facility": "not-served-here"})
    assert (nobody["count"], nobody["results"]) == (0, [])


def test_a_range_that_ends_later_today_ends_now(hospital: Hospital) -> None:
    one_facility(hospital)
    patient = hospital.site.patient()
    hospital.site.load(patient)
    made = raised(hospital, patient, to_time="2026-11-24T18:29:00.000Z")
    assert made["to_time"] == "2026-11-23T18:29:30.000Z"
    says = refused(
        hospital.client, "consent.create", 400, wanted(patient, to_time="2026-11-25T18:29:31Z")
    )
    assert "to_time" in says


def test_artefacts_stand_in_their_request(hospital: Hospital) -> None:
    one_facility(hospital)
    site = hospital.site
    patient = site.patient()
    site.load(patient)
    made = raised(hospital, patient)
    accept(site, site.outside.to(INIT)[-1], HANDLE)
    detail = artefact(site, patient)
    notice(site, HANDLE, "GRANTED", detail)
    fetched(site, detail)

    shown = well(hospital.client, "consent.get", id=made["id"])
    assert (shown["status"], shown["consent_id"]) == ("GRANTED", HANDLE)
    (given,) = shown["consent_artefacts"]
    assert set(TABLE["shapes"]["consent_artefact"]) <= set(given)
    assert (given["id"], given["consent_request"]) == (detail["consentId"], made["id"])
    assert (given["status"], given["hip"]) == ("GRANTED", OTHER_HIP)
    assert not any("private" in name for name in given)


@pytest.mark.parametrize("call", ["consent.checkStatus", "checkConsentStatus"])
def test_abdm_is_asked_how_a_request_stands(hospital: Hospital, call: str) -> None:
    one_facility(hospital)
    site = hospital.site
    patient = site.patient()
    site.load(patient)
    made = raised(hospital, patient)
    accept(site, site.outside.to(INIT)[-1], HANDLE)
    if call == "checkConsentStatus":
        well(hospital.client, call, id=made["id"])
    else:
        well(hospital.client, call, {"consent_request": made["id"]})
    site.run()
    assert site.outside.only(STATUS).body == {"consentRequestId": HANDLE}


def test_who_has_several_facilities_names_the_one_that_asks(hospital: Hospital) -> None:
    patient = hospital.site.patient()
    hospital.site.load(patient)
    says = refused(hospital.client, "consent.create", 400, wanted(patient))
    assert "hiu is missing" in says
    refused(hospital.client, "consent.get", 404, id=str(uuid.uuid4()), key=LIMITED)


def test_pages_lead_on_and_back(hospital: Hospital) -> None:
    one_facility(hospital)
    patient = hospital.site.patient()
    hospital.site.load(patient)
    for _ in range(3):
        raised(hospital, patient)
        hospital.site.wait(60)
    seen, path = [], f"/api/abdm/consent/?limit=2&patient={patient['id']}"
    while path:
        answer = hospital.client.get(
            path, headers={"Authorization": f"Bearer {care.WHOLE}", "X-User": "Sister Mary"}
        ).json
        assert answer["count"] == 3
        seen += [each["id"] for each in answer["results"]]
        back, path = answer["previous"], answer["next"]
    assert len(set(seen)) == 3
    assert back == f"/api/abdm/consent/?limit=2&patient={patient['id']}&offset=0"


# --- what was received ----------------------------------------------------------------------------


def test_received_documents_are_the_page_s_data(hospital: Hospital) -> None:
    document = bundle(note="Fever elsewhere")
    given = give(hospital.site, document, b"no JSON at all")
    found = well(hospital.client, "healthInformation.get", artefactId=given.artefact_id)
    (entry,) = found["data"]
    assert json.loads(entry["content"]) == json.loads(document)
    assert entry["care_context_reference"] == "visit-1"
    assert len(found["unreadable"]) == 1


def test_records_of_a_consent_that_ended_are_archived_to_care(hospital: Hospital) -> None:
    given = give(hospital.site, bundle())
    archive.note_end(hospital.site.adapter, given.artefact_id, HiuArtefactState.REVOKED)
    answer = care.ask(hospital.client, "healthInformation.get", artefactId=given.artefact_id)
    assert answer.status_code == 404
    assert answer.json["is_archived"] is True
    assert answer.json["archived_reason"] == "REVOKED"
    assert answer.json["archived_time"].startswith("2026-11-23T18:29:30")
    assert "new consent" in answer.json["detail"]


def test_nothing_received_yet_is_said(hospital: Hospital) -> None:
    given = give(hospital.site)
    says = refused(hospital.client, "healthInformation.get", 404, artefactId=given.artefact_id)
    assert "yet" in says
    given = give(hospital.site, bundle())
    refused(
        hospital.client, "healthInformation.get", 404, artefactId=given.artefact_id, key=LIMITED
    )
