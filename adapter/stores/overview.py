"""What people and hospital systems may look at: links and transfers as plain dictionaries.

Read-only. No health data stands here: references, states, sentences and counts only.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from adapter.protocol import timestamps
from adapter.stores.db import Tx, care_context_link, page, transfer, transfer_context

_TRANSFER = (
    transfer.c.id,
    transfer.c.transaction_id,
    transfer.c.consent_id,
    transfer.c.hip_id,
    transfer.c.push_host,
    transfer.c.state,
    transfer.c.page_count,
    transfer.c.created_at,
    transfer.c.done_at,
    transfer.c.error,
    transfer.c.sentence,
)


def links(tx: Tx, hip_ids: Collection[str], patient_id: str) -> list[dict[str, Any]]:
    """The link state of each care context and HI type of a patient at these facilities."""
    found = tx.execute(
        sa.select(
            care_context_link.c.hip_id,
            care_context_link.c.reference,
            care_context_link.c.hi_type,
            care_context_link.c.display,
            care_context_link.c.state,
            care_context_link.c.linked_at,
            care_context_link.c.error,
            care_context_link.c.sentence,
            care_context_link.c.remark,
        )
        .where(
            care_context_link.c.patient_id == patient_id, care_context_link.c.hip_id.in_(hip_ids)
        )
        .order_by(care_context_link.c.reference, care_context_link.c.hi_type)
    )
    return [_plain(row) for row in found]


def transfers(tx: Tx, hip_ids: Collection[str], *, limit: int) -> list[dict[str, Any]]:
    """The newest transfers of these facilities."""
    found = tx.execute(
        sa.select(*_TRANSFER)
        .where(transfer.c.hip_id.in_(hip_ids))
        .order_by(transfer.c.created_at.desc())
        .limit(limit)
    )
    return [_plain(row) for row in found]


def transfer_by_id(tx: Tx, hip_ids: Collection[str], wanted: str) -> dict[str, Any] | None:
    """One transfer with its care contexts and pages, by its id or transaction id; None if there
    is none at these facilities."""
    row = tx.execute(
        sa.select(*_TRANSFER).where(
            transfer.c.hip_id.in_(hip_ids),
            sa.or_(transfer.c.id == wanted, transfer.c.transaction_id == wanted),
        )
    ).first()
    if row is None:
        return None
    contexts = tx.execute(
        sa.select(
            transfer_context.c.reference, transfer_context.c.state, transfer_context.c.sentence
        )
        .where(transfer_context.c.transfer_id == row.id)
        .order_by(transfer_context.c.position)
    )
    pages = tx.execute(
        sa.select(
            page.c.number,
            page.c.reference,
            page.c.hi_type,
            page.c.state,
            page.c.size,
            page.c.attempts,
            page.c.sent_at,
            page.c.sentence,
        )
        .where(page.c.transfer_id == row.id)
        .order_by(page.c.number)
    )
    return {
        **_plain(row),
        "care_contexts": [_plain(each) for each in contexts],
        "pages": [_plain(each) for each in pages],
    }


def _plain(row: Any) -> dict[str, Any]:
    """A row as JSON can carry it; absent stays absent."""
    return {
        name: timestamps.format(value) if isinstance(value, datetime) else value
        for name, value in row._mapping.items()
        if value is not None
    }
