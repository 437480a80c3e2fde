"""The record watch and discovery with fifty thousand visits on the server against one thousand.

The same adapter measures both: first with the small number loaded, then with the large one. A sweep
finds nothing new, as on any quiet minute (it searches from after the last record on); discovery is
asked for a patient of ten visits. BENCH_VISITS says how many visits the large number is (loading
50,000 takes about 4 minutes); what was written to a server that others use is deleted again.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from unittest import mock
from uuid import uuid4

import requests

from adapter import logs
from adapter.flows import discovery
from adapter.protocol.messages import DiscoverCareContexts, Envelope
from adapter.rules.watching import OUTLINE, WATCHED_TYPES
from adapter.runtime import Adapter, system_clock
from adapter.stores.fhir_client import Client
from tests import rig
from tests.bench.harness import Row
from tests.bench.visits import Fhir, Resource, Tell, remove, send

SMALL = 1000
LARGE = 50_000
EACH = 10
TOGETHER = 200
ROUNDS = 15
AIM = 1.5


def run(fhir: Fhir, tell: Tell) -> list[Row]:
    """The rows of this bench."""
    logs.configure("ERROR")
    large = int(os.environ.get("BENCH_VISITS", LARGE))
    with (
        tempfile.TemporaryDirectory(prefix="bench-watch-") as folder,
        _hospital(fhir, tell) as hospital,
    ):
        adapter = rig.adapter_over(
            rig.sqlite_url(Path(folder)),
            system_clock,
            durable=True,
            fhir_base_url=fhir.base_url,
            fhir_token=fhir.token,
            abdm_facilities=f"{hospital.run.upper()},IN0000000001",
        )
        hospital.grow(SMALL)
        # A server that has just started is slow, whatever it holds.
        _measured(adapter, hospital)
        small = _measured(adapter, hospital)
        hospital.grow(large)
        full = _measured(adapter, hospital)
        adapter.db.close()
    against = f"{SMALL} visits"
    return [
        _row(f"a quiet sweep, {large} visits", against, full.searches, small.searches, 1.0, ""),
        _row(f"a quiet sweep, {large} visits", against, full.sweep, small.sweep, AIM, "ms"),
        _row(f"discovery, {large} visits", against, full.discovery, small.discovery, AIM, "ms"),
    ]


@dataclass(frozen=True)
class _Measured:
    searches: float
    sweep: float
    discovery: float


def _measured(adapter: Adapter, hospital: _Hospital) -> _Measured:
    # After everything that was written, whoever writes meanwhile.
    since = adapter.fhir.time("Patient") + timedelta(days=1)
    calls = 0
    exchange = Client._exchange

    def counted(self: Client, *arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        return exchange(self, *arguments, **named)  # type: ignore[arg-type]

    def sweep() -> None:
        for kind in WATCHED_TYPES:
            found = adapter.fhir.changes(kind, since, OUTLINE)
            if any(page for page in found.pages):
                raise RuntimeError("the FHIR server shows records of tomorrow")

    with mock.patch.object(Client, "_exchange", counted):
        sweep()
    searches = calls
    asked = DiscoverCareContexts(
        str(uuid4()), f"{hospital.run}-7@sbx", (), (), "Meera Bench", "F", 1984
    )
    envelope = Envelope("v3", hip_id=hospital.run.upper())
    return _Measured(
        searches,
        _milliseconds(sweep),
        _milliseconds(lambda: discovery.on_discover(adapter, envelope, asked)),
    )


def _milliseconds(work: Callable[[], object]) -> float:
    times = []
    work()
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def _row(name: str, against: str, ours: float, floor: float, aim: float, unit: str) -> Row:
    return Row(name, against, ours, floor, ours / floor, aim, unit or "searches")


@dataclass
class _Hospital:
    """A hospital that grows; patients of ten visits each."""

    fhir: Fhir
    session: requests.Session
    run: str
    tell: Tell
    visits: int = 0
    written: list[str] = field(default_factory=list)

    def grow(self, visits: int) -> None:
        """Write until there are so many visits."""
        while self.visits < visits:
            self.tell(f"writing visit {self.visits + TOGETHER} of {visits} to the FHIR server")
            held = [
                each
                for number in range(self.visits // EACH, (self.visits + TOGETHER) // EACH)
                for each in _patient(self.run, number)
            ]
            send(self.session, self.fhir, "PUT", held, self.written)
            self.visits += TOGETHER


@contextmanager
def _hospital(fhir: Fhir, tell: Tell) -> Iterator[_Hospital]:
    run = f"bench-{uuid4().hex[:12]}"
    facility = {
        "resourceType": "Organization",
        "id": f"{run}-org",
        "identifier": [{"system": "https://facility.ndhm.gov.in", "value": run.upper()}],
        "name": "Bench Hospital",
    }
    with fhir.session() as session:
        made = _Hospital(fhir, session, run, tell)
        try:
            send(session, fhir, "PUT", [facility], made.written)
            yield made
        finally:
            # A server of the bench's own ends with it: deleting takes longer than writing.
            if "FHIR_BASE_URL" in os.environ:
                tell("removing the visits from the FHIR server")
                remove(session, fhir, made.written)


def _patient(run: str, number: int) -> Iterator[Resource]:
    """A patient with ten visits that have a complaint each."""
    patient_id = f"{run}-p{number}"
    subject = {"reference": f"Patient/{patient_id}"}
    yield {
        "resourceType": "Patient",
        "id": patient_id,
        "identifier": [{"system": "https://healthid.abdm.gov.in", "value": f"{run}-{number}@sbx"}],
        "name": [{"text": "Meera Bench"}],
        "gender": "female",
        "birthDate": "1984-02-29",
    }
    for visit in range(EACH):
        encounter_id = f"{patient_id}-{visit}"
        at = f"2025-{1 + visit:02d}-15T10:00:00+05:30"
        yield {
            "resourceType": "Encounter",
            "id": encounter_id,
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": subject,
            "period": {"start": at, "end": at},
            "serviceProvider": {"reference": f"Organization/{run}-org"},
        }
        yield {
            "resourceType": "Condition",
            "id": f"{encounter_id}-c",
            "subject": subject,
            "encounter": {"reference": f"Encounter/{encounter_id}"},
            "code": {"text": "Fever"},
        }
