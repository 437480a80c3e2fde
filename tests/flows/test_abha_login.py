"""An ABHA that exists is found and linked: by number, address, mobile, Aadhaar (VRFY_ABHA)."""

import threading
import uuid
from typing import Any

import pytest

from adapter.config import ServedFacility
from adapter.stores import abha_profiles, facilities
from mappings import systems
from mappings.ids import fhir_id
from tests.flows.abha import Front, new_mobile
from tests.flows.test_abha_enrolment import identifiers, other_than
from tests.flows.wire import only

GENERATIONS = ("v3", "v0.5")


def number_of_a_run() -> str:
    return uuid.uuid4().hex[:12]


def logged_in(front: Front, by: str, value: str, otp_to: str, mobile: str) -> dict[str, Any]:
    begun = front.post("/abha/logins", by=by, value=value, otp_to=otp_to)
    assert begun["state"] == "OTP_SENT"
    return front.post(f"/abha/transactions/{begun['id']}/verify", otp=front.otp(mobile))


@pytest.mark.parametrize("otp_to", ["aadhaar", "mobile"])
@pytest.mark.parametrize("by", ["abha_number", "abha_address"])
def test_number_or_address_with_an_otp_shows_the_profile_and_links_the_patient(
    front: Front, by: str, otp_to: str
) -> None:
    person, number, address = front.holder()
    value = number if by == "abha_number" else address
    assert otp_to in front.post("/abha/search", **{by: value})["otp_to"]
    verified = logged_in(front, by, value, otp_to, person.mobile)
    assert (verified["state"], verified["steps"]) == ("VERIFIED", ["link"])
    profile = verified["profile"]
    assert (profile["abha_number"], profile["health_id"]) == (number, address)
    assert (profile["new"], profile["verified"], profile["active"]) == (False, True, True)
    own = front.patient()
    linked = front.post(f"/abha/transactions/{verified['id']}/link", patient=own)
    assert (linked["state"], linked["patient"]) == ("LINKED", own)
    patient = front.fhir_patient(own)
    assert identifiers(patient) == {systems.ABHA_NUMBER: number, systems.ABHA_ADDRESS: address}
    assert patient["name"] == [{"text": "Asha Verma"}]
    assert patient["birthDate"] == "1984-03-07"


def test_a_number_may_be_entered_without_dashes(front: Front) -> None:
    person, number, _ = front.holder()
    bare = number.replace("-", "")
    verified = logged_in(front, "abha_number", bare, "mobile", person.mobile)
    assert verified["profile"]["abha_number"] == number


@pytest.mark.parametrize(
    ("by", "value", "words"),
    [
        ("abha_number", "91-5512-7788", "14 digits"),
        ("abha_address", "asha verma", "name@sbx"),
        ("mobile", "12345", "ten digits"),
        ("passport", "X", "no such way"),
    ],
)
def test_what_cannot_be_right_makes_no_call(front: Front, by: str, value: str, words: str) -> None:
    calls = len(front.abdm.exchanges())
    error = front.refused("/abha/logins", 400, by=by, value=value, otp_to="mobile")
    assert words in error["message"]
    assert len(front.abdm.exchanges()) == calls


@only("v3")
def test_an_aadhaar_number_that_cannot_be_right_makes_no_call(front: Front) -> None:
    calls = len(front.abdm.exchanges())
    body = {"by": "aadhaar", "value": "999900001230", "otp_to": "aadhaar"}
    assert "do not fit" in front.refused("/abha/logins", 400, **body)["message"]
    assert len(front.abdm.exchanges()) == calls


def test_a_mobile_with_several_abha_lets_one_be_chosen_after_the_otp(front: Front) -> None:
    mobile = new_mobile()
    _, first, _ = front.holder(mobile=mobile)
    _, second, address = front.holder(mobile=mobile, first_name="Usha")
    found = logged_in(front, "mobile", mobile, "mobile", mobile)
    assert (found["state"], found["steps"]) == ("CHOOSING", ["choose_account"])
    assert {each["abha_number"] for each in found["accounts"]} == {first, second}
    path = f"/abha/transactions/{found['id']}/account"
    assert "Choose one" in front.refused(path, 400, account="91-0000-0000-0000")["message"]
    chosen = front.post(path, account=second)
    assert chosen["state"] == "VERIFIED"
    assert (chosen["profile"]["name"], chosen["profile"]["health_id"]) == ("Usha Verma", address)


