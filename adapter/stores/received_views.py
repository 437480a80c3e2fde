"""SQL of what may be looked at of received documents: theirs and their artefact's row together.

Only documents whose write to FHIR is known to have succeeded. Facilities come with every question,
so that nobody finds another's. Decides nothing: whether a consent still permits it, the flow asks.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from adapter.stores import hiu_artefacts
from adapter.stores.db import Tx, hiu_artefact, received_document, received_resource
from adapter.stores.hiu_artefacts import HiuArtefact
from adapter.stores.received import Document

LIMIT = 500


@dataclass(frozen=True)
class View:
    """A document, and the artefact under which it was received."""

    document: Document
    artefact: HiuArtefact


def documents(
    tx: Tx,
    hiu_ids: Collection[str],
    *,
    patient_id: str | None = None,
    artefact_id: str | None = None,
    hip_id: str | None = None,
    hi_type: str | None = None,
) -> list[View]:
    """Documents received by these facilities, the newest first, LIMIT at most."""
    wanted = {
        received_document.c.patient_id: patient_id,
        received_document.c.artefact_id: artefact_id,
        received_document.c.hip_id: hip_id,
        received_document.c.hi_type: hi_type,
    }
    return _views(
        tx, hiu_ids, *(column == value for column, value in wanted.items() if value is not None)
    )


def document(tx: Tx, hiu_ids: Collection[str], document_id: str) -> View | None:
    """One document received by these facilities."""
    return next(iter(_views(tx, hiu_ids, received_document.c.id == document_id)), None)


def parts(tx: Tx, document_id: str) -> list[str]:
    """The FHIR resources (`Observation/rcv-…`) that a document was or may have been split into."""
    found = sa.select(received_resource.c.resource).where(
        received_resource.c.document_id == document_id,
        ~received_resource.c.resource.startswith("Binary/"),
        ~received_resource.c.resource.startswith("Provenance/"),
    )
    return list(tx.scalars(found.order_by(received_resource.c.resource)))


def _views(tx: Tx, hiu_ids: Collection[str], *where: sa.ColumnElement[bool]) -> list[View]:
    rows = tx.execute(
        sa.select(*(received_document.c[name] for name in Document.__dataclass_fields__))
        .join(hiu_artefact, hiu_artefact.c.id == received_document.c.artefact_id)
        .where(
            hiu_artefact.c.hiu_id.in_(sorted(hiu_ids)),
            received_document.c.stored_at.is_not(None),
            *where,
        )
        .order_by(received_document.c.received_at.desc(), received_document.c.id)
        .limit(LIMIT)
    )
    found = [Document(**row._mapping) for row in rows]
    artefacts = {
        artefact_id: hiu_artefacts.by_id(tx, artefact_id)
        for artefact_id in {each.artefact_id for each in found}
    }
    return [
        View(each, artefact)
        for each in found
        if (artefact := artefacts[each.artefact_id]) is not None
    ]
