"""Starts the real thing as child processes: HAPI, the simulated ABDM and the adapter.

Used by `abdm-adapter demo`, `abdm-adapter up`, the end-to-end tests and the benchmarks. Every part
runs on a free loopback port with its own generated secrets; logs and data go under one folder.
The adapter is configured by environment variables only, as a hospital would.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import requests
from cryptography.fernet import Fernet

from conformance import fhir_server, hospital
from conformance.fhir_server import FhirServer
from conformance.simulator.client import SimulatorClient
from conformance.simulator.state import Generation

Progress = Callable[[str], None]
CLIENT_ID = "SBXID_DEMO"


class StackError(Exception):
    """A part did not come up; the sentence names it and its log file."""


def free_port() -> int:
    """A loopback TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Child:
    """A child process with its log file."""

    name: str
    process: subprocess.Popen[bytes]
    log_file: Path

    def stop(self, grace_s: float = 10) -> None:
        """Ask it to end, wait, and kill it if it does not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def spawn(name: str, arguments: list[str], env: dict[str, str], folder: Path) -> Child:
    """Start `python -m …` as a child whose output goes to `<folder>/<name>.log`."""
    log_file = folder / f"{name}.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-m", *arguments],
            env={**os.environ, **env},
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    return Child(name, process, log_file)


def wait_until_ready(child: Child, url: str, timeout_s: float = 60) -> None:
    """Wait until `url` answers 200. Raises StackError when the child ends or time is up."""
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        if child.process.poll() is not None:
            break
        try:
            if requests.get(url, timeout=2).status_code == 200:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    tail = child.log_file.read_text(errors="replace")[-2000:]
    raise StackError(f"{child.name} did not come up; see {child.log_file}. It ended with:\n{tail}")


@dataclass
class Stack:
    """The running parts and how to reach them; `callback_url` is the adapter as ABDM sees it;
    `generation`: of the gateway's interface that the hospital speaks."""

    folder: Path
    fhir_url: str
    fhir_token: str
    simulator_url: str
    adapter_url: str
    callback_url: str
    hims_key: str
    client_secret: str
    env: dict[str, str]
    generation: Generation = "v3"
    children: list[Child] = field(default_factory=list)
    fhir: FhirServer | None = None

    def stop(self) -> None:
        """End every part that this stack started, the adapter first."""
        for child in reversed(self.children):
            child.stop()
        if self.fhir is not None:
            self.fhir.stop()

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def adapter_env(
    *,
    folder: Path,
    port: int,
    simulator_url: str,
    fhir_url: str,
    fhir_token: str,
    client_secret: str,
    hims_key: str,
) -> dict[str, str]:
    """The settings under which the adapter joins the simulated ABDM."""
    return {
        "ENABLE_ABDM": "true",
        "ABDM_CLIENT_ID": CLIENT_ID,
        "ABDM_CLIENT_SECRET": client_secret,
        "ABDM_URL": simulator_url,
        "ABHA_URL": simulator_url,
        "HEALTH_SERVICE_API_URL": f"{simulator_url}/healthid/api",
        "ABDM_FACILITY_URL": f"{simulator_url}/v4/int",
        "X_CM_ID": "sbx",
        "PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "FHIR_BASE_URL": fhir_url,
        "FHIR_TOKEN": fhir_token,
        "DATABASE_URL": f"sqlite:///{folder / 'adapter.db'}",
        "REDIS_URL": "",
        "SEAL_KEYS": Fernet.generate_key().decode(),
        "HIMS_API_KEYS": hims_key,
        "OTP_URL": f"{simulator_url}/sms",
        "ABDM_FACILITIES": ",".join(f.hfr_id for f in hospital.facilities()),
        "ALLOW_LOCAL_PUSH": "true",
        # The demo hospital's own visits are older, so the journey links them step by step: what is
        # linked already could not be discovered. A visit of today is linked by itself.
        "WATCH_MAX_AGE_DAYS": "1",
        "WATCH_SWEEP_SECONDS": "20",
        "WATCH_OVERLAP_SECONDS": "10",
        "LOG_LEVEL": "INFO",
    }


def _generation(env: dict[str, str]) -> Generation:
    """In which generation of the gateway's interface the adapter is called back."""
    asked = env.get("ABDM_API_VERSION") or os.environ.get("ABDM_API_VERSION")
    return "v0.5" if asked == "v0.5" else "v3"


def start(
    folder: Path,
    *,
    on_progress: Progress = lambda _: None,
    fhir_url: str | None = None,
    fhir_token: str = "",
    settings: dict[str, str] | None = None,
    hip_documents: Path | None = None,
) -> Stack:
    """Start HAPI (unless `fhir_url` names a running one), the simulator and the adapter.

    `hip_documents`: a folder of files that another hospital holds. `settings` override the
    adapter's environment. Raises StackError with the part that failed; what had been started by
    then is stopped again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    server: FhirServer | None = None
    if fhir_url is None:
        server = fhir_server.start(
            folder / "fhir",
            log_file=folder / "fhir-server.log",
            roles=fhir_server.ROLES,
            on_progress=on_progress,
        )
        fhir_url, fhir_token = server.base_url, server.token
    simulator_port, adapter_port = free_port(), free_port()
    simulator_url = f"http://127.0.0.1:{simulator_port}"
    hims_key, client_secret = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    env = adapter_env(
        folder=folder.resolve(),
        port=adapter_port,
        simulator_url=simulator_url,
        fhir_url=fhir_url,
        fhir_token=fhir_token,
        client_secret=client_secret,
        hims_key=hims_key,
    ) | (settings or {})
    stack = Stack(
        folder=folder,
        fhir_url=fhir_url,
        fhir_token=fhir_token,
        simulator_url=simulator_url,
        adapter_url=env["PUBLIC_URL"],
        callback_url=env["PUBLIC_URL"],
        hims_key=hims_key,
        client_secret=client_secret,
        env=env,
        generation=_generation(env),
        fhir=server,
    )
    try:
        on_progress("starting the simulated ABDM")
        arguments = ["conformance.simulator", "--port", str(simulator_port)]
        if hip_documents is not None:
            arguments += ["--hip-documents", str(hip_documents)]
        simulator = spawn("simulator", arguments, {}, folder)
        stack.children.append(simulator)
        wait_until_ready(simulator, f"{simulator_url}/healthz")
        SimulatorClient(simulator_url).add_bridge(
            CLIENT_ID, client_secret, url=stack.callback_url, generation=stack.generation
        )
        on_progress("starting the adapter")
        adapter = spawn("adapter", ["adapter", "serve"], env, folder)
        stack.children.append(adapter)
        wait_until_ready(adapter, f"{stack.adapter_url}/healthz")
    except BaseException:
        stack.stop()
        raise
    return stack
