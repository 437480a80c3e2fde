"""Builds `fhir-server/` and runs it as a child process.

Used by `abdm-adapter fhir-server`, the demo and the tests, so that all of them judge the adapter
against the same real HAPI server. Must not know what is stored in it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import click
import requests

from conformance import ig

Progress = Callable[[str], None]

SOURCE = Path(__file__).resolve().parents[1] / "fhir-server"
JAR = SOURCE / "target" / "fhir-server.jar"
DEFAULT_HEAP = "2g"
MINIMUM_JAVA = 17
_LAST_LINES = 15
#: Roles beside the adapter's that a caller can have, and the setting that holds their tokens.
ROLES = {
    "hims": "FHIR_HIMS_TOKENS",
    "analyst": "FHIR_ANALYST_TOKENS",
    "analyst.received": "FHIR_ANALYST_RECEIVED_TOKENS",
    "admin": "FHIR_ADMIN_TOKENS",
}
# A line of the server's log that is meant for the person who waits: `<time> INFO  fhir-server: …`.
_PROGRESS_LINE = re.compile(r"^\S+ \w+ +fhir-server: (.+)$")


class FhirServerError(Exception):
    """The FHIR server could not be built or started; the sentence says what to do."""


@dataclass
class FhirServer:
    """A running FHIR server that this process started and owns.

    `token` is the adapter's; `tokens` those of the other roles that were asked for, by role.
    """

    base_url: str
    token: str
    process: subprocess.Popen[bytes]
    log_file: Path
    tokens: dict[str, str] = field(default_factory=dict)

    def stop(self, grace_s: float = 15) -> None:
        """Ask it to end, so that the database is closed; kill it when it takes longer."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def build(progress: Progress | None = None) -> Path:
    """Build the server where its sources are newer than the jar, and return the jar's path.

    Raises FhirServerError with the last lines of Maven's output when that fails.
    """
    java()
    SOURCE.joinpath("target").mkdir(exist_ok=True)
    with _one_builder_at_a_time():
        if _is_current():
            return JAR
        if progress:
            progress("building the FHIR server (downloads its libraries the first time)")
        maven = subprocess.run(  # noqa: S603 - our own wrapper script, no shell
            [str(SOURCE / "mvnw"), "--batch-mode", "--quiet", "package"],
            cwd=SOURCE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if maven.returncode != 0:
            raise FhirServerError(
                "The FHIR server could not be built. It needs a JDK (not only a JRE) and, the first"
                f" time, Maven Central. Maven ended with:\n{_last_lines(maven.stdout)}"
            )
        # Maven leaves an unchanged jar untouched, and it would be taken for stale ever after.
        JAR.touch()
        return JAR


def start(
    data_dir: Path,
    *,
    log_file: Path,
    port: int | None = None,
    token: str | None = None,
    guide: str | None = "",
    database: dict[str, str] | None = None,
    roles: Iterable[str] = (),
    settings: dict[str, str] | None = None,
    on_progress: Progress | None = None,
    timeout_s: float = 240,
) -> FhirServer:
    """Build the server if need be, start it on loopback, and return when it is ready.

    `data_dir` holds the H2 database; `database` with the keys `url` (JDBC), `username` and
    `password` names a PostgreSQL database instead. `guide` is the implementation guide's path or
    URL, None for none; left out, `ig.guide_package()` decides. For each of `roles` (`ROLES`) a
    token is made. Ready means that it answers and that the guide is installed or known not to be
    had. Environment variables of the server that are not given here or in `settings` (FHIR_HEAP,
    SERVER_ADDRESS, …) pass through; without a `token` one is made, unless FHIR_ANONYMOUS=true lets
    everyone in, and then there are no roles. On Linux the server also ends with the thread that
    called this, so call it from one that lives as long as it is needed.

    Raises FhirServerError when it ends early or is not ready in `timeout_s` seconds.
    """
    tell = on_progress or (lambda _: None)
    jar = build(tell)
    port = port or _free_port()
    anonymous = not token and os.environ.get("FHIR_ANONYMOUS", "").lower() == "true"
    tokens = {} if anonymous else {role: secrets.token_urlsafe(32) for role in roles}
    token = token or ("" if anonymous else secrets.token_urlsafe(32))
    env = {
        **os.environ,
        "SERVER_PORT": str(port),
        "FHIR_TOKEN": token,
        "FHIR_DATA_DIR": str(data_dir.resolve()),
        "ABDM_IG_PACKAGE": (ig.guide_package() if guide == "" else guide) or ig.NO_GUIDE,
        **{ROLES[role]: made for role, made in tokens.items()},
        **(settings or {}),
    }
    for name, value in (database or {}).items():
        env[f"SPRING_DATASOURCE_{name.upper()}"] = value
    data_dir.mkdir(parents=True, exist_ok=True)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        log_start = log.tell()
        process = subprocess.Popen(  # noqa: S603 - java found on this machine, no shell
            [java(), *_java_options(), "-jar", str(jar)],
            env=env,
            cwd=data_dir,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
    server = FhirServer(f"http://127.0.0.1:{port}/fhir", token, process, log_file, tokens)
    try:
        _wait_until_ready(server, log_start, tell, timeout_s)
    except BaseException:
        server.kill()
        raise
    return server


def java() -> str:
    """The `java` command, of version 17 or newer. Raises FhirServerError when there is none."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else None
    found = found or shutil.which("java")
    wanted = (
        f"The FHIR server needs a JDK {MINIMUM_JAVA} or newer (for example Debian's package"
        " openjdk-17-jdk-headless); install one, or set JAVA_HOME to it."
    )
    if found is None:
        raise FhirServerError(f"Java is not installed. {wanted}")
    said = subprocess.run(  # noqa: S603 - java found on this machine, no shell
        [found, "-version"], capture_output=True, text=True, check=False
    ).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    if version is None or int(version[1]) < MINIMUM_JAVA:
        raise FhirServerError(f"{found} is older than needed. {wanted}")
    return found


def _java_options() -> list[str]:
    # The serial collector needs the least memory, and starts quickest on a small machine.
    return [f"-Xmx{os.environ.get('FHIR_HEAP') or DEFAULT_HEAP}", "-XX:+UseSerialGC"]


def _wait_until_ready(server: FhirServer, log_start: int, tell: Progress, timeout_s: float) -> None:
    """Pass the server's own progress lines on until it answers."""
    began = time.monotonic()
    position = log_start
    while time.monotonic() - began < timeout_s:
        position = _tell_progress(server.log_file, position, tell)
        if server.process.poll() is not None:
            raise FhirServerError(
                f"The FHIR server ended while starting; its log is {server.log_file}. It says:\n"
                + _last_lines(server.log_file.read_bytes()[log_start:])
            )
        try:
            # It listens only once the guide is installed or given up.
            if requests.get(f"{server.base_url}/metadata", timeout=10).status_code == 200:
                _tell_progress(server.log_file, position, tell)
                tell(f"the FHIR server is ready after {time.monotonic() - began:.0f} s")
                return
        except requests.RequestException:
            pass
        time.sleep(0.25)
    raise FhirServerError(
        f"The FHIR server was not ready after {timeout_s:.0f} s; its log is {server.log_file}."
    )


def _tell_progress(log_file: Path, position: int, tell: Progress) -> int:
    """Report the complete progress lines after `position`; return where to go on."""
    with log_file.open("rb") as log:
        log.seek(position)
        unread = log.read()
    complete = unread[: unread.rfind(b"\n") + 1]
    for line in complete.decode(errors="replace").splitlines():
        if match := _PROGRESS_LINE.match(line):
            tell(match[1])
    return position + len(complete)


def _is_current() -> bool:
    if not JAR.is_file():
        return False
    sources = [SOURCE / "pom.xml", *(p for p in (SOURCE / "src").rglob("*") if p.is_file())]
    return max(path.stat().st_mtime for path in sources) <= JAR.stat().st_mtime


@contextmanager
def _one_builder_at_a_time() -> Iterator[None]:
    """Two test runs may start together; the second waits and finds the jar built."""
    with SOURCE.joinpath("target", ".building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _die_with_parent() -> None:
    """Linux ends the child when this process dies, however it dies (prctl PR_SET_PDEATHSIG)."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGTERM)


def _last_lines(output: bytes) -> str:
    return "\n".join(output.decode(errors="replace").strip().splitlines()[-_LAST_LINES:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    try:
        build(progress=click.echo)
    except FhirServerError as failed:
        sys.exit(str(failed))
