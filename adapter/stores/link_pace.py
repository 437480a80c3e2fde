"""SQL of the pace of calls about an ABHA address: one row each, shared by all workers.

`of` takes the row's lock, so two workers can't both find that a call may leave. Decides nothing
itself (`rules.link_pace` does).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from adapter.rules.link_pace import Pace
from adapter.stores.db import Tx, link_pace

if TYPE_CHECKING:
    from adapter.runtime import Adapter


def of(tx: Tx, adapter: Adapter, abha_address: str) -> Pace:
    """The pace of an ABHA address (any case), held until the transaction ends."""
    address = abha_address.casefold()
    adapter.db.insert_new(tx, link_pace, {"abha_address": address, "refusals": []})
    row = tx.execute(
        sa.select(link_pace).where(link_pace.c.abha_address == address).with_for_update()
    ).one()
    return Pace(
        row.asked_at,
        tuple(datetime.fromisoformat(time) for time in row.refusals),
        row.blocked_until,
    )


def put(tx: Tx, abha_address: str, pace: Pace) -> None:
    """Write a pace that `of` has read in this transaction."""
    tx.execute(
        sa.update(link_pace)
        .where(link_pace.c.abha_address == abha_address.casefold())
        .values(
            asked_at=pace.asked_at,
            refusals=[time.isoformat() for time in pace.refusals],
            blocked_until=pace.blocked_until,
        )
    )
