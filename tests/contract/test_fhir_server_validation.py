"""`$validate` really applies ABDM's profiles, and no code is wrong for want of its code system."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import requests

from conformance import ig
from tests.hapi_fixture import Client

pytestmark = [pytest.mark.hapi, pytest.mark.guide]

PROFILES = "https://nrces.in/ndhm/fhir/r4/StructureDefinition"

EXAMPLES = [
    "OPConsultNote-example-05",
    "Prescription-example-06",
    "DischargeSummary-example-04",
    "DiagnosticReport-Lab-example-03",
    "DiagnosticReport-Imaging-DCM-example-01",
    "DiagnosticReport-Imaging-Media-example-02",
    "ImmunizationRecord-example-07",
    "HealthDocumentRecord-example-01",
    "WellnessRecord-example-01",
    "InvoiceRecord-example-01",
]


@pytest.fixture(scope="module")
def guide_examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the guide's own example documents."""
    package = ig.guide_package()
    assert package is not None
    folder = tmp_path_factory.mktemp("guide")
    archive = Path(package)
    if package.startswith("http"):
        archive = folder / "package.tgz"
        archive.write_bytes(requests.get(package, timeout=60).content)
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder / "package" / "example"


def errors_of(fhir: Client, document: dict[str, Any]) -> list[str]:
    answer = fhir.call("POST", "Bundle/$validate", document)
    assert answer.json()["resourceType"] == "OperationOutcome", answer.text
    return [
        f"{issue.get('location', ['?'])[0]}: {issue['diagnostics']}"
        for issue in answer.json()["issue"]
        if issue["severity"] in ("error", "fatal")
    ]


def test_the_loaded_guide_can_be_seen(fhir: Client) -> None:
    query = f"StructureDefinition?url={PROFILES}/OPConsultRecord&_summary=count"
    assert fhir.get(query)["total"] == 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_guides_own_document_has_no_errors(
    fhir: Client, guide_examples: Path, name: str
) -> None:
    document = json.loads((guide_examples / f"Bundle-{name}.json").read_bytes())
    assert errors_of(fhir, document) == []


# The other record types slice their sections openly, so that an unknown code is no error there.
FIXED_SECTION_CODES = ["Prescription-example-06", "ImmunizationRecord-example-07"]


@pytest.mark.parametrize("name", FIXED_SECTION_CODES)
def test_a_wrong_section_code_is_an_error_of_abdms_profile(
    fhir: Client, guide_examples: Path, name: str
) -> None:
    document = json.loads((guide_examples / f"Bundle-{name}.json").read_bytes())
    section = document["entry"][0]["resource"]["section"][0]
    section["code"]["coding"][0]["code"] = "371530004"
    errors = errors_of(fhir, document)
    assert any("section[0].code" in error for error in errors), errors


def test_a_composition_without_the_subject_that_only_abdm_requires_is_an_error(
    fhir: Client, guide_examples: Path
) -> None:
    path = guide_examples / "Bundle-OPConsultNote-example-05.json"
    document = json.loads(path.read_bytes())
    del document["entry"][0]["resource"]["subject"]
    errors = errors_of(fhir, document)
    assert any("Composition.subject" in error for error in errors), errors
