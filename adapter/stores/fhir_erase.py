"""Erasing from the FHIR server: out of read and search, then out of the version history.

First every resource is deleted, then each is expunged, so that all are out of sight as early as
can be. Repeatable: what is gone already is no error. Facts about HAPI, each measured:

- One *transaction* that deletes resources pointing at each other is refused (409, "version
  constraint"), and received ones may point in circles. A *batch* deletes each on its own.
- `$expunge` of a resource that somebody else's still points at answers 412, after it has removed
  every version with content; the mark that something was deleted stays until the reference goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from adapter.protocol.errors import FhirConflict, FhirRejected, FhirUnavailable
from adapter.stores.fhir_client import Client, NotThere
from adapter.stores.fhir_parts import chunks

log = structlog.get_logger(__name__)

#: Deletes a request: a batch of these takes HAPI about half a second.
BATCH = 200
#: Expunging at a time; twice as many were no faster (100 resources: 0.4 s, one by one 1.2 s).
THREADS = 4

_GONE = frozenset({404, 410})


def erase(client: Client, names: Iterable[str]) -> None:
    """Delete and expunge these resources (`Observation/abc`).

    Raises FhirUnavailable, also where another writer came between (run it again then), and
    FhirRejected where the server refuses; whatever could be erased is erased by then.
    """
    wanted = list(dict.fromkeys(names))
    statuses = [status for some in chunks(wanted, BATCH) for status in _deleted(client, some)]
    with ThreadPoolExecutor(THREADS, thread_name_prefix="expunge") as threads:
        list(threads.map(lambda name: _expunge(client, name), wanted))
    _check(statuses)


def _deleted(client: Client, names: list[str]) -> list[int]:
    entries = [{"request": {"method": "DELETE", "url": name}} for name in names]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    answer = client.execute("/", method="post", data=bundle)
    return [int(entry["response"]["status"][:3]) for entry in answer["entry"]]


def _check(statuses: list[int]) -> None:
    bad = [status for status in statuses if status >= 300 and status not in _GONE]
    if not bad:
        return
    sentence = f"The FHIR server did not delete {len(bad)} resources (HTTP {max(bad)})."
    if any(status in (409, 412, 429) or status >= 500 for status in bad):
        raise FhirUnavailable(sentence)
    raise FhirRejected(sentence)


def _expunge(client: Client, name: str) -> None:
    try:
        _ask(client, name, "expungeDeletedResources", "expungePreviousVersions")
    except FhirConflict:
        _ask(client, name, "expungePreviousVersions")
        log.warning(
            "a resource outside points at an erased record; only a mark without content stays",
            resource=name,
        )


def _ask(client: Client, name: str, *switches: str) -> None:
    parameters: dict[str, Any] = {
        "resourceType": "Parameters",
        "parameter": [{"name": switch, "valueBoolean": True} for switch in switches],
    }
    try:
        client.execute(f"{name}/$expunge", method="post", data=parameters)
    except NotThere:
        return
