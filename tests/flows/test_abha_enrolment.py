"""An ABHA is created by Aadhaar OTP, step by step, and becomes a patient's (CRT_ABHA_101…113)."""

import pytest

from mappings import systems
from tests.flows.abha import Front, Json, Person, new_mobile
from tests.flows.wire import only

GENERATIONS = ("v3", "v0.5")

LETTERS = str.maketrans("0123456789", "abcdefghij")


def identifiers(patient: dict) -> dict[str, str]:
    return {each["system"]: each["value"] for each in patient["identifier"]}


def test_a_patient_without_abha_gets_one_in_four_steps(front: Front) -> None:
    # Suggested addresses are made of the name, and the FHIR server is shared by all tests.
    person = front.person(first_name=f"Asha{new_mobile().translate(LETTERS)}")
    begun = front.enrol(person)
    assert (begun["state"], begun["steps"]) == ("OTP_SENT", ["verify_otp", "send_otp"])
    assert begun["message"].endswith(f"ending with {person.mobile[-4:]}.")
    path = f"/abha/transactions/{begun['id']}"

    verified = front.post(f"{path}/verify", otp=front.otp(person.mobile), mobile=person.mobile)
    assert verified["state"] == "VERIFIED"
    assert verified["steps"] == ["suggest_address", "set_address", "link"]
    profile = verified["profile"]
    assert (profile["first_name"], profile["last_name"]) == (person.first, "Verma")
    assert profile["date_of_birth"] == "1984-03-07"
    assert (profile["new"], profile["verified"], profile["patient"]) == (True, True, None)
    assert profile["mobile"] == person.mobile

    offered = front.get(f"{path}/addresses")["addresses"]
    # The older service offers none: the person thinks of one.
    assert len(offered) >= 3 or front.generation == "v0.5"
    local = offered[0] if offered else f"asha_{new_mobile()}"
    chosen = front.post(f"{path}/address", abha_address=local)
    assert chosen["profile"]["health_id"] == f"{local}@sbx"

    card = front.call("GET", f"/abha/profiles/{profile['id']}/card")
    assert card.data.startswith(b"\x89PNG")

    linked = front.post(f"{path}/link")
    assert linked["state"] == "LINKED"
    patient = front.fhir_patient(linked["patient"])
    account = front.abdm.abha_of(person.aadhaar)
    assert account is not None
    assert identifiers(patient) == {
        systems.ABHA_NUMBER: account.abha_number,
        systems.ABHA_ADDRESS: f"{local}@sbx",
    }
    assert patient["gender"] == "female"
    assert patient["address"][0]["state"] == "MAHARASHTRA"
    assert patient["address"][0]["district"] == "MUMBAI"


def test_the_consent_is_kept_with_the_profile_and_without_it_nothing_is_sent(front: Front) -> None:
    person = front.person()
    calls = len(front.abdm.exchanges())
    agreed = front.consent
    for consent in ({**agreed, "agreed": False}, {**agreed, "version": "1.3"}, None):
        front.refused("/abha/enrolments", 400, aadhaar=person.aadhaar, consent=consent)
    assert len(front.abdm.exchanges()) == calls
    front.created(person)
    (row,) = front.rows("abha_profile")
    assert "I agree to create my ABHA." in row["consent"]
    assert "Sister Mary" in row["consent"]


@pytest.mark.parametrize(
    "aadhaar", ["99990000123", "9999000012345", "abcdefghijkl", "999900001230"]
)
def test_what_is_no_aadhaar_number_makes_no_call(front: Front, aadhaar: str) -> None:
    calls = len(front.abdm.exchanges())
    error = front.refused("/abha/enrolments", 400, aadhaar=aadhaar, consent=front.consent)
    assert aadhaar not in error["message"]
    assert len(front.abdm.exchanges()) == calls
    assert front.rows("abha_transaction") == []


