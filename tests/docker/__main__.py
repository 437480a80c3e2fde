"""Brings docker-compose.yml up through the `docker` package and runs the end-to-end tests on it.

    make test-docker

Reads the compose file itself (build, environment, command, health check, configs), so that what is
tested is what the file says; only the published ports and the demo's settings are added. Where no
Docker engine answers, it says so and stops.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import docker
import yaml
from cryptography.fernet import Fernet
from docker.errors import DockerException

from conformance import hospital
from conformance.simulator.client import SimulatorClient
from conformance.stack import CLIENT_ID

ROOT = Path(__file__).resolve().parents[2]
ORDER = ("hapi-db", "redis", "hapi", "simulator", "adapter", "worker")
PUBLISHED = {"hapi": 8080, "adapter": 8080, "simulator": 8091}
NAME = "abdm-adapter-test"
UNITS_S = {"s": 1, "m": 60}


def interpolate(value: Any, env: dict[str, str]) -> Any:
    """Compose's `${NAME}`, `${NAME:-default}` and `${NAME:?message}` filled from `env`."""
    if isinstance(value, dict):
        return {key: interpolate(item, env) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item, env) for item in value]
    if not isinstance(value, str):
        return value

    def filled(match: re.Match[str]) -> str:
        name, operator, rest = match["name"], match["op"], match["rest"] or ""
        if env.get(name):
            return env[name]
        if operator == ":?":
            raise SystemExit(f"{name}: {rest}")
        return rest

    return re.sub(r"\$\{(?P<name>\w+)(?:(?P<op>:[-?])(?P<rest>[^}]*))?\}", filled, value)


def nanoseconds(text: str) -> int:
    """A compose duration such as `5s` as Docker's API wants it."""
    return int(text[:-1]) * UNITS_S[text[-1]] * 1_000_000_000


def demo_settings() -> dict[str, str]:
    """What .env would hold: the demo's settings, made for this run."""
    return {
        "FHIR_TOKEN": secrets.token_urlsafe(24),
        "POSTGRES_PASSWORD": secrets.token_urlsafe(24),
        "ABDM_CLIENT_ID": CLIENT_ID,
        "ABDM_CLIENT_SECRET": secrets.token_urlsafe(24),
        "ABDM_URL": "http://simulator:8091",
        "OTP_URL": "http://simulator:8091/sms",
        "PUBLIC_URL": "http://adapter:8080",
        "SEAL_KEYS": Fernet.generate_key().decode(),
        "HIMS_API_KEYS": secrets.token_urlsafe(24),
        "ABDM_FACILITIES": ",".join(f.hfr_id for f in hospital.facilities()),
        "ALLOW_LOCAL_PUSH": "true",
        "WATCH_MAX_AGE_DAYS": "1",
    }


def start(
    client: Any, network: Any, name: str, compose: dict[str, Any], env: dict[str, str]
) -> Any:
    """Build or pull one service's image, start it on the network, and wait until it is healthy."""
    service = compose["services"][name]
    if "build" in service:
        build = service["build"]
        client.images.build(
            path=str(ROOT / build["context"]),
            dockerfile=build.get("dockerfile", "Dockerfile"),
            tag=service["image"],
            rm=True,
        )
    elif not service["image"].endswith(":local"):
        client.images.pull(service["image"])
    environment = dict(service.get("environment", {}))
    if "env_file" in service:
        environment = env | environment
    options: dict[str, Any] = {
        "name": f"{NAME}-{name}",
        "detach": True,
        "environment": environment,
        "command": service.get("command"),
    }
    if name in PUBLISHED:
        options["ports"] = {f"{PUBLISHED[name]}/tcp": ("127.0.0.1", None)}
    check = service.get("healthcheck")
    if check:
        options["healthcheck"] = {
            key: nanoseconds(value) if key in ("interval", "timeout", "start_period") else value
            for key, value in check.items()
        }
    with tempfile.TemporaryDirectory() as folder:
        volumes = {}
        for config in service.get("configs", []):
            file = Path(folder) / config["source"]
            file.write_text(compose["configs"][config["source"]]["content"])
            file.chmod(0o644)
            volumes[str(file)] = {"bind": config["target"], "mode": "ro"}
        container = client.containers.create(
            service["image"],
            volumes=volumes,
            **{key: value for key, value in options.items() if key != "detach"},
        )
        network.connect(container, aliases=[name])
        container.start()
        wait_until_healthy(container, bool(check))
    return container


def wait_until_healthy(container: Any, has_check: bool, timeout_s: float = 300) -> None:
    """Wait for the health check (or, without one, for the container to run)."""
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        container.reload()
        state = container.attrs["State"]
        if state["Status"] == "exited":
            break
        if state["Status"] == "running" and (
            not has_check or state["Health"]["Status"] == "healthy"
        ):
            return
        time.sleep(1)
    tail = container.logs(tail=40).decode(errors="replace")
    raise SystemExit(f"{container.name} did not become healthy. Its log ends with:\n{tail}")


def host_url(container: Any, port: int) -> str:
    """Where a published port of a container is reached from here."""
    container.reload()
    binding = container.attrs["NetworkSettings"]["Ports"][f"{port}/tcp"][0]
    return f"http://127.0.0.1:{binding['HostPort']}"


def main() -> int:
    """Exit code of the end-to-end tests; 0 with a sentence where there is no Docker engine."""
    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        sys.stderr.write(f"Not run: no Docker engine answers here ({error}).\n")
        return 0
    env = demo_settings()
    compose = interpolate(yaml.safe_load((ROOT / "docker-compose.yml").read_text()), env)
    network = client.networks.create(NAME)
    containers: dict[str, Any] = {}
    try:
        for name in ORDER:
            sys.stderr.write(f"starting {name}\n")
            containers[name] = start(client, network, name, compose, env)
            if name == "simulator":
                SimulatorClient(host_url(containers[name], 8091)).add_bridge(
                    CLIENT_ID, env["ABDM_CLIENT_SECRET"], url=env["PUBLIC_URL"]
                )
        running = {
            "fhir_url": host_url(containers["hapi"], 8080) + "/fhir",
            "fhir_token": env["FHIR_TOKEN"],
            "simulator_url": host_url(containers["simulator"], 8091),
            "adapter_url": host_url(containers["adapter"], 8080),
            "callback_url": env["PUBLIC_URL"],
            "hims_key": env["HIMS_API_KEYS"],
            "client_secret": env["ABDM_CLIENT_SECRET"],
        }
        return subprocess.run(
            [sys.executable, "-m", "pytest", "tests/e2e/test_journey.py", "-k", "step"],
            cwd=ROOT,
            env={**os.environ, "RUNNING_STACK": json.dumps(running)},
            check=False,
        ).returncode
    finally:
        for container in containers.values():
            container.remove(force=True, v=True)
        network.remove()


if __name__ == "__main__":
    sys.exit(main())
