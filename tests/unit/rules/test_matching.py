"""Discovery matching: who is meant, and when nobody may be guessed."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.protocol.errors import MultiplePatients, PatientNotFound
from adapter.protocol.messages import DiscoverCareContexts, Identifier
from adapter.rules.matching import match
from adapter.rules.patients import PatientFacts, read_patient
from mappings import systems

MOBILE = Identifier("MOBILE", "+919000000017")
NUMBER = Identifier("ABHA_NUMBER", "91-0000-0000-0017")
ASHA = PatientFacts(
    patient_id="asha",
    mobiles=("9000000017",),
    record_numbers=("MRN-1",),
    names=("Asha Verma", "आशा वर्मा"),
    gender="female",
    birth_year=1991,
)


def query(*verified: Identifier, **changes: Any) -> DiscoverCareContexts:
    return replace(
        DiscoverCareContexts(
            transaction_id="t",
            abha_address="asha.verma@sbx",
            verified=verified,
            unverified=(),
            name="Asha Verma",
            gender="F",
            year_of_birth=1991,
        ),
        **changes,
    )


def found(asked: DiscoverCareContexts, *known: PatientFacts) -> str:
    return match(asked, known, age_band=5).patient_id


def test_a_known_abha_address_decides_alone_whatever_its_case() -> None:
    known = PatientFacts("p", abha_addresses=("Asha.Verma@sbx",))
    assert match(query(), [known], age_band=5) == match(query(), [known, ASHA], age_band=5)
    assert match(query(), [known], age_band=5).matched_by == ("ABHA_ADDRESS",)


def test_a_verified_abha_number_decides_alone() -> None:
    known = PatientFacts("p", abha_numbers=("91000000000017",))
    assert match(query(NUMBER), [known, ASHA], age_band=5).matched_by == ("ABHA_NUMBER",)


def test_an_unverified_abha_number_decides_nothing() -> None:
    known = PatientFacts("p", abha_numbers=("91000000000017",))
    with pytest.raises(PatientNotFound):
        found(query(unverified=(NUMBER,)), known)


def test_a_verified_mobile_with_agreeing_person_is_found() -> None:
    assert match(query(MOBILE), [ASHA], age_band=5).matched_by == ("MOBILE",)


def test_an_unverified_mobile_finds_nobody() -> None:
    with pytest.raises(PatientNotFound):
        found(query(unverified=(MOBILE,)), ASHA)


@pytest.mark.parametrize(
    "changes",
    [
        {"gender": "male"},
        {"birth_year": 1985},
        {"birth_year": 1997},
        {"names": ("Usha Verma",)},
        {"mobiles": ("9000000018",)},
        {"abha_numbers": ("91999999999999",)},
        {"gender": None, "birth_year": None},
        {"gender": None, "names": ("आशा वर्मा",)},
    ],
)
def test_a_relative_on_the_same_mobile_is_not_the_patient(changes: dict[str, Any]) -> None:
    with pytest.raises(PatientNotFound):
        found(query(MOBILE, NUMBER), replace(ASHA, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"birth_year": 1986},
        {"birth_year": 1996},
        {"birth_year": None},
        {"gender": None},
        {"gender": "unknown"},
        {"names": ("आशा वर्मा",)},
        {"names": ()},
        {"names": ("Asha",)},
    ],
)
def test_what_cannot_be_compared_does_not_contradict(changes: dict[str, Any]) -> None:
    assert found(query(MOBILE), replace(ASHA, **changes)) == "asha"


@pytest.mark.parametrize("letter", ["O", "T", "D"])
def test_every_letter_for_other_matches_the_one_fhir_code(letter: str) -> None:
    assert found(query(MOBILE, gender=letter), replace(ASHA, gender="other")) == "asha"


def test_namesakes_on_one_mobile_are_never_guessed() -> None:
    with pytest.raises(MultiplePatients) as refused:
        found(query(MOBILE), ASHA, replace(ASHA, patient_id="twin"))
    assert "Verma" not in refused.value.sentence


def test_a_record_number_narrows_namesakes() -> None:
    asked = query(MOBILE, unverified=(Identifier("MR", "mrn-2"),))
    twin = replace(ASHA, patient_id="twin", record_numbers=("MRN-2",))
    assert match(asked, [ASHA, twin], age_band=5).patient_id == "twin"
    assert match(asked, [ASHA, twin], age_band=5).matched_by == ("MOBILE",)


def test_a_record_number_alone_never_decides() -> None:
    asked = query(unverified=(Identifier("MR", "MRN-1"),))
    with pytest.raises(PatientNotFound):
        found(asked, ASHA)


def test_a_wrong_record_number_does_not_exclude_the_only_candidate() -> None:
    assert found(query(MOBILE, unverified=(Identifier("MR", "other"),)), ASHA) == "asha"


def test_two_patients_with_the_same_abha_are_several() -> None:
    one = PatientFacts("one", abha_addresses=("asha.verma@sbx",))
    other = PatientFacts("other", abha_numbers=("91000000000017",))
    with pytest.raises(MultiplePatients):
        found(query(NUMBER), one, other)


@given(
    st.lists(st.sampled_from([MOBILE, NUMBER, Identifier("ABHA_ADDRESS", "asha.verma@sbx")])),
    st.sampled_from([(), ("asha.verma@sbx",)]),
    st.sampled_from([(), ("91000000000017",)]),
    st.sampled_from(["female", "male", None]),
    st.integers(1900, 2026),
)
def test_matched_by_names_only_what_was_verified_or_the_address(
    verified: list[Identifier],
    addresses: tuple[str, ...],
    numbers: tuple[str, ...],
    gender: str | None,
    year: int,
) -> None:
    known = replace(
        ASHA, abha_addresses=addresses, abha_numbers=numbers, gender=gender, birth_year=year
    )
    try:
        matched = match(query(*verified), [known], age_band=5)
    except PatientNotFound:
        assert not addresses
        return
    types = {identifier.type for identifier in verified}
    assert matched.matched_by
    assert set(matched.matched_by) <= types | ({"ABHA_ADDRESS"} if addresses else set())


def test_a_patient_is_read_as_hospitals_write_them() -> None:
    facts = read_patient(
        {
            "resourceType": "Patient",
            "id": "p1",
            "identifier": [
                {"system": systems.ABHA_NUMBER, "value": "91-0000-0000-0017"},
                {"system": systems.ABHA_NUMBER, "value": "asha.verma@sbx"},
                {"system": systems.ABHA_ADDRESS, "value": "old@sbx", "use": "old"},
                {"system": "urn:h", "value": "MRN-9", "type": {"coding": [{"code": "MR"}]}},
                {"system": "https://uidai.gov.in", "value": "1234"},
            ],
            "name": [{"given": ["Asha"], "family": "Verma"}, {"text": "आशा वर्मा"}],
            "telecom": [
                {"system": "phone", "value": "+91 90000-00017"},
                {"system": "email", "value": "a@9876543210.in"},
            ],
            "gender": "female",
            "birthDate": "1991-04",
        }
    )
    assert facts == PatientFacts(
        "p1",
        abha_addresses=("asha.verma@sbx",),
        abha_numbers=("91000000000017",),
        mobiles=("9000000017",),
        record_numbers=("MRN-9",),
        names=("Asha Verma", "आशा वर्मा"),
        gender="female",
        birth_year=1991,
    )


def test_a_patient_that_says_nothing_is_read_too() -> None:
    assert read_patient({"resourceType": "Patient", "id": "p"}) == PatientFacts("p")
