"""What the Health ID service tells, in V3's words: accounts, profiles, tokens, in any shape."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.protocol import health_id
from adapter.protocol.abha import LOGIN_WAYS, UserTokens
from adapter.rules.abha_profile import from_account, from_enrolment

ACCOUNT: dict[str, Any] = {
    "token": "a.user.token",
    "refreshToken": "a.refresh.token",
    "healthIdNumber": "91-5512-7788-0034",
    "healthId": "lata.k1972@sbx",
    "name": "Lata Kulkarni",
    "firstName": "Lata",
    "middleName": "",
    "lastName": "Kulkarni",
    "gender": "F",
    "dayOfBirth": "9",
    "monthOfBirth": "8",
    "yearOfBirth": "1972",
    "mobile": "9820000417",
    "email": None,
    "stateCode": "27",
    "stateName": "MAHARASHTRA",
    "districtCode": "482",
    "districtName": "MUMBAI",
    "profilePhoto": None,
    "kycPhoto": "/9j/4AAQ",
    "authMethods": ["AADHAAR_OTP"],
    "tags": {},
    "new": True,
}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(string.printable, max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)


@pytest.mark.parametrize("read", [from_enrolment, from_account])
def test_an_account_says_the_same_of_a_person_as_v3_does(read: Any) -> None:
    told = read(health_id.profile(ACCOUNT))
    assert (told.abha_number, told.health_id) == ("91-5512-7788-0034", "lata.k1972@sbx")
    assert (told.name, told.gender, told.date_of_birth) == ("Lata Kulkarni", "F", "1972-08-09")
    assert (told.state, told.district, told.mobile) == ("MAHARASHTRA", "MUMBAI", "9820000417")
    assert told.profile_photo == "/9j/4AAQ"


def test_a_birth_date_of_which_only_the_year_is_known_is_a_year() -> None:
    data = {**ACCOUNT, "dayOfBirth": None, "monthOfBirth": None}
    assert from_enrolment(health_id.profile(data)).date_of_birth == "1972"


@pytest.mark.parametrize("listed", [["lata.k@sbx", "other@sbx"], "lata.k@sbx"])
def test_an_address_that_only_the_list_names_is_taken_from_there(listed: Any) -> None:
    data = {**ACCOUNT, "healthId": None, "phrAddress": listed}
    assert from_account(health_id.profile(data)).health_id == "lata.k@sbx"
    data["phrAddress"] = []
    assert from_account(health_id.profile(data)).health_id is None


def test_tokens_without_their_lives_have_those_of_the_document() -> None:
    assert health_id.tokens(ACCOUNT) == UserTokens("a.user.token", 1800, "a.refresh.token", 86_400)
    renewed = {"accessToken": "a.new.token", "expiresIn": 600}
    assert health_id.tokens(renewed) == UserTokens("a.new.token", 600)
    assert health_id.tokens({"refreshToken": "x"}) is None


def test_the_accounts_of_a_mobile_come_as_a_list_or_as_the_only_one() -> None:
    one = {"healthIdNumber": "91-5512-7788-0034", "healthId": None, "phrAddress": "l@sbx"}
    for linked in ([one], one):
        (account,) = health_id.accounts({"mobileLinkedHid": linked})
        assert (account.key, account.abha_address) == ("91-5512-7788-0034", "l@sbx")
    assert health_id.accounts({"mobileLinkedHid": None}) == ()


def test_an_address_is_the_confirmed_one_else_the_one_asked_for() -> None:
    assert health_id.address({"healthId": "lata.k@sbx"}, "lata", "sbx") == "lata.k@sbx"
    assert health_id.address({"healthId": None}, "lata", "sbx") == "lata@sbx"


def test_every_way_to_log_in_is_one_of_v3s_and_asks_in_the_encrypted_form() -> None:
    assert set(health_id.LOGIN_WAYS) < set(LOGIN_WAYS)
    for way in health_id.LOGIN_WAYS.values():
        assert way.otp_path.startswith("/v2/")
        assert way.verify_path.startswith("/v2/")


def test_an_aadhaar_number_and_an_otp_are_nothing_that_goes_in_the_clear() -> None:
    assert not {"aadhaar", "otp", "index"} & health_id.CLEAR


@given(st.fixed_dictionaries({}, optional=dict.fromkeys((*ACCOUNT, "phrAddress"), anything)))
def test_whatever_an_account_looks_like_it_is_read_or_left_out(data: dict[str, Any]) -> None:
    for read in (from_enrolment, from_account):
        told = read(health_id.profile(data))
        assert told.abha_number is None or len(told.abha_number) == 17
    health_id.tokens(data)
    health_id.accounts({"mobileLinkedHid": data})
