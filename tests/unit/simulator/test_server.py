"""The simulator as a program of its own: seed file, readiness, clear failure."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from conformance.simulator.client import SimulatorClient

SEED: dict[str, Any] = {
    "bridges": [{"client_id": "SBXID_1", "client_secret": "s", "url": "http://127.0.0.1:9"}],
    "services": [
        {"service_id": "IN1", "name": "One", "types": ["HIP"], "client_id": "SBXID_1"},
        {"service_id": "H2", "name": "Two", "types": ["HIU"]},
    ],
    "patients": [
        {
            "abha_address": "meera.joshi@sbx",
            "name": "Meera Joshi",
            "gender": "F",
            "year_of_birth": 1984,
            "mobile": "9820000045",
        }
    ],
    "settings": {"session_seconds": 77},
}


@contextmanager
def start(seed: Path) -> Iterator[subprocess.Popen[str]]:
    """The program as a person starts it. One that doesn't stop when told to is ended with the
    block; a shell that runs the tests in the background has told them to ignore Ctrl+C."""
    command = [sys.executable, "-m", "conformance.simulator", "--port", "0", "--seed", str(seed)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_program_serves_what_the_seed_names_and_stops_cleanly(tmp_path: Path) -> None:
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps(SEED), "utf-8")
    with start(seed) as process:
        assert process.stdout is not None
        ready = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert ready is not None
        base_url = ready.group()
        assert requests.get(f"{base_url}/healthz", timeout=60).json() == {"ok": True}
        client = SimulatorClient(base_url)
        assert client.links("meera.joshi@sbx") == []
        people = requests.get(f"{base_url}/phr/", timeout=60).text
        assert "Meera Joshi" in people
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "stops" in process.stdout.read()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"hospitals": []}, "no member hospitals"),
        ({"people": [{"first_name": "Asha"}]}, "missing"),
        ({"facilities": [{"facility_id": "17", "name": "One"}]}, "IN and ten"),
        ({"settings": {"speed": 1}}, "no setting speed"),
        ({"services": [{"service_id": "IN1", "name": "One", "types": ["CLINIC"]}]}, "HIP"),
        ({"patients": [{"abha_address": "meera"}]}, "missing"),
    ],
)
def test_bad_seed_is_explained_without_a_traceback(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps({**SEED, **change}), "utf-8")
    with start(seed) as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert sentence in output
    assert "Traceback" not in output


@pytest.mark.parametrize("program", ["conformance.simulator", "adapter simulator"])
def test_empty_folder_of_documents_is_a_sentence_and_not_a_traceback(
    program: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", *program.split(), "--port", "0", "--hip-documents"]
    done = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "is empty; put the documents to serve into it" in done.stderr
    assert "Traceback" not in done.stderr
