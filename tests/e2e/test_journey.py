"""The guided journey over real HTTP: what each step showed, what is left of it in ABDM and in FHIR.

Afterwards nothing personal is in any log.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conformance import hospital
from conformance.demo import steps
from conformance.journey import WALKS_IN, Journey, Step
from conformance.journey_hiu import KINDS, KONKAN, NILGIRI, RECEIVED, TSH
from conformance.simulator.results import ArtefactView, Transfer
from conformance.stack import Stack

pytestmark = [pytest.mark.hapi]


@pytest.fixture(scope="module")
def artefacts(journey: Journey, report: dict[str, Any]) -> dict[str, ArtefactView]:
    """What ABDM knows, after the journey, of each consent that its patient gave, by hospital."""
    asked = journey.simulator.consent_requests(WALKS_IN)
    found = [journey.simulator.artefact(name) for request in asked for name in request.artefacts]
    assert len(found) == 3
    return {artefact.hip_id: artefact for artefact in found}


def transfers(journey: Journey, artefact: ArtefactView) -> list[Transfer]:
    """Every data request under a consent, as ABDM saw it, oldest first."""
    simulator = journey.simulator
    return [simulator.transfer(each) for each in simulator.transfers(artefact.id)]


@pytest.mark.parametrize("step", steps(), ids=lambda step: step.name)
def test_step_of_the_journey_shows_what_it_promises(report: dict[str, Any], step: Step) -> None:
    (shown,) = [each for each in report["steps"] if each["name"] == step.name]
    assert shown["ok"], shown["detail"]
    assert shown["detail"]


def test_afterwards_abdm_knows_each_consent_as_ended_and_each_transfer_with_its_outcome(
    journey: Journey, artefacts: dict[str, ArtefactView]
) -> None:
    ended = {hip_id: artefact.status for hip_id, artefact in artefacts.items()}
    assert ended == {journey.hip_id: "REVOKED", NILGIRI.id: "REVOKED", KONKAN.id: "EXPIRED"}
    left, wider, revoked = transfers(journey, artefacts[journey.hip_id])
    assert left.status == "TRANSFERRED"
    assert left.documents
    assert all(document.checksum_ok for document in left.documents)
    for refused in (wider, revoked):
        assert (refused.status, refused.pages) == ("REFUSED", [])
    for other in (NILGIRI, KONKAN):
        came = transfers(journey, artefacts[other.id])[-1]
        reports = came.hiu_notifications.values()
        assert [each["statusNotification"]["sessionStatus"] for each in reports] == ["RECEIVED"]
        assert came.pushed


def test_afterwards_the_fhir_server_shows_own_records_and_nothing_that_came(
    journey: Journey, artefacts: dict[str, ArtefactView]
) -> None:
    for kind in KINDS:
        assert journey.fhir(kind, _tag=RECEIVED).get("entry", []) == []
    assert journey.fhir("Observation", code=TSH, patient=journey.asha.patient_id)["entry"]
    consent = journey.fhir(f"Consent/hip-{artefacts[journey.hip_id].id.lower()}")
    assert consent["status"] == "inactive"
    assert "sourceAttachment" not in consent
    assert journey.fhir("AuditEvent", _summary="count")["total"] > 0


def test_logs_of_the_journey_hold_no_personal_data_and_no_secret(
    report: dict[str, Any], stack: Stack
) -> None:
    log = (stack.folder / "adapter.log").read_text()
    assert "HipHealthInformationRequest" in log, "the journey's log is not the one looked at"
    canaries = [stack.client_secret, stack.hims_key, stack.fhir_token, stack.env["SEAL_KEYS"]]
    for person in hospital.people():
        canaries += [person.name, person.mobile, person.abha_address, person.abha_number]
    found = [canary for canary in canaries if canary and canary in log]
    assert found == []
    assert re.search(r"eyJ[A-Za-z0-9_-]{20,}\.", log) is None, "a JWT is in the log"


def test_the_report_names_every_step_in_order(report: dict[str, Any]) -> None:
    assert report["ok"] is True
    assert [step["name"] for step in report["steps"]] == ["Start", *(s.name for s in steps())]
    for step in report["steps"]:
        assert set(step) == {"name", "ok", "seconds", "detail"}
    assert report["files"] == []


def test_a_demo_that_cannot_start_reports_why_and_ends_with_exit_code_1(tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "adapter", "demo", "--report", str(report_file)],
        env={**os.environ, "PATH": str(tmp_path), "JAVA_HOME": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    written = json.loads(report_file.read_text())
    assert written["ok"] is False
    (start,) = written["steps"]
    assert (start["name"], start["ok"]) == ("Start", False)
    assert "Java is not installed" in start["detail"]
