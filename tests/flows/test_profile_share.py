"""Scan and share: a shared profile gets a number in time, whatever FHIR does, and a patient."""

import uuid
from typing import Any

from mappings import systems
from tests import rig
from tests.flows.harness import GENERATE_TOKEN, Json, Site, error_code
from tests.flows.hims import Hospital
from tests.flows.sharing import ON_SHARE, numbers, person, queue_of, share
from tests.flows.wire import BOTH, only

GENERATIONS = BOTH


def test_a_shared_profile_gets_a_number_a_patient_and_a_link_token(site: Site) -> None:
    body = share()
    request_id = site.deliver("ProfileShare", body)
    answer = site.outside.only(ON_SHARE).body
    assert answer["response"] == {"requestId": request_id}
    acknowledged = answer["acknowledgement"]
    assert acknowledged.pop("profile")["tokenNumber"] == "1"
    assert acknowledged == {"status": "SUCCESS", "abhaAddress": person(body)["abhaAddress"]}
    (patient,) = site.adapter.fhir.find_patients(abha_number=person(body)["abhaNumber"])
    assert patient["name"][0]["text"] == "Asha Verma"
    assert patient["birthDate"] == "1984-03-07"
    assert patient["telecom"][0]["value"] == person(body)["phoneNumber"]
    assert patient["address"][0]["district"] == "Bengaluru Urban"
    assert patient["address"][0]["postalCode"] == "560034"
    asked = site.outside.only(GENERATE_TOKEN).body
    assert asked["abhaAddress"] == person(body)["abhaAddress"]
    assert asked["yearOfBirth"] == 1984


def test_the_link_token_is_there_before_the_first_visit_is_linked(site: Site) -> None:
    body = share()
    site.deliver("ProfileShare", body)
    address = person(body)["abhaAddress"]
    site.answer(
        site.outside.only(GENERATE_TOKEN),
        "OnGenerateLinkToken",
        {"abhaAddress": address, "linkToken": "a.link.token"},
    )
    (token,) = site.rows("link_token")
    assert (token["state"], token["abha_address"]) == ("ACTIVE", address)


def test_why_there_is_no_link_token_is_kept_with_the_profile(site: Site) -> None:
    profile = refused_token(site, "ABDM-1036")
    assert profile["active"]
    assert "1036" in profile["sentence"]


@only("v3")
def test_a_profile_whose_abha_is_deactivated_is_not_active(site: Site) -> None:
    """By 1407 v0.5 means too many OTPs; there PatientStatusNotify tells of it."""
    profile = refused_token(site, "ABDM-1407")
    assert not profile["active"]
    assert "ABDM-1407" in profile["sentence"]


def refused_token(site: Site, code: str) -> Json:
    """The stored profile after a share whose link token is refused with `code`."""
    site.deliver("ProfileShare", share())
    site.answer(
        site.outside.only(GENERATE_TOKEN),
        "OnGenerateLinkToken",
        {"error": {"code": code, "message": "no"}},
    )
    return site.row("abha_profile")


def test_numbers_run_per_counter_and_start_again_each_day(site: Site) -> None:
    for counter in ("OPD3", "OPD3", "LAB1", "OPD3"):
        site.deliver("ProfileShare", share(counter))
    assert numbers(site) == ["1", "2", "1", "3"]
    # 23:59 in India is one day, 00:01 the next.
    site.clock.now = site.clock.now.replace(hour=18, minute=31)
    site.deliver("ProfileShare", share("OPD3"))
    assert numbers(site)[-1] == "1"


def test_a_rescan_within_half_an_hour_shows_the_same_number(site: Site) -> None:
    body = share()
    site.deliver("ProfileShare", share())
    site.deliver("ProfileShare", body)
    site.clock.advance(minutes=10)
    site.deliver("ProfileShare", body)
    assert numbers(site) == ["1", "2", "2"]
    site.clock.advance(minutes=21)
    site.deliver("ProfileShare", body)
    assert numbers(site)[-1] != "2"


@only("v3")
def test_the_answer_names_the_counter_and_how_long_the_number_holds(site: Site) -> None:
    """Older answers have the number alone."""
    body = share()
    site.deliver("ProfileShare", body)
    site.clock.advance(minutes=10)
    site.deliver("ProfileShare", body)
    told = [call.body["acknowledgement"]["profile"] for call in site.outside.to(ON_SHARE)]
    assert told == [
        {"context": "OPD3", "tokenNumber": "1", "expiry": expiry} for expiry in (1800, 1200)
    ]


