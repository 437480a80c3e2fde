"""Invented visits for the benches: one patient and facility a run, written as a HIMS would.

Every run has ids of its own and deletes what it wrote, so that a shared FHIR server stays as it
was. Imports nothing of the adapter.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import requests

Resource = dict[str, Any]
Tell = Callable[[str], None]

FIRST_DAY = datetime(2025, 1, 6, 4, 30, tzinfo=UTC)
TIMEOUT_S = 300
#: Visits a transaction: HAPI takes a hundred resources or so at a time well.
TOGETHER = 20

_CONDITIONS = (("38341003", "Hypertensive disorder"), ("44054006", "Type 2 diabetes mellitus"))
_DRUGS = (("322236009", "Paracetamol 500 mg oral tablet"), ("386864001", "Amlodipine"))
_MEASURED = (
    ("8867-4", "Heart rate", "/min", 78),
    ("8310-5", "Body temperature", "Cel", 37.1),
    ("2339-0", "Glucose [Mass/volume] in Blood", "mg/dL", 118),
)


@dataclass(frozen=True)
class Fhir:
    """The FHIR server of a bench: base URL without a slash at its end, bearer token or ""."""

    base_url: str
    token: str

    def session(self) -> requests.Session:
        """A keep-alive session with the token and without the minute-old search cache."""
        made = requests.Session()
        made.trust_env = False
        made.headers["Content-Type"] = "application/fhir+json"
        made.headers["Cache-Control"] = "no-cache"
        if self.token:
            made.headers["Authorization"] = f"Bearer {self.token}"
        return made


@dataclass(frozen=True)
class Loaded:
    """What a run wrote. `hfr_id` is the facility's id in the registry and as HIP alike."""

    patient_id: str
    hfr_id: str
    abha_address: str
    encounter_ids: tuple[str, ...]

    @property
    def references(self) -> tuple[str, ...]:
        """The care contexts."""
        return tuple(f"Encounter-{each}" for each in self.encounter_ids)


def attachment(megabytes: int, seed: int) -> bytes:
    """Bytes that begin as a PDF does and compress as badly as the scans in one."""
    return b"%PDF-1.7\n" + random.Random(seed).randbytes(megabytes * 1_000_000 - 9)


@contextmanager
def loaded(
    fhir: Fhir,
    visits: int,
    tell: Tell,
    *,
    files: Callable[[int], bytes] | None = None,
) -> Iterator[Loaded]:
    """Write `visits` visits of one new patient; delete them when the block is left.

    `files`: the attachment of a visit by its number; every second one is inline, the others are a
    Binary that the DocumentReference names.
    """
    run = f"bench-{uuid4().hex[:12]}"
    shared = _people(run)
    written: list[str] = []
    with fhir.session() as session:
        try:
            send(session, fhir, "PUT", shared, written)
            for first in range(0, visits, TOGETHER if files is None else 1):
                numbers = range(first, min(first + (TOGETHER if files is None else 1), visits))
                tell(f"writing visit {numbers[-1] + 1} of {visits} to the FHIR server")
                held = [each for number in numbers for each in _visit(run, number)]
                if files is not None:
                    held += _document(run, first, files(first))
                send(session, fhir, "PUT", held, written)
            yield Loaded(
                patient_id=f"{run}-patient",
                hfr_id=run.upper(),
                abha_address=f"{run}@sbx",
                encounter_ids=tuple(f"{run}-{number}" for number in range(visits)),
            )
        finally:
            tell("removing the visits from the FHIR server")
            remove(session, fhir, written)


def _people(run: str) -> list[Resource]:
    return [
        {
            "resourceType": "Organization",
            "id": f"{run}-org",
            "identifier": [{"system": "https://facility.ndhm.gov.in", "value": run.upper()}],
            "active": True,
            "name": "Bench Hospital",
        },
        {
            "resourceType": "Practitioner",
            "id": f"{run}-doctor",
            "name": [{"text": "Dr Meera Nair"}],
        },
        {
            "resourceType": "Patient",
            "id": f"{run}-patient",
            "identifier": [
                {"system": "https://healthid.abdm.gov.in", "value": f"{run}@sbx"},
                {"system": "urn:bench:mrn", "value": run},
            ],
            "name": [{"text": "मीरा Bench"}],
            "gender": "female",
            "birthDate": "1984-02-29",
        },
    ]


