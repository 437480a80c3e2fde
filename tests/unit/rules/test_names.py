"""Which written names may be one person's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.rules.names import name_parts, same_name, similar_names

SAME = [
    ("Asha Verma", "VERMA, Asha"),
    ("Dr. Asha Verma", "Asha Varma"),
    ("Smt Lakshmi Iyer", "Laxmi Iyer"),
    ("R. K. Sharma", "Raj Kumar Sharma"),
    ("Ram Kumar", "Ramkumar"),
    ("Mohd Ali", "Mohammed Ali"),
    ("Suneeta Choudhary", "Sunita Chaudhari"),
    ("Asha", "Asha Verma"),
    ("José D'Souza", "Jose Dsouza"),
    ("सुनीता देवी", "सुनिता देवी"),
    ("श्री अशोक कुमार", "अशोक कुमार"),
]
DIFFERENT = [
    ("Ramesh Kumar", "Rakesh Kumar"),
    ("Asha Verma", "Usha Verma"),
    ("Rajendra Singh", "Ravendra Singh"),
    ("Sita Devi", "Gita Devi"),
    ("A. B.", "Asha Bose"),
    ("Asha Verma", "Asha Sharma"),
    ("अशोक", "आशा"),
]
PARTS = st.lists(
    st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=9),
    min_size=1,
    max_size=4,
).filter(lambda parts: name_parts(" ".join(parts)) == tuple(parts))


@pytest.mark.parametrize(("one", "other"), SAME)
def test_usual_spellings_of_one_name_are_alike(one: str, other: str) -> None:
    assert same_name(one, other) is True
    assert same_name(other, one) is True


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_names_that_only_look_alike_are_not(one: str, other: str) -> None:
    assert same_name(one, other) is False


@pytest.mark.parametrize("other", ["आशा वर्मा", "", "12 34", "…"])
def test_names_without_a_common_script_cannot_be_compared(other: str) -> None:
    assert same_name("Asha Verma", other) is None


def test_one_comparable_name_of_several_decides() -> None:
    assert similar_names(["Asha Verma"], ["आशा वर्मा", "Asha Varma"]) is True
    assert similar_names(["Asha Verma"], ["आशा वर्मा", "Rekha Joshi"]) is False
    assert similar_names(["Asha Verma"], ["आशा वर्मा"]) is None
    assert similar_names(["Asha Verma"], []) is None


@given(PARTS, st.randoms(use_true_random=False))
def test_order_case_and_titles_never_matter(parts: list[str], random: object) -> None:
    shuffled = list(parts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a Random
    assert same_name(" ".join(parts), "Dr " + " ".join(shuffled).upper()) is True


@given(st.text(max_size=40), st.text(max_size=40))
def test_comparison_is_the_same_both_ways_for_any_text(one: str, other: str) -> None:
    assert same_name(one, other) == same_name(other, one)
