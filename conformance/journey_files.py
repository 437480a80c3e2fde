"""The journey with a folder of files: a hospital that sends anything, and what is kept of it.

For `--hip-documents DIR`. Each file is a care context of its own, sent byte for byte; the report
says of each whether it is kept verbatim, how many resources it became, and what was wrong with it.
"""

from __future__ import annotations

import hashlib
from typing import Any

from conformance.journey import WALKS_IN, FileSeen, Journey, Step, need
from conformance.journey_hiu import raise_request, received_documents
from conformance.simulator.holdings import FOLDER_HI_TYPE, FOLDER_HIP
from conformance.simulator.results import HeldDocument

PATIENCE_S = 600.0


def fetch_folder(journey: Journey) -> str:
    """Ask for the folder's files, receive them, and compare each with what is kept."""
    simulator = journey.simulator
    files = simulator.hip_documents(FOLDER_HIP)
    need(files, "The simulator serves no folder; start it with --hip-documents DIR")
    raise_request(journey, [FOLDER_HI_TYPE], FOLDER_HIP)
    request = simulator.wait_consent_request(WALKS_IN, journey.hip_id, PATIENCE_S)
    (artefact_id,) = simulator.grant(request.id)
    seen = simulator.wait_reported(artefact_id, PATIENCE_S)
    documents = received_documents(journey, artefact_id)
    outcome = journey.hims("GET", f"received-transfers/{seen.transaction_id}")["care_contexts"]
    said = {each["reference"]: each.get("sentence") or "" for each in outcome}
    journey.files = [
        _compared(journey, one, documents, said.get(one.care_context, "")) for one in files
    ]
    # In a file without bytes there is nothing to keep; the outcome names it.
    empty = [one for one in files if not one.size]
    lost = [one.name for one in journey.files if one.size and not one.verbatim]
    need(not lost, f"{len(lost)} of {len(files)} files are not kept as they were: {lost[:5]}")
    flagged = sum(bool(one.flags) for one in journey.files)
    resources = sum(one.stored for one in journey.files)
    return (
        f"{len(files)} files sent, {len(files) - len(empty)} kept byte for byte, {len(empty)} "
        f"empty; {resources} resources stored, {flagged} files flagged"
    )


def _compared(
    journey: Journey, held: HeldDocument, documents: list[dict[str, Any]], said: str
) -> FileSeen:
    """What became of one file: the document of its visit whose bytes in FHIR are the file's.

    `said`: what the adapter says of its visit, for a file that it did not keep.
    """
    for document in documents:
        if (document["care_context"], document["sha256"]) == (held.care_context, held.sha256):
            content = journey.binary(document["id"])
            return FileSeen(
                held.name,
                held.size,
                held.sha256,
                hashlib.sha256(content).hexdigest() == held.sha256,
                document["resources"],
                [f"{flag['code']}: {flag['sentence']}" for flag in document["flags"]],
            )
    reason = [f"not-kept: {said}"]
    return FileSeen(held.name, held.size, held.sha256, verbatim=False, stored=0, flags=reason)


STEP = Step(
    "A hospital that sends anything",
    "The files of the folder, each as it is: what is kept, what is stored, what is flagged.",
    fetch_folder,
)
