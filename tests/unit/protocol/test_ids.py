import re
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.protocol import ids

DISPLAY = re.compile(r"""[a-zA-Z0-9_\-@,. "':|()/]{1,255}""")
FREE = re.compile(r"""[a-zA-Z0-9_\-@,. ":/]{1,255}""")


def test_request_ids_are_uuids_and_differ() -> None:
    made = {ids.new_request_id() for _ in range(100)}
    assert len(made) == 100
    assert all(ids.is_uuid(one) for one in made)


@pytest.mark.parametrize("number", ["91-2345-6789-0123", "91234567890123", "91 2345 6789 0123"])
def test_abha_number_has_one_bare_and_one_dashed_form(number: str) -> None:
    assert ids.digits(number) == "91234567890123"
    assert ids.dashed(number) == "91-2345-6789-0123"


@pytest.mark.parametrize("number", ["", "9123456789012", "912345678901234", "9123456789012x"])
def test_other_numbers_are_no_abha_number(number: str) -> None:
    with pytest.raises(ValueError, match="14 digits"):
        ids.digits(number)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("asha.verma@sbx", True),
        ("asha_1990@abdm", True),
        ("91234567890123@sbx", True),
        ("asha-v@sbx", True),
        ("asha@gmail", False),
        (".asha@sbx", False),
        ("asha@sbx ", False),
        ("a@sbx", False),
    ],
)
def test_abha_addresses_are_recognised(text: str, good: bool) -> None:
    assert ids.is_abha_address(text) is good


@pytest.mark.parametrize("party", ["hip", "hiu"])
def test_consent_has_its_own_id_for_each_party(party: Literal["hip", "hiu"]) -> None:
    artefact = "0000000A-1d2c-4b3a-8f6e-5a4b3c2d1e0f"
    assert ids.consent_id(party, artefact) == f"{party}-{artefact.lower()}"


def test_artefact_id_that_could_not_be_a_fhir_id_is_refused() -> None:
    with pytest.raises(ValueError, match="UUID"):
        ids.consent_id("hip", "../Patient/1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Asha Verma", "Asha Verma"),
        ("José  Núñez", "Jose Nunez"),
        ("आशा वर्मा", "Patient"),
        ("आशा (Asha)", "(Asha)"),
        ("XXX***1234", "XXXXXX1234"),
        ("", "Patient"),
    ],
)
def test_display_keeps_what_abdm_allows(text: str, expected: str) -> None:
    assert ids.display_text(text, "Patient") == expected


@given(st.text(max_size=400))
def test_any_text_becomes_one_that_abdm_takes(text: str) -> None:
    assert DISPLAY.fullmatch(ids.display_text(text, "Patient"))
    assert FREE.fullmatch(ids.free_text(text, "Delivered"))
