"""What the steps of the guided journey are and what they share.

A step is a function that acts, looks and says what it saw. It raises StepFailed with a sentence
when what it sees is not what the protocol promises. The steps share a `Journey`, which remembers
what earlier ones made; they are in `journey_hip` (records leave) and `journey_hiu` (records come).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests

from conformance import hospital
from conformance.hospital import DemoPatient
from conformance.simulator.client import SimulatorClient
from conformance.stack import Stack

WALKS_IN = "asha.verma@sbx"


class StepFailed(Exception):
    """What was seen is not what should be."""


def need(condition: object, sentence: str) -> None:
    """Raise StepFailed with `sentence` unless `condition` holds."""
    if not condition:
        raise StepFailed(sentence)


@dataclass(frozen=True)
class FileSeen:
    """What became of one file of `--hip-documents`.

    `size` in bytes; `verbatim`: the FHIR server has these very bytes; `stored`: resources it
    became; `flags`: what was wrong with it, each "code: sentence".
    """

    name: str
    size: int
    sha256: str
    verbatim: bool
    stored: int
    flags: list[str]


@dataclass
class Journey:
    """The running stack and what the steps hand on to each other.

    `received`: artefact ids by the HIP they are for; `ends_at`: when the short one of them ends;
    `files`: see FileSeen.
    """

    stack: Stack
    progress: Callable[[str], None] = lambda _: None
    artefact_id: str = ""
    linked: list[str] = field(default_factory=list)
    documents: int = 0
    request_id: str = ""
    ends_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    received: dict[str, str] = field(default_factory=dict)
    files: list[FileSeen] = field(default_factory=list)
    simulator: SimulatorClient = field(init=False)
    patients: dict[str, DemoPatient] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """The simulator's client and the demo hospital's people by ABHA address."""
        self.simulator = SimulatorClient(self.stack.simulator_url)
        self.patients = {p.abha_address: p for p in hospital.people() if p.abha_address}

    @property
    def asha(self) -> DemoPatient:
        """The patient whom the journey follows."""
        return self.patients[WALKS_IN]

    @property
    def hip_id(self) -> str:
        """The hospital whose records leave."""
        return hospital.facilities()[0].hfr_id

    def fhir(self, path: str, **parameters: str) -> dict[str, Any]:
        """A FHIR search or read."""
        answer = self._get(path, parameters, "application/fhir+json")
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        return body

    def write(self, transaction: dict[str, Any]) -> None:
        """Send a FHIR transaction, as the hospital's own system does."""
        answer = requests.post(
            self.stack.fhir_url,
            json=transaction,
            headers={
                "Authorization": f"Bearer {self.stack.fhir_token}",
                "Content-Type": "application/fhir+json",
            },
            timeout=60,
        )
        need(answer.ok, f"The FHIR server answered {answer.status_code} to a new visit")

    def gone(self, path: str) -> bool:
        """Whether the FHIR server knows nothing (any more) at this path."""
        return self._get(path, {}, "application/fhir+json").status_code in (404, 410)

    def binary(self, binary_id: str) -> bytes:
        """The bytes of a Binary."""
        answer = self._get(f"Binary/{binary_id}", {}, "application/octet-stream")
        answer.raise_for_status()
        return answer.content

    def _get(self, path: str, parameters: dict[str, str], accept: str) -> requests.Response:
        return requests.get(
            f"{self.stack.fhir_url}/{path}",
            params=parameters,
            headers={
                "Authorization": f"Bearer {self.stack.fhir_token}",
                "Accept": accept,
                "Cache-Control": "no-cache",
            },
            timeout=60,
        )

    def hims(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A call of the hospital's own system to the adapter."""
        answer = self._call(method, path, body)
        result: dict[str, Any] = answer.json()
        need(answer.ok, f"The adapter answered {answer.status_code}: {result.get('error')}")
        return result

    def refused(self, method: str, path: str) -> str:
        """The sentence with which the adapter refuses a call; StepFailed if it does not."""
        answer = self._call(method, path, None)
        need(not answer.ok, f"The adapter answered {answer.status_code} to {method} {path}")
        sentence: str = answer.json()["error"]["message"]
        return sentence

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> requests.Response:
        return requests.request(
            method,
            f"{self.stack.adapter_url}/hims/v1/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.stack.hims_key}", "X-User": "demo"},
            timeout=30,
        )


@dataclass(frozen=True)
class Step:
    """A step's name, what it shows to somebody new, and the function that does it."""

    name: str
    explanation: str
    act: Callable[[Journey], str]
