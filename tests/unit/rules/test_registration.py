"""Names, ids and answers of the facility registry."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.protocol.errors import Rejected
from adapter.rules.registration import hip_name, is_hfr_id, linked_service

BRIDGE = "SBX_004417"


@pytest.mark.parametrize(
    "text", ["in2910004417", "IN291000441", "IN29100044170", "IN29-0004417", ""]
)
def test_what_is_no_facility_id_is_refused(text: str) -> None:
    assert is_hfr_id("IN2910004417")
    assert not is_hfr_id(text)


def test_the_facilitys_name_is_shortened_before_prefix_and_suffix() -> None:
    assert hip_name("TN", "Sahyadri General Hospital", "7") == "TN Sahyadri G 7"


@given(st.text(), st.text(), st.text())
def test_a_registered_name_has_at_most_fifteen_letters_digits_and_blanks(
    prefix: str, name: str, suffix: str
) -> None:
    try:
        made = hip_name(prefix, name, suffix)
    except ValueError:
        assert not re.search("[A-Za-z0-9]", prefix + name + suffix)
    else:
        assert re.fullmatch("[A-Za-z0-9 ]{1,15}", made)


def test_the_service_id_comes_from_the_answer() -> None:
    assert (
        linked_service([{"servicesLinked": {"id": "IN2910004417_1"}}], BRIDGE) == "IN2910004417_1"
    )


def test_already_associated_with_our_bridge_is_done() -> None:
    words = f"{BRIDGE} already associated with facility, service id: IN2910004417"
    answer = [{"error": {"code": "2500", "message": words}}]
    assert linked_service(answer, BRIDGE) == "IN2910004417"


@pytest.mark.parametrize(
    "answer",
    [
        [{"error": {"code": "2500", "message": "SBX_999999 already associated, service id: X"}}],
        [{"error": {"code": "2500", "message": f"{BRIDGE}1 already associated, service id: X"}}],
        [{"error": {"code": "HIS-1124", "message": "HIP name is taken"}}],
        [{"servicesLinked": {"id": "X"}}, {"error": {"code": "1", "message": "no HIU"}}],
        [{}],
        None,
    ],
)
def test_every_other_answer_is_a_refusal_with_a_sentence(answer: Any) -> None:
    with pytest.raises(Rejected, match=r"registry"):
        linked_service(answer, BRIDGE)
