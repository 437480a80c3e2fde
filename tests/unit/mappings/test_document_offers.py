"""Which HI types a care context offers: computed from what it holds."""

import pytest

from conformance.hospital import transactions
from mappings import DocumentImpossible, build_document, group_by_root, hi_types
from mappings.documents import DOCUMENT_TYPES
from tests.unit.mappings import foreign
from tests.unit.mappings.cases import whole_stay
from tests.unit.mappings.samples import (
    condition,
    encounter,
    medication_request,
    observation,
    organization,
    resource,
)

NO_REASON = encounter(reasonCode=None)
EXAMINED = observation("chest", valueString="Clear", category=[{"text": "exam"}])
PULSE = observation("hr", "8867-4", valueQuantity={"value": 71, "unit": "/min"})
IMP = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}


def offered(root, *others):
    (found,) = group_by_root(
        [root, *foreign.people(), *others], organization=organization(), roots=[key_of(root)]
    )
    return hi_types(found)


def key_of(root):
    return f"{root['resourceType']}/{root['id']}"


@pytest.mark.parametrize(
    ("root", "others", "expected"),
    [
        (encounter(), [], ["OPConsultation"]),
        (encounter(), [PULSE], ["OPConsultation", "WellnessRecord"]),
        (NO_REASON, [PULSE], ["WellnessRecord"]),
        (NO_REASON, [PULSE, foreign.file()], ["WellnessRecord"]),
        (NO_REASON, [EXAMINED], ["OPConsultation"]),
        (NO_REASON, [EXAMINED, PULSE], ["OPConsultation", "WellnessRecord"]),
        (NO_REASON, [foreign.file()], ["HealthDocumentRecord"]),
        (encounter(), [foreign.file()], ["OPConsultation"]),
        (NO_REASON, [foreign.slip()], ["Prescription", "HealthDocumentRecord"]),
        (NO_REASON, [medication_request()], ["OPConsultation", "Prescription"]),
        # The order that a laboratory visit keeps is the consultation's to tell.
        (NO_REASON, foreign.lab_report(), ["OPConsultation", "DiagnosticReport"]),
        (NO_REASON, foreign.lab_report()[:5], ["DiagnosticReport"]),
        (
            NO_REASON,
            [*foreign.lab_report()[:5], foreign.file()],
            ["DiagnosticReport", "HealthDocumentRecord"],
        ),
        (NO_REASON, foreign.invoice(), ["Invoice"]),
        (foreign.stay(), [], ["DischargeSummary"]),
        (foreign.stay(), [foreign.summary_file()], ["DischargeSummary"]),
        (foreign.stay(reasonCode=None), [foreign.summary_file()], ["DischargeSummary"]),
        (foreign.stay(status="in-progress"), [], ["OPConsultation"]),
        (foreign.stay(status=None), [], ["DischargeSummary"]),
        (foreign.stay(status=None, period=None, hospitalization=None), [], ["OPConsultation"]),
        (encounter(hospitalization={"dischargeDisposition": {"text": "home"}}), [], None),
        (foreign.stay(**{"class": {"code": "ward"}}), [], ["DischargeSummary"]),
        (foreign.stay(**{"class": {"code": "ward"}}, hospitalization=None), [], None),
        (foreign.stay(status="cancelled"), [condition()], []),
        (NO_REASON, [], []),
    ],
)
def test_what_a_visit_offers_follows_from_what_it_holds(root, others, expected):
    assert offered(root, *others) == tuple(["OPConsultation"] if expected is None else expected)


def test_a_visit_with_everything_offers_every_type_but_the_files_own():
    given = [
        *whole_stay()[1:],
        *foreign.immunizations(),
        *foreign.invoice(),
        medication_request("m9"),
    ]
    root = foreign.stay()
    found = group_by_root([root, *given], roots=["Encounter/e1"])[0]
    assert set(hi_types(found)) == DOCUMENT_TYPES.keys() - {
        "OPConsultation",
        "HealthDocumentRecord",
    }


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (foreign.lab_report(visit=False), {"DiagnosticReport/r1": ("DiagnosticReport",)}),
        (foreign.imaging_report(visit=False), {"DiagnosticReport/x1": ("DiagnosticReport",)}),
        (foreign.immunizations(visit=False), {"Immunization/i1": ("ImmunizationRecord",)}),
        (
            [
                resource(
                    "ImmunizationRecommendation",
                    "n",
                    patient=foreign.WHO,
                    recommendation=[{"targetDisease": {"text": "Measles"}}],
                )
            ],
            {"ImmunizationRecommendation/n": ("ImmunizationRecord",)},
        ),
        ([foreign.file(visit=False)], {"DocumentReference/f1": ("HealthDocumentRecord",)}),
        ([foreign.file(visit=False, status="superseded")], {"DocumentReference/f1": ()}),
        (foreign.invoice(visit=False), {"Invoice/b1": ("Invoice",)}),
        (foreign.wellness(visit=False)[:-1], {"Observation/lmp": ("WellnessRecord",)}),
    ],
)
def test_what_belongs_to_no_visit_offers_the_type_that_is_its_own(resources, expected):
    found = group_by_root([*foreign.people(), *resources], organization=organization())
    assert {key_of(f.root): hi_types(f) for f in found} == expected


def test_a_document_that_needs_a_visit_is_refused_for_a_record_alone():
    (found,) = group_by_root([*foreign.people(), *foreign.invoice(visit=False)])
    for hi_type in ("OPConsultation", "DischargeSummary", "Prescription", "WellnessRecord"):
        with pytest.raises(DocumentImpossible, match=hi_type):
            build_document(hi_type, found)


def test_the_demo_hospital_offers_every_type():
    loaded = [e["resource"] for _, bundle in transactions() for e in bundle["entry"]]
    found = {hi_type for each in group_by_root(loaded) for hi_type in hi_types(each)}
    assert found == DOCUMENT_TYPES.keys()
