"""What a desk may enter is checked before any call, and never quoted."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapter.protocol.errors import MalformedRequest
from adapter.rules.aadhaar import (
    aadhaar_digits,
    address_choice,
    mobile_digits,
    otp_digits,
    verhoeff,
)

digits = st.text("0123456789", min_size=2, max_size=20)


def with_check_digit(text: str) -> str:
    (found,) = [digit for digit in "0123456789" if verhoeff(text + digit)]
    return text + found


def test_the_published_example_of_verhoeffs_digit_is_accepted() -> None:
    assert verhoeff("2363")
    assert verhoeff("123451")
    assert not verhoeff("123450")


@given(digits)
def test_every_number_has_exactly_one_check_digit(text: str) -> None:
    assert verhoeff(with_check_digit(text))


@given(digits, st.data())
def test_any_one_wrong_digit_is_noticed(text: str, data: st.DataObject) -> None:
    number = with_check_digit(text)
    place = data.draw(st.integers(0, len(number) - 1))
    other = data.draw(st.sampled_from("0123456789"))
    assume(other != number[place])
    assert not verhoeff(number[:place] + other + number[place + 1 :])


@given(digits, st.data())
def test_any_two_neighbours_swapped_are_noticed(text: str, data: st.DataObject) -> None:
    number = with_check_digit(text)
    place = data.draw(st.integers(0, len(number) - 2))
    assume(number[place] != number[place + 1])
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    assert not verhoeff(swapped)


def test_an_aadhaar_number_may_be_written_in_groups() -> None:
    number = with_check_digit("99990000123")
    assert aadhaar_digits(f"{number[:4]} {number[4:8]}-{number[8:]}") == number


@pytest.mark.parametrize("entered", ["99990000123", "9999000012345", "99990000123x", "", "९" * 12])
def test_what_has_not_twelve_digits_is_refused_without_quoting_it(entered: str) -> None:
    with pytest.raises(MalformedRequest) as refused:
        aadhaar_digits(entered)
    assert not entered or entered not in str(refused.value)


def test_a_number_whose_digits_do_not_fit_is_refused() -> None:
    number = with_check_digit("99990000123")
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    for entered in (wrong, with_check_digit("09990000123")):
        with pytest.raises(MalformedRequest, match="do not fit"):
            aadhaar_digits(entered)


@pytest.mark.parametrize("entered", ["9811044170", "+919811044170", "09811044170", "98110 44170"])
def test_a_mobile_number_is_read_as_its_ten_digits(entered: str) -> None:
    assert mobile_digits(entered) == "9811044170"


@pytest.mark.parametrize("entered", ["981104417", "0811044170", "98110441701", "98x1044170", ""])
def test_what_is_no_mobile_number_is_refused(entered: str) -> None:
    with pytest.raises(MalformedRequest):
        mobile_digits(entered)


@pytest.mark.parametrize("entered", ["12345", "1234567", "12345a", ""])
def test_what_is_no_otp_is_refused(entered: str) -> None:
    assert otp_digits(" 123456 ") == "123456"
    with pytest.raises(MalformedRequest):
        otp_digits(entered)


@pytest.mark.parametrize(
    "entered", ["asha.verma84", "ashaverma_0703", "4sha.ver_ma", "asha.verma84@sbx"]
)
def test_a_chosen_address_may_have_one_dot_and_one_underscore(entered: str) -> None:
    assert address_choice(entered) == entered.partition("@")[0]


@pytest.mark.parametrize(
    "entered",
    ["asha.v", ".ashaverma", "ashaverma.", "asha..verma", "asha.ver.ma", "asha-verma84", "a" * 19],
)
def test_an_address_against_the_rules_is_refused(entered: str) -> None:
    with pytest.raises(MalformedRequest):
        address_choice(entered)


@pytest.mark.parametrize("entered", ["9811044170", "91551277883406"])
def test_a_number_is_no_address(entered: str) -> None:
    with pytest.raises(MalformedRequest, match="must not be"):
        address_choice(entered)
