"""HIMS entities in groups for one FHIR transaction each, in the order they were sent. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from adapter.rules.entities import SHARED, Mapped, Result
from mappings.resources import key

#: What one FHIR transaction holds at most. A single entity may be larger and goes alone.
BATCH_ENTITIES = 100
BATCH_BYTES = 8 * 1024 * 1024


@dataclass
class Batch:
    """Entities for one FHIR transaction, and those refused on the way, in the order sent."""

    members: list[Mapped | Result] = field(default_factory=list)

    @property
    def mapped(self) -> list[Mapped]:
        """Those that can be stored."""
        return [each for each in self.members if isinstance(each, Mapped)]

    def results(self, stored: Iterable[Result]) -> list[Result]:
        """All results in the order sent, with those of `mapped` filled in."""
        waiting = iter(stored)
        return [next(waiting) if isinstance(each, Mapped) else each for each in self.members]


def batches(members: Iterable[Mapped | Result]) -> Iterator[Batch]:
    """Batches in the order sent: never over the limits, no resource twice in one but shared ones.

    The same entity twice in a list lands in two batches, so that the second is compared with the
    first.
    """
    batch, size, keys = Batch(), 0, set[str]()
    for each in members:
        made = each.resources if isinstance(each, Mapped) else ()
        own = {key(r) for r in made if r["resourceType"] not in SHARED}
        more = each.size if isinstance(each, Mapped) else 0
        full = len(batch.members) >= BATCH_ENTITIES or (keys and size + more > BATCH_BYTES)
        if batch.members and (full or own & keys):
            yield batch
            batch, size, keys = Batch(), 0, set()
        batch.members.append(each)
        size, keys = size + more, keys | own
    if batch.members:
        yield batch