@only("v0.5")
def test_a_profile_shared_in_the_oldest_form_gets_a_number_that_only_the_desk_sees(
    site: Site, hospital: Hospital
) -> None:
    """Its answer has no member for the number (v1.0 and V3 have)."""
    body = share()
    site.deliver("ProfileShare", body, dialect="v0.5")
    (sent,) = [call for call in site.outside.wires if call.path.endswith("/on-share")]
    assert sent.path == "/gateway/v0.5/patients/profile/on-share"
    address = person(body)["abhaAddress"]
    assert sent.body["acknowledgement"] == {"status": "SUCCESS", "healthId": address}
    (entry,) = queue_of(hospital)
    assert (entry["number"], entry["counter"]) == (1, "OPD3")


def test_a_replayed_callback_issues_no_second_number(site: Site) -> None:
    body, request_id = share(), str(uuid.uuid4())
    for _ in range(2):
        site.deliver("ProfileShare", body, request_id=request_id)
    assert numbers(site) == ["1"]
    assert len(site.rows("queue_token")) == 1


def test_the_number_does_not_wait_for_fhir_and_the_patient_follows(site: Site, hapi: Any) -> None:
    body = share()
    there = site.adapter.fhir._client._http
    site.adapter.fhir._client.url = f"{rig.NOWHERE}/fhir"
    site.deliver("ProfileShare", body)
    assert numbers(site) == ["1"]
    assert site.row("abha_profile")["linked_at"] is None
    site.adapter.fhir._client.url = hapi.base_url
    assert there is site.adapter.fhir._client._http
    site.wait(61)
    profile = site.row("abha_profile")
    assert profile["linked_at"] is not None
    (patient,) = site.adapter.fhir.find_patients(abha_number=person(body)["abhaNumber"])
    assert patient["id"] == profile["patient_id"]


def test_a_returning_patient_is_recognised_and_keeps_their_record(site: Site) -> None:
    own = site.patient()
    own["identifier"] = [own["identifier"][2]]
    site.load(own)
    body = share(
        phoneNumber=own["telecom"][0]["value"], yearOfBirth=1991, monthOfBirth=4, dayOfBirth=2
    )
    site.deliver("ProfileShare", body)
    found = site.adapter.fhir.patient(own["id"])
    assert found is not None
    values = {each["system"]: each["value"] for each in found["identifier"]}
    assert values[systems.ABHA_ADDRESS] == person(body)["abhaAddress"]
    assert found["name"] == own["name"]


def test_two_records_that_may_be_meant_get_a_number_and_wait_for_the_desk(
    site: Site, hospital: Hospital
) -> None:
    phone = f"97{uuid.uuid4().int % 10**8:08d}"
    twins = []
    for _ in range(2):
        twin = site.patient(telecom=[{"system": "phone", "value": phone}])
        twin["identifier"] = [twin["identifier"][2]]
        site.load(twin)
        twins.append(twin["id"])
    site.deliver("ProfileShare", share(phoneNumber=phone, yearOfBirth=1991))
    assert numbers(site) == ["1"]
    entry = queue_of(hospital)[0]
    assert entry["profile"]["patient"] is None
    assert all(f"Patient/{each}" in entry["profile"]["message"] for each in twins)
    chosen = hospital.post(f"abha/profiles/{entry['profile']['id']}/link", {"patient": twins[0]})
    assert chosen.json["profile"]["patient"] == twins[0]


def test_an_address_without_number_is_a_patient_too_and_joins_the_number_later(
    site: Site,
) -> None:
    without = share(abhaNumber=None)
    site.deliver("ProfileShare", without)
    number = f"91-{uuid.uuid4().int % 10**4:04d}-{uuid.uuid4().int % 10**4:04d}-0029"
    site.deliver("ProfileShare", share(**(person(without) | {"abhaNumber": number})))
    profile = site.row("abha_profile")
    assert profile["abha_number"] == number.replace("-", "")
    (patient,) = site.adapter.fhir.find_patients(abha_address=person(without)["abhaAddress"])
    assert patient["id"] == profile["patient_id"]


def test_other_intents_are_refused_with_their_code(site: Site) -> None:
    body = share()
    body["intent"] = "PAYMENT_SHARE"
    site.deliver("ProfileShare", body)
    assert error_code(site.outside.only(ON_SHARE)) == "ABDM-1049"
    assert site.rows("queue_token") == []


def test_a_share_for_a_foreign_facility_is_quarantined(site: Site) -> None:
    site.deliver("ProfileShare", share(), hip_id="IN0000000000_9")
    assert error_code(site.outside.only(ON_SHARE)) == "ABDM-1055"
    assert site.rows("abha_profile") == []


def test_an_address_that_two_abha_numbers_claim_is_refused(site: Site) -> None:
    body = share()
    site.deliver("ProfileShare", body)
    other = person(share())["abhaNumber"]
    site.deliver("ProfileShare", share(**(person(body) | {"abhaNumber": other})))
    assert error_code(site.outside.to(ON_SHARE)[-1]) == "ABDM-1036"
