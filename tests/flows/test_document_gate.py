"""`VALIDATE_BEFORE_PUSH`: off, warn and block, with ABDM's profiles and without them."""

from datetime import timedelta
from typing import Any

import pytest

import mappings
from adapter.flows.document_gate import DocumentGate
from adapter.protocol.errors import FhirUnavailable
from tests.flows.harness import NOTIFY, PUSH, Hiu, Json, Site, artefact, grant, reference_of

pytestmark = pytest.mark.hapi
guide = pytest.mark.guide

SECRET = "Fever since three days"


def gate_set_to(site: Site, mode: str) -> None:
    """The same hospital with another setting; Config is frozen."""
    config = site.adapter.config.model_copy(update={"validate_before_push": mode})
    object.__setattr__(site.adapter, "config", config)


def spoil(monkeypatch: pytest.MonkeyPatch, hi_type: str, change: Any) -> None:
    """Let the builder make a mistake in documents of one type."""
    build = mappings.build_documents

    def spoiled(wanted: str, records: mappings.Records) -> list[Json]:
        documents = list(build(wanted, records))
        for document in documents if wanted == hi_type else ():
            change(document)
        return documents

    monkeypatch.setattr(mappings, "build_documents", spoiled)


def no_subject(document: Json) -> None:
    """The quick check sees it."""
    del document["entry"][0]["resource"]["subject"]


def wrong_confidentiality(document: Json) -> None:
    """Only a validator sees it: a code that FHIR's required value set doesn't have."""
    document["entry"][0]["resource"]["confidentiality"] = "SECRET"


def transfer(site: Site) -> tuple[Hiu, str]:
    """One consented visit with both document types, asked for."""
    patient = site.patient()
    visit = site.visit(patient, note=SECRET)
    site.admit(patient, visit)
    detail = artefact(site, patient, visit)
    site.deliver("HipConsentNotify", grant(detail))
    hiu = Hiu()
    site.deliver("HipHealthInformationRequest", hiu.request(site, detail))
    return hiu, reference_of(visit)


def types_that_left(site: Site, hiu: Hiu) -> list[str]:
    """Titles of the documents that reached the receiver."""
    return [hiu.open(page)[1]["entry"][0]["resource"]["title"] for page in site.outside.to(PUSH)]


def status(site: Site) -> Json:
    """What the gateway was told of the one care context."""
    report = site.outside.only(NOTIFY).body["notification"]["statusNotification"]
    (told,) = report["statusResponses"]
    return dict(told)


FAULTS = [
    pytest.param(no_subject, "subject", id="quick check"),
    pytest.param(wrong_confidentiality, "confidentiality", id="validate", marks=guide),
]


@guide
@pytest.mark.parametrize("mode", ["off", "warn", "block"])
def test_good_documents_leave_without_a_remark(site: Site, mode: str) -> None:
    gate_set_to(site, mode)
    hiu, _ = transfer(site)
    assert types_that_left(site, hiu) == ["Consultation report", "Prescription"]
    assert site.row("transfer_context")["sentence"] == "Delivered"


@pytest.mark.parametrize(("fault", "place"), FAULTS)
def test_a_faulty_document_leaves_under_warn_and_the_record_says_why(
    site: Site, monkeypatch: pytest.MonkeyPatch, fault: Any, place: str
) -> None:
    gate_set_to(site, "warn")
    spoil(monkeypatch, "Prescription", fault)
    hiu, reference = transfer(site)
    assert types_that_left(site, hiu) == ["Consultation report", "Prescription"]
    row = site.row("transfer_context")
    assert row["state"] == "DELIVERED"
    assert "Prescription document has" in row["sentence"]
    assert place in row["sentence"]
    assert SECRET not in row["sentence"]
    told = status(site)
    assert (told["careContextReference"], told["hiStatus"]) == (reference, "DELIVERED")
    assert told["description"] == "Delivered"


@pytest.mark.parametrize(("fault", "place"), FAULTS)
def test_a_faulty_document_stays_under_block_and_the_report_says_so(
    site: Site, monkeypatch: pytest.MonkeyPatch, fault: Any, place: str
) -> None:
    gate_set_to(site, "block")
    spoil(monkeypatch, "Prescription", fault)
    hiu, reference = transfer(site)
    assert types_that_left(site, hiu) == ["Consultation report"]
    row = site.row("transfer_context")
    assert row["state"] == "ERRORED"
    assert "was kept back" in row["sentence"]
    assert place in row["sentence"]
    told = status(site)
    assert (told["careContextReference"], told["hiStatus"]) == (reference, "ERRORED")
    assert told["description"].startswith("1 delivered. ")


