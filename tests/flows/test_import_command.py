"""`abdm-adapter import` as a process: dry run, report, refusals, and going on after a kill."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapter.crypto.sealing import generate_seal_key
from adapter.stores.fhir_store import FhirStore
from mappings.ids import fhir_id

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "http://127.0.0.1:9/fhir"


@dataclass
class Machine:
    """A folder with files to import, and the command with its settings."""

    folder: Path
    facility: str
    fhir_base_url: str = NOWHERE
    fhir_token: str = ""

    def write(self, name: str, *entities: Any) -> Path:
        """NDJSON, or JSON by the name; each entity of this facility."""
        full = [{"facility": self.facility, **e} if isinstance(e, dict) else e for e in entities]
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            path.write_text(json.dumps(full))
        else:
            path.write_text(
                "".join(f"{e if isinstance(e, str) else json.dumps(e)}\n" for e in full)
            )
        return path

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        settings = {
            "ABDM_CLIENT_ID": "x",
            "ABDM_CLIENT_SECRET": "x",
            "ABDM_FACILITIES": self.facility,
            "SEAL_KEYS": SEAL_KEY,
            "DATABASE_URL": f"sqlite:///{self.folder}/adapter.db",
            "FHIR_BASE_URL": self.fhir_base_url,
            "FHIR_TOKEN": self.fhir_token,
            "PYTHONPATH": str(ROOT),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "adapter", "import", *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: object) -> tuple[int, str, str]:
        """(exit code, standard output, standard error)."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=240)
        return process.returncode, out, err

    def run_json(self, *arguments: object) -> tuple[int, Json]:
        code, out, err = self.run(*arguments, "--json")
        assert out, err
        return code, json.loads(out)

    def progress(self) -> Json | None:
        """What is noted of an unfinished file."""
        if not (self.folder / "adapter.db").exists():
            return None
        with sqlite3.connect(self.folder / "adapter.db", timeout=5) as tables:
            try:
                query = "SELECT value FROM setting WHERE key LIKE 'import:%'"
                row = tables.execute(query).fetchone()
            except sqlite3.OperationalError:  # the tables are being made
                return None
        return json.loads(row[0]) if row else None


SEAL_KEY = generate_seal_key()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """No FHIR server at all."""
    return Machine(tmp_path, f"IN{uuid.uuid4().int % 10**10:010d}")


@pytest.fixture
def connected(machine: Machine, hapi: Any) -> Machine:
    """With the run's FHIR server."""
    machine.fhir_base_url, machine.fhir_token = hapi.base_url, hapi.token
    return machine


def patients(count: int) -> list[Json]:
    return [{"id": f"p-{n}", "name": f"Name {n}"} for n in range(count)]


def test_dry_run_reports_and_needs_no_fhir_server(machine: Machine) -> None:
    machine.write(
        "in/patients.ndjson",
        {"id": "a", "name": "Asha", "shoe_size": 39},
        {"id": "b", "date_of_birth": "never"},
        "no json",
        "",
        {"id": "c", "name": "Chitra"},
    )
    machine.write("in/daily-round/1.json", {"id": "r", "patient": "a", "pulse": 92})
    report = machine.folder / "coverage.json"
    code, said = machine.run_json("in", "--dry-run", "--report", report)
    assert code == 1
    assert said["error"] is None
    assert said["summary"]["counts"] == {"mapped": 3, "refused": 2}
    assert [(r["line"], r["faults"][0]["field"]) for r in said["refused"]] == [
        (2, "date_of_birth"),
        (3, "entity"),
    ]
    written = json.loads(report.read_text())
    assert written["summary"] == said["summary"]
    assert written["summary"]["complete"] is True
    assert [(e["kind"], e["outcome"]) for e in written["entities"]] == [
        ("patient", "mapped"),
        ("patient", "refused"),
        ("patient", "refused"),
        ("patient", "mapped"),
        ("daily_round", "mapped"),
    ]
    assert written["entities"][0]["coverage"]["dropped"][0]["field"] == "shoe_size"
    assert any("shoe_size" in line for line in written["summary"]["dropped"]["patient"])
    assert not (machine.folder / "adapter.db").exists()
    assert list(machine.folder.glob("*.part")) == []


