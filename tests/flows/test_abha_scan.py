"""Scan and pull: a card's QR becomes a profile, a patient and a link token (case QR-READ)."""

import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from adapter.flows import abha_qr
from adapter.stores import abha_profiles
from conformance.simulator.abha_cards import FORMS
from mappings import systems
from tests.flows.abha import Front, new_mobile
from tests.flows.test_abha_enrolment import identifiers


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_form_of_qr_that_abdm_shows_is_read_or_refused_in_a_sentence(
    front: Front, form: str
) -> None:
    _, number, address = front.holder()
    answer = front.call("POST", "/abha/scans", {"content": front.abdm.abha_qr(number, form)})
    assert answer.status_code in (200, 400), answer.json
    if answer.status_code == 400:
        assert answer.json["error"]["message"].endswith(".")
        assert number not in answer.json["error"]["message"]
        return
    profile = answer.json["profile"]
    assert profile["abha_number"] in (number, None)
    assert profile["health_id"] in (address, None)
    assert profile["abha_number"] or profile["health_id"]
    assert (profile["verified"], profile["patient"]) == (False, None)


def test_a_card_becomes_a_new_patient_and_a_link_token_is_asked_for(front: Front) -> None:
    _, number, address = front.holder()
    scanned = front.post("/abha/scans", content=front.abdm.abha_qr(number))["profile"]
    assert (scanned["matches"], scanned["candidates"]) == (None, [])
    linked = front.post(f"/abha/profiles/{scanned['id']}/link", new=True)["profile"]
    patient = front.fhir_patient(linked["patient"])
    assert identifiers(patient) == {systems.ABHA_NUMBER: number, systems.ABHA_ADDRESS: address}
    front.run()
    (call,) = front.abdm.exchanges("GenerateLinkTokenRequest")
    assert call.body == {
        "abhaAddress": address,
        "abhaNumber": int(number.replace("-", "")),
        "name": "Asha Verma",
        "gender": "F",
        "yearOfBirth": 1984,
    }


def test_a_card_scanned_twice_is_one_profile_and_one_patient(front: Front) -> None:
    _, number, _ = front.holder()
    content = front.abdm.abha_qr(number)
    first = front.post("/abha/scans", content=content)["profile"]
    front.post(f"/abha/profiles/{first['id']}/link", new=True)
    again = front.post("/abha/scans", content=content)["profile"]
    assert (again["id"], again["matches"]) == (first["id"], again["patient"])
    assert len(front.adapter.fhir.find_patients(abha_number=number)) == 1


def test_a_card_finds_the_record_that_carries_its_number(front: Front) -> None:
    _, number, _ = front.holder()
    own = front.patient(identifier=[{"system": systems.ABHA_NUMBER, "value": number}])
    scanned = front.post("/abha/scans", content=front.abdm.abha_qr(number))["profile"]
    assert scanned["matches"] == own


def test_a_cards_mobile_shows_candidates_and_decides_nothing(front: Front) -> None:
    person, number, _ = front.holder()
    own = front.patient(telecom=[{"system": "phone", "value": person.mobile}])
    scanned = front.post("/abha/scans", content=front.abdm.abha_qr(number))["profile"]
    assert (scanned["matches"], scanned["candidates"]) == (None, [own])
    path = f"/abha/profiles/{scanned['id']}/link"
    assert f"Patient/{own}" in front.refused(path, 409)["message"]
    assert front.post(path, patient=own)["profile"]["patient"] == own


def test_a_forged_card_does_not_keep_the_real_holder_out(front: Front) -> None:
    person, number, address = front.holder()
    forged = {"hidn": "91-0000-0000-0001", "phr": address, "name": "Somebody Else"}
    front.post("/abha/scans", content=json.dumps(forged))
    begun = front.post("/abha/logins", by="abha_number", value=number, otp_to="mobile")
    verified = front.post(f"/abha/transactions/{begun['id']}/verify", otp=front.otp(person.mobile))
    assert (verified["profile"]["health_id"], verified["profile"]["name"]) == (
        address,
        "Asha Verma",
    )


def test_a_forged_card_changes_nothing_of_a_verified_profile(front: Front) -> None:
    person, number, address = front.holder()
    begun = front.post("/abha/logins", by="abha_number", value=number, otp_to="mobile")
    front.post(f"/abha/transactions/{begun['id']}/verify", otp=front.otp(person.mobile))
    forged = {"hidn": number, "phr": address, "name": "Somebody Else", "dob": "1-1-1950"}
    shown = front.post("/abha/scans", content=json.dumps(forged))["profile"]
    assert (shown["name"], shown["date_of_birth"]) == ("Asha Verma", "1984-03-07")
    assert shown["verified"] is True


