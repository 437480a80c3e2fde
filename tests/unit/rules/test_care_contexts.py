"""Care contexts: reference, display, facility, date, grouping."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.protocol.messages import CareContextEntry, DateRange
from adapter.rules.care_contexts import (
    CareContext,
    care_context,
    display_of,
    facility_of,
    in_range,
    patient_display,
    patient_entries,
    patient_reference,
    resource_of,
    unlinked,
)
from mappings import systems
from mappings.records import Records

DISPLAY = re.compile(r"[a-zA-Z0-9_\-@,. \"':|()/]{1,255}")
ONE = (("HFR-1", "HIP-1"),)
TWO = (("HFR-1", "HIP-1"), ("HFR-2", "HIP-2"))


def encounter(**changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": "e1",
        "class": {"code": "AMB"},
        "period": {"start": "2026-11-19T10:00:00+05:30"},
        **changes,
    }


def organization(identity: str, hfr_id: str | None, part_of: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"resourceType": "Organization", "id": identity}
    if hfr_id:
        made["identifier"] = [{"system": systems.HFR_ID, "value": hfr_id}]
    if part_of:
        made["partOf"] = {"reference": f"Organization/{part_of}"}
    return made


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("root", "display"),
    [
        (encounter(), "OPD visit 19 Nov 2026"),
        (encounter(period={"start": "2026-11-18T20:00:00Z"}), "OPD visit 19 Nov 2026"),
        (encounter(period={"start": "2026-11-19"}), "OPD visit 19 Nov 2026"),
        (encounter(**{"class": {"code": "IMP"}}), "Hospital stay 19 Nov 2026"),
        (encounter(**{"class": {"code": "X"}}), "Visit 19 Nov 2026"),
        (encounter(period={}), "OPD visit"),
        (encounter(period={"start": "soon"}), "OPD visit"),
        (encounter(type=[{"text": "HIV counselling"}]), "OPD visit 19 Nov 2026"),
    ],
)
def test_the_display_is_type_and_indian_date_and_never_clinical(
    root: dict[str, Any], display: str
) -> None:
    assert display_of(root) == display
    assert DISPLAY.fullmatch(display)


def test_a_care_context_is_named_after_its_root() -> None:
    context = care_context(Records(encounter(), {"id": "p"}), ("Prescription",), ONE)
    assert context == CareContext(
        "Encounter-e1",
        "OPD visit 19 Nov 2026",
        ("Prescription",),
        "HIP-1",
        until=context.until,
    )
    assert context.until is not None
    assert resource_of("Encounter-a-b") == "Encounter/a-b"


@pytest.mark.parametrize(
    ("root", "display"),
    [
        (
            {
                "resourceType": "DiagnosticReport",
                "code": {"text": "HIV 1 and 2 antibodies"},
                "effectiveDateTime": "2026-11-18T20:00:00Z",
            },
            "Diagnostic report 19 Nov 2026",
        ),
        ({"resourceType": "Immunization", "occurrenceDateTime": "2026-11-19"}, None),
        ({"resourceType": "ImmunizationRecommendation", "date": "2026-11-19"}, None),
        (
            {
                "resourceType": "DocumentReference",
                "description": "MTP papers",
                "date": "2026-11-19T10:00:00Z",
            },
            "Health document 19 Nov 2026",
        ),
        ({"resourceType": "Invoice", "date": "2026-11-19"}, "Invoice 19 Nov 2026"),
        ({"resourceType": "Observation", "issued": "2026-11-19T10:00:00Z"}, None),
    ],
)
def test_a_record_alone_is_shown_as_type_and_date_and_never_clinical(
    root: dict[str, Any], display: str | None
) -> None:
    shown = display_of({"id": "x", **root})
    assert shown == display or shown in (
        "Immunization record 19 Nov 2026",
        "Wellness record 19 Nov 2026",
    )
    assert DISPLAY.fullmatch(shown)


@pytest.mark.parametrize(
    "root",
    [
        {"resourceType": "DiagnosticReport", "performer": [{"reference": "Organization/o2"}]},
        {
            "resourceType": "Immunization",
            "performer": [
                {"actor": {"reference": "Practitioner/d"}},
                {"actor": {"reference": "Organization/o2"}},
            ],
        },
        {"resourceType": "DocumentReference", "custodian": {"reference": "Organization/o2"}},
        {"resourceType": "Invoice", "issuer": {"reference": "Organization/o2"}},
        {"resourceType": "Observation", "performer": [{"reference": "PractitionerRole/r"}]},
    ],
)
def test_a_record_alone_belongs_to_the_facility_that_it_names(root: dict[str, Any]) -> None:
    role = {
        "resourceType": "PractitionerRole",
        "id": "r",
        "organization": {"reference": "Organization/o2"},
    }
    records = Records(
        {"id": "x", **root}, None, practitioners=(role,), others=(organization("o2", "HFR-2"),)
    )
    assert facility_of(records, TWO) == "HIP-2"


@pytest.mark.parametrize(
    ("provider", "organizations", "served", "hip_id"),
    [
        ("o1", [organization("o1", "HFR-2")], TWO, "HIP-2"),
        ("o1", [organization("o1", "HFR-9")], ONE, None),
        ("o1", [organization("o1", "HFR-9")], TWO, None),
        ("o1", [organization("o1", None, "o2"), organization("o2", "HFR-2")], TWO, "HIP-2"),
        ("o1", [organization("o1", None, "o1")], ONE, "HIP-1"),
        ("o1", [], ONE, "HIP-1"),
        (None, [], ONE, "HIP-1"),
        (None, [], TWO, None),
        (None, [organization("o1", "HFR-2")], TWO, None),
    ],
)
def test_a_visit_belongs_to_the_facility_it_names_or_to_the_only_one(
    provider: str | None,
    organizations: list[dict[str, Any]],
    served: tuple[tuple[str, str], ...],
    hip_id: str | None,
) -> None:
    root = encounter()
    if provider:
        root["serviceProvider"] = {"reference": f"Organization/{provider}"}
    first = organizations[0] if organizations else None
    records = Records(root, None, organization=first, others=tuple(organizations[1:]))
    assert facility_of(records, served) == hip_id


def test_a_facility_named_by_identifier_alone_counts() -> None:
    root = encounter(serviceProvider={"identifier": {"system": systems.HFR_ID, "value": "HFR-2"}})
    assert facility_of(Records(root, None), TWO) == "HIP-2"


NOVEMBER = DateRange(moment("2026-11-01T00:00:00+05:30"), moment("2026-11-20T00:00:00+05:30"))


@pytest.mark.parametrize(
    ("period", "inside"),
    [
        ({"start": "2026-11-19T10:00:00+05:30"}, True),
        ({"start": "2026-11-19T10:00:00+05:30", "end": "2026-12-01T10:00:00+05:30"}, True),
        ({"start": "2026-10-31T23:59:59+05:30", "end": "2026-11-05T10:00:00+05:30"}, False),
        ({"start": "2026-11-20T00:00:00+05:30"}, True),
        ({"start": "2026-11-20T00:00:01+05:30"}, False),
        ({"start": "2026-11-20"}, True),
        ({"start": "2026-10-31"}, False),
        ({"start": "2026-11"}, True),
        ({"start": "2026"}, True),
        ({"start": "2025"}, False),
        ({"end": "2026-11-19"}, False),
        ({}, False),
    ],
)
def test_a_visit_is_in_range_if_it_began_there(period: dict[str, str], inside: bool) -> None:
    assert in_range(encounter(period=period), NOVEMBER) is inside


def test_only_unlinked_contexts_of_this_facility_are_offered() -> None:
    contexts = [
        CareContext("Encounter-1", "a", ("OPConsultation", "Prescription"), "HIP-1"),
        CareContext("Encounter-2", "b", ("Prescription",), "HIP-2"),
        CareContext("Encounter-3", "c", ("Prescription",), None),
        CareContext("Encounter_ä", "d", ("Prescription",), "HIP-1"),
    ]
    linked = {("Encounter-1", "Prescription")}
    assert unlinked(contexts, "HIP-1", linked) == [
        (CareContextEntry("Encounter-1", "a"), "OPConsultation")
    ]


PAIRS = st.lists(
    st.tuples(
        st.builds(CareContextEntry, st.integers(0, 80).map("Encounter-{}".format), st.just("d")),
        st.sampled_from(["OPConsultation", "Prescription"]),
    ),
    max_size=120,
)


@given(PAIRS)
def test_entries_hold_each_context_once_per_type_and_at_most_twenty(
    pairs: list[tuple[CareContextEntry, str]],
) -> None:
    entries = patient_entries({"resourceType": "Patient", "id": "p"}, pairs)
    flat = [(c.reference_number, e.hi_type) for e in entries for c in e.care_contexts]
    assert sorted(flat) == sorted({(entry.reference_number, kind) for entry, kind in pairs})
    assert all(1 <= len(entry.care_contexts) <= 20 for entry in entries)


@pytest.mark.parametrize(
    ("names", "display"),
    [
        ([{"given": ["Asha"], "family": "Verma"}], "Asha Verma"),
        ([{"text": "आशा वर्मा"}, {"text": "Asha Verma"}], "Asha Verma"),
        ([{"text": "आशा वर्मा"}], "Patient MRN-1"),
        ([], "Patient MRN-1"),
    ],
)
def test_a_patient_is_shown_in_letters_that_abdm_carries(
    names: list[dict[str, Any]], display: str
) -> None:
    number = {"type": {"coding": [{"code": "MR"}]}, "value": "MRN-1"}
    patient = {"resourceType": "Patient", "id": "p", "name": names, "identifier": [number]}
    assert patient_display(patient) == display


@pytest.mark.parametrize("value", ["", "MRN#1", "एमआर"])
def test_a_record_number_abdm_cannot_carry_gives_way_to_the_fhir_id(value: str) -> None:
    number = {"type": {"coding": [{"code": "MR"}]}, "value": value}
    assert patient_reference({"id": "p17", "identifier": [number]}) == "p17"
