"""Which field a person has to correct when ABDM refuses a patient's details."""

from dataclasses import replace

from adapter.protocol.messages import GenerateLinkTokenRequest
from adapter.rules.abha_profile import Profile
from adapter.rules.demographics import advice, differing

ASKED = GenerateLinkTokenRequest("asha@sbx", "91000000000017", "Asha Verma", "F", 1991)
PROFILE = Profile(
    abha_number="91-0000-0000-0017", name="ASHA  Verma", gender="F", date_of_birth="1991-04-02"
)


def test_case_spaces_and_dashes_do_not_differ() -> None:
    assert differing(ASKED, PROFILE) == ()
    assert "agrees" in advice(ASKED, PROFILE)


def test_each_differing_field_is_named_and_no_value_is() -> None:
    other = replace(PROFILE, gender="M", date_of_birth="1992")
    assert differing(ASKED, other) == ("gender", "year of birth")
    said = advice(ASKED, other)
    assert "gender and year of birth differ" in said
    assert not {"1991", "1992", "Asha", "Verma"} & set(said.split())


def test_what_the_profile_does_not_state_is_not_compared() -> None:
    assert differing(ASKED, Profile(name="Asha Devi")) == ("name",)


def test_without_a_profile_every_field_to_compare_is_named() -> None:
    said = advice(ASKED, None)
    for field in ("name", "gender", "year of birth", "ABHA number"):
        assert field in said
