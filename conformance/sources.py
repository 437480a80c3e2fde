"""Hospitals' records that `make conformance` builds documents from, as FHIR resources by visit.

    demo       the demo hospital
    generated  seeded visits, awkward ones first (`conformance.generator`)
    guide      the examples of ABDM's implementation guide, taken as a hospital's records

The guide is read from its package where it lies; nothing of it is kept. Knows nothing of mappings.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from conformance import generator, hospital, ig

Resource = dict[str, Any]

_FETCH_TIMEOUT_S = 60
# Where R4 records name their visit, by type; a hospital's store has it, the guide's examples don't.
_ENCOUNTER = dict.fromkeys(
    (
        "AllergyIntolerance",
        "CarePlan",
        "Condition",
        "DiagnosticReport",
        "ImagingStudy",
        "Immunization",
        "Media",
        "MedicationRequest",
        "Observation",
        "Procedure",
        "ServiceRequest",
    ),
    "encounter",
) | dict.fromkeys(("ChargeItem", "MedicationStatement"), "context")


@dataclass(frozen=True)
class Batch:
    """Records that belong together, and where they come from; may hold several care contexts.

    `facility`: the Organization that serves them, for records that name none.
    """

    source: str
    name: str
    resources: tuple[Resource, ...]
    facility: Resource | None = None


def demo() -> Iterator[Batch]:
    """The demo hospital, all of it in one batch."""
    found = tuple(e["resource"] for _, bundle in hospital.transactions() for e in bundle["entry"])
    yield Batch("demo", "demo hospital", found)


def generated(count: int, seed: int = generator.SEED) -> Iterator[Batch]:
    """`count` generated visits."""
    for visit in generator.generate(count, seed):
        yield Batch("generated", visit.name, visit.resources)


def guide() -> Iterator[Batch]:
    """The guide's examples: single records as they are and as one visit, and each document's.

    Raises OSError or requests.RequestException if the package can't be had.
    """
    found = examples()
    single = tuple(r for r in found.values() if r["resourceType"] != "Bundle")
    (visit,) = (r for r in single if r["resourceType"] == "Encounter")
    facility = next(r for r in single if r["resourceType"] == "Organization")
    name = f"Encounter/{visit['id']}"
    yield Batch("guide", "examples as they stand", single, facility)
    together = tuple(_of_visit(r, name) for r in single)
    yield Batch("guide", "examples as one visit", together, facility)
    for file, bundle in found.items():
        if bundle["resourceType"] == "Bundle" and bundle.get("type") == "document":
            yield Batch("guide", Path(file).stem, _records_of(bundle), facility)


def examples() -> dict[str, Resource]:
    """Every example of the guide by file name."""
    package = ig.guide_package()
    if package is None:
        raise OSError("ABDM_IG_PACKAGE is `none`: there is no implementation guide to read.")
    if package.startswith(("http://", "https://")):
        answer = requests.get(package, timeout=_FETCH_TIMEOUT_S)
        answer.raise_for_status()
        content = answer.content
    else:
        content = Path(package).read_bytes()
    found = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in sorted(archive.getmembers(), key=lambda m: m.name):
            if "/example/" in member.name and member.name.endswith(".json"):
                file = archive.extractfile(member)
                if file is not None:
                    found[member.name] = json.load(file)
    return found


def _records_of(document: Resource) -> tuple[Resource, ...]:
    """A document's entries as a hospital's records: references by type and id, visit named."""
    entries = document["entry"]
    names = {
        e["fullUrl"]: f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in entries
    }
    composition, *records = (_renamed(e["resource"], names) for e in entries)
    visit = (composition.get("encounter") or {}).get("reference")
    if visit is None:
        return tuple(records)
    return tuple(_of_visit(r, visit) for r in records)


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            k: names.get(v, v) if k == "reference" and isinstance(v, str) else _renamed(v, names)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    return value


def _of_visit(record: Resource, visit: str) -> Resource:
    """The record with its visit named, where its type can and it doesn't."""
    kind, reference = record["resourceType"], {"reference": visit}
    if kind == "DocumentReference":
        context = record.get("context") or {}
        return {**record, "context": {"encounter": [reference], **context}}
    element = _ENCOUNTER.get(kind)
    return {**record, element: record.get(element) or reference} if element else record
