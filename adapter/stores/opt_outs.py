"""SQL of patients who opted out, so that nothing of theirs is linked or released."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from adapter.stores.db import Tx, opt_out

if TYPE_CHECKING:
    from adapter.runtime import Adapter


def add(tx: Tx, adapter: Adapter, patient_id: str, requester: str, now: datetime) -> None:
    """Remember that a patient opted out; the first word about it stays."""
    values = {"patient_id": patient_id, "requester": requester, "created_at": now}
    adapter.db.insert_new(tx, opt_out, values)


def remove(tx: Tx, patient_id: str) -> None:
    """The patient takes part again."""
    tx.execute(sa.delete(opt_out).where(opt_out.c.patient_id == patient_id))


def among(tx: Tx, patient_ids: Collection[str]) -> frozenset[str]:
    """Those of these patients who opted out."""
    found = sa.select(opt_out.c.patient_id).where(opt_out.c.patient_id.in_(patient_ids))
    return frozenset(tx.scalars(found))
