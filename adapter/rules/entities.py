"""HIMS entities on their way into the FHIR server: mapped, marked with origin and version.

Every resource of an entity carries `meta.source` (which entity it comes from, so that what a newer
version no longer has can be found and removed) and, where the HIMS gives `modified_date`, that time
as an extension of `meta` (so that an older version that arrives late overwrites nothing). Both stay
in the FHIR server: documents take neither. Pure; what is stored and answered is for
`flows.import_entities`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Any

import orjson

from mappings import hims
from mappings.coverage import to_fhir_with_coverage
from mappings.entities import to_fhir
from mappings.hims import EntityInvalid, Fault
from mappings.ids import fhir_id
from mappings.resources import Resource, as_list, key

SOURCE = "urn:abdm-adapter:entity:{}"
MODIFIED_EXTENSION = "urn:abdm-adapter:hims-modified"

#: Types whose ids say all they hold, so that several entities share one resource.
SHARED = frozenset({"Medication"})


_DELETED = Fault(
    "deleted",
    "says that the HIMS deleted this entity, so it is not imported; if an earlier import brought "
    "it, mark its FHIR resource entered-in-error, and no document will hold it",
)


class Outcome(StrEnum):
    """What became of one entity."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    OUTDATED = "outdated"  # a newer version is stored already, so this one was left out
    REFUSED = "refused"
    MAPPED = "mapped"  # a dry run: nothing was written
    EARLIER = "earlier"  # an earlier run of the same import stored it


@dataclass(frozen=True)
class Item:
    """One entity as it was sent. `position`: index in a list or line of a file.

    `unreadable`: why there is no entity at this position (a line that is no JSON).
    """

    position: int
    kind: str
    entity: object
    unreadable: str = ""


@dataclass(frozen=True)
class Result:
    """What became of one entity, for the answer or the report; sentences hold no values.

    `mapped`: it became FHIR; refused in spite of that, it was for its facility or by the server.
    """

    position: int
    kind: str
    hims_id: str | None
    outcome: Outcome
    resources: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    coverage: dict[str, Any] | None = None
    mapped: bool = False

    def as_dict(self, position_name: str) -> dict[str, Any]:
        """As JSON; the position under `position_name` ("index" or "line")."""
        return {
            position_name: self.position,
            "kind": self.kind,
            "id": self.hims_id,
            "outcome": str(self.outcome),
            "resources": list(self.resources),
            "faults": [{"field": f.field, "sentence": f.sentence} for f in self.faults],
            "coverage": self.coverage,
        }


@dataclass(frozen=True)
class Mapped:
    """An entity as FHIR resources with derived ids, its origin and version marked on each."""

    position: int
    kind: str
    hims_id: str
    facility: str
    modified: datetime | None
    resources: tuple[Resource, ...]
    coverage: dict[str, Any] | None
    size: int

    @property
    def own_id(self) -> str:
        """The FHIR id of the entity itself, whether or not a resource has it."""
        return fhir_id(self.facility, self.kind, self.hims_id)

    @property
    def source(self) -> str:
        """What `meta.source` of its resources says."""
        return SOURCE.format(self.own_id)

    def parts(self) -> list[str]:
        """Keys of the resources that a newer version may lack: not its own, no shared ones."""
        return [
            key(each)
            for each in self.resources
            if each["id"] != self.own_id and each["resourceType"] not in SHARED
        ]

    def to_write(self, stored: Mapping[str, Resource]) -> list[Resource]:
        """Its resources, but those that their own entity brought (`stored`: outlines by key).

        CARE nests diagnoses in a consultation and has them as entities too; the entity knows more.
        """
        return [
            each
            for each in self.resources
            if each["id"] == self.own_id or source_of(stored.get(key(each), {})) != own_source(each)
        ]

    def result(self, outcome: Outcome, *faults: Fault) -> Result:
        """What became of it."""
        keys = () if outcome is Outcome.REFUSED else tuple(key(r) for r in self.resources)
        return Result(
            self.position, self.kind, self.hims_id, outcome, keys, faults, self.coverage, True
        )