def test_a_forged_mobile_on_a_card_finds_nobody_elses_record(front: Front) -> None:
    person, number, address = front.holder()
    begun = front.post("/abha/logins", by="abha_number", value=number, otp_to="mobile")
    front.post(f"/abha/transactions/{begun['id']}/verify", otp=front.otp(person.mobile))
    victims = new_mobile()
    front.patient(telecom=[{"system": "phone", "value": victims}])
    forged = {"hidn": number, "phr": address, "name": "Asha Verma", "mobile": victims}
    shown = front.post("/abha/scans", content=json.dumps(forged))["profile"]
    assert shown["mobile"] != victims
    assert (shown["matches"], shown["candidates"]) == (None, [])


def test_what_a_card_said_is_gone_once_the_person_has_logged_in(front: Front) -> None:
    person, number, address = front.holder()
    said = {"hidn": number, "phr": address, "name": "Asha Verma", "mobile": new_mobile()}
    scanned = front.post("/abha/scans", content=json.dumps(said))["profile"]
    with front.adapter.db.transaction() as tx:
        abha_profiles.vouched(tx, address)  # as a link token does
    begun = front.post("/abha/logins", by="abha_number", value=number, otp_to="mobile")
    path = f"/abha/transactions/{begun['id']}/verify"
    verified = front.post(path, otp=front.otp(person.mobile))["profile"]
    assert verified["id"] == scanned["id"]
    assert verified["mobile"] != said["mobile"]


def test_a_profile_that_nobody_links_is_forgotten_after_a_month(front: Front) -> None:
    _, number, _ = front.holder()
    front.post("/abha/scans", content=front.abdm.abha_qr(number))
    for days, left in ((29, 1), (31, 0)):
        later = front.adapter.clock() + timedelta(days=days)
        with front.adapter.db.transaction() as tx:
            abha_profiles.forget(tx, later)
        assert len(front.rows("abha_profile")) == left


def test_two_desks_that_scan_one_card_at_once_make_one_patient(front: Front) -> None:
    _, number, _ = front.holder()
    content = front.abdm.abha_qr(number)
    front.post("/abha/scans", content=content)

    def desk() -> None:
        scanned = front.post("/abha/scans", content=content)["profile"]
        front.call("POST", f"/abha/profiles/{scanned['id']}/link", {"new": True})

    desks = [threading.Thread(target=desk) for _ in range(3)]
    for each in desks:
        each.start()
    for each in desks:
        each.join()
    assert len(front.adapter.fhir.find_patients(abha_number=number)) == 1
    assert len(front.rows("abha_profile")) == 1


@pytest.mark.parametrize(
    ("kind", "content_type", "start"),
    [
        ("png", "image/png", b"\x89PNG"),
        ("svg", "image/svg+xml", b"<?xml"),
        ("poster", "text/html; charset=utf-8", b"<!doctype html>"),
    ],
)
def test_a_counters_qr_is_drawn_for_screen_and_wall(
    front: Front, kind: str, content_type: str, start: bytes
) -> None:
    answer = front.call("GET", f"/abha/qr?counter=OPD3&format={kind}")
    assert (answer.status_code, answer.content_type) == (200, content_type)
    assert answer.data.startswith(start)


def test_a_counters_qr_names_service_and_counter_on_the_patients_app_host(front: Front) -> None:
    hip_id = front.adapter.config.abdm_facilities[0].hip_id
    url = front.get("/abha/qr?counter=OPD3&format=text")["url"]
    assert url == f"https://phrsbx.abdm.gov.in/share-profile?hip-id={hip_id}&counter-id=OPD3"
    assert front.call("GET", "/abha/qr?counter=OPD-3").status_code == 400
    for settings, host in (
        ({"x_cm_id": "abdm"}, "https://phr.abdm.gov.in"),
        ({"phr_url": "https://phr.example.org"}, "https://phr.example.org"),
    ):
        config = front.adapter.config.model_copy(update=settings)
        made = abha_qr.counter_url(replace(front.adapter, config=config), hip_id, "OPD3")
        assert made.startswith(f"{host}/share-profile?")
