"""How the FHIR server starts, refuses to start, and what it says to the person who waits."""

import base64
import os
import select
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
import requests

from conformance import fhir_server
from tests import issuer as issuers
from tests import servers
from tests.hapi_fixture import SHORT_LIVED

pytestmark = pytest.mark.hapi


def start_by_hand(tmp_path: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the jar with these settings only, as a hospital's service manager would."""
    kept = {name: os.environ[name] for name in ("PATH", "JAVA_HOME") if name in os.environ}
    return subprocess.run(
        [fhir_server.java(), "-jar", str(fhir_server.build())],
        env={**kept, **SHORT_LIVED, "FHIR_DATA_DIR": str(tmp_path), "SERVER_PORT": "0", **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "FHIR_TOKEN is not set"),
        ({"FHIR_TOKEN": "  "}, "FHIR_TOKEN is not set"),
        (
            {"FHIR_ANONYMOUS": "true", "SERVER_ADDRESS": "0.0.0.0"},
            "FHIR_ANONYMOUS=true is allowed only on a loopback address",
        ),
        (
            {"FHIR_ANONYMOUS": "true", "FHIR_HIMS_TOKENS": "h" * 16},
            "FHIR_TOKEN is not set",
        ),
        ({"FHIR_TOKEN": "fifteen letters"}, "FHIR_TOKEN is shorter than 16 characters"),
        (
            {"FHIR_TOKEN": "a" * 16, "FHIR_ADMIN_TOKENS": f"{'b' * 16}, {'c' * 15}"},
            "FHIR_ADMIN_TOKENS is shorter than 16 characters",
        ),
        (
            {"FHIR_TOKEN": "a" * 16, "FHIR_HIMS_TOKENS": f"{'b' * 16},{'a' * 16}"},
            "the same token is in FHIR_TOKEN and FHIR_HIMS_TOKENS",
        ),
        (
            {"FHIR_TOKEN": "a" * 16, "FHIR_JWT_ISSUER": "https://login.hospital.test"},
            "there is no FHIR_JWT_JWKS_URL, FHIR_JWT_AUDIENCE",
        ),
        (
            {
                "FHIR_TOKEN": "a" * 16,
                "FHIR_JWT_ISSUER": "https://login.hospital.test",
                "FHIR_JWT_JWKS_URL": "http://login.hospital.test/jwks.json",
                "FHIR_JWT_AUDIENCE": "fhir.hospital.test",
            },
            "FHIR_JWT_JWKS_URL is not an https URL",
        ),
    ],
    ids=[
        *("no token", "blank token", "anonymous on every interface"),
        *("anonymous beside a role's token", "short token", "short token of a role"),
        *("one token for two roles", "issuer without keys", "keys over plain http"),
    ],
)
def test_a_server_that_anyone_could_read_does_not_start_and_says_why(
    tmp_path: Path, settings: dict[str, str], sentence: str
) -> None:
    ended = start_by_hand(tmp_path, **settings)
    assert ended.returncode != 0
    assert sentence in ended.stdout
    assert "\tat " not in ended.stdout, "a stack trace instead of a sentence"


@dataclass(frozen=True)
class AnonymousRun:
    """A server on H2 that anyone could use: what was seen of it, and its data after its end."""

    credentials: tuple[str, dict[Any, Any]]
    statuses: list[int]
    database: Path


@pytest.fixture(scope="module")
def anonymous_run(tmp_path_factory: pytest.TempPathFactory) -> AnonymousRun:
    folder = tmp_path_factory.mktemp("anonymous")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FHIR_ANONYMOUS", "true")
        with fhir_server.start(
            folder,
            log_file=folder / "log",
            guide=None,
            roles=fhir_server.ROLES,
            settings=SHORT_LIVED,
        ) as server:
            headers = {"Content-Type": "application/fhir+json"}
            url = f"{server.base_url}/Consent/c1"
            consent = {"resourceType": "Consent", "id": "c1", "status": "active"}
            everything = {"resourceType": "Parameters"}
            statuses = [
                requests.put(url, json=consent, headers=headers, timeout=60).status_code,
                requests.post(
                    f"{url}/$expunge", json=everything, headers=headers, timeout=60
                ).status_code,
            ]
    (database,) = folder.rglob("fhir.mv.db")
    return AnonymousRun((server.token, server.tokens), statuses, database)


def test_anyone_on_this_machine_may_do_everything_where_that_was_switched_on(
    anonymous_run: AnonymousRun,
) -> None:
    assert anonymous_run.credentials == ("", {})
    assert anonymous_run.statuses == [201, 200]


