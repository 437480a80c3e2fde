"""Documents as other hospitals send them, clean and dirty, and where they come from."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from mappings.received import Origin, ReceivedDocument, split_received
from mappings.resources import Resource

RECEIVED_AT = datetime(2026, 11, 24, 3, 30, 15, 123456, tzinfo=UTC)


def origin(**changes: Any) -> Origin:
    """A document's origin: consent artefact, HIP and care context."""
    known: dict[str, Any] = {
        "artefact_id": "a7c2e5f0-0000-4000-8000-000000000001",
        "hip_id": "IN0710000456_1",
        "hip_name": "Sanjeevani Hospital",
        "hiu_id": "IN0710000123_1",
        "transaction_id": "3d1b0c1e-0000-4000-8000-000000000002",
        "care_context": "visit-2026-11",
        "received_at": RECEIVED_AT,
        "local_patient_id": None,
        "recorder": "abdm-adapter",
    }
    return Origin(**{**known, **changes})


def bundle(*resources: Any, urls: bool = True, **changes: Any) -> Resource:
    """A document Bundle of these resources, each under an absolute fullUrl of its type and id."""
    entries = []
    for each in resources:
        entry: dict[str, Any] = {"resource": each}
        if urls:
            entry["fullUrl"] = f"http://hip.example/fhir/{each['resourceType']}/{each['id']}"
        entries.append(entry)
    return {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "http://hip.example", "value": "doc-1"},
        "entry": entries,
        **changes,
    }


def res(kind: str, id_: str | None = None, **content: Any) -> Resource:
    """A resource of any type, with any content."""
    found: Resource = {"resourceType": kind}
    if id_ is not None:
        found["id"] = id_
    return {**found, **content}


COMPOSITION = res(
    "Composition",
    "c1",
    status="final",
    type={"coding": [{"system": "http://snomed.info/sct", "code": "440545006"}]},
    title="Prescription",
)


def split(value: Any, **changes: Any) -> ReceivedDocument:
    """The parts of a document given as JSON value or as bytes."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return split_received(content, origin(**changes))


def codes(document: ReceivedDocument) -> set[str]:
    """The codes of a document's flags."""
    return {flag.code for flag in document.flags}


def one(document: ReceivedDocument, kind: str) -> Resource:
    """The only resource of a type."""
    (found,) = (r for r in document.resources if r["resourceType"] == kind)
    return found
