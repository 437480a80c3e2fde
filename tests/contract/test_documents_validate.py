"""Built documents through a real HAPI's `$validate` with ndhm.in 6.5.0: no error."""

import copy

import pytest

from conformance.hospital import transactions
from conformance.validate import validate
from mappings import build_document, build_documents, group_by_root, hi_types
from mappings.documents import DOCUMENT_TYPES
from tests.unit.mappings.cases import BY_TYPE
from tests.unit.mappings.samples import (
    condition,
    encounter,
    everything,
    hims_resources,
    medication_request,
    observation,
    organization,
    patient,
    practitioner,
    records,
    visit,
)

pytestmark = [pytest.mark.hapi, pytest.mark.guide]

# Every kind of warning that a document may have, and why it stays.
EXPLAINED = (
    # The server has no SNOMED CT, LOINC or ICD-10 (they are licensed): nothing is looked up there.
    # The hospital's own code systems are known to nobody else.
    "CodeSystem is unknown and can't be validated",
    # The hospital's record doesn't say who measured, or when; nothing is invented.
    "Best Practice Recommendation: In general, all observations should have",
    # NRCeS's own identifier types (ABHA, HPR) are outside HL7's value set, which asks for one of
    # its own "unless it has no suitable code"; it has none.
    "None of the codings provided are in the value set 'IdentifierType'",
    # A category in the hospital's own words.
    "No code provided, and a code should be provided from the value set",
    # A hospital's own code beside an official one.
    "No codes in ValueSet belong to CodeSystem with URL",
    # NRCeS's lists are open: R4's body temperature isn't among the vital signs, a hospital's own
    # charges aren't billing codes, and what a record doesn't say is coded as unknown.
    "a coding should come from this value set unless it has no suitable code",
    "Code validation occurred using a ValueSet expansion",
    "Unable to expand ValueSet because CodeSystem could not be found",
    # The list of DICOM modalities is published in a form that the server can't load.
    "http://dicom.nema.org/medical/dicom/current/output/chtml/part16/sect_CID_29.html' not found",
)

BARE_ENCOUNTER = {
    "class": None,
    "type": None,
    "status": None,
    "period": None,
    "participant": None,
}
AWKWARD = {
    "foreign": everything(),
    "our own mappings": hims_resources(),
    "no practitioner": [
        encounter(participant=None),
        patient(),
        organization(),
        medication_request(requester=None),
    ],
    "one name, no birth date": [
        encounter(),
        patient(name=[{"given": ["Savitri"]}], birthDate=None, identifier=None, telecom=None),
        practitioner(),
        organization(),
        medication_request(),
    ],
    "bare facility": [
        encounter(),
        patient(),
        organization(identifier=None, name=None, type=None),
        medication_request(dosageInstruction=None, authoredOn=None),
    ],
    "bare encounter": [
        encounter(**BARE_ENCOUNTER),
        patient(name=None),
        organization(),
        condition(code=None),
        observation("o", "8867-4", status=None),
        medication_request(medicationCodeableConcept=None, status=None),
    ],
    "very long note, a hundred medicines": [
        encounter(),
        patient(),
        organization(),
        observation("o", valueString="लंबा नोट <&>" * 20_000),
        *(medication_request(f"m{n}") for n in range(100)),
    ],
}


def demo_documents():
    """The demo hospital's documents: (visit and type, bundle)."""
    loaded = [e["resource"] for _, bundle in transactions() for e in bundle["entry"]]
    return [
        (hi_type, f"{found.root['id']} {hi_type}", document)
        for found in group_by_root(loaded)
        for hi_type in hi_types(found)
        for document in build_documents(hi_type, found)
    ]


def checked(hapi, bundle, name=""):
    result = validate(hapi.base_url, hapi.token, bundle)
    assert result.checked, result.reason
    assert not result.errors, (name, result.errors[:5])
    odd = [
        i
        for i in result.issues
        if i.severity == "warning" and not any(w in i.message for w in EXPLAINED)
    ]
    assert not odd, (name, odd[:5])
    return result


@pytest.mark.parametrize("hi_type", ["OPConsultation", "Prescription"])
@pytest.mark.parametrize("name", AWKWARD)
def test_documents_of_awkward_records_have_no_errors(hapi, name, hi_type):
    found = records(*AWKWARD[name])
    assert hi_type in hi_types(found)
    checked(hapi, build_document(hi_type, found))


