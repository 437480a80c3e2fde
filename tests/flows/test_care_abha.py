"""CARE's ABHA dialogue works here, over the real flows and the simulated ABHA service."""

import json

import pytest

from tests.flows import care
from tests.flows.abha import Front, Person, new_mobile
from tests.flows.care import TABLE, refused, well
from tests.flows.harness import Json
from tests.flows.test_abha_enrolment import LETTERS
from tests.flows.wire import only

pytestmark = pytest.mark.hapi

GENERATIONS = ("v3", "v0.5")
SHAPE = set(TABLE["shapes"]["abha_number"])


def begun(front: Front, person: Person) -> str:
    """The transaction of somebody whose Aadhaar number was sent."""
    answer = well(front.client, "healthId.abhaCreateSendAadhaarOtp", {"aadhaar": person.aadhaar})
    assert person.mobile[-4:] in answer["detail"]
    transaction: str = answer["transaction_id"]
    return transaction


def created(front: Front, person: Person, mobile: str) -> Json:
    """The answer to the OTP that creates the ABHA."""
    body = {
        "transaction_id": begun(front, person),
        "otp": front.otp(person.mobile),
        "mobile": mobile,
    }
    answer = well(front.client, "healthId.abhaCreateVerifyAadhaarOtp", body)
    assert set(answer["abha_number"]) >= SHAPE
    return answer


def logged_in(front: Front, kind: str, value: str, mobile: str) -> Json:
    """The answer to the OTP that logs in."""
    system = "aadhaar" if kind == "aadhaar" else "abdm"
    body = {"value": value, "type": kind, "otp_system": system}
    sent = well(front.client, "healthId.abhaLoginSendOtp", body)
    body = {
        "type": kind,
        "otp": front.otp(mobile),
        "transaction_id": sent["transaction_id"],
        "otp_system": system,
    }
    return well(front.client, "healthId.abhaLoginVerifyOtp", body)


def test_an_abha_is_created_addressed_linked_and_its_card_shown(front: Front) -> None:
    person, other = front.person(first_name=f"Asha{new_mobile().translate(LETTERS)}"), new_mobile()
    made = created(front, person, other)
    assert (made["is_new"], made["abha_number"]["new"]) == (True, True)
    transaction = made["transaction_id"]

    body = {"transaction_id": transaction, "mobile": other}
    well(front.client, "healthId.abhaCreateLinkMobileNumber", body)
    body = {"transaction_id": transaction, "otp": front.otp(other)}
    well(front.client, "healthId.abhaCreateVerifyMobileNumber", body)

    body = {"transaction_id": transaction}
    offered = well(front.client, "healthId.abhaCreateAbhaAddressSuggestion", body)
    chosen = (offered["abha_addresses"] or [f"asha_{new_mobile()}"])[0]
    body = {"transaction_id": transaction, "abha_address": chosen}
    named = well(front.client, "healthId.abhaCreateEnrolAbhaAddress", body)
    account = front.abdm.abha_of(person.aadhaar)
    assert account is not None
    assert named["preferred_abha_address"] == f"{chosen}@sbx"
    assert named["health_id"] == account.abha_number
    assert named["abha_number"]["mobile"] == other

    patient = front.patient(name=[{"text": f"{person.first} Verma"}])
    body = {"abha_number": named["abha_number"]["id"], "patient": patient}
    linked = well(front.client, "healthId.linkAbhaNumberAndPatient", body)
    assert linked["patient"] == patient

    for abha_id in (account.abha_number, f"{chosen}@sbx", patient):
        shown = well(front.client, "abhaNumber.get", abhaNumberId=abha_id)
        assert (shown["id"], shown["patient"]) == (linked["id"], patient)
        query = {"abha_id": abha_id, "type": "png"}
        card = care.ask(front.client, "healthId.getAbhaCard", query=query)
        assert (card.status_code, card.content_type) == (200, "image/png")
        assert card.data.startswith(b"\x89PNG")
    (row,) = front.rows("abha_profile")
    assert "Ticked on the page" in row["consent"]


def test_the_aadhaar_otp_is_sent_again_in_the_same_transaction(front: Front) -> None:
    person = front.person()
    transaction = begun(front, person)
    body = {"aadhaar": person.aadhaar, "transaction_id": transaction}
    says = refused(front.client, "healthId.abhaCreateSendAadhaarOtp", 429, body)
    assert "seconds" in says
    front.earlier({"id": transaction}, 61)
    again = well(front.client, "healthId.abhaCreateSendAadhaarOtp", body)
    assert again["transaction_id"] == transaction


