"""Every QR code of the documents is read; whatever else is scanned is refused with what to do."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.protocol.errors import MalformedRequest
from adapter.rules.abha_profile import Profile
from adapter.rules.qr import CounterQr, counter_url, read_card, read_counter

NUMBER, ADDRESS = "91-5512-7788-3406", "asha.verma84@sbx"

CARD = {
    "hidn": NUMBER,
    "hid": ADDRESS,
    "name": "Asha Verma",
    "gender": "F",
    "statelgd": "29",
    "distlgd": "572",
    "dob": "7/3/1984",
    "state name": "KARNATAKA",
    "district_name": "Bengaluru Urban",
    "mobile": "9811044170",
    "address": "12 Lake View Road",
}
APP = {
    "hidn": NUMBER,
    "phr": ADDRESS,
    "name": "Asha Verma",
    "gender": "F",
    "statelgd": "29",
    "distlgd": "-",
    "dob": "7-3-1984",
    "address": "12 Lake View Road",
}


def test_the_card_fills_everything_that_is_on_it() -> None:
    assert read_card(json.dumps(CARD)) == Profile(
        abha_number=NUMBER,
        health_id=ADDRESS,
        name="Asha Verma",
        gender="F",
        date_of_birth="1984-03-07",
        address="12 Lake View Road",
        district="Bengaluru Urban",
        state="KARNATAKA",
        district_code="572",
        state_code="29",
        mobile="9811044170",
    )


def test_the_apps_qr_names_the_address_otherwise_and_may_lack_the_district() -> None:
    found = read_card(json.dumps(APP))
    assert (found.health_id, found.date_of_birth) == (ADDRESS, "1984-03-07")
    assert (found.district_code, found.mobile) == (None, None)


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"state_name": "KERALA"}, "state", "KERALA"),
        ({"stateName": "KERALA"}, "state", "KERALA"),
        ({"STATE NAME": "KERALA"}, "state", "KERALA"),
        ({"dist name": "Kollam"}, "district", "Kollam"),
        ({"distName": "Kollam"}, "district", "Kollam"),
        ({"dist_name": "Kollam"}, "district", "Kollam"),
        ({"dob": "07-03-1984"}, "date_of_birth", "1984-03-07"),
        ({"dob": "1984"}, "date_of_birth", "1984"),
        ({"dob": "31/02/1984"}, "date_of_birth", "1984"),
        ({"dob": "soon"}, "date_of_birth", None),
        ({"hidn": NUMBER.replace("-", "")}, "abha_number", NUMBER),
        ({"hidn": "12"}, "abha_number", None),
        ({"gender": "Female"}, "gender", "F"),
        ({"gender": "?"}, "gender", None),
        ({"mobile": 9811044170}, "mobile", "9811044170"),
    ],
)
def test_every_spelling_in_circulation_is_read(
    changes: dict[str, Any], field: str, value: str | None
) -> None:
    assert getattr(read_card(json.dumps(APP | changes)), field) == value


def test_a_number_or_an_address_alone_is_enough() -> None:
    assert read_card(json.dumps({"hidn": NUMBER})).abha_number == NUMBER
    assert read_card("\ufeff" + json.dumps({"PHR": ADDRESS}) + "\n").health_id == ADDRESS


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no QR code of an ABHA"),
        ("{", "no QR code of an ABHA"),
        ("[]", "no QR code of an ABHA"),
        ("91-5512-7788-3406", "no QR code of an ABHA"),
        ('{"name": "Asha Verma"}', "neither an ABHA number nor"),
        ('{"hidn": "123", "phr": "no address"}', "neither an ABHA number nor"),
        ("https://phrsbx.abdm.gov.in/face-auth?txnId=1", "face check"),
        ("https://phrsbx.abdm.gov.in/share-profile?hip-id=IN1", "web address"),
        (counter_url("https://phr.abdm.gov.in", "IN2910004417", "OPD3"), "own app"),
        ("https://example.org", "web address"),
        ("[" * 8000, "no QR code of an ABHA"),
        ("x" * 9000, "more than an ABHA card"),
    ],
)
def test_anything_else_is_refused_with_what_to_do(content: str, words: str) -> None:
    with pytest.raises(MalformedRequest, match=words):
        read_card(content)


@given(
    st.text(max_size=300) | st.dictionaries(st.text(), st.integers() | st.text()).map(json.dumps)
)
def test_no_text_makes_the_reader_fail_in_another_way(content: str) -> None:
    try:
        found = read_card(content)
    except MalformedRequest:
        return
    assert found.abha_number or found.health_id


def test_a_counters_qr_is_written_in_the_newer_form_and_read_in_all() -> None:
    url = counter_url("https://phrsbx.abdm.gov.in", "IN2910004417_1", "OPD3")
    assert url == ("https://phrsbx.abdm.gov.in/share-profile?hip-id=IN2910004417_1&counter-id=OPD3")
    expected = CounterQr("IN2910004417_1", "OPD3")
    older = "https://phr.abdm.gov.in/share-profile?hipid=IN2910004417_1&counterid=OPD3"
    for content in (url, older, '{"hipId": "IN2910004417_1", "code": "OPD3"}'):
        assert read_counter(content) == expected
    for content in ("", "https://phr.abdm.gov.in/share-profile", "{}", "[1]"):
        assert read_counter(content) is None


@pytest.mark.parametrize("counter", ["", "OPD-3", "a" * 21, "OPD 3"])
def test_a_counter_that_abdm_would_refuse_gets_no_qr(counter: str) -> None:
    with pytest.raises(MalformedRequest, match="counter"):
        counter_url("https://phr.abdm.gov.in", "IN2910004417", counter)