def test_a_wrong_otp_is_told_and_entered_again_without_the_aadhaar_number(front: Front) -> None:
    person = front.person()
    begun = front.enrol(person)
    path = f"/abha/transactions/{begun['id']}/verify"
    error = front.refused(path, 422, otp=other_than(front.otp(person.mobile)), mobile=person.mobile)
    assert (error["code"], "wrong" in error["message"]) == (front.words.otp_wrong, True)
    assert front.abdm.abha_of(person.aadhaar) is None
    verified = front.post(path, otp=front.otp(person.mobile), mobile=person.mobile)
    assert verified["state"] == "VERIFIED"


def test_too_many_wrong_otps_lock_the_transaction(front: Front) -> None:
    person = front.person()
    begun = front.enrol(person)
    path = f"/abha/transactions/{begun['id']}/verify"
    wrong = other_than(front.otp(person.mobile))
    front.refused(path, 422, otp=wrong, mobile=person.mobile)
    front.refused(path, 422, otp=wrong, mobile=person.mobile)
    assert front.refused(path, 429, otp=wrong, mobile=person.mobile)["code"] == front.words.locked
    error = front.refused(path, 429, otp=front.otp(person.mobile), mobile=person.mobile)
    assert "30 minutes" in error["message"]
    assert front.get(f"/abha/transactions/{begun['id']}")["state"] == "LOCKED"
    (row,) = front.rows("abha_transaction")
    assert row["secret"] is None


def test_an_expired_otp_is_not_even_sent_to_abdm_and_a_new_one_works(front: Front) -> None:
    person = front.person()
    begun = front.enrol(person)
    front.earlier(begun, 601)
    path = f"/abha/transactions/{begun['id']}"
    calls = len(front.abdm.exchanges())
    error = front.refused(f"{path}/verify", 409, otp=front.otp(person.mobile), mobile=person.mobile)
    assert "expired" in error["message"]
    assert len(front.abdm.exchanges()) == calls
    front.post(f"{path}/otp")
    verified = front.post(f"{path}/verify", otp=front.otp(person.mobile), mobile=person.mobile)
    assert verified["state"] == "VERIFIED"


def test_an_otp_is_sent_again_after_a_minute_and_twice_at_most(front: Front) -> None:
    person = front.person()
    begun = front.enrol(person)
    path = f"/abha/transactions/{begun['id']}/otp"
    assert "seconds" in front.refused(path, 429)["message"]
    for _ in range(2):
        front.earlier(begun, 61)
        front.post(path)
    front.earlier(begun, 61)
    assert "three times" in front.refused(path, 429)["message"]
    verified = front.post(
        f"/abha/transactions/{begun['id']}/verify",
        otp=front.otp(person.mobile),
        mobile=person.mobile,
    )
    assert verified["state"] == "VERIFIED"


def test_another_mobile_is_verified_by_its_own_otp_before_anything_else(front: Front) -> None:
    person, other = front.person(), new_mobile()
    begun = front.enrol(person)
    path = f"/abha/transactions/{begun['id']}"
    sent = front.post(f"{path}/verify", otp=front.otp(person.mobile), mobile=other)
    assert "_mobile_otp" in front.refused(f"{path}/link", 409)["message"]
    if sent["steps"] == ["send_mobile_otp"]:
        sent = front.post(f"{path}/mobile")
    assert sent["steps"] == ["verify_mobile_otp", "send_mobile_otp"]
    assert sent["message"].endswith(f"{other[-4:]}.")
    error = front.refused(f"{path}/mobile/verify", 422, otp=other_than(front.otp(other)))
    assert "wrong" in error["message"]
    done = front.post(f"{path}/mobile/verify", otp=front.otp(other))
    assert done["state"] == "MOBILE_VERIFIED"
    assert done["profile"]["mobile"] == other
    patient = front.fhir_patient(front.post(f"{path}/link")["patient"])
    assert patient["telecom"] == [{"system": "phone", "value": other, "use": "mobile"}]


