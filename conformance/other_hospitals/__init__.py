"""Two other hospitals and their documents of the demo's patient, for records that arrive.

The documents are files, sent byte for byte by the simulator's remote HIPs; `index.toml` says what
each is. Knows nothing of the adapter.
"""

import tomllib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from conformance.simulator.client import SimulatorClient


@dataclass(frozen=True)
class OtherDocument:
    """One document: its care context, what it is, when it was written, and its bytes."""

    care_context: str
    display: str
    hi_type: str
    at: datetime
    content: bytes


@dataclass(frozen=True)
class OtherHospital:
    """One hospital: its service id, its name, the patient's number there, its documents."""

    id: str
    name: str
    patient_number: str
    documents: tuple[OtherDocument, ...]


@cache
def _index() -> dict[str, Any]:
    text = files(__name__).joinpath("index.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def hospitals() -> list[OtherHospital]:
    """Both hospitals, the one with clean documents first."""
    return [
        OtherHospital(
            row["id"],
            row["name"],
            row["patient_number"],
            tuple(_document(entry) for entry in row["documents"]),
        )
        for row in _index()["hospitals"]
    ]


def _document(entry: dict[str, Any]) -> OtherDocument:
    content = files(__name__).joinpath(entry["file"]).read_bytes()
    return OtherDocument(entry["visit"], entry["display"], entry["hi_type"], entry["at"], content)


def open_in(simulator: SimulatorClient) -> None:
    """Make both hospitals known to the simulator, their visits linked to the patient.

    The patient must be registered there already.
    """
    for hospital in hospitals():
        simulator.add_service(hospital.id, hospital.name, ["HIP", "HIU"])
        for document in hospital.documents:
            simulator.add_record(
                hospital.id,
                _index()["patient"],
                document.care_context,
                document.hi_type,
                document.content,
                document.display,
                hospital.patient_number,
                document.at,
            )
