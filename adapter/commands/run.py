"""Commands that run things: the adapter itself, and everything around it on one machine.

`demo`, `up`, `simulator` and `fhir-server` belong to `conformance/`, which is loaded only when one
of them is called: a hospital's production process never imports the simulated outside world.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

import click

from adapter.config import Config, ConfigError, load_config


def config_or_exit() -> Config:
    """The settings, or exit code 2 with one sentence for each wrong value."""
    try:
        return load_config()
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"Setting: {problem}", err=True)
        click.echo("See .env.example for every setting and what it means.", err=True)
        sys.exit(2)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--threads", default=12, show_default=True, help="Requests answered at a time.")
def serve(host: str, threads: int) -> None:
    """Run the adapter: callbacks, HIMS API, and the worker unless REDIS_URL is set."""
    config = config_or_exit()
    arguments = [
        "gunicorn",
        "--bind",
        f"{host}:{config.port}",
        "--workers",
        "1",
        "--worker-class",
        "gthread",
        "--threads",
        str(threads),
        "--timeout",
        "60",
        "--graceful-timeout",
        "20",
        "adapter.wsgi:create()",
    ]
    os.execv(sys.executable, [sys.executable, "-m", *arguments])  # noqa: S606 - no shell


@click.command()
def worker() -> None:
    """Run a background worker beside `serve` (needs REDIS_URL and PostgreSQL)."""
    config = config_or_exit()
    if not config.redis_url.get_secret_value():
        click.echo(
            "REDIS_URL is not set: `abdm-adapter serve` already works in the background by itself. "
            "Set REDIS_URL and a PostgreSQL DATABASE_URL to run workers of their own.",
            err=True,
        )
        sys.exit(2)
    from adapter.celery_app import run_worker

    run_worker(config)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8091, show_default=True)
@click.option("--seed", type=click.Path(exists=True, dir_okay=False), help="People and services.")
@click.option(
    "--hip-documents",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of any files that another hospital serves byte for byte.",
)
def simulator(host: str, port: int, seed: str | None, hip_documents: Path | None) -> None:
    """Run the simulated ABDM alone: gateway, consent manager, patient's app, other hospitals."""
    from conformance.simulator import server

    click.echo(f"The simulated ABDM listens on http://{host}:{port} (patient's app: /phr).")
    try:
        server.run(host, port, seed=Path(seed) if seed else None, hip_documents=hip_documents)
    except ValueError as error:
        click.echo(str(error), err=True)
        sys.exit(2)


@click.command("fhir-server")
@click.option("--port", default=8090, show_default=True)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/fhir"),
    show_default=True,
    help="Folder of the H2 database.",
)
def fhir_server(port: int, data: Path) -> None:
    """Run the HAPI FHIR server in the foreground and say when it is ready."""
    from conformance import fhir_server as server

    token = os.environ.get("FHIR_TOKEN") or None
    data.mkdir(parents=True, exist_ok=True)
    log_file = data / "fhir-server.log"
    try:
        server.build(progress=click.echo)
        running = server.start(
            data, port=port, token=token, log_file=log_file, on_progress=click.echo
        )
    except server.FhirServerError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    with running:
        click.echo(f"Ready: {running.base_url} (log: {log_file})")
        if not running.token:
            click.echo("FHIR_ANONYMOUS=true: anyone on this machine may read and write.")
        elif token is None:
            click.echo(f"FHIR_TOKEN was not set; this run uses FHIR_TOKEN={running.token}")
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        while not stop.wait(0.5):
            if running.process.poll() is not None:
                click.echo(f"The FHIR server ended by itself; see {log_file}.", err=True)
                sys.exit(1)


@click.command()
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="JSON report.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON instead.")
@click.option(
    "--hip-documents",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of any files that another hospital sends; the report says what is kept of each.",
)
def demo(report: Path | None, as_json: bool, hip_documents: Path | None) -> None:
    """Run the whole journey on this machine, step by step, and end with a summary."""
    from conformance import demo as journey

    with tempfile.TemporaryDirectory(prefix="abdm-demo-") as folder:
        ok = journey.run(Path(folder), report=report, as_json=as_json, hip_documents=hip_documents)
    sys.exit(0 if ok else 1)


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/up"),
    show_default=True,
    help="Where data and logs go; kept between runs.",
)
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="JSON report.")
def up(folder: Path, report: Path | None) -> None:
    """Run the journey of `demo` and keep everything running until Ctrl+C."""
    from conformance import demo as journey

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    ok = journey.run(folder, report=report, stay=stop)
    sys.exit(0 if ok else 1)
