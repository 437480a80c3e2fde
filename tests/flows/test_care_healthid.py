"""The ABHA dialogue of CARE's older front end, over the real flows and the simulated service."""

import base64
import json

import pytest

from tests.flows import care
from tests.flows.abha import Front
from tests.flows.care import TABLE, refused, well
from tests.flows.harness import Json, Site
from tests.flows.hims import Hospital

pytestmark = pytest.mark.hapi

GENERATIONS = ("v3", "v0.5")
SHAPE = set(TABLE["shapes"]["abha_number"])
CALLS = {"AADHAAR_OTP": "confirmWithAadhaarOtp", "MOBILE_OTP": "confirmWithMobileOtp"}


def scanned(front: Front, number: str, **more: str) -> Json:
    """What the front end sends of a card's QR."""
    card = json.loads(front.abdm.abha_qr(number))
    return {
        "hidn": card["hidn"],
        "phr": card.get("phr") or card.get("hid"),
        "name": card["name"],
        "gender": card["gender"],
        "dob": card["dob"].replace("/", "-"),
        **more,
    }


@pytest.mark.parametrize("method", ["AADHAAR_OTP", "MOBILE_OTP"])
@pytest.mark.parametrize("by", ["number", "address", "address without suffix"])
def test_an_abha_logs_in_is_linked_and_shows_its_card(front: Front, method: str, by: str) -> None:
    person, number, address = front.holder()
    given = {"number": number, "address": address}.get(by, address.partition("@")[0])
    assert method in well(front.client, "searchByHealthId", {"healthId": given})["authMethods"]

    body = {"authMethod": method, "healthid": given}
    transaction = well(front.client, "initiateAbdmAuthentication", body)["txnId"]
    patient = front.patient()
    body = {"otp": front.otp(person.mobile), "txnId": transaction, "patientId": patient}
    found = well(front.client, CALLS[method], body)
    profile = found["abha_profile"]
    assert set(profile) >= SHAPE
    assert (profile["healthIdNumber"], profile["healthId"]) == (number, address)
    assert (profile["id"], profile["patient"]) == (found["id"], patient)

    answer = care.ask(front.client, "getAbhaCard", {"patient": patient, "type": "png"})
    assert base64.b64decode(answer.json).startswith(b"\x89PNG")
    says = refused(front.client, "getAbhaCard", 400, {"patient": patient, "type": "pdf"})
    assert "png" in says


def test_an_unknown_way_to_log_in_is_refused_with_the_ways_there_are(front: Front) -> None:
    _, number, _ = front.holder()
    body = {"authMethod": "PASSWORD", "healthid": number}
    assert "MOBILE_OTP" in refused(front.client, "initiateAbdmAuthentication", 400, body)


def test_a_scanned_card_is_linked_with_one_patient_only(front: Front) -> None:
    _, number, address = front.holder()
    found = well(front.client, "linkViaQR", scanned(front, number))["abha_profile"]
    assert (found["abha_number"], found["health_id"]) == (number, address)
    assert (found["date_of_birth"], found["patient"]) == ("1984-03-07", None)

    patient = front.patient()
    body = scanned(front, number, patientId=patient)
    assert well(front.client, "linkViaQR", body)["abha_profile"]["patient"] == patient
    refused(front.client, "linkViaQR", 409, scanned(front, number))
    refused(front.client, "linkViaQR", 409, scanned(front, number, patientId=front.patient()))


def test_a_visit_is_linked_as_through_the_hims_api(site: Site, hospital: Hospital) -> None:
    patient = site.patient()
    visit = site.visit(patient)
    site.admit(patient, visit)
    encounter = next(each for each in visit if each["resourceType"] == "Encounter")
    well(hospital.client, "linkCareContext", {"consultation": encounter["id"]})
    linked = {row["reference"] for row in site.rows("care_context_link")}
    assert linked == {f"Encounter-{encounter['id']}"}
    refused(hospital.client, "linkCareContext", 404, {"consultation": "no-such-visit"})