def test_refusals_are_told_by_file_line_field_and_sentence_without_values(
    machine: Machine,
) -> None:
    machine.write("patient.ndjson", {"id": "a"}, {"id": "b", "date_of_birth": "31.31.1990"})
    code, out, err = machine.run("patient.ndjson", "--dry-run")
    assert code == 1
    assert "patient.ndjson, line 2, patient: date_of_birth" in err
    assert "31.31.1990" not in out + err
    assert out.splitlines() == ["1 would go in", "1 refused"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("empty",), "no .json"),
        (("nowhere",), "nowhere"),
        (("empty", "--kind", "nonsense"), "nonsense"),
        ((), "PATHS"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    machine: Machine, arguments: tuple[str, ...], words: str
) -> None:
    (machine.folder / "empty").mkdir()
    code, _, err = machine.run(*arguments)
    assert code == 2
    assert words in err


def test_without_a_fhir_server_nothing_is_lost_and_the_command_says_so(machine: Machine) -> None:
    machine.write("patient.ndjson", *patients(2))
    report = machine.folder / "report.json"
    code, _, err = machine.run("patient.ndjson", "--report", report)
    assert code == 1
    assert "Run the same command again" in err
    assert "Traceback" not in err
    assert json.loads(report.read_text())["summary"]["complete"] is False


@pytest.mark.hapi
def test_import_twice_changes_nothing_the_second_time(connected: Machine) -> None:
    connected.write("a/prescription.ndjson", {"id": "rx", "patient": "p-0", "consultation": "c"})
    connected.write("a/consultation.json", {"id": "c", "patient": "p-0", "suggestion": "OP"})
    connected.write(
        "a/mixed.jsonl", {"kind": "allergy", "id": "al", "patient": "p-0", "substance": "Dust"}
    )
    connected.write("a/patients.ndjson", *patients(1))
    code, first = connected.run_json("a")
    assert code == 0, first
    assert first["summary"]["counts"] == {"created": 4}
    assert connected.progress() is None
    code, second = connected.run_json("a")
    assert code == 0
    assert second["summary"]["counts"] == {"unchanged": 4}


@pytest.mark.hapi
def test_a_killed_import_goes_on_where_it_was_and_the_report_has_everything(
    connected: Machine,
) -> None:
    sent = patients(1000)
    sent[5]["date_of_birth"] = "never"
    path = connected.write("patient.ndjson", *sent)
    process = connected.start(path)
    deadline = time.monotonic() + 120
    while (noted := connected.progress()) is None:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    noted = connected.progress()
    assert noted is not None, "the import was over before it could be killed"
    assert 100 <= noted["done"] < 1000

    report = connected.folder / "report.json"
    code, said = connected.run_json(path, "--report", report)
    assert code == 1
    counts = said["summary"]["counts"]
    assert counts["earlier"] == noted["done"] - 1
    assert counts["refused"] == 1
    # What was stored but not noted when the process died is there already.
    rest = counts.get("created", 0) + counts.get("unchanged", 0)
    assert rest == 1000 - noted["done"]
    entities = json.loads(report.read_text())["entities"]
    assert [e["line"] for e in entities] == list(range(1, 1001))
    assert connected.progress() is None
    store = FhirStore(connected.fhir_base_url, connected.fhir_token)
    for name in ("p-0", "p-999"):
        assert store.patient(fhir_id(connected.facility, "patient", name)) is not None


@pytest.mark.hapi
def test_a_changed_file_is_imported_from_its_beginning(connected: Machine) -> None:
    path = connected.write("patient.ndjson", *patients(3))
    assert connected.run(path)[0] == 0
    connected.write("patient.ndjson", *patients(2), {"id": "p-2", "name": "Changed"})
    code, said = connected.run_json(path)
    assert code == 0
    assert said["summary"]["counts"] == {"unchanged": 2, "updated": 1}
