"""Links as people look at them: by care context, those in trouble first. Reads only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from adapter.rules.link_status import LinkRow
from adapter.rules.states import CareContextLinkState
from adapter.stores.db import Tx, care_context_link

_KEY = (
    care_context_link.c.hip_id,
    care_context_link.c.patient_id,
    care_context_link.c.reference,
)


@dataclass(frozen=True)
class LinkedContext:
    """A care context with the link of each of its HI types."""

    hip_id: str
    patient_id: str
    reference: str
    display: str
    rows: tuple[LinkRow, ...]


def of_patient(tx: Tx, hip_ids: Collection[str], patient_id: str) -> list[LinkedContext]:
    """The care contexts of a patient that have a link, done or not."""
    return _contexts(tx, hip_ids, care_context_link.c.patient_id == patient_id, 10_000)


def unfinished(
    tx: Tx, hip_ids: Collection[str], *, limit: int, failed_only: bool = False
) -> list[LinkedContext]:
    """Care contexts with a link that is neither done nor withdrawn, the oldest first."""
    done = [CareContextLinkState.LINKED, CareContextLinkState.WITHDRAWN]
    if failed_only:
        open_ = care_context_link.c.state == CareContextLinkState.FAILED
    else:
        open_ = care_context_link.c.state.not_in(done)
    return _contexts(tx, hip_ids, open_, limit)


def counts(tx: Tx, hip_ids: Collection[str]) -> dict[str, int]:
    """How many links there are in each state."""
    found = tx.execute(
        sa.select(care_context_link.c.state, sa.func.count())
        .where(care_context_link.c.hip_id.in_(hip_ids))
        .group_by(care_context_link.c.state)
    )
    return {row[0]: row[1] for row in found}


def _contexts(
    tx: Tx, hip_ids: Collection[str], where: sa.ColumnElement[bool], limit: int
) -> list[LinkedContext]:
    wanted = (
        sa.select(*_KEY)
        .where(care_context_link.c.hip_id.in_(hip_ids), where)
        .group_by(*_KEY)
        .order_by(sa.func.min(care_context_link.c.created_at), care_context_link.c.reference)
        .limit(limit)
        .subquery()
    )
    same = sa.and_(*(column == wanted.c[column.name] for column in _KEY))
    grouped: dict[tuple[str, str, str], list[sa.Row[tuple[object, ...]]]] = {}
    found = tx.execute(
        sa.select(care_context_link)
        .join(wanted, same)
        .order_by(
            care_context_link.c.created_at,
            care_context_link.c.reference,
            care_context_link.c.hi_type,
        )
    )
    for row in found:
        grouped.setdefault((row.hip_id, row.patient_id, row.reference), []).append(row)
    return [
        LinkedContext(
            hip_id,
            patient_id,
            reference,
            rows[0].display,
            tuple(
                LinkRow(
                    row.hi_type,
                    CareContextLinkState(row.state),
                    row.sentence,
                    row.remark,
                    row.again_at,
                )
                for row in rows
            ),
        )
        for (hip_id, patient_id, reference), rows in grouped.items()
    ]
