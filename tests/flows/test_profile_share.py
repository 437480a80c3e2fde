"""Scan and share: a shared profile gets a number in time, whatever FHIR does, and a patient."""

import uuid
from typing import Any

import pytest

from adapter import work
from mappings import systems
from tests import rig
from tests.flows.harness import GENERATE_TOKEN, Json, Site, error_code
from tests.flows.hims import LIMITED, Hospital
from tests.flows.wire import BOTH, only

GENERATIONS = BOTH
ON_SHARE = "/patient-share/v3/on-share"


def share(counter: str = "OPD3", **patient: Any) -> Json:
    """What ABDM sends when somebody new shares their profile."""
    tail = uuid.uuid4().int % 10**8
    made: Json = {
        "abhaNumber": f"91-{tail // 10000:04d}-{tail % 10000:04d}-0023",
        "abhaAddress": f"asha.{tail:08d}@sbx",
        "name": "Asha Verma",
        "gender": "F",
        "dayOfBirth": "7",
        "monthOfBirth": "3",
        "yearOfBirth": "1984",
        "address": {
            "line": "12 Lake View Road",
            "district": "Bengaluru Urban",
            "state": "Karnataka",
            "pinCode": "560034",
        },
        "phoneNumber": f"98{tail:08d}",
        **patient,
    }
    meta = {"hipId": "IN2910004417", "context": counter, "latitude": "12.93", "longitude": None}
    return {"intent": "PROFILE_SHARE", "metaData": meta, "profile": {"patient": made}}


def person(body: Json) -> Json:
    found: Json = body["profile"]["patient"]
    return found


def numbers(site: Site) -> list[str]:
    return [
        call.body["acknowledgement"]["profile"]["tokenNumber"] for call in site.outside.to(ON_SHARE)
    ]


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


# --- the queue ----------------------------------------------------------------------------------


def queue_of(hospital: Hospital, query: str = "") -> list[Json]:
    answer = get(hospital, f"/hims/v1/queue{query}")
    assert answer.status_code == 200, answer.json
    found: list[Json] = answer.json["queue"]
    return found


def get(hospital: Hospital, path: str, key: str = "key-for-all-facilities") -> Any:
    headers = {"Authorization": f"Bearer {key}", "X-User": "Sister Mary"}
    return hospital.client.get(path, headers=headers)


def test_the_queue_is_called_in_order_and_served(site: Site, hospital: Hospital) -> None:
    for counter in ("OPD3", "OPD3", "LAB1"):
        site.deliver("ProfileShare", share(counter))
    waiting = queue_of(hospital, "?counter=OPD3&state=ISSUED")
    assert [each["number"] for each in waiting] == [1, 2]
    assert waiting[0]["profile"]["name"] == "Asha Verma"

    called = hospital.post("queue/next", {"counter": "OPD3", "facility": site.hfr_id}).json
    assert (called["number"], called["state"]) == (1, "CALLED")
    again = hospital.post(f"queue/{called['id']}/call", {})
    assert again.status_code == 409
    served = hospital.post(f"queue/{called['id']}/serve", {}).json
    assert served["state"] == "SERVED"
    gone = hospital.post(f"queue/{waiting[1]['id']}/end", {}).json
    assert gone["state"] == "EXPIRED"
    nobody = hospital.post("queue/next", {"counter": "OPD3", "facility": site.hfr_id})
    assert nobody.status_code == 404


def test_a_number_that_nobody_called_lapses_after_half_an_hour(
    site: Site, hospital: Hospital
) -> None:
    site.clock.now = site.clock.now.replace(hour=6)
    site.deliver("ProfileShare", share())
    site.clock.advance(minutes=31)
    work.sweep(site.adapter)
    (entry,) = queue_of(hospital)
    assert entry["state"] == "EXPIRED"
    assert hospital.post(f"queue/{entry['id']}/call", {}).status_code == 409


def test_a_key_sees_only_its_own_facilities_queue(site: Site, hospital: Hospital) -> None:
    site.deliver("ProfileShare", share())
    (entry,) = queue_of(hospital)
    assert get(hospital, "/hims/v1/queue", LIMITED).json == {"queue": []}
    assert hospital.post(f"queue/{entry['id']}/call", {}, key=LIMITED).status_code == 404
    profile = f"/hims/v1/abha/profiles/{entry['profile']['id']}"
    assert get(hospital, profile, LIMITED).status_code == 404


@pytest.mark.parametrize("query", ["?day=today", "?state=WAITING", "?facility=IN0000000000"])
def test_a_query_that_makes_no_sense_is_refused(hospital: Hospital, query: str) -> None:
    assert get(hospital, f"/hims/v1/queue{query}").status_code in (400, 404)