def test_what_points_at_visits_is_found_on_h2_without_reading_all_references(
    anonymous_run: AnonymousRun,
) -> None:
    (h2,) = (fhir_server.build().parent / "lib").glob("h2-*.jar")
    asked = (
        "EXPLAIN SELECT SRC_RESOURCE_ID FROM HFJ_RES_LINK WHERE SRC_PATH = 'Condition.encounter'"
        " AND TARGET_RESOURCE_ID IN (1, 2, 3) AND TARGET_RESOURCE_TYPE = 'Encounter'"
    )
    url = f"jdbc:h2:file:{anonymous_run.database.with_suffix('').with_suffix('')}"
    shell = [fhir_server.java(), "-cp", str(h2), "org.h2.tools.Shell"]
    plan = subprocess.run(
        [*shell, "-url", url, "-user", "sa", "-password", "", "-sql", asked],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    # The list of targets comes first: with the type before it, H2 walks over the whole index.
    assert "IDX_RL_TGT_V2: TARGET_RESOURCE_ID IN" in plan, plan


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.22"])
def test_an_old_java_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    old = tmp_path / "java"
    old.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(fhir_server.FhirServerError, match="JDK 17 or newer"):
        fhir_server.java()


def test_no_java_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(fhir_server.FhirServerError, match="Java is not installed"):
        fhir_server.java()


def test_the_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from conformance import fhir_server;"
        "folder = pathlib.Path(sys.argv[1]);"
        "fhir_server.start(folder, log_file=folder / 'log', guide=None,"
        " on_progress=lambda text: print(text, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        env={**os.environ, **SHORT_LIVED},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        assert any("Starting the FHIR server" in line for line in parent.stdout)
        (java,) = psutil.Process(parent.pid).children()
        parent.kill()
    assert ended(java, within_s=120)


def ended(process: psutil.Process, *, within_s: float) -> bool:
    """Whether it ends in time. A zombie has ended: in a container nobody may reap an orphan."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.1)
    return False


# A server on PostgreSQL whose guide cannot be had


@contextmanager
def loopback_port_to(unix_socket: str) -> Iterator[int]:
    """A TCP port that leads to a Unix socket: PostgreSQL's wheel listens on the latter only, and
    Java's driver knows the former only."""

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as database:
                database.connect(unix_socket)
                both = [self.request, database]
                while True:
                    for ready in select.select(both, [], [])[0]:
                        if not (data := ready.recv(65536)):
                            return
                        both[1 - both.index(ready)].sendall(data)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Relay) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@dataclass(frozen=True)
class Started:
    server: fhir_server.FhirServer
    said: list[str]

    def call(
        self, method: str, path: str, body: object = None, *, token: str | None = None
    ) -> requests.Response:
        headers = {
            "Authorization": f"Bearer {token or self.server.token}",
            "Content-Type": "application/fhir+json",
        }
        url = f"{self.server.base_url}/{path}".rstrip("/")
        return requests.request(method, url, headers=headers, json=body, timeout=60)


@pytest.fixture(scope="module")
def on_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    folder = tmp_path_factory.mktemp("postgresql")
    said: list[str] = []
    with servers.postgres_server() as url:
        unix_socket = f"{parse_qs(urlsplit(url).query)['host'][0]}/.s.PGSQL.5432"
        with (
            loopback_port_to(unix_socket) as port,
            fhir_server.start(
                folder / "unused",
                log_file=folder / "log",
                guide="/nowhere/ndhm.tgz",
                roles=["hims", "analyst"],
                settings=SHORT_LIVED
                | {
                    "FHIR_JWT_ISSUER": issuers.NAME,
                    "FHIR_JWT_AUDIENCE": issuers.AUDIENCE,
                    "FHIR_JWT_JWKS_URL": f"http://127.0.0.1:{servers.free_port()}/jwks.json",
                },
                database={
                    "url": f"jdbc:postgresql://127.0.0.1:{port}/postgres",
                    "username": "postgres",
                    "password": "unused",
                },
                on_progress=said.append,
            ) as server,
        ):
            yield Started(server, said)


@pytest.mark.postgres
def test_without_the_guide_the_server_starts_and_says_so_in_one_sentence(
    on_postgresql: Started,
) -> None:
    (sentence,) = [said for said in on_postgresql.said if "guide" in said]
    assert "/nowhere/ndhm.tgz" in sentence
    assert "ABDM_IG_PACKAGE" in sentence
    profiles = on_postgresql.call("GET", "StructureDefinition?_summary=count")
    assert profiles.json()["total"] == 0


