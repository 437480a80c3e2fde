"""The commands a person types, as processes against the running stack."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conformance import hospital
from conformance.journey import Journey
from conformance.stack import Stack

pytestmark = [pytest.mark.hapi]

VISIT = "Encounter-enc-00417-20250908"


def run(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`abdm-adapter …` with the stack's settings."""
    return subprocess.run(
        [sys.executable, "-m", "adapter", *arguments],
        env={**os.environ, **stack.env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def document(journey: Journey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A printed document of the demo hospital."""
    hospital.load(journey.stack.fhir_url, journey.stack.fhir_token)
    done = run(journey.stack, "document", VISIT, "--hi-type", "OPConsultation")
    assert done.returncode == 0, done.stderr
    file = tmp_path_factory.mktemp("documents") / "op.json"
    file.write_text(done.stdout)
    return file


def test_document_prints_a_document_that_keeps_hindi_as_written(document: Path) -> None:
    text = document.read_text()
    assert json.loads(text)["type"] == "document"
    assert any("\u0900" <= letter <= "\u097f" for letter in text)


def test_document_of_an_unknown_visit_is_a_sentence_and_exit_code_1(stack: Stack) -> None:
    done = run(stack, "document", "Encounter-nobody", "--hi-type", "OPConsultation")
    assert done.returncode == 1
    assert "no such care context" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.guide
def test_validate_finds_no_error_in_a_good_document(stack: Stack, document: Path) -> None:
    done = run(stack, "validate", "--json", str(document))
    line = json.loads(done.stdout)
    assert (done.returncode, line["checked"]) == (0, True), done.stdout + done.stderr
    assert [i for i in line["issues"] if i["severity"] in ("error", "fatal")] == []


@pytest.mark.guide
def test_validate_names_each_error_with_its_place(
    stack: Stack, document: Path, tmp_path: Path
) -> None:
    broken = json.loads(document.read_text())
    del broken["entry"][0]["resource"]["subject"]
    file = tmp_path / "broken.json"
    file.write_text(json.dumps(broken))
    done = run(stack, "validate", str(document), str(file))
    assert done.returncode == 1
    assert f"{document}: 0 errors" in done.stdout
    assert "Composition" in done.stdout
    assert "subject" in done.stdout


def test_validate_of_something_that_is_no_fhir_is_not_valid(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    file.write_text("no FHIR")
    done = run(stack, "validate", str(file))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_link_of_an_unknown_visit_is_a_sentence_and_exit_code_1(stack: Stack) -> None:
    done = run(stack, "link", "now", "nobody")
    assert done.returncode == 1
    assert "no visit" in done.stderr


def test_link_shows_the_state_of_each_hi_type(stack: Stack, document: Path) -> None:
    done = run(stack, "link", "now", VISIT.removeprefix("Encounter-"), "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"OPConsultation", "Prescription"} <= {line["hi_type"] for line in lines}


@pytest.mark.parametrize("command", [("transfer", "list"), ("outbox", "list")])
def test_lists_answer_as_tables_and_as_json_lines(stack: Stack, command: tuple[str, str]) -> None:
    assert run(stack, *command).returncode == 0
    done = run(stack, *command, "--json")
    assert done.returncode == 0
    for line in done.stdout.splitlines():
        assert "id" in json.loads(line)


@pytest.mark.parametrize("command", [("transfer", "show", "none"), ("outbox", "retry", "none")])
def test_unknown_ids_are_a_sentence_and_exit_code_1(stack: Stack, command: tuple[str, ...]) -> None:
    done = run(stack, *command)
    assert done.returncode == 1
    assert "list" in done.stderr


def test_wrong_settings_are_named_together_with_exit_code_2(stack: Stack) -> None:
    env = {"SEAL_KEYS": "", "ABDM_CLIENT_ID": "", "PORT": "none"}
    broken = Stack(**{**stack.__dict__, "env": {**stack.env, **env}})
    done = run(broken, "transfer", "list")
    assert done.returncode == 2
    for name in ("SEAL_KEYS", "ABDM_CLIENT_ID", "PORT"):
        assert name in done.stderr


def test_worker_without_redis_says_what_to_do(stack: Stack) -> None:
    done = run(stack, "worker")
    assert done.returncode == 2
    assert "REDIS_URL" in done.stderr