FOREIGN = [
    pytest.param(hi_type, given, id=f"{hi_type}, {name}")
    for hi_type, cases in BY_TYPE.items()
    for name, given in cases.items()
]


WITH_FILES = [
    pytest.param(hi_type, given, id=f"{hi_type}, {name}")
    for hi_type, cases in BY_TYPE.items()
    for name, given in cases.items()
    if hi_type != "Prescription"  # its slip is a Binary entry however small
    and any(r["resourceType"] in ("DocumentReference", "Media") for r in given)
]


@pytest.mark.parametrize(("hi_type", "given"), FOREIGN)
def test_documents_of_foreign_records_have_no_errors(hapi, hi_type, given):
    (found,) = group_by_root(given, organization=organization())
    assert hi_type in hi_types(found)
    for bundle in build_documents(hi_type, found):
        checked(hapi, bundle)


@pytest.mark.parametrize(("hi_type", "given"), WITH_FILES)
def test_documents_with_their_files_apart_have_no_errors(hapi, hi_type, given):
    (found,) = group_by_root(given, organization=organization())
    bundle = build_documents(hi_type, found, inline_limit=3)[-1 if "x1" in str(given) else 0]
    assert any(e["resource"]["resourceType"] == "Binary" for e in bundle["entry"])
    checked(hapi, bundle)


def test_documents_of_the_demo_hospital_have_no_errors(hapi):
    by_type = {}
    for hi_type, name, bundle in demo_documents():
        by_type.setdefault(hi_type, []).append((name, bundle))
    assert set(by_type) == DOCUMENT_TYPES.keys()
    # Some of each type, from many patients; all of them are built in `make conformance`.
    chosen = [
        each for documents in by_type.values() for each in documents[:: len(documents) // 10 or 1]
    ]
    assert len(chosen) >= 60
    for name, bundle in chosen:
        checked(hapi, bundle, name)


def broken(change):
    bundle = copy.deepcopy(build_document("OPConsultation", visit(condition())))
    change(bundle["entry"][0]["resource"])
    return bundle


def wrong_section_display(composition):
    composition["section"][0]["code"]["coding"][0]["display"] = "Complaints"


def no_subject(composition):
    del composition["subject"]


def dangling_reference(composition):
    composition["section"][0]["entry"][0]["reference"] = (
        "urn:uuid:00000000-0000-4000-8000-000000000000"
    )


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        (wrong_section_display, "section[0]", "Chief complaint section"),
        (no_subject, "Composition", "subject"),
        # The validator counts the entries of a Bundle's sections from one here.
        (dangling_reference, "section[1].entry[1]", "00000000-0000-4000-8000-000000000000"),
    ],
)
def test_the_validator_really_runs(hapi, change, place, words):
    result = validate(hapi.base_url, hapi.token, broken(change))
    assert not result.valid
    assert any(place in i.place and words in i.message for i in result.errors), result.errors


def test_a_profile_that_is_not_loaded_is_not_checked(hapi):
    unknown = "https://nrces.in/ndhm/fhir/r4/StructureDefinition/NoSuchProfile"
    bundle = build_document("OPConsultation", visit(condition()))
    result = validate(hapi.base_url, hapi.token, bundle, profile=unknown)
    assert not result.checked
    assert not result.valid
    assert unknown in result.reason


def test_an_error_has_its_place_in_the_file(hapi):
    body = b'{"resourceType": "Patient",\n "contact": [{"gender": "male"}]}'
    result = validate(hapi.base_url, hapi.token, body)
    assert any("Patient.contact[0]" in i.place and "line 2" in i.place for i in result.errors)


def test_a_value_that_cannot_be_parsed_has_its_element_as_place(hapi):
    result = validate(hapi.base_url, hapi.token, b'{"resourceType": "Patient", "gender": "x"}')
    assert [i.place for i in result.errors] == ["gender"]


@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"resourceType": "Nonsense"}'])
def test_what_is_no_resource_is_not_valid(hapi, body):
    assert not validate(hapi.base_url, hapi.token, body).valid


def test_a_refused_token_is_not_checked_and_says_so(hapi):
    result = validate(hapi.base_url, "wrong", build_document("OPConsultation", visit(condition())))
    assert not result.checked
    assert "401" in result.reason or "HTTPError" in result.reason