@pytest.mark.postgres
def test_records_on_postgresql_are_stored_found_and_erased(on_postgresql: Started) -> None:
    scan = base64.b64encode(bytes(5_000_000)).decode()
    records: list[dict[str, Any]] = [
        {"resourceType": "Patient", "id": "p1", "gender": "female"},
        {"resourceType": "Binary", "id": "b1", "contentType": "application/pdf", "data": scan},
        {
            "resourceType": "MedicationRequest",
            "id": "m1",
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {"text": "Metformin 500 mg"},
            "subject": {"reference": "Patient/p1"},
            "encounter": {"reference": "Encounter/not-yet"},
        },
    ]
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
            for r in records
        ],
    }
    answer = on_postgresql.call("POST", "", bundle)
    assert answer.status_code == 200, answer.text[:1000]
    assert on_postgresql.call("GET", "Binary/b1").json()["data"] == scan
    found = on_postgresql.call(
        "GET", "Encounter?_id=not-yet&_revinclude=MedicationRequest:encounter"
    )
    assert {entry["resource"]["id"] for entry in found.json()["entry"]} == {"not-yet", "m1"}

    # The prescription goes first: the database keeps a row that another still points at.
    assert on_postgresql.call("DELETE", "MedicationRequest/m1").status_code == 200
    assert on_postgresql.call("DELETE", "Patient/p1").status_code == 200
    erase = {
        "resourceType": "Parameters",
        "parameter": [{"name": "expungeDeletedResources", "valueBoolean": True}],
    }
    answer = on_postgresql.call("POST", "Patient/p1/$expunge", erase)
    assert answer.status_code == 200, answer.text
    assert on_postgresql.call("GET", "Patient/p1/_history/1").status_code == 404


@pytest.mark.postgres
def test_what_a_refused_request_said_is_not_in_the_log(on_postgresql: Started) -> None:
    refused = [
        ("GET", "Patient?birthdate=CANARY-1", None),
        ("GET", "Patient?no-such-parameter=CANARY-2", None),
        ("PUT", "Patient/4711", {"resourceType": "Patient", "name": [{"text": "CANARY-3"}]}),
        ("PUT", "Patient/c4", {"resourceType": "Patient", "id": "c4", "birthDate": "CANARY-4"}),
        ("PUT", "Patient/c5", {"resourceType": "Observation", "id": "c5", "note": "CANARY-5"}),
        ("POST", "Patient", "CANARY-6"),
        ("POST", "", {"resourceType": "Bundle", "type": "CANARY-7"}),
        ("POST", "Bundle/$validate", {"resourceType": "Bundle", "type": "CANARY-8"}),
    ]
    for method, path, body in refused:
        answer = on_postgresql.call(method, path, body)
        assert answer.status_code < 500, answer.text
        assert answer.json()["resourceType"] == "OperationOutcome"
    log = on_postgresql.server.log_file.read_text()
    assert "CANARY" not in log, [line for line in log.splitlines() if "CANARY" in line]


@pytest.mark.postgres
def test_received_records_are_hidden_on_postgresql_too(on_postgresql: Started) -> None:
    received = {"tag": [{"system": "urn:abdm-adapter:record", "code": "received"}]}
    for resource_id, meta in (("own1", {}), (f"rcv-{'a' * 40}", received)):
        person = {"resourceType": "Patient", "id": resource_id, "meta": meta, "gender": "other"}
        assert on_postgresql.call("PUT", f"Patient/{resource_id}", person).status_code == 201
    search = "Patient?gender=other&_total=accurate"
    assert on_postgresql.call("GET", search).json()["total"] == 2
    for role in ("hims", "analyst"):
        token = on_postgresql.server.tokens[role]
        found = on_postgresql.call("GET", search, token=token).json()
        assert found["total"] == 1
        assert [entry["resource"]["id"] for entry in found["entry"]] == ["own1"]


@pytest.mark.postgres
def test_an_issuer_whose_keys_cannot_be_fetched_is_no_fault_of_the_token(
    on_postgresql: Started,
) -> None:
    token = issuers.Issuer("unused").token()
    answer = on_postgresql.call("GET", "Patient", token=token)
    assert answer.status_code == 503
    assert "can't be fetched; try again later" in answer.json()["issue"][0]["diagnostics"]