def _visit(run: str, number: int) -> Iterator[Resource]:
    """Encounter, 1 or 2 Conditions, 3 Observations, 2 MedicationRequests."""
    at = (FIRST_DAY + timedelta(days=2 * number)).isoformat()
    encounter_id = f"{run}-{number}"
    patient = {"reference": f"Patient/{run}-patient"}
    doctor = {"reference": f"Practitioner/{run}-doctor"}
    of_visit = {"subject": patient, "encounter": {"reference": f"Encounter/{encounter_id}"}}
    yield {
        "resourceType": "Encounter",
        "id": encounter_id,
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": patient,
        "participant": [{"individual": doctor}],
        "period": {"start": at, "end": at},
        "serviceProvider": {"reference": f"Organization/{run}-org"},
    }
    status = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    for n, coded in enumerate(_CONDITIONS[: 1 + number % 2]):
        yield {
            "resourceType": "Condition",
            "id": f"{encounter_id}-condition{n}",
            **of_visit,
            "clinicalStatus": {"coding": [{"system": status, "code": "active"}]},
            "code": _coded("http://snomed.info/sct", coded),
            "recordedDate": at,
            "recorder": doctor,
        }
    for n, (code, text, unit, value) in enumerate(_MEASURED):
        yield {
            "resourceType": "Observation",
            "id": f"{encounter_id}-observation{n}",
            **of_visit,
            "status": "final",
            "code": _coded("http://loinc.org", (code, text)),
            "effectiveDateTime": at,
            "performer": [doctor],
            "valueQuantity": {
                "value": value + number % 7,
                "unit": unit,
                "system": "http://unitsofmeasure.org",
                "code": unit,
            },
        }
    for n, coded in enumerate(_DRUGS):
        yield {
            "resourceType": "MedicationRequest",
            "id": f"{encounter_id}-medication{n}",
            **of_visit,
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": _coded("http://snomed.info/sct", coded),
            "authoredOn": at,
            "requester": doctor,
            "dosageInstruction": [{"text": "One tablet twice a day after food for 5 days"}],
        }


def _document(run: str, number: int, content: bytes) -> Iterator[Resource]:
    encounter_id = f"{run}-{number}"
    file: Resource = {"contentType": "application/pdf", "title": "Scanned report"}
    data = base64.b64encode(content).decode("ascii")
    if number % 2:
        binary_id = f"{encounter_id}-file"
        yield {
            "resourceType": "Binary",
            "id": binary_id,
            "contentType": "application/pdf",
            "data": data,
        }
        file["url"] = f"Binary/{binary_id}"
    else:
        file["data"] = data
    yield {
        "resourceType": "DocumentReference",
        "id": f"{encounter_id}-document",
        "status": "current",
        "type": {"text": "Scanned report"},
        "subject": {"reference": f"Patient/{run}-patient"},
        "date": FIRST_DAY.isoformat(),
        "content": [{"attachment": file}],
        "context": {"encounter": [{"reference": f"Encounter/{encounter_id}"}]},
    }


def _coded(system: str, coded: tuple[str, str]) -> Resource:
    code, text = coded
    return {"coding": [{"system": system, "code": code, "display": text}], "text": text}


def send(
    session: requests.Session,
    fhir: Fhir,
    method: str,
    resources: Sequence[Resource],
    written: list[str],
) -> None:
    """Write these in one transaction, and note their keys in `written`."""
    keys = [f"{each['resourceType']}/{each['id']}" for each in resources]
    entries = [
        {"resource": each, "request": {"method": method, "url": name}}
        for each, name in zip(resources, keys, strict=True)
    ]
    _transaction(session, fhir, entries)
    written += keys


def remove(session: requests.Session, fhir: Fhir, written: list[str]) -> None:
    """Newest first, so that what refers goes before what it refers to; large ones for good."""
    last_first = written[::-1]
    for start in range(0, len(last_first), 200):
        part = last_first[start : start + 200]
        _transaction(
            session, fhir, [{"request": {"method": "DELETE", "url": name}} for name in part]
        )
    for name in last_first:
        if name.startswith(("DocumentReference/", "Binary/")):
            expunge = [
                {"name": "expungeDeletedResources", "valueBoolean": True},
                {"name": "expungePreviousVersions", "valueBoolean": True},
            ]
            session.post(
                f"{fhir.base_url}/{name}/$expunge",
                json={"resourceType": "Parameters", "parameter": expunge},
                timeout=TIMEOUT_S,
            )


def _transaction(session: requests.Session, fhir: Fhir, entries: list[Resource]) -> None:
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = session.post(fhir.base_url, json=bundle, timeout=TIMEOUT_S)
    if not answer.ok:
        raise RuntimeError(
            f"The FHIR server refused the bench's records (HTTP {answer.status_code}): "
            f"{answer.text[:300]}"
        )