def test_a_visit_whose_every_document_is_kept_back_fails(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate_set_to(site, "block")
    spoil(monkeypatch, "Prescription", no_subject)
    spoil(monkeypatch, "OPConsultation", no_subject)
    transfer(site)
    assert site.outside.to(PUSH) == []
    assert site.row("transfer")["state"] == "FAILED"
    assert status(site)["hiStatus"] == "ERRORED"


def test_nobody_looks_when_it_is_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    gate_set_to(site, "off")
    spoil(monkeypatch, "Prescription", no_subject)
    hiu, _ = transfer(site)
    assert types_that_left(site, hiu) == ["Consultation report", "Prescription"]
    assert site.row("transfer_context")["sentence"] == "Delivered"


@pytest.mark.parametrize("mode", ["warn", "block"])
def test_without_the_guide_a_document_is_not_checked_and_never_valid(
    site: Site, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    gate_set_to(site, mode)
    monkeypatch.setattr(site.adapter.fhir, "guide_loaded", lambda: False)
    spoil(monkeypatch, "Prescription", wrong_confidentiality)
    hiu, _ = transfer(site)
    assert types_that_left(site, hiu) == ["Consultation report", "Prescription"]
    assert site.row("transfer_context")["sentence"].startswith("Not checked")


@guide
@pytest.mark.parametrize("mode", ["warn", "block"])
def test_a_profile_that_is_not_loaded_is_not_checked(
    site: Site, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    gate_set_to(site, mode)

    def unknown_profile(document: Json) -> None:
        profiles = document["entry"][1]["resource"]["meta"]["profile"]
        profiles.append("https://nrces.in/ndhm/fhir/r4/StructureDefinition/NotOfThisRelease")

    spoil(monkeypatch, "Prescription", unknown_profile)
    transfer(site)
    assert "Not checked" in site.row("transfer_context")["sentence"]


def test_without_the_guide_the_quick_check_still_blocks(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate_set_to(site, "block")
    monkeypatch.setattr(site.adapter.fhir, "guide_loaded", lambda: False)
    spoil(monkeypatch, "Prescription", no_subject)
    hiu, _ = transfer(site)
    assert types_that_left(site, hiu) == ["Consultation report"]


def away(*_: Any) -> Any:
    raise FhirUnavailable("The FHIR server did not answer in time.")


def test_a_silent_validator_holds_nothing_up_under_warn(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate_set_to(site, "warn")
    monkeypatch.setattr(site.adapter.fhir, "guide_loaded", lambda: True)
    monkeypatch.setattr(site.adapter.fhir, "validate", away)
    hiu, _ = transfer(site)
    assert types_that_left(site, hiu) == ["Consultation report", "Prescription"]
    assert site.row("transfer_context")["sentence"].startswith("Not checked")


def test_a_silent_validator_makes_the_transfer_wait_under_block(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate_set_to(site, "block")
    monkeypatch.setattr(site.adapter.fhir, "guide_loaded", lambda: True)
    monkeypatch.setattr(site.adapter.fhir, "validate", away)
    hiu, _ = transfer(site)
    assert site.outside.to(PUSH) == []
    assert site.row("transfer")["state"] == "PREPARING"
    outcome = {"resourceType": "OperationOutcome", "issue": []}
    monkeypatch.setattr(site.adapter.fhir, "validate", lambda _: outcome)
    site.wait(10)
    assert types_that_left(site, hiu) == ["Consultation report", "Prescription"]


def test_checking_never_makes_a_transfer_late_under_warn(site: Site) -> None:
    gate_set_to(site, "warn")
    patient = site.patient()
    site.admit(patient, visit := site.visit(patient))
    (records,) = site.adapter.fhir.records_of([reference_of(visit)])
    document = mappings.build_document("Prescription", records)
    gate = DocumentGate(site.adapter, until=site.clock() - timedelta(seconds=1))
    verdict = gate.judge("Prescription", document)
    assert verdict.may_leave
    assert verdict.sentence is not None
    assert verdict.sentence.startswith("Not checked")