@only("v3")
def test_a_mobile_without_abha_says_so_only_after_the_otp(front: Front) -> None:
    mobile = new_mobile()
    begun = front.post("/abha/logins", by="mobile", value=mobile, otp_to="mobile")
    path = f"/abha/transactions/{begun['id']}/verify"
    error = front.refused(path, 404, otp=front.otp(mobile))
    assert (error["code"], "create one" in error["message"]) == ("ABDM-1114", True)


@only("v3")
@pytest.mark.parametrize("otp_to", ["aadhaar", "mobile"])
def test_a_search_by_mobile_shows_masked_accounts_before_any_otp(front: Front, otp_to: str) -> None:
    mobile = new_mobile()
    front.holder(mobile=mobile)
    _, number, _ = front.holder(mobile=mobile, first_name="Usha")
    found = front.post("/abha/finds", mobile=mobile)
    assert found["state"] == "CHOOSING"
    assert number not in str(found["accounts"])
    key = next(each["key"] for each in found["accounts"] if each["name"].startswith("Us"))
    path = f"/abha/transactions/{found['id']}"
    assert front.post(f"{path}/account", account=key, otp_to=otp_to)["state"] == "OTP_SENT"
    verified = front.post(f"{path}/verify", otp=front.otp(mobile))
    assert verified["profile"]["abha_number"] == number


@only("v3")
def test_an_aadhaar_number_with_an_abha_logs_in(front: Front) -> None:
    person, number, _ = front.holder()
    verified = logged_in(front, "aadhaar", person.aadhaar, "aadhaar", person.mobile)
    assert verified["profile"]["abha_number"] == number


@only("v3")
@only("v3")
def test_an_aadhaar_number_without_abha_goes_on_to_creation_without_being_asked_for_again(
    front: Front,
) -> None:
    person = front.person()
    found = logged_in(front, "aadhaar", person.aadhaar, "aadhaar", person.mobile)
    assert (found["state"], found["steps"]) == ("NOT_FOUND", ["enrol"])
    path = f"/abha/transactions/{found['id']}"
    assert "consent" in front.refused(f"{path}/enrol", 400)["message"]
    assert front.post(f"{path}/enrol", consent=front.consent)["state"] == "OTP_SENT"
    verified = front.post(f"{path}/verify", otp=front.otp(person.mobile), mobile=person.mobile)
    assert (verified["kind"], verified["profile"]["new"]) == ("enrol", True)


@only("v3")
@pytest.mark.parametrize("habit", ["field", "failed"])
@pytest.mark.parametrize("by", ["abha_number", "abha_address", "mobile"])
def test_a_wrong_otp_is_told_whatever_form_abdm_says_it_in(
    front: Front, by: str, habit: str
) -> None:
    front.abdm.configure(abha_wrong_login_otp=habit)
    person, number, address = front.holder()
    value = {"abha_number": number, "abha_address": address, "mobile": person.mobile}[by]
    begun = front.post("/abha/logins", by=by, value=value, otp_to="mobile")
    path = f"/abha/transactions/{begun['id']}/verify"
    otp = front.otp(person.mobile)
    assert "wrong" in front.refused(path, 422, otp=other_than(otp))["message"]
    assert front.post(path, otp=otp)["state"] in ("VERIFIED", "CHOOSING")


def test_an_otp_that_abdm_calls_expired_is_sent_anew(front: Front) -> None:
    person, number, _ = front.holder()
    front.abdm.configure(abha_otp_seconds=0.0)
    begun = front.post("/abha/logins", by="abha_number", value=number, otp_to="mobile")
    path = f"/abha/transactions/{begun['id']}"
    error = front.refused(f"{path}/verify", 422, otp=front.otp(person.mobile))
    assert "new one" in error["message"]
    front.abdm.configure(abha_otp_seconds=600.0)
    front.earlier(begun, 61)
    front.post(f"{path}/otp")
    verified = front.post(f"{path}/verify", otp=front.otp(person.mobile))
    assert verified["state"] == "VERIFIED"


