"""The guided journey over real HTTP, step by step, and afterwards nothing personal in any log."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conformance import hospital
from conformance.demo import steps
from conformance.journey import Journey, Step
from conformance.stack import Stack

pytestmark = [pytest.mark.hapi]


@pytest.mark.parametrize("step", steps(), ids=lambda step: step.name)
def test_step_of_the_journey_shows_what_it_promises(journey: Journey, step: Step) -> None:
    assert step.act(journey)


def test_logs_of_the_journey_hold_no_personal_data_and_no_secret(
    journey: Journey, stack: Stack
) -> None:
    log = (stack.folder / "adapter.log").read_text()
    assert "HipHealthInformationRequest" in log, "the journey's log is not the one looked at"
    canaries = [stack.client_secret, stack.hims_key, stack.fhir_token, stack.env["SEAL_KEYS"]]
    for person in hospital.people():
        canaries += [person.name, person.mobile, person.abha_address, person.abha_number]
    found = [canary for canary in canaries if canary and canary in log]
    assert found == []
    assert re.search(r"eyJ[A-Za-z0-9_-]{20,}\.", log) is None, "a JWT is in the log"


@pytest.mark.guide
def test_demo_command_writes_a_report_with_every_step(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "adapter", "demo", "--report", str(report)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    written = json.loads(report.read_text())
    assert written["ok"] is True
    assert [step["name"] for step in written["steps"]] == ["Start", *(s.name for s in steps())]
    for step in written["steps"]:
        assert set(step) == {"name", "ok", "seconds", "detail"}
    assert written["files"] == []
