"""Documents of generated visits: built twice alike, readable, closed, fine to the quick check."""

import pytest
from fhir.resources.R4B.bundle import Bundle

import mappings
from conformance import generator, sources
from conformance.checker import check
from mappings.resources import codings

# Every awkward visit and some mixtures; `make conformance` builds 500.
VISITS = list(generator.generate(len(generator.AWKWARD) + 12))


def documents(resources):
    """(HI type, records, document) of everything that these records offer."""
    for records in mappings.group_by_root(resources):
        for hi_type in mappings.hi_types(records):
            for document in mappings.build_documents(hi_type, records):
                yield hi_type, records, document


def literal_references(value):
    """Every `reference` in a document."""
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for each in value.values():
            yield from literal_references(each)
    elif isinstance(value, list):
        for each in value:
            yield from literal_references(each)


@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.name)
def test_each_document_is_closed_and_the_same_every_time(visit):
    made = [mappings.to_bytes(document) for _, _, document in documents(visit.resources)]
    again = [mappings.to_bytes(d) for _, _, d in documents(reversed(visit.resources))]
    assert sorted(again) == sorted(made)
    for hi_type, _, document in documents(visit.resources):
        urls = {entry["fullUrl"] for entry in document["entry"]}
        assert len(urls) == len(document["entry"])
        for reference in literal_references(document):
            assert reference in urls or reference.startswith("#")
        assert check(document) == [], hi_type


@pytest.mark.parametrize(
    "visit", [v for v in VISITS if "20 MB" not in v.name], ids=lambda visit: visit.name
)
def test_each_document_parses_as_fhir_r4(visit):
    for _, _, document in documents(visit.resources):
        parsed = Bundle.model_validate(document)
        assert parsed.type == "document"
        assert len(parsed.entry) == len(document["entry"])


def test_a_large_file_travels_whole():
    (visit,) = [v for v in VISITS if "20 MB" in v.name]
    sizes = [len(mappings.to_bytes(document)) for _, _, document in documents(visit.resources)]
    assert max(sizes) > 20 * 1024 * 1024


def test_the_generator_gives_the_same_visits_again_however_many_there_are():
    few, many = list(generator.generate(12)), list(generator.generate(20))
    assert few == many[:12]
    assert few != list(generator.generate(12, seed=1))


def test_generated_visits_are_as_awkward_as_they_say():
    by_name = {v.name.split(" ", 1)[1]: v.resources for v in VISITS}
    assert len([r for r in by_name["empty visit"] if "encounter" in r]) == 0
    medicines = [r for r in by_name["100 medications"] if r["resourceType"] == "MedicationRequest"]
    assert len(medicines) == 100
    assert not any(r["resourceType"] == "Practitioner" for r in by_name["no practitioner"])
    (person,) = [
        r
        for r in by_name["one name, no birth date, bare everything"]
        if r["resourceType"] == "Patient"
    ]
    assert "birthDate" not in person
    assert len(person["name"][0]["given"]) == 1
    coded = [r for r in by_name["no codes"] if r["resourceType"] in ("Condition", "Procedure")]
    assert coded
    assert not any(codings(r.get("code")) for r in coded)


def test_documents_of_the_demo_hospital_satisfy_the_quick_check():
    (batch,) = sources.demo()
    found = [(hi_type, check(document)) for hi_type, _, document in documents(batch.resources)]
    assert len(found) >= 130
    assert [each for each in found if each[1]] == []


@pytest.mark.guide
def test_documents_of_the_guides_examples_satisfy_the_quick_check():
    seen = set()
    for batch in sources.guide():
        for records in mappings.group_by_root(batch.resources, organization=batch.facility):
            for hi_type in mappings.hi_types(records):
                for document in mappings.build_documents(hi_type, records):
                    assert check(document) == [], (batch.name, hi_type)
                seen.add(hi_type)
    assert seen == set(mappings.documents.DOCUMENT_TYPES)