def test_a_deactivated_abha_is_honoured_everywhere(front: Front) -> None:
    person, number, _ = front.holder()
    verified = logged_in(front, "abha_number", number, "mobile", person.mobile)
    front.abdm.set_abha_status(number, "DEACTIVATED")
    assert front.post("/abha/search", abha_number=number)["active"] is False
    error = front.refused("/abha/logins", 422, by="abha_number", value=number, otp_to="mobile")
    assert "deactivated" in error["message"]
    profile = verified["profile"]["id"]
    # V3 still shows the profile, as deactivated; the older service refuses it.
    front.call("POST", f"/abha/profiles/{profile}/refresh")
    assert front.get(f"/abha/profiles/{profile}")["profile"]["active"] is False
    assert "deactivated" in front.refused(f"/abha/profiles/{profile}/link", 409)["message"]


@only("v3")
def test_a_blocked_way_is_refused_with_what_to_do(front: Front) -> None:
    _, number, _ = front.holder()
    front.abdm.block_abha_methods(number, ["MOBILE_OTP"])
    assert front.post("/abha/search", abha_number=number)["otp_to"] == ["aadhaar"]
    error = front.refused("/abha/logins", 422, by="abha_number", value=number, otp_to="mobile")
    assert "choose another" in error["message"]


def test_a_profile_that_cannot_be_fetched_is_fetched_later_without_another_otp(
    front: Front,
) -> None:
    person, number, _ = front.holder()
    begun = front.post("/abha/logins", by="abha_number", value=number, otp_to="mobile")
    path = f"/abha/transactions/{begun['id']}"
    front.abdm.fault("server-error", message=front.words.profile, times=1)
    front.refused(f"{path}/verify", 503, otp=front.otp(person.mobile))
    assert front.get(path)["steps"] == ["fetch_profile"]
    fetched = front.post(f"{path}/profile")
    assert fetched["profile"]["abha_number"] == number


# --- one ABHA, one patient ----------------------------------------------------------------------


def test_an_abha_is_never_linked_to_a_second_patient(front: Front) -> None:
    person, number, _ = front.holder()
    verified = logged_in(front, "abha_number", number, "mobile", person.mobile)
    first, second = front.patient(), front.patient()
    profile = f"/abha/profiles/{verified['profile']['id']}/link"
    front.post(profile, patient=first)
    error = front.refused(profile, 409, patient=second)
    assert f"Patient/{first}" in error["message"]
    assert "identifier" not in front.fhir_patient(second)
    assert front.post(profile, patient=first)["profile"]["patient"] == first


def test_a_patient_never_gets_a_second_abha(front: Front) -> None:
    own = front.patient()
    for expected in (200, 409):
        person, number, _ = front.holder()
        verified = logged_in(front, "abha_number", number, "mobile", person.mobile)
        answer = front.call("POST", f"/abha/transactions/{verified['id']}/link", {"patient": own})
        assert answer.status_code == expected, answer.json
    assert "another ABHA" in answer.json["error"]["message"]


def test_an_abha_that_stands_on_another_record_is_refused_with_that_record(front: Front) -> None:
    person, number, _ = front.holder()
    bearer = front.patient(identifier=[{"system": systems.ABHA_NUMBER, "value": number}])
    verified = logged_in(front, "abha_number", number, "mobile", person.mobile)
    path = f"/abha/transactions/{verified['id']}/link"
    error = front.refused(path, 409, patient=front.patient())
    assert f"Patient/{bearer}" in error["message"]
    assert front.post(path)["patient"] == bearer


def test_a_returning_patient_is_found_by_mobile_and_details_not_by_mobile_alone(
    front: Front,
) -> None:
    person, number, _ = front.holder()
    telecom = [{"system": "phone", "value": f"+91 {person.mobile}"}]
    own = front.patient(telecom=telecom)
    front.patient(telecom=telecom, gender="male", name=[{"text": "Ravi Verma"}])
    verified = logged_in(front, "abha_number", number, "mobile", person.mobile)
    profile = front.get(f"/abha/profiles/{verified['profile']['id']}")["profile"]
    assert (profile["matches"], profile["candidates"]) == (own, [own])
    assert front.post(f"/abha/transactions/{verified['id']}/link")["patient"] == own


