"""The demo hospital: its records as FHIR transactions, loading them, and who its people are.

``transactions`` reads the tables of ``conformance.data``; ``load`` sends them to a FHIR server, as
a hospital's own system would, over HTTP and with nothing of the adapter. ``people`` and
``facilities`` tell the simulator and the demo who is there, so that the same persons hold ABHA
addresses.
"""

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import requests

from conformance.data import history
from conformance.data.catalogue import Resource
from conformance.data.people import (
    organization,
    patient,
    patient_id,
    patient_number,
    practitioner,
    year_of_birth,
)
from conformance.data.records import resources
from conformance.data.visit import IST, Visit

TIMEOUT_S = 120
"""One patient's transaction takes well under a second, the first one after a start much longer."""

Progress = Callable[[int, int, str], None]
"""Called after each transaction with how many are done, how many there are, and its name."""


class LoadError(Exception):
    """The FHIR server didn't take the demo hospital; the text says why and what to do next."""


@dataclass(frozen=True)
class LoadResult:
    """How much was loaded: Patients, Encounters, and all resources together."""

    patients: int
    visits: int
    resources: int


@dataclass(frozen=True)
class DemoPatient:
    """One person as the hospital knows them; ``None`` where it doesn't.

    ``gender`` is the FHIR code, ``mobile`` ten digits, ``abha_number`` with dashes.
    """

    patient_id: str
    name: str
    gender: str
    year_of_birth: int | None
    mobile: str | None
    abha_address: str | None
    abha_number: str | None
    mrn: str


@dataclass(frozen=True)
class DemoFacility:
    """One facility: its Organization's id, its HFR id and its name."""

    organization_id: str
    hfr_id: str
    name: str


@cache
def _institution() -> dict[str, dict[str, dict[str, Any]]]:
    text = files("conformance.data").joinpath("facilities.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def _patients() -> dict[str, dict[str, Any]]:
    tables = {
        entry.name.removesuffix(".toml"): tomllib.loads(entry.read_text(encoding="utf-8"))
        for entry in files("conformance.data.patients").iterdir()
        if entry.name.endswith(".toml")
    }
    return dict(sorted(tables.items()))


def _transaction(written: list[Resource]) -> Resource:
    entries = [
        {
            "resource": each,
            "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"},
        }
        for each in written
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _records(table: dict[str, Any]) -> list[Resource]:
    visits = table.get("visits", [])
    days_seen = frozenset(visit["at"].date() for visit in visits)
    written = [patient(table), *history.resources(table)]
    for visit in visits:
        facility = table.get("facility", "")
        written += resources(Visit(patient_number(table), facility, days_seen, visit))
    return written


def transactions() -> Iterator[tuple[str, Resource]]:
    """Yield (name, FHIR transaction Bundle): the facilities first, then one for each patient.

    Every entry is a PUT on a fixed id, so the same transaction may be sent again.

    Raises:
        ValueError: a table is wrong; the text says where.
    """
    institution = _institution()
    places = [organization(key, row) for key, row in institution["facilities"].items()]
    doctors = [practitioner(key, row) for key, row in institution["doctors"].items()]
    yield "facilities", _transaction(places + doctors)
    for slug, table in _patients().items():
        try:
            yield slug, _transaction(_records(table))
        except (ValueError, KeyError) as problem:
            message = f"conformance/data/patients/{slug}.toml: {problem}"
            raise ValueError(message) from problem


def new_visit(person: DemoPatient, at: datetime) -> tuple[str, Resource]:
    """A visit for a fever that ended at `at`, with a prescription: the Encounter's id, and the FHIR
    transaction by which the hospital's own system writes it."""
    table = next(each for each in _patients().values() if patient_id(each) == person.patient_id)
    began = (at - timedelta(minutes=20)).astimezone(IST)
    visit = {
        "at": began.replace(tzinfo=None),
        "key": f"{began:%Y%m%d%H%M%S}",
        "doctor": "medicine",
        "reason": "Fever since yesterday",
        "diagnoses": ["viral-fever"],
        "drugs": [{"drug": "paracetamol-500", "dose": "1-1-1", "days": 3}],
    }
    seen = frozenset({began.date()})
    facility = table.get("facility", "")
    written = list(resources(Visit(patient_number(table), facility, seen, visit)))
    return str(written[0]["id"]), _transaction(written)


def load(base_url: str, token: str | None, progress: Progress | None = None) -> LoadResult:
    """Send the whole demo hospital to a FHIR server. Loading twice changes nothing.

    Args:
        base_url: the FHIR base, for example ``http://127.0.0.1:8090/fhir``.
        token: bearer token, or None where the server asks for none.
        progress: told after each transaction.

    Raises:
        LoadError: the server can't be reached or refuses a transaction.
    """
    session = requests.Session()
    session.headers["Content-Type"] = "application/fhir+json"
    if token:
        session.headers["Authorization"] = f"Bearer {token}"
    bundles = list(transactions())
    counts: Counter[str] = Counter()
    for done, (name, bundle) in enumerate(bundles, start=1):
        _send(session, base_url, name, bundle)
        counts.update(entry["resource"]["resourceType"] for entry in bundle["entry"])
        if progress:
            progress(done, len(bundles), name)
    return LoadResult(counts["Patient"], counts["Encounter"], counts.total())


def _send(session: requests.Session, base_url: str, name: str, bundle: Resource) -> None:
    try:
        reply = session.post(base_url.rstrip("/"), json=bundle, timeout=TIMEOUT_S)
    except requests.RequestException as problem:
        raise LoadError(
            f"The FHIR server at {base_url} could not be reached ({type(problem).__name__}). "
            "Start it with: abdm-adapter fhir-server"
        ) from problem
    if reply.status_code in (401, 403):
        raise LoadError("The FHIR server refused the token. Check FHIR_TOKEN on both sides.")
    if not reply.ok:
        raise LoadError(
            f'The FHIR server refused the transaction "{name}" with status {reply.status_code}: '
            f"{_diagnostics(reply)}. Correct its table under conformance/data and load again."
        )


def _diagnostics(reply: requests.Response) -> str:
    try:
        issues = reply.json().get("issue", [])
    except (ValueError, AttributeError):
        return "no reason given"
    found = [issue.get("diagnostics", issue.get("code", "")) for issue in issues]
    return "; ".join(found)[:500] or "no reason given"


def people() -> list[DemoPatient]:
    """Return all patients, for registering the same persons with the simulator."""
    return [
        DemoPatient(
            patient_id=patient_id(table),
            name=table["name"],
            gender=table["gender"],
            year_of_birth=year_of_birth(table),
            mobile=table.get("mobile"),
            abha_address=table.get("abha_address"),
            abha_number=table.get("abha_number"),
            mrn=table["mrn"],
        )
        for table in _patients().values()
    ]


def facilities() -> list[DemoFacility]:
    """Return both facilities."""
    rows = _institution()["facilities"].items()
    return [DemoFacility(f"org-{key}", row["hfr_id"], row["name"]) for key, row in rows]
