"""The web process as it is started: gunicorn, one worker with threads, over real HTTP."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from adapter.crypto.sealing import generate_seal_key
from tests.rig import HIP_ID
from tests.servers import free_port
from tests.unit.upstream.fake_gateway import Clock, FakeGateway, fake_gateway, jwk
from tests.unit.web.conftest import CONFIRM, KEY, Edge


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with fake_gateway() as gateway:
        gateway.keys = [jwk("kid-1", KEY)]
        yield gateway


@pytest.fixture
def port() -> int:
    return free_port()


def environment(folder: Path, gateway: FakeGateway) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "ABDM_CLIENT_ID": "SBX_1",
        "ABDM_CLIENT_SECRET": "s3cret-of-the-client",
        "ABDM_FACILITIES": HIP_ID,
        "ABDM_URL": gateway.url,
        "SEAL_KEYS": generate_seal_key(),
        "DATABASE_URL": f"sqlite:///{folder}/adapter.db",
        "FHIR_BASE_URL": "http://127.0.0.1:9/fhir",
        "FIDELIUS_URL": "http://fidelius:8090",
    }


def start(folder: Path, port: int, env: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"]
    command += ["--worker-class", "gthread", "--threads", "4", "adapter.wsgi:create()"]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command,
            env=env | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])},
            cwd=folder,
            stdout=log,
            stderr=log,
        )


def wait_until_alive(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"http://127.0.0.1:{port}/healthz", timeout=1).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise AssertionError("gunicorn did not start")


def test_gunicorn_migrates_serves_works_and_ends_with_nothing_secret_in_its_log(
    tmp_path: Path, gateway: FakeGateway, port: int
) -> None:
    env = environment(tmp_path, gateway)
    process = start(tmp_path, port, env)
    try:
        wait_until_alive(port, process)
        token = Edge(None, None, gateway, Clock()).token()  # type: ignore[arg-type]  # only signs
        answer = requests.post(
            f"http://127.0.0.1:{port}{CONFIRM}",
            json={"confirmation": {"token": "042917", "linkRefNumber": "unknown-reference"}},
            headers={
                "Authorization": f"Bearer {token}",
                "REQUEST-ID": "00000101-5b1e-4c60-9d2a-6f0c1e9a7b34",
                "TIMESTAMP": "2026-11-23T06:00:00.000Z",
                "X-HIP-ID": HIP_ID,
            },
            timeout=60,
        )
        assert (answer.status_code, answer.content) == (202, b"")
        # The embedded worker answers an unknown reference with on-confirm and an error.
        deadline = time.monotonic() + 60
        while not gateway.visits():
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.1)
        (sent,) = gateway.visits()
        assert sent.path.endswith("/on-confirm")
        assert json.loads(sent.body)["error"]["code"] == "ABDM-1056"
        big = requests.post(
            f"http://127.0.0.1:{port}{CONFIRM}", data=iter([b"x" * 65536] * 80), timeout=60
        )
        assert big.status_code in (401, 413)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    log = (tmp_path / "log").read_text()
    for secret in (token, env["ABDM_CLIENT_SECRET"], env["SEAL_KEYS"], "042917", "token-1"):
        assert secret not in log
    assert "FIDELIUS_URL is not needed" in log
    assert "Traceback" not in log
    with sqlite3.connect(tmp_path / "adapter.db") as database:
        assert database.execute("SELECT hip_id FROM facility").fetchall() == [(HIP_ID,)]


def test_wrong_settings_are_named_together_and_the_process_ends(
    tmp_path: Path, gateway: FakeGateway, port: int
) -> None:
    env = environment(tmp_path, gateway)
    del env["ABDM_CLIENT_ID"], env["SEAL_KEYS"]
    process = start(tmp_path, port, env)
    try:
        assert process.wait(120) != 0
    finally:
        process.kill()
    log = (tmp_path / "log").read_text()
    assert "ABDM_CLIENT_ID: not set" in log
    assert "SEAL_KEYS: not set" in log
    assert env["ABDM_CLIENT_SECRET"] not in log
