"""The whole stack as processes: real HAPI, gunicorn with its worker, the simulator, over HTTP."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from conformance.demo import steps
from conformance.journey import Journey
from conformance.stack import Stack

PATIENCE_S = 900.0
"""For a start from nothing and the whole journey, on a slow machine."""

_failures: list[str] = []


@pytest.fixture(scope="package")
def report_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `abdm-adapter up` writes what it saw."""
    return tmp_path_factory.mktemp("report") / "report.json"


@pytest.fixture(scope="package")
def stack(report_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """What `abdm-adapter up` leaves running after the journey, or what RUNNING_STACK names.

    It has a FHIR server of its own: its record watch looks at every record there.
    """
    running = os.environ.get("RUNNING_STACK")
    if running:
        yield Stack(folder=Path(), env={}, **json.loads(running))
        return
    if len(_failures) > 1:
        # Each test that fails is run once more; that is no reason to walk the journey for each.
        pytest.fail(_failures[-1])
    with _up(tmp_path_factory.mktemp("stack"), report_file) as started:
        yield started


@contextmanager
def _up(folder: Path, report_file: Path) -> Iterator[Stack]:
    """The command as a person types it, until it says that everything stays up; ends by SIGTERM."""
    output = folder / "up.log"
    command = ["up", "--folder", str(folder), "--report", str(report_file)]
    with output.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "adapter", *command],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + PATIENCE_S
        while "Everything stays up" not in output.read_text():
            if process.poll() is not None or time.monotonic() > until:
                _failures.append(f"`abdm-adapter up` did not come so far:\n{output.read_text()}")
                pytest.fail(_failures[-1])
            time.sleep(0.2)
        yield _stack_of(psutil.Process(process.pid), folder)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0, output.read_text()
    finally:
        # Still there only after a fault: then nothing of it may stay.
        if process.poll() is None:
            for each in [*psutil.Process(process.pid).children(recursive=True), process]:
                each.kill()


def _stack_of(up: psutil.Process, folder: Path) -> Stack:
    """How to reach what runs: from the adapter's environment, its secrets stand nowhere else."""
    database = f"sqlite:///{folder.resolve() / 'adapter.db'}"
    (env,) = [
        e for child in up.children() if (e := child.environ()).get("DATABASE_URL") == database
    ]
    return Stack(
        folder=folder,
        fhir_url=env["FHIR_BASE_URL"],
        fhir_token=env["FHIR_TOKEN"],
        simulator_url=env["ABDM_URL"],
        adapter_url=env["PUBLIC_URL"],
        callback_url=env["PUBLIC_URL"],
        hims_key=env["HIMS_API_KEYS"],
        client_secret=env["ABDM_CLIENT_SECRET"],
        env=env,
    )


@pytest.fixture(scope="package")
def journey(stack: Stack) -> Journey:
    """What tests ask the running stack through."""
    return Journey(stack)


@pytest.fixture(scope="package")
def report(journey: Journey, report_file: Path) -> dict[str, Any]:
    """What each step showed, as the command reports it; RUNNING_STACK's steps are done here."""
    if not os.environ.get("RUNNING_STACK"):
        written: dict[str, Any] = json.loads(report_file.read_text())
        return written
    walked: list[dict[str, Any]] = []
    for step in steps():
        try:
            walked.append({"name": step.name, "ok": True, "detail": step.act(journey)})
        except Exception as error:
            walked.append({"name": step.name, "ok": False, "detail": repr(error)})
            break
    return {"ok": all(step["ok"] for step in walked), "steps": walked}
