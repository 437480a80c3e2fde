"""One profile from five tellers, and what of it goes onto a patient's record."""

from dataclasses import replace
from typing import Any

import pytest

from adapter.protocol.errors import Conflict
from adapter.protocol.messages import SharedPatient
from adapter.rules.abha_patient import enriched, new_patient
from adapter.rules.abha_profile import (
    Profile,
    from_account,
    from_enrolment,
    from_share,
    merged,
    mobile_differs,
)
from mappings import systems

ENROLMENT = {
    "firstName": "Asha",
    "middleName": "",
    "lastName": "Verma",
    "dob": "07-03-1984",
    "gender": "F",
    "photo": "/9j/4AAQ",
    "mobile": "******4170",
    "email": None,
    "phrAddress": ["91551277883406@sbx"],
    "address": "12 Lake View Road",
    "districtCode": "572",
    "stateCode": "29",
    "pinCode": "560034",
    "abhaType": "STANDARD",
    "stateName": "KARNATAKA",
    "districtName": "Bengaluru Urban",
    "ABHANumber": "91-5512-7788-3406",
    "abhaStatus": "ACTIVE",
}
FULL = Profile(
    abha_number="91-5512-7788-3406",
    health_id="91551277883406@sbx",
    name="Asha Verma",
    first_name="Asha",
    last_name="Verma",
    gender="F",
    date_of_birth="1984-03-07",
    address="12 Lake View Road",
    district="Bengaluru Urban",
    state="KARNATAKA",
    pincode="560034",
    district_code="572",
    state_code="29",
    mobile="******4170",
    profile_photo="/9j/4AAQ",
    status="ACTIVE",
    kyc_verified=True,
)


def test_an_enrolment_fills_every_field() -> None:
    assert from_enrolment(ENROLMENT) == FULL


def test_an_account_is_read_by_number_and_by_address() -> None:
    by_number = {
        "ABHANumber": "91-5512-7788-3406",
        "preferredAbhaAddress": "asha.verma84@sbx",
        "yearOfBirth": 1984,
        "monthOfBirth": "3",
        "dayOfBirth": "7",
        "kycVerified": True,
    }
    by_address = {
        "abhaNumber": "91-5512-7788-3406",
        "abhaAddress": "asha.verma84@sbx",
        "dateOfBirth": "07-03-1984",
        "kycStatus": "VERIFIED",
    }
    assert from_account(by_number) == from_account(by_address)
    assert from_account(by_address).date_of_birth == "1984-03-07"


def test_a_share_without_number_is_not_verified() -> None:
    shared = from_share(SharedPatient("a.b12345@sbx", None, "Asha", "F", 1984))
    assert (shared.date_of_birth, shared.kyc_verified, shared.abha_number) == ("1984", False, None)


def test_what_is_masked_or_less_exact_replaces_nothing() -> None:
    known = replace(FULL, mobile="9811044170", email="asha@example.org")
    told = Profile(mobile="******4170", date_of_birth="1984", health_id="asha.verma84@sbx")
    assert merged(known, told) == replace(known, health_id="asha.verma84@sbx")


@pytest.mark.parametrize(
    ("shown", "differs"), [("******4170", False), ("******4171", True), (None, True), ("**", True)]
)
def test_a_mobile_that_is_not_the_one_at_aadhaar_has_to_be_verified(
    shown: str | None, differs: bool
) -> None:
    assert mobile_differs("9811044170", shown) is differs


def identifiers(patient: dict[str, Any]) -> dict[str, str]:
    return {each["system"]: each["value"] for each in patient["identifier"]}


def test_a_new_patient_has_all_that_the_profile_says() -> None:
    patient = new_patient("abha-1", replace(FULL, mobile="9811044170"))
    assert identifiers(patient) == {
        systems.ABHA_NUMBER: FULL.abha_number,
        systems.ABHA_ADDRESS: FULL.health_id,
    }
    codes = [each["type"]["coding"][0]["code"] for each in patient["identifier"]]
    assert codes == ["HIN", "ABHA"]
    assert patient["name"] == [{"text": "Asha Verma", "family": "Verma", "given": ["Asha"]}]
    assert (patient["gender"], patient["birthDate"]) == ("female", "1984-03-07")
    assert patient["telecom"] == [{"system": "phone", "value": "9811044170", "use": "mobile"}]
    assert patient["address"] == [
        {
            "text": "12 Lake View Road, Bengaluru Urban, KARNATAKA, 560034",
            "line": ["12 Lake View Road"],
            "district": "Bengaluru Urban",
            "state": "KARNATAKA",
            "postalCode": "560034",
            "country": "IN",
        }
    ]
    assert patient["photo"] == [{"contentType": "image/jpeg", "data": "/9j/4AAQ"}]


def test_the_hospitals_own_words_stay() -> None:
    own = {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [{"system": "urn:hospital", "value": "17"}],
        "name": [{"text": "Asha V."}],
        "gender": "female",
        "birthDate": "1983-01-01",
        "telecom": [{"system": "phone", "value": "9000000017"}],
        "address": [{"text": "Hill Road"}],
    }
    made = enriched(own, replace(FULL, mobile="9811044170"))
    for element in ("name", "birthDate", "telecom", "address"):
        assert made[element] == own[element]
    assert len(made["identifier"]) == 3
    assert enriched(made, FULL) == made


def test_a_year_of_birth_becomes_the_whole_date_that_it_agrees_with() -> None:
    own = {"resourceType": "Patient", "id": "p1", "birthDate": "1984"}
    assert enriched(own, FULL)["birthDate"] == "1984-03-07"
    assert enriched(own | {"birthDate": "1985"}, FULL)["birthDate"] == "1985"


def test_another_abha_number_on_the_record_is_never_replaced() -> None:
    other = {"system": systems.ABHA_NUMBER, "value": "91-0000-0000-0001"}
    own = {"resourceType": "Patient", "id": "p1", "identifier": [other]}
    with pytest.raises(Conflict, match="another ABHA number"):
        enriched(own, FULL)