def test_a_taken_address_is_refused_and_another_chosen(front: Front) -> None:
    _, _, taken = front.holder()
    verified = front.created(front.person())
    path = f"/abha/transactions/{verified['id']}/address"
    assert front.refused(path, 409, abha_address=taken)["code"] == front.words.taken
    assert "8 to 18" in front.refused(path, 400, abha_address="a.b")["message"]
    local = f"asha_{new_mobile()}"
    assert front.post(path, abha_address=local)["profile"]["health_id"] == f"{local}@sbx"


def test_whoever_has_an_abha_already_is_told_so(front: Front) -> None:
    person, number, _ = front.holder()
    verified = front.created(person)
    assert verified["profile"]["new"] is False
    assert verified["profile"]["abha_number"] == number


@only("v3")
def test_a_mobile_that_six_abha_use_is_refused_and_another_goes_on(front: Front) -> None:
    crowded = new_mobile()
    for _ in range(6):
        front.holder(mobile=crowded)
    person = front.person(mobile=crowded)
    begun = front.enrol(person)
    path = f"/abha/transactions/{begun['id']}/verify"
    error = front.refused(path, 422, otp=front.otp(crowded), mobile=crowded)
    assert error["code"] == "ABDM-1124"


def test_a_service_that_is_away_leaves_the_step_to_be_repeated(front: Front) -> None:
    person = front.person()
    begun = front.enrol(person)
    path = f"/abha/transactions/{begun['id']}"
    otp = front.otp(person.mobile)
    front.abdm.fault("server-error", message=front.words.verify_aadhaar, times=1)
    error = front.refused(f"{path}/verify", 503, otp=otp, mobile=person.mobile)
    assert "try again" in error["message"]
    assert front.get(path)["steps"] == ["verify_otp", "send_otp"]
    assert front.post(f"{path}/verify", otp=otp, mobile=person.mobile)["state"] == "VERIFIED"

    front.abdm.fault("reset", message=front.words.set_address, times=1)
    local = f"asha_{new_mobile()}"
    front.refused(f"{path}/address", 503, abha_address=local)
    assert front.post(f"{path}/address", abha_address=local)["profile"]["health_id"]


def test_a_first_call_that_fails_can_be_repeated_without_the_aadhaar_number(front: Front) -> None:
    person = front.person()
    front.abdm.fault("server-error", message=front.words.aadhaar_otp, times=1)
    front.refused("/abha/enrolments", 503, aadhaar=person.aadhaar, consent=front.consent)
    (row,) = front.rows("abha_transaction")
    path = f"/abha/transactions/{row['id']}"
    assert front.get(path)["steps"] == ["send_otp"]
    assert front.post(f"{path}/otp")["state"] == "OTP_SENT"


@pytest.mark.parametrize("person_has_one", [False, True])
def test_an_answer_that_was_lost_is_made_up_for_with_a_new_otp_alone(
    front: Front, person_has_one: bool
) -> None:
    person = front.holder()[0] if person_has_one else front.person()
    begun = front.enrol(person)
    path = f"/abha/transactions/{begun['id']}"
    otp = front.otp(person.mobile)
    front.abdm.fault("reset", message=front.words.verify_aadhaar, times=1)
    front.refused(f"{path}/verify", 503, otp=otp, mobile=person.mobile)
    front.refused(f"{path}/verify", 409, otp=otp, mobile=person.mobile)
    assert front.get(path)["steps"] == ["send_otp"]
    front.post(f"{path}/otp")
    verified = front.post(f"{path}/verify", otp=front.otp(person.mobile), mobile=person.mobile)
    account = front.abdm.abha_of(person.aadhaar)
    assert account is not None
    assert verified["profile"]["abha_number"] == account.abha_number


def test_a_replaced_key_is_fetched_again_within_the_step(front: Front) -> None:
    front.enrol(front.person())
    front.abdm.rotate_abha_key()
    assert front.enrol(front.person())["state"] == "OTP_SENT"


