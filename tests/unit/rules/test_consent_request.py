"""What may be asked of a patient, and which answer is the answer to it."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.protocol import routes
from adapter.protocol.errors import MalformedRequest
from adapter.protocol.messages import (
    CareContextRef,
    ConsentArtefact,
    ConsentRequestInit,
    DateRange,
    Envelope,
    Permission,
)
from adapter.rules import consent_request, hiu_consent_resource
from adapter.rules.consent_request import (
    ACCESS_MODES,
    FREQUENCY_UNITS,
    HI_TYPES,
    PURPOSES,
    Asked,
    differences,
)
from adapter.rules.states import ConsentRequestState
from conformance.schemas import problems

NOW = datetime(2026, 11, 23, 6, 0, 0, 123456, tzinfo=UTC)
DAY = timedelta(days=1)
LEAST = {
    "patient_abha": "asha.verma@sbx",
    "purpose": "CAREMGT",
    "hi_types": ["OPConsultation"],
}


def read(**changes: Any) -> Asked:
    body = {name: value for name, value in {**LEAST, **changes}.items() if value != "absent"}
    return consent_request.read(
        body, now=NOW, user="Dr. Nisha Rao", user_system="https://hospital.example.in"
    )


def written(asked: Asked) -> dict[str, Any]:
    route = routes.outbound("v3", ConsentRequestInit)
    return route.encode(Envelope("v3", hiu_id="IN2710000007"), asked.init).body


def test_what_is_not_said_is_as_the_specification_has_it() -> None:
    asked = read()
    permission = asked.init.permission
    assert permission.access_mode == "VIEW"
    assert permission.date_range.end == NOW.replace(microsecond=123000)
    assert permission.date_range.end - permission.date_range.start == 30 * DAY
    assert permission.data_erase_at == NOW.replace(microsecond=123000) + 30 * DAY
    assert permission.frequency is not None
    assert (permission.frequency.unit, permission.frequency.value) == ("HOUR", 1)
    assert asked.init.requester.identifier_type == "USERNAME"
    assert problems("ConsentRequestInit", written(asked)) == []


@given(
    purpose=st.sampled_from(sorted(PURPOSES)),
    hi_types=st.lists(st.sampled_from(HI_TYPES), min_size=1),
    access_mode=st.sampled_from(ACCESS_MODES),
    unit=st.sampled_from(FREQUENCY_UNITS),
    value=st.integers(1, 32767),
    repeats=st.integers(0, 32767),
    begins=st.timedeltas(timedelta(0), 4000 * DAY),
    lasts=st.timedeltas(timedelta(milliseconds=1), 4000 * DAY),
    user=st.text(st.characters(codec="utf-8", categories=["L", "Nd", "Zs"]), min_size=1),
)
def test_whatever_passes_is_taken_by_the_published_schema(
    purpose: str,
    hi_types: list[str],
    access_mode: str,
    unit: str,
    value: int,
    repeats: int,
    begins: timedelta,
    lasts: timedelta,
    user: str,
) -> None:
    body = {
        **LEAST,
        "purpose": purpose,
        "hi_types": hi_types,
        "access_mode": access_mode,
        "frequency_unit": unit,
        "frequency_value": value,
        "frequency_repeats": repeats,
        "from_time": (NOW - begins).isoformat(),
        "to_time": NOW.isoformat(),
        "expiry": (NOW + lasts).isoformat(),
    }
    asked = consent_request.read(body, now=NOW, user=user, user_system="")
    assert problems("ConsentRequestInit", written(asked)) == []
    assert asked.init.purpose_text == PURPOSES[purpose]


def test_abha_number_is_taken_dashed_or_not_and_kept_apart() -> None:
    for number in ("91-2200-0000-4405", "91220000004405"):
        asked = read(patient_abha=number)
        assert (asked.abha_number, asked.init.abha_address) == ("91220000004405", "")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("patient_abha", "absent"),
        ("patient_abha", ""),
        ("patient_abha", "asha@nowhere"),
        ("patient_abha", "1234"),
        ("patient_abha", 91220000004405),
        ("purpose", "absent"),
        ("purpose", "caremgt"),
        ("hi_types", "absent"),
        ("hi_types", []),
        ("hi_types", "OPConsultation"),
        ("hi_types", ["OPConsultation", "Xray"]),
        ("hi_types", [["OPConsultation"]]),
        ("access_mode", "READ"),
        ("from_time", "2026-11-24T00:00:00Z"),
        ("from_time", "2026-01-01T00:00:00"),
        ("from_time", "last week"),
        ("to_time", "2026-11-23T06:00:01Z"),
        ("to_time", 20261101),
        ("expiry", "2026-11-23T06:00:00Z"),
        ("expiry", "2026-13-01T00:00:00Z"),
        ("frequency_unit", "MINUTE"),
        ("frequency_value", 0),
        ("frequency_value", "1"),
        ("frequency_value", True),
        ("frequency_repeats", -1),
        ("hip", "not a service id!"),
        ("hiu", "-IN2710000007"),
        ("care_contexts", [{"patientReference": "P-1", "careContextReference": "V-1"}]),
        ("care_contexts", [{"patientReference": "P-1"}]),
        ("care_contexts", "V-1"),
        ("requester", "x" * 256),
        ("requester", "Dr\nRao"),
        ("requester_identifier", {"type": "REGNO", "value": "MMC-30117"}),
        ("requester_identifier", {"type": "REGNO", "value": "मीरा", "system": "x"}),
        ("requester_identifier", "MMC-30117"),
        ("hi_type", ["OPConsultation"]),
    ],
)
def test_fault_names_its_field_and_shows_no_value(field: str, value: Any) -> None:
    with pytest.raises(MalformedRequest) as caught:
        read(**{field: value})
    assert field in caught.value.sentence
    assert caught.value.sentence.endswith(".")
    assert "asha" not in caught.value.sentence


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(MalformedRequest) as caught:
        read(purpose="X", hi_types=[], expiry="2026-01-01T00:00:00Z")
    assert all(name in caught.value.sentence for name in ("purpose", "hi_types", "expiry"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(consent_request.FIELDS), JSON))
def test_whatever_json_comes_it_is_read_or_refused(body: dict[str, Any]) -> None:
    with suppress(MalformedRequest):
        asked = consent_request.read(body, now=NOW, user="Dr Rao", user_system="x")
        assert asked.init.purpose_code in PURPOSES


# --- the answer ----------------------------------------------------------------------------------

VISIT, OTHER_VISIT = CareContextRef("P-9", "V-9"), CareContextRef("P-9", "V-10")


def asked_for(**changes: Any) -> ConsentRequestInit:
    return replace(read(hi_types=["OPConsultation", "Prescription"], hip="HIP-1").init, **changes)


def answer(to: ConsentRequestInit, **changes: Any) -> ConsentArtefact:
    made = ConsentArtefact(
        consent_id="00000301-5b1e-4c60-9d2a-6f0c1e9a7b34",
        patient_id=to.abha_address,
        care_contexts=(VISIT,),
        purpose_code=to.purpose_code,
        purpose_text=None,
        hip_id=to.hip_id,
        hiu_id="HIU-1",
        hiu_name=None,
        requester_name=None,
        consent_manager_id="sbx",
        hi_types=to.hi_types,
        permission=to.permission,
        created_at=None,
        verbatim="{}",
    )
    return replace(made, **changes)


def permission(of: ConsentRequestInit, **changes: Any) -> Permission:
    return replace(of.permission, **changes)


def test_what_was_asked_for_is_the_answer_also_in_milliseconds() -> None:
    asked = asked_for()
    assert differences(asked, "HIU-1", answer(asked)) == []
    assert differences(asked, "HIU-1", answer(asked, hiu_id=None, hip_id=None)) == []
    assert differences(asked, "HIU-1", answer(asked, patient_id="Asha.Verma@SBX")) == []


@given(
    hi_types=st.sets(st.sampled_from(["OPConsultation", "Prescription"]), min_size=1),
    cuts=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)),
    erase=st.timedeltas(-20 * DAY, 400 * DAY),
)
def test_narrower_is_the_answer_too(
    hi_types: set[str], cuts: tuple[float, float], erase: timedelta
) -> None:
    asked = asked_for(care_contexts=(VISIT, OTHER_VISIT))
    dates = asked.permission.date_range
    span = dates.end - dates.start
    narrowed = permission(
        asked,
        access_mode="VIEW",
        date_range=DateRange(dates.start + span * cuts[0], dates.end - span * cuts[1]),
        data_erase_at=asked.permission.data_erase_at + erase,
    )
    granted = answer(asked, hi_types=tuple(hi_types), permission=narrowed)
    assert differences(asked, "HIU-1", granted) == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"patient_id": "somebody.else@sbx"}, "patient"),
        ({"hiu_id": "HIU-2"}, "HIU"),
        ({"purpose_code": "DSRCH"}, "purpose"),
        ({"hip_id": "HIP-2"}, "HIP"),
        ({"hi_types": ("OPConsultation", "Invoice")}, "HI types"),
        ({"care_contexts": (VISIT, OTHER_VISIT)}, "visits"),
    ],
)
def test_other_or_wider_is_no_answer(changes: dict[str, Any], word: str) -> None:
    asked = asked_for(care_contexts=(VISIT,))
    (sentence,) = differences(asked, "HIU-1", answer(asked, **changes))
    assert word in sentence
    assert "somebody" not in sentence


@pytest.mark.parametrize(("earlier", "later"), [(1, 0), (0, 1), (-40, 0)])
def test_dates_beyond_those_asked_for_or_backwards_are_no_answer(earlier: int, later: int) -> None:
    asked = asked_for()
    dates = asked.permission.date_range
    moment = timedelta(milliseconds=1) if earlier >= 0 else DAY
    wider = DateRange(dates.start - earlier * moment, dates.end + later * moment)
    granted = answer(asked, permission=permission(asked, date_range=wider))
    assert differences(asked, "HIU-1", granted) == ["Its dates reach beyond those asked for."]


def test_more_than_viewing_has_to_be_asked_for() -> None:
    for mode, wrong in (("VIEW", True), ("STORE", False)):
        asked = asked_for()
        asked = replace(asked, permission=permission(asked, access_mode=mode))
        stored = answer(asked, permission=permission(asked, access_mode="STORE"))
        assert bool(differences(asked, "HIU-1", stored)) is wrong


def test_artefact_of_no_hip_at_all_cannot_be_used() -> None:
    asked = asked_for(hip_id=None)
    assert differences(asked, "HIU-1", answer(asked, hip_id="HIP-7")) == []
    (sentence,) = differences(asked, "HIU-1", answer(asked, hip_id=None))
    assert "no HIP" in sentence


# --- as FHIR -------------------------------------------------------------------------------------


def test_request_is_read_back_from_its_consent_word_for_word() -> None:
    init = read(
        hip="HIP-1",
        care_contexts=[{"patientReference": "P-9", "careContextReference": "V-9"}],
        frequency_repeats=4,
    ).init
    resource = hiu_consent_resource.requested(
        "00000301-5b1e-4c60-9d2a-6f0c1e9a7b34", init, hiu_id="HIU-1", requester="Dr Rao", at=NOW
    )
    assert hiu_consent_resource.asked(json.loads(json.dumps(resource))) == init
    assert hiu_consent_resource.asked(None) is None
    assert hiu_consent_resource.asked({"sourceAttachment": {"data": "bm8="}}) is None


@pytest.mark.parametrize("state", list(ConsentRequestState))
def test_restated_consent_keeps_all_but_state_reason_and_abdms_ids(
    state: ConsentRequestState,
) -> None:
    resource = hiu_consent_resource.requested(
        "00000301-5b1e-4c60-9d2a-6f0c1e9a7b34",
        read().init,
        hiu_id="HIU-1",
        requester="Dr Rao",
        at=NOW,
    )
    once = hiu_consent_resource.restated(resource, state, NOW, reason="Why", abdm_ids=("a", None))
    twice = hiu_consent_resource.restated(once, state, NOW, reason="Why", abdm_ids=("a", None))
    assert once == twice
    changed = {"status", "extension", "identifier"}
    assert {k: v for k, v in once.items() if k not in changed} == {
        k: v for k, v in resource.items() if k not in changed
    }
    assert [i["value"] for i in once["identifier"]][1:] == ["a"]