def to_mapped(item: Item, zone: tzinfo, *, coverage: bool) -> Mapped | Result:
    """One entity as FHIR, or the refusal with a field and a sentence for each fault.

    `zone`: of times that state none (`HIMS_TIMEZONE`). `coverage`: also measure what became of each
    field, which costs some milliseconds an entity.
    """
    if item.unreadable or not isinstance(item.entity, dict):
        sentence = item.unreadable or "should be a JSON object with the entity's fields"
        return refused(item, None, Fault("entity", sentence))
    hims_id = _readable_id(item.entity)
    if item.entity.get("deleted") is True:
        return refused(item, hims_id, _DELETED)
    try:
        modified = modified_at(item.entity, zone)
        entity = hims.read(item.kind, item.entity, zone=zone)
        content = {name: value for name, value in item.entity.items() if name != "modified_date"}
        made, covered = _made(item.kind, content, zone, coverage)
    except EntityInvalid as error:
        return refused(item, hims_id, *error.faults)
    facility = entity.id if item.kind == "facility" else entity.facility
    source = SOURCE.format(fhir_id(facility, item.kind, entity.id))
    resources = tuple(stamped(each, source, modified) for each in made)
    return Mapped(
        position=item.position,
        kind=item.kind,
        hims_id=entity.id,
        facility=facility,
        modified=modified,
        resources=resources,
        coverage=covered,
        size=len(orjson.dumps(resources)),
    )


def _made(
    kind: str, entity: dict[str, Any], zone: tzinfo, coverage: bool
) -> tuple[list[Resource], dict[str, Any] | None]:
    if not coverage:
        return to_fhir(kind, entity, zone), None
    mapped = to_fhir_with_coverage(kind, entity, zone)
    return mapped.resources, mapped.coverage.as_json()


def refused(item: Item, hims_id: str | None, *faults: Fault) -> Result:
    """An entity that doesn't go in, and why."""
    return Result(item.position, item.kind, hims_id, Outcome.REFUSED, (), faults)


def modified_at(entity: dict[str, Any], zone: tzinfo) -> datetime | None:
    """CARE's `modified_date` as aware UTC; None where the HIMS gives none.

    Raises EntityInvalid where it can't be read: taking it for absent could let an old version win.
    """
    value = entity.get("modified_date")
    if value is None or value == "":
        return None
    try:
        if not isinstance(value, str):
            raise TypeError
        moment = datetime.fromisoformat(value.strip())
        aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return aware.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        fault = Fault("modified_date", "should be a time like 2026-02-27T10:00:00+05:30")
        raise EntityInvalid("entity", (fault,)) from None


def stamped(resource: Resource, source: str, modified: datetime | None) -> Resource:
    """The resource with the entity it comes from and that entity's version in `meta`."""
    if resource["resourceType"] in SHARED:
        return {**resource, "meta": {**resource.get("meta", {}), "source": own_source(resource)}}
    meta = {**resource.get("meta", {}), "source": source}
    if modified is not None:
        instant = modified.isoformat(timespec="milliseconds")
        meta["extension"] = [
            *as_list(meta.get("extension")),
            {"url": MODIFIED_EXTENSION, "valueInstant": instant},
        ]
    return {**resource, "meta": meta}


def own_source(resource: Resource) -> str:
    """The source of the entity that has this resource's id as its own."""
    return SOURCE.format(resource["id"])


def source_of(resource: Resource) -> str | None:
    """The entity that a stored resource comes from."""
    source: str | None = (resource.get("meta") or {}).get("source")
    return source


def stored_version(outlines: Iterable[Resource]) -> datetime | None:
    """The `modified_date` that stored resources of an entity carry; None if they carry none."""
    times = [
        datetime.fromisoformat(extension["valueInstant"])
        for outline in outlines
        for extension in as_list((outline.get("meta") or {}).get("extension"))
        if extension.get("url") == MODIFIED_EXTENSION and extension.get("valueInstant")
    ]
    return max(times, default=None)


def is_outdated(entity: Mapped, outlines: Iterable[Resource]) -> bool:
    """Whether a newer version is stored. Without `modified_date` the last one sent counts."""
    stored = stored_version(outlines)
    if entity.modified is None or stored is None:
        return False
    # Stored to the millisecond: the very same version sent again must not look newer or older.
    return entity.modified.replace(microsecond=entity.modified.microsecond // 1000 * 1000) < stored


def _readable_id(entity: dict[str, Any]) -> str | None:
    """The entity's id, for the report, where it is a plain one."""
    value = entity.get("id")
    plain = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value)[:255] if plain else None
