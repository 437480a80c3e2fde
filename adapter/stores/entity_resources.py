"""Which FHIR resources a HIMS entity was ever made into, besides the one that has its own id.

Written before the FHIR server is, and never shortened: it says where to look for what a newer
version no longer has. Whether a resource is there and still the entity's is for the FHIR server to
say. (FHIR servers can't be asked: a search by `meta.source` reads every resource of a type.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from adapter.stores.db import Database, Tx, entity_resource


def of(tx: Tx, entities: Sequence[str]) -> dict[str, set[str]]:
    """The resources (`Observation/abc`) of each of these entities (their FHIR ids)."""
    found = defaultdict[str, set[str]](set)
    wanted = entity_resource.c.entity.in_(entities)
    for row in tx.execute(sa.select(entity_resource).where(wanted)):
        found[row.entity].add(row.resource)
    return found


def add(db: Database, tx: Tx, pairs: Iterable[tuple[str, str]]) -> None:
    """Note that these entities were made into these resources; known pairs stay."""
    for entity, resource in pairs:
        db.insert_new(tx, entity_resource, {"entity": entity, "resource": resource})