def test_several_records_that_may_be_meant_are_shown_and_one_is_chosen(front: Front) -> None:
    person = front.person()
    telecom = [{"system": "phone", "value": person.mobile}]
    twins = [front.patient(telecom=telecom), front.patient(telecom=telecom)]
    verified = front.created(person)
    path = f"/abha/transactions/{verified['id']}/link"
    error = front.refused(path, 409)
    assert all(f"Patient/{each}" in error["message"] for each in twins)
    assert front.post(path, patient=twins[0])["patient"] == twins[0]


def test_two_desks_at_once_for_one_patient_make_one_link(front: Front) -> None:
    person, number, _ = front.holder()
    verified = logged_in(front, "abha_number", number, "mobile", person.mobile)
    own = [front.patient(), front.patient()]
    path = f"/abha/profiles/{verified['profile']['id']}/link"
    answers: list[Any] = []

    def desk(patient: str) -> None:
        answers.append(front.call("POST", path, {"patient": patient}))

    desks = [threading.Thread(target=desk, args=(each,)) for each in own]
    for each in desks:
        each.start()
    for each in desks:
        each.join()
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    bearers = front.adapter.fhir.find_patients(abha_number=number)
    assert len(bearers) == 1


def test_two_clicks_on_verify_make_one_call(front: Front) -> None:
    person, number, _ = front.holder()
    begun = front.post("/abha/logins", by="abha_number", value=number, otp_to="mobile")
    path = f"/abha/transactions/{begun['id']}/verify"
    otp = front.otp(person.mobile)
    front.abdm.fault("slow", message=front.words.verify_login, times=1, seconds=1.0)
    answers: list[int] = []

    def click() -> None:
        answers.append(front.call("POST", path, {"otp": otp}).status_code)

    clicks = [threading.Thread(target=click) for _ in range(2)]
    for each in clicks:
        each.start()
    for each in clicks:
        each.join()
    assert sorted(answers) == [200, 409]