def test_an_expired_session_with_the_gateway_is_renewed_within_the_step(front: Front) -> None:
    front.enrol(front.person())
    front.abdm.fault("unauthorised", message=front.words.aadhaar_otp, times=1, shape="flat")
    assert front.enrol(front.person())["state"] == "OTP_SENT"


def test_another_facilitys_transaction_does_not_exist(front: Front) -> None:
    begun = front.enrol(front.person())
    with front.adapter.db.transaction() as tx:
        tx.exec_driver_sql("UPDATE abha_transaction SET hip_id = 'IN0000000000'")
    assert front.call("GET", f"/abha/transactions/{begun['id']}").status_code == 404


@pytest.mark.guide
def test_the_patient_made_of_a_profile_satisfies_the_official_profile(front: Front) -> None:
    verified = front.created(front.person(photo="/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP//2Q=="))
    linked = front.post(f"/abha/transactions/{verified['id']}/link", new=True)
    patient = front.fhir_patient(linked["patient"])
    assert patient["photo"][0]["contentType"] == "image/jpeg"
    outcome = front.adapter.fhir.validate(patient)
    assert [i for i in outcome["issue"] if i["severity"] in ("error", "fatal")] == []


def other_than(otp: str) -> str:
    """A wrong OTP."""
    return f"{(int(otp) + 1) % 10**6:06d}"


# --- the service that makes the ABHA last -----------------------------------------------------


def begun_with(front: Front, mobile: str | None = None) -> tuple[Person, str, Json]:
    """Somebody whose Aadhaar OTP is known, the transaction's path, and what the OTP is sent with:
    the Aadhaar's mobile number, or another."""
    person = front.person()
    path = f"/abha/transactions/{front.enrol(person)['id']}"
    return person, path, {"otp": front.otp(person.mobile), "mobile": mobile or person.mobile}


@only("v0.5")
@pytest.mark.parametrize("fault", ["server-error", "reset"])
@pytest.mark.parametrize("message", ["HealthIdCheckMobile", "HealthIdCreate"])
def test_a_creation_that_fails_after_the_otp_is_gone_on_with_without_another(
    front: Front, message: str, fault: str
) -> None:
    person, path, body = begun_with(front)
    front.abdm.fault(fault, message=message, times=1)
    front.refused(f"{path}/verify", 503, **body)
    failed = front.get(path)
    assert (failed["state"], failed["steps"]) == ("VERIFIED", ["fetch_profile", "send_mobile_otp"])
    assert "try again" in failed["message"] or "cannot be reached" in failed["message"]

    made = front.post(f"{path}/profile")
    assert made["steps"] == ["suggest_address", "set_address", "link"]
    account = front.abdm.abha_of(person.aadhaar)
    assert account is not None
    assert made["profile"]["abha_number"] == account.abha_number
    assert front.otps(person.mobile) == [body["otp"]]


@only("v0.5")
@pytest.mark.parametrize("fault", ["server-error", "reset"])
def test_a_creation_that_fails_after_the_mobiles_otp_is_gone_on_with_without_another(
    front: Front, fault: str
) -> None:
    other = new_mobile()
    person, path, body = begun_with(front, other)
    front.post(f"{path}/verify", **body)
    front.abdm.fault(fault, message="HealthIdCreate", times=1)
    front.refused(f"{path}/mobile/verify", 503, otp=front.otp(other))
    failed = front.get(path)
    assert (failed["state"], failed["steps"]) == ("MOBILE_VERIFIED", ["fetch_profile"])

    made = front.post(f"{path}/profile")
    assert (made["state"], made["profile"]["mobile"]) == ("MOBILE_VERIFIED", other)
    assert len(front.otps(person.mobile) + front.otps(other)) == 2


@only("v0.5")
def test_a_creation_that_abdm_refuses_says_why_and_may_be_gone_on_with(front: Front) -> None:
    _, path, body = begun_with(front)
    front.abdm.fault("rate-limited", message="HealthIdCreate", times=1)
    assert "try again" in front.refused(f"{path}/verify", 503, **body)["message"]
    assert front.post(f"{path}/profile")["profile"]["new"] is True


