"""What people and hospital systems may look at of transfers in, as plain dictionaries.

Read-only. No health data stands here: references, states, digests and sentences only; what was
received is in FHIR. `hiu_ids` are the facilities of ours that the asker may act for.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from adapter.protocol import timestamps
from adapter.rules.incoming import Outcome, statuses
from adapter.stores import incoming as transfers
from adapter.stores import incoming_pages
from adapter.stores.db import Tx, incoming, incoming_page, received_document

_TRANSFER = (
    incoming.c.id,
    incoming.c.transaction_id,
    incoming.c.artefact_id,
    incoming.c.hip_id,
    incoming.c.hiu_id,
    incoming.c.patient_id,
    incoming.c.state,
    incoming.c.page_count,
    incoming.c.created_at,
    incoming.c.last_page_at,
    incoming.c.notified_at,
    incoming.c.deadline,
    incoming.c.error,
    incoming.c.sentence,
)


def newest(
    tx: Tx, hiu_ids: Collection[str], *, limit: int, artefact_id: str | None = None
) -> list[dict[str, Any]]:
    """The newest transfers in to these facilities, under one artefact if so asked."""
    where: list[sa.ColumnElement[bool]] = [incoming.c.hiu_id.in_(hiu_ids)]
    if artefact_id is not None:
        where.append(incoming.c.artefact_id == artefact_id)
    found = tx.execute(
        sa.select(*_TRANSFER).where(*where).order_by(incoming.c.created_at.desc()).limit(limit)
    )
    return [{"direction": "in", **_plain(row)} for row in found]


def by_id(tx: Tx, hiu_ids: Collection[str], wanted: str) -> dict[str, Any] | None:
    """One transfer in with its care contexts, pages and documents, by its id or transaction id."""
    row = tx.execute(
        sa.select(*_TRANSFER).where(
            incoming.c.hiu_id.in_(hiu_ids),
            sa.or_(incoming.c.id == wanted, incoming.c.transaction_id == wanted),
        )
    ).first()
    if row is None:
        return None
    outcomes = [
        Outcome(each.reference, each.state, each.sentence)
        for each in incoming_pages.entries(tx, row.id)
    ]
    pages = tx.execute(
        sa.select(
            incoming_page.c.number,
            incoming_page.c.page_count,
            incoming_page.c.size,
            incoming_page.c.state,
            incoming_page.c.received_at,
            incoming_page.c.sentence,
        )
        .where(incoming_page.c.incoming_id == row.id)
        .order_by(incoming_page.c.received_at, incoming_page.c.number)
    )
    documents = tx.execute(
        sa.select(
            received_document.c.id,
            received_document.c.care_context,
            received_document.c.hi_type,
            received_document.c.sha256,
            received_document.c.size,
            received_document.c.stored,
            received_document.c.flags,
            received_document.c.received_at,
        )
        .where(
            received_document.c.incoming_id == row.id, received_document.c.stored_at.is_not(None)
        )
        .order_by(received_document.c.received_at, received_document.c.id)
    )
    return {
        "direction": "in",
        **_plain(row),
        "care_contexts": [
            {
                "reference": status.care_context_reference,
                "received": status.delivered,
                "sentence": status.description,
            }
            for status in statuses(transfers.contexts(tx, row.id), outcomes)
        ],
        "pages": [_plain(each) for each in pages],
        "documents": [_plain(each) for each in documents],
    }


def _plain(row: Any) -> dict[str, Any]:
    """A row as JSON can carry it; absent stays absent."""
    return {
        name: timestamps.format(value) if isinstance(value, datetime) else value
        for name, value in row._mapping.items()
        if value is not None
    }
