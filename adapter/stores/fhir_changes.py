"""What was written to the FHIR server since a moment of its own time, and who is told of it.

Times are the server's: those of its `meta.lastUpdated`, of records and of the answer itself (R4,
history: clients that ask for what is new use the server's time, since clocks differ).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapter.protocol.errors import FhirUnavailable
from adapter.stores.fhir_client import PAGE, Client, resources_of

Resource = dict[str, Any]


@dataclass(frozen=True)
class Changes:
    """`server_time`: the server's time at the search; `pages`: the outlines, read as consumed."""

    server_time: datetime
    pages: Iterator[list[Resource]]


def changes(client: Client, resource_type: str, since: datetime, elements: str) -> Changes:
    """Records of one type that were written at or after `since`: one search, one page at a time."""
    found = client.pages(
        resource_type,
        {
            "_lastUpdated": f"ge{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z",
            "_sort": "_lastUpdated",
            "_elements": elements,
            "_count": str(PAGE),
        },
    )
    first = next(found)

    def pages() -> Iterator[list[Resource]]:
        yield list(resources_of(first))
        for page in found:
            yield list(resources_of(page))

    return Changes(_stated(first), pages())


def server_time(client: Client, resource_type: str) -> datetime:
    """The server's time now."""
    search = {"_id": "none", "_elements": "id", "_count": "1"}
    return _stated(next(client.pages(resource_type, search)))


def dated(
    client: Client, resource_type: str, parameters: Mapping[str, str | list[str]], elements: str
) -> Iterator[list[Resource]]:
    """Outlines of a search, page by page."""
    search = {**parameters, "_elements": elements, "_count": str(PAGE)}
    for page in client.pages(resource_type, search):
        yield list(resources_of(page))


def subscriptions(client: Client, ids: Sequence[str]) -> dict[str, Resource]:
    """The Subscriptions under these ids; those not there are absent."""
    search = {"_id": ",".join(ids), "_count": str(PAGE)}
    return {each["id"]: each for each in client.search("Subscription", search)}


def written_at(resource: Resource) -> datetime | None:
    """When the server wrote this version; None where it doesn't say."""
    text = str((resource.get("meta") or {}).get("lastUpdated", ""))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _stated(bundle: Resource) -> datetime:
    found = written_at(bundle)
    if found is None:
        raise FhirUnavailable(
            "The FHIR server's answer to a search states no time (Bundle.meta.lastUpdated), which "
            "the record watch needs."
        )
    return found
