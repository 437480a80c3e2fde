"""`make conformance` in small: documents of every source and type through the real `$validate`."""

import copy
import json

import pytest
from click.testing import CliRunner

import mappings
from conformance import run
from conformance.checker import demands
from conformance.results import Results
from conformance.sources import Batch
from conformance.validate import Validator

pytestmark = [pytest.mark.hapi, pytest.mark.guide]

EACH = 4


@pytest.fixture(scope="module")
def records():
    """All sources, with few generated visits."""
    return run.batches(40)


@pytest.fixture(scope="module")
def samples(records):
    """One document of each HI type."""
    found = Results()
    return {made.hi_type: json.loads(made.content) for made in run.documents(records, found)}


def test_documents_of_every_source_and_type_have_no_error(hapi, records):
    found = Results()
    made = run.at_most(EACH, run.documents(records, found))
    done = sum(1 for _ in run.judge(made, Validator(hapi.base_url, hapi.token), found))
    assert done >= 60
    assert found.faults == []
    assert found.good
    assert found.unexplained == 0, found.warnings
    types = {hi_type for _, hi_type in found.rows}
    assert types == set(demands().types)


def test_the_program_writes_its_table_and_says_by_its_exit_code_that_all_is_well(
    hapi, tmp_path, monkeypatch
):
    monkeypatch.setenv("FHIR_BASE_URL", hapi.base_url)
    monkeypatch.setenv("FHIR_TOKEN", hapi.token)
    report = tmp_path / "conformance.json"
    arguments = ["--visits", "3", "--limit", "1", "--report", str(report), "--json"]
    answer = CliRunner().invoke(run.main, arguments)
    assert answer.exit_code == 0, answer.output
    written = json.loads(report.read_text())
    assert written == json.loads(answer.stdout)
    assert written["good"]
    assert {row["source"] for row in written["rows"]} == {"demo", "generated", "guide"}
    assert "| all |" in report.with_suffix(".md").read_text()


def test_an_error_makes_the_program_fail(hapi, tmp_path, monkeypatch):
    build = mappings.build_documents

    def spoiled(hi_type, records):
        documents = build(hi_type, records)
        for document in documents:
            document["entry"][0]["resource"].pop("subject")
        return documents

    monkeypatch.setattr(mappings, "build_documents", spoiled)
    monkeypatch.setenv("FHIR_BASE_URL", hapi.base_url)
    monkeypatch.setenv("FHIR_TOKEN", hapi.token)
    report = tmp_path / "conformance.json"
    arguments = ["--visits", "1", "--limit", "1", "--report", str(report)]
    answer = CliRunner().invoke(run.main, arguments)
    assert answer.exit_code == 1
    faults = json.loads(report.read_text())["faults"]
    assert any("minimum required = 1" in fault["message"] for fault in faults)
    assert any(fault["message"].startswith("Quick check: ") for fault in faults)


def test_a_server_that_refuses_us_is_not_checked_and_never_good(hapi, records):
    found = Results()
    made = run.at_most(1, run.documents(records[:1], found))
    for _ in run.judge(made, Validator(hapi.base_url, "wrong"), found):
        pass
    assert not found.good
    assert all(row.not_checked == row.documents for row in found.rows.values())


def test_a_document_that_is_offered_and_not_built_is_a_fault(monkeypatch, records):
    def broken(hi_type, records):
        raise mappings.DocumentImpossible("There is nothing.")

    monkeypatch.setattr(mappings, "build_documents", broken)
    found = Results()
    batch = Batch("demo", "x", records[0].resources)
    assert list(run.documents([batch], found)) == []
    assert found.faults
    assert not found.good


# --- the validator really runs ------------------------------------------------------------------


def wrong_section_code(composition):
    composition["section"][0]["code"]["coding"][0]["code"] = "11429006"


def no_subject(composition):
    del composition["subject"]


def dangling_reference(composition):
    composition["section"][0]["entry"][0]["reference"] = (
        "urn:uuid:00000000-0000-4000-8000-000000000000"
    )


FIXED = [
    name for name, t in demands().types.items() if t.get("most_sections") and t["type"].get("code")
]
FAULTS = [
    *((name, wrong_section_code, "fixed to") for name in FIXED),
    *((name, no_subject, "Composition.subject: minimum required = 1") for name in demands().types),
    *(
        (name, dangling_reference, "00000000-0000-4000-8000-000000000000")
        for name in demands().types
    ),
]


@pytest.mark.parametrize(("hi_type", "fault", "words"), FAULTS)
def test_the_validator_finds_a_fault_of_each_type(hapi, samples, hi_type, fault, words):
    document = copy.deepcopy(samples[hi_type])
    validator = Validator(hapi.base_url, hapi.token)
    assert validator.validate(document).valid
    fault(document["entry"][0]["resource"])
    result = validator.validate(document)
    assert result.checked
    assert any(words in issue.message for issue in result.errors), result.errors