@pytest.mark.parametrize("kind", ["abha-number", "abha-address", "mobile"])
def test_an_abha_that_exists_logs_in(front: Front, kind: str) -> None:
    person, number, address = front.holder()
    values = {"abha-number": number, "abha-address": address, "mobile": person.mobile}
    found = logged_in(front, kind, values[kind], person.mobile)
    assert set(found["abha_number"]) >= SHAPE
    assert found["abha_number"]["health_id"] == address
    assert found["created"] is True
    assert logged_in(front, "abha-number", number, person.mobile)["created"] is False


@only("v3")
def test_an_abha_that_exists_logs_in_by_aadhaar_number(front: Front) -> None:
    person, _, address = front.holder()
    found = logged_in(front, "aadhaar", person.aadhaar, person.mobile)
    assert found["abha_number"]["health_id"] == address


def test_the_ways_to_log_in_with_an_address_are_told_with_or_without_its_suffix(
    front: Front,
) -> None:
    _, _, address = front.holder()
    for given in (address, address.partition("@")[0]):
        found = well(front.client, "healthId.abhaLoginCheckAuthMethods", {"abha_address": given})
        assert set(found["auth_methods"]) == {"AADHAAR_OTP", "MOBILE_OTP"}


def test_nobody_is_guessed_among_several_abha_of_one_mobile(front: Front) -> None:
    mobile = new_mobile()
    front.holder(mobile=mobile)
    front.holder(mobile=mobile, first_name="Usha")
    body = {"value": mobile, "type": "mobile", "otp_system": "abdm"}
    sent = well(front.client, "healthId.abhaLoginSendOtp", body)
    body = {
        "type": "mobile",
        "otp": front.otp(mobile),
        "transaction_id": sent["transaction_id"],
        "otp_system": "abdm",
    }
    says = refused(front.client, "healthId.abhaLoginVerifyOtp", 409, body)
    assert says.startswith("2 ABHAs use this mobile number")
    assert front.rows("abha_profile") == []


@only("v3")
def test_an_aadhaar_number_without_abha_is_refused_in_a_sentence(front: Front) -> None:
    person = front.person()
    body = {"value": person.aadhaar, "type": "aadhaar", "otp_system": "aadhaar"}
    sent = well(front.client, "healthId.abhaLoginSendOtp", body)
    body = {
        "type": "aadhaar",
        "otp": front.otp(person.mobile),
        "transaction_id": sent["transaction_id"],
        "otp_system": "aadhaar",
    }
    says = refused(front.client, "healthId.abhaLoginVerifyOtp", 404, body)
    assert says.endswith(".")


def test_a_wrong_otp_is_refused_with_a_detail(front: Front) -> None:
    person = front.person()
    body = {"transaction_id": begun(front, person), "otp": "000000", "mobile": person.mobile}
    assert refused(front.client, "healthId.abhaCreateVerifyAadhaarOtp", 422, body)


def test_a_scanned_card_becomes_a_profile_that_is_not_verified(front: Front) -> None:
    _, number, address = front.holder()
    scanned = json.loads(front.abdm.abha_qr(number))
    made = well(
        front.client,
        "abhaNumber.create",
        {
            "abha_number": scanned["hidn"],
            "health_id": scanned.get("hid") or scanned.get("phr"),
            "name": scanned["name"],
            "gender": scanned["gender"],
            "date_of_birth": scanned["dob"],
            "mobile": scanned.get("mobile"),
        },
    )
    assert (made["abha_number"], made["health_id"]) == (number, address)
    assert (made["date_of_birth"], made["patient"]) == ("1984-03-07", None)
    (row,) = front.rows("abha_profile")
    assert not row["verified"]


def test_an_unknown_abha_is_not_there(front: Front) -> None:
    for abha_id in ("91-1111-2222-3333", "nobody@sbx", "no-such-patient"):
        refused(front.client, "abhaNumber.get", 404, abhaNumberId=abha_id)
    refused(front.client, "healthId.getAbhaCard", 404, query={"abha_id": "nobody@sbx"})


@only("v0.5")
def test_a_creation_that_failed_after_an_otp_goes_on_when_the_page_asks_again(
    front: Front,
) -> None:
    person, other = front.person(), new_mobile()
    body = {
        "transaction_id": begun(front, person),
        "otp": front.otp(person.mobile),
        "mobile": other,
    }
    front.abdm.fault("server-error", message="HealthIdCheckMobile", times=1)
    refused(front.client, "healthId.abhaCreateVerifyAadhaarOtp", 503, body)
    made = well(front.client, "healthId.abhaCreateVerifyAadhaarOtp", body)
    assert (made["created"], made["abha_number"]["mobile"]) == (False, None)
    front.abdm.fault("server-error", message="HealthIdCreate", times=1)
    body = {"transaction_id": made["transaction_id"], "otp": front.otp(other)}
    refused(front.client, "healthId.abhaCreateVerifyMobileNumber", 503, body)
    well(front.client, "healthId.abhaCreateVerifyMobileNumber", body)
    assert front.abdm.abha_of(person.aadhaar) is not None