def test_a_crash_between_fhir_and_the_tables_is_made_good_by_asking_again(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, number, _ = front.holder()
    verified = logged_in(front, "abha_number", number, "mobile", person.mobile)
    own = front.patient()
    path = f"/abha/transactions/{verified['id']}/link"

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(abha_profiles, "settle", killed)
        with pytest.raises(Killed):
            front.call("POST", path, {"patient": own})
    (row,) = front.rows("abha_profile")
    assert row["due_at"] is not None, "the background would never make the link"
    # Claimed, so nobody else gets it meanwhile.
    profile = f"/abha/profiles/{verified['profile']['id']}/link"
    front.refused(profile, 409, patient=front.patient())
    assert front.post(path, patient=own)["state"] == "LINKED"
    assert len(front.fhir_patient(own)["identifier"]) == 2


def test_a_link_that_fhir_refuses_gives_the_abha_back(front: Front) -> None:
    person, number, _ = front.holder()
    verified = logged_in(front, "abha_number", number, "mobile", person.mobile)
    path = f"/abha/transactions/{verified['id']}/link"
    front.refused(path, 404, patient="nobody-of-this-name")
    own = front.patient()
    assert front.post(path, patient=own)["patient"] == own


def test_a_patient_that_the_hims_sends_again_keeps_the_abha(front: Front) -> None:
    facility = front.adapter.config.abdm_facilities[0].hfr_id
    front.post("/facility", id=facility, hf_id=facility, name="Hospital of a Test")
    entity = {"id": f"p-{number_of_a_run()}", "facility": facility, "name": "Asha Verma"}
    front.post("/patient", **entity)
    own = fhir_id(facility, "patient", entity["id"])
    person, number, address = front.holder()
    verified = logged_in(front, "abha_number", number, "mobile", person.mobile)
    front.post(f"/abha/transactions/{verified['id']}/link", patient=own)
    front.post("/patient", **entity, phone_number="02228801")
    patient = front.fhir_patient(own)
    values = identifiers(patient)
    assert (values[systems.ABHA_NUMBER], values[systems.ABHA_ADDRESS]) == (number, address)
    assert patient["telecom"][0]["value"] == "02228801"
    again = front.post("/patient", **entity, phone_number="02228801")
    assert again["results"][0]["outcome"] == "unchanged"


# --- what may be fetched later --------------------------------------------------------------------


def test_card_and_qr_are_fetched_later_and_the_session_is_renewed_in_time(front: Front) -> None:
    front.abdm.configure(abha_token_seconds=30.0)
    person, number, _ = front.holder()
    verified = logged_in(front, "abha_number", number, "mobile", person.mobile)
    path = f"/abha/profiles/{verified['profile']['id']}"
    before = front.rows("abha_profile")[0]["tokens"]
    for what in ("card", "qr"):
        answer = front.call("GET", f"{path}/{what}")
        assert (answer.status_code, answer.content_type) == (200, "image/png"), answer.json
        assert answer.data.startswith(b"\x89PNG")
    assert front.rows("abha_profile")[0]["tokens"] != before


def test_the_card_of_an_address_comes_from_its_own_place(front: Front) -> None:
    person, _, address = front.holder()
    verified = logged_in(front, "abha_address", address, "mobile", person.mobile)
    path = f"/abha/profiles/{verified['profile']['id']}"
    for what in ("card", "qr"):
        assert front.call("GET", f"{path}/{what}").data.startswith(b"\x89PNG")


def test_a_session_that_cannot_be_renewed_asks_for_another_login(front: Front) -> None:
    front.abdm.configure(abha_token_seconds=0.0, abha_refresh_seconds=0.0)
    person, number, _ = front.holder()
    begun = front.post("/abha/logins", by="abha_number", value=number, otp_to="mobile")
    front.abdm.configure(abha_token_seconds=30.0)
    verified = front.post(f"/abha/transactions/{begun['id']}/verify", otp=front.otp(person.mobile))
    answer = front.call("GET", f"/abha/profiles/{verified['profile']['id']}/card")
    assert answer.status_code == 409
    assert "log in again" in answer.json["error"]["message"]


def test_a_patients_profile_is_found_by_the_patient(front: Front) -> None:
    person, number, _ = front.holder()
    verified = logged_in(front, "abha_number", number, "mobile", person.mobile)
    own = front.patient()
    front.post(f"/abha/transactions/{verified['id']}/link", patient=own)
    found = front.get(f"/abha/profiles?patient={own}")["profile"]
    assert found["abha_number"] == number
    assert not {"token", "tokens", "access_token"} & set(found)


# --- what only the older service has, or lacks ----------------------------------------------------


@only("v0.5")
def test_a_mobile_without_abha_is_told_before_any_otp(front: Front) -> None:
    error = front.refused("/abha/logins", 404, by="mobile", value=new_mobile(), otp_to="mobile")
    assert (error["code"], "create one" in error["message"]) == ("HIS-1008", True)


@only("v0.5")
def test_what_the_older_service_lacks_is_refused_with_what_to_do(front: Front) -> None:
    person, _, _ = front.holder()
    error = front.refused("/abha/finds", 422, mobile=person.mobile)
    assert "log in by mobile number" in error["message"]
    body = {"by": "aadhaar", "value": person.aadhaar, "otp_to": "aadhaar"}
    calls = len(front.abdm.exchanges())
    error = front.refused("/abha/logins", 400, **body)
    assert "abha_number with the OTP to aadhaar" in error["message"]
    assert len(front.abdm.exchanges()) == calls


@only("v0.5")
@pytest.mark.parametrize("by", ["abha_number", "abha_address", "mobile"])
def test_a_wrong_otp_is_told_and_another_sent_where_the_first_went(front: Front, by: str) -> None:
    person, number, address = front.holder()
    value = {"abha_number": number, "abha_address": address, "mobile": person.mobile}[by]
    begun = front.post("/abha/logins", by=by, value=value, otp_to="mobile")
    path = f"/abha/transactions/{begun['id']}"
    wrong = other_than(front.otp(person.mobile))
    assert "wrong" in front.refused(f"{path}/verify", 422, otp=wrong)["message"]
    front.earlier(begun, 61)
    assert front.post(f"{path}/otp")["message"] == begun["message"]
    assert len(front.otps(person.mobile)) == 2
    state = front.post(f"{path}/verify", otp=front.otp(person.mobile))["state"]
    assert state in ("VERIFIED", "CHOOSING")


@only("v0.5")
def test_the_otps_key_may_be_replaced_between_two_steps(front: Front) -> None:
    person, number, _ = front.holder()
    logged_in(front, "abha_number", number, "mobile", person.mobile)
    front.abdm.rotate_abha_key()
    again = logged_in(front, "abha_number", number, "aadhaar", person.mobile)
    assert again["profile"]["abha_number"] == number


def with_neighbour(front: Front) -> tuple[str, str]:
    """(HFR id of the desk's facility, of another one that uses the other ABHA service)."""
    (own,) = front.adapter.config.abdm_facilities
    other = f"IN{uuid.uuid4().int % 10**10:010d}"
    both = (own, ServedFacility(other, other))
    with front.adapter.db.transaction() as tx:
        facilities.sync(tx, front.adapter.config.model_copy(update={"abdm_facilities": both}))
    front.adapter.config.facility_api_versions[other] = "v3"
    return own.hfr_id, other


@only("v0.5")
def test_a_search_names_the_facility_where_two_services_may_be_asked(front: Front) -> None:
    _, number, _ = front.holder()
    assert front.post("/abha/search", abha_number=number)["active"] is True
    both = with_neighbour(front)
    assert "facility" in front.refused("/abha/search", 400, abha_number=number)["message"]
    for each in both:
        assert front.post("/abha/search", abha_number=number, facility=each)["active"] is True
    paths = [each.url for each in front.abdm.exchanges() if "search" in each.url]
    older, newer = "/healthid/api/v1/search/searchByHealthId", "/abha/api/v3/profile/login/search"
    assert paths == [older, older, newer]


@only("v0.5")
def test_a_search_names_no_facility_where_several_ask_one_service(front: Front) -> None:
    _, number, _ = front.holder()
    _, other = with_neighbour(front)
    del front.adapter.config.facility_api_versions[other]
    assert front.post("/abha/search", abha_number=number)["active"] is True


@only("v0.5")
def test_a_session_is_used_where_it_was_given_whoever_sees_the_profile_later(front: Front) -> None:
    person, number, _ = front.holder()
    own, other = with_neighbour(front)
    body = {"by": "abha_number", "value": number, "otp_to": "mobile", "facility": own}
    begun = front.post("/abha/logins", **body)
    path = f"/abha/transactions/{begun['id']}/verify"
    profile = front.post(path, otp=front.otp(person.mobile))["profile"]["id"]
    front.post("/abha/scans", content=front.abdm.abha_qr(number), facility=other)
    assert front.call("GET", f"/abha/profiles/{profile}/card").data.startswith(b"\x89PNG")


@only("v0.5")
def test_an_end_of_our_own_session_is_not_taken_for_the_patients(front: Front) -> None:
    person, number, _ = front.holder()
    verified = logged_in(front, "abha_number", number, "mobile", person.mobile)
    before = front.rows("abha_profile")[0]["tokens"]
    front.abdm.fault("unauthorised", message="HealthIdCard", times=1)
    card = front.call("GET", f"/abha/profiles/{verified['profile']['id']}/card")
    assert card.data.startswith(b"\x89PNG")
    assert front.rows("abha_profile")[0]["tokens"] == before


@only("v0.5")
def test_a_renewal_that_is_refused_asks_for_another_login(front: Front) -> None:
    front.abdm.configure(abha_token_seconds=30.0)
    person, number, _ = front.holder()
    verified = logged_in(front, "abha_number", number, "mobile", person.mobile)
    front.abdm.fault("error-shape", message="HealthIdRefresh", times=1, status=422)
    answer = front.call("GET", f"/abha/profiles/{verified['profile']['id']}/card")
    assert answer.status_code == 409
    assert "log in again" in answer.json["error"]["message"]