@only("v0.5")
def test_a_number_that_ten_abha_use_is_refused_and_another_goes_on(front: Front) -> None:
    crowded, other = new_mobile(), new_mobile()
    for _ in range(10):
        front.holder(mobile=crowded)
    person, path, body = begun_with(front, crowded)
    error = front.refused(f"{path}/verify", 422, **body)
    assert (error["code"], "another" in error["message"]) == ("HIS-1052", True)
    sent = front.post(f"{path}/mobile", mobile=other)
    assert sent["state"] == "MOBILE_OTP_SENT"
    done = front.post(f"{path}/mobile/verify", otp=front.otp(other))
    assert done["profile"]["mobile"] == other
    assert len(front.otps(person.mobile)) == 1


@only("v0.5")
def test_whoever_takes_the_mobile_at_aadhaar_after_all_needs_no_second_otp(front: Front) -> None:
    person, path, body = begun_with(front, new_mobile())
    sent = front.post(f"{path}/verify", **body)
    front.earlier({"id": sent["id"]}, 61)
    made = front.post(f"{path}/mobile", mobile=person.mobile)
    assert (made["state"], made["profile"]["mobile"]) == ("VERIFIED", person.mobile)


@pytest.mark.parametrize("person_has_one", [False, True])
def test_a_mobiles_otp_whose_answer_was_lost_costs_one_to_that_mobile_at_most(
    front: Front, person_has_one: bool
) -> None:
    other = new_mobile()
    person = front.holder()[0] if person_has_one else front.person()
    path = f"/abha/transactions/{front.enrol(person)['id']}"
    sent = front.post(f"{path}/verify", otp=front.otp(person.mobile), mobile=other)
    if sent["state"] != "MOBILE_OTP_SENT":
        front.post(f"{path}/mobile")
    front.abdm.fault("reset", message=front.words.verify_mobile, times=1)
    otp = front.otp(other)
    front.refused(f"{path}/mobile/verify", 503, otp=otp)
    front.refused(f"{path}/mobile/verify", 409, otp=otp)
    again = front.get(path)
    assert (again["state"], "send_mobile_otp" in again["steps"]) == ("VERIFIED", True)
    done = front.post(f"{path}/mobile")
    if done["state"] != "MOBILE_VERIFIED":  # V3 says by itself that the number is theirs already
        done = front.post(f"{path}/mobile/verify", otp=front.otp(other))
    assert (done["state"], done["steps"][-1]) == ("MOBILE_VERIFIED", "link")
    assert done["profile"]["mobile"] == other or person_has_one
    assert len(front.otps(person.mobile)) == 1


@only("v0.5")
def test_aadhaar_number_and_otps_go_encrypted_where_the_service_takes_them_so(front: Front) -> None:
    other = new_mobile()
    person, path, body = begun_with(front, other)
    front.post(f"{path}/verify", **body)
    front.post(f"{path}/mobile/verify", otp=front.otp(other))
    front.post(f"{path}/address", abha_address=f"asha_{new_mobile()}")
    asked = [each for each in front.abdm.exchanges() if each.message.startswith("HealthId")]
    paths = [each.url.removeprefix("/healthid/api") for each in asked]
    registration = "/v2/registration/aadhaar"
    assert paths == [
        "/v2/auth/cert",
        f"{registration}/generateOtp",
        f"{registration}/verifyOTP",
        f"{registration}/checkAndGenerateMobileOTP",
        f"{registration}/verifyMobileOTP",
        f"{registration}/createHealthIdByAdhaar",
        f"{registration}/phr-address",
        f"{registration}/confirm",
    ]
    said = str([each.body for each in asked])
    for secret in (person.aadhaar, body["otp"], front.otp(other)):
        assert secret not in said
    assert other in said
