"""Runs the simulator: in the foreground, or in a thread of a test.

A threaded server for local use only; it closes each connection after its answer.
"""

import json
import logging
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from conformance.simulator import holdings
from conformance.simulator import seed as seeding
from conformance.simulator.app import create_app
from conformance.simulator.client import SimulatorClient
from conformance.simulator.config import SimulatorConfig
from conformance.simulator.core import Simulator

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def make_environ(self) -> "WSGIEnvironment":
        """Adds the headers with an underscore in their names, which WSGI cannot tell apart."""
        environ = super().make_environ()
        environ["simulator.underscored"] = {k: v for k, v in self.headers.items() if "_" in k}
        return environ

    def send_response(self, code: int, message: str | None = None) -> None:
        """The status line alone: the application sets Date, and only one may be sent."""
        self.send_response_only(code, message)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: paths of the push endpoint are secrets, and exchanges are recorded."""


@dataclass(frozen=True)
class RunningSimulator:
    """A simulator served from a thread; stop it, or use it as a context manager."""

    simulator: Simulator
    client: SimulatorClient
    base_url: str
    _server: BaseWSGIServer
    _thread: threading.Thread

    def stop(self) -> None:
        """End the server and all background work."""
        self._server.shutdown()
        self._thread.join(timeout=5)
        self._server.server_close()
        self.simulator.stop()

    def __enter__(self) -> "RunningSimulator":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _serve(
    config: SimulatorConfig, host: str, port: int, public_url: str | None
) -> tuple[Simulator, BaseWSGIServer, str]:
    simulator = Simulator(config)
    server = make_server(host, port, create_app(simulator), threaded=True, request_handler=_Handler)
    base_url = public_url or f"http://{host}:{server.server_port}"
    simulator.initial = simulator.config = replace(config, public_url=base_url)
    return simulator, server, base_url


def start_in_thread(
    config: SimulatorConfig | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    hip_documents: Path | None = None,
) -> RunningSimulator:
    """Serve on `port` (0: any free one) until `stop()`; `hip_documents` as for `run`."""
    folder = holdings.read_folder(hip_documents) if hip_documents else []
    simulator, server, base_url = _serve(config or SimulatorConfig(), host, port, None)
    simulator.folder = folder
    thread = threading.Thread(
        target=server.serve_forever, args=(0.05,), name="simulator-http", daemon=True
    )
    thread.start()
    return RunningSimulator(simulator, SimulatorClient(base_url), base_url, server, thread)


def run(
    host: str = "127.0.0.1",
    port: int = 8090,
    seed: Path | None = None,
    public_url: str | None = None,
    config: SimulatorConfig | None = None,
    hip_documents: Path | None = None,
) -> None:
    """Serve in the foreground until interrupted.

    `seed` is a JSON file as described in seed.py; `public_url` is where the adapter reaches the
    simulator if that is not http://host:port; `hip_documents` is a folder of any files that a
    remote HIP holds for every patient. Raises OSError if the port is taken, and ValueError for a
    bad seed or folder.
    """
    contents: dict[str, Any] = json.loads(seed.read_text("utf-8")) if seed else {}
    folder = holdings.read_folder(hip_documents) if hip_documents else []
    simulator, server, base_url = _serve(config or SimulatorConfig(), host, port, public_url)
    logging.getLogger("simulator").setLevel(logging.INFO)
    simulator.folder = folder
    try:
        seeding.load(simulator, contents)
        click.echo(f"The ABDM simulator is ready at {base_url} (patient's pages: {base_url}/phr/).")
        server.serve_forever()  # returns when interrupted
        click.echo("The ABDM simulator stops.")
    finally:
        server.server_close()
        simulator.stop()
