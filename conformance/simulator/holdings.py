"""The records that HIPs of the simulator hold: added one by one, or a folder of any files.

What is added is linked to the patient at once, as if the patient had linked it. A folder's files
are linked to every patient who is registered, each as a care context of its own, and served byte
for byte whatever they are. Source: V3 contract 12.6 for what a reference may contain.
"""

import hashlib
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from conformance.simulator.core import Simulator
from conformance.simulator.errors import HI_TYPES
from conformance.simulator.linking import add_links
from conformance.simulator.lookups import NotFound, PatientMistake, patient_named
from conformance.simulator.push_plan import Holding
from conformance.simulator.state import Link, Service
from conformance.simulator.times import now, timestamp

FOLDER_HIP = "IN2910009900"
FOLDER_NAME = "Hospital of the folder"
FOLDER_HI_TYPE = "HealthDocumentRecord"
MAX_REFERENCE = 200


def add_record(
    simulator: Simulator,
    hip_id: str,
    abha_address: str,
    patient_reference: str,
    care_context: str,
    hi_type: str,
    display: str,
    content: bytes,
    dated_at: datetime | None,
) -> None:
    """Put a document of a linked care context into a HIP of the simulator's own."""
    patient_named(simulator, abha_address)
    if hi_type not in HI_TYPES:
        raise PatientMistake(f"The HI type is one of {', '.join(HI_TYPES)}.")
    with simulator.state.changed:
        service = simulator.state.services.get(hip_id)
        if service is None or service.client_id is not None or "HIP" not in service.types:
            raise NotFound(f"{hip_id} is no HIP of the simulator's own; register it as one first.")
        simulator.state.holdings.append(Holding(hip_id, care_context, hi_type, dated_at, content))
    link = Link(abha_address, hip_id, patient_reference, care_context, hi_type, display, now())
    add_links(simulator, [link])


def read_folder(folder: Path) -> list[Holding]:
    """One holding per file of a folder and its subfolders, in the order of their names.

    Raises ValueError if there is no such folder or no file in it.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}; name one with the documents to serve.")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise ValueError(f"The folder {folder} is empty; put the documents to serve into it.")
    taken: set[str] = set()
    found = []
    for number, path in enumerate(files, start=1):
        name = path.relative_to(folder).as_posix()
        reference = re.sub(r"[^A-Za-z0-9_\-@,. :/]", "-", name)[:MAX_REFERENCE]
        if reference.casefold() in taken:
            reference = f"{number}-{reference}"
        taken.add(reference.casefold())
        found.append(Holding(FOLDER_HIP, reference, FOLDER_HI_TYPE, None, path, name))
    return found


def link_folder(simulator: Simulator, abha_address: str) -> None:
    """Link the folder's files, if a folder is served, to a patient."""
    if not simulator.folder:
        return
    with simulator.state.changed:
        service = Service(FOLDER_HIP, FOLDER_NAME, ["HIP"])
        simulator.state.services.setdefault(FOLDER_HIP, service)
        links = [
            Link(
                abha_address,
                FOLDER_HIP,
                "FOLDER",
                holding.care_context,
                holding.hi_type,
                holding.care_context,
                now(),
            )
            for holding in simulator.folder
        ]
    add_links(simulator, links)


def listed(simulator: Simulator, hip_id: str | None = None) -> list[dict[str, Any]]:
    """Everything that is held, with the SHA-256 of the bytes."""
    with simulator.state.changed:
        everything = [*simulator.state.holdings, *simulator.folder]
    return [_described(one) for one in everything if hip_id in (None, one.hip_id)]


def _described(holding: Holding) -> dict[str, Any]:
    content = holding.read()
    return {
        "hip_id": holding.hip_id,
        "care_context": holding.care_context,
        "hi_type": holding.hi_type,
        "dated_at": timestamp(holding.dated_at) if holding.dated_at else None,
        "name": holding.name,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
