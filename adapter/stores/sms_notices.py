"""SQL of the SMS that ABDM was asked to send: one row a visit, ever. Decides nothing itself."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import sqlalchemy as sa

from adapter.rules import states
from adapter.rules.states import SmsNoticeState
from adapter.stores.db import Tx, sms_notice

if TYPE_CHECKING:
    from adapter.runtime import Adapter


def add(
    tx: Tx, adapter: Adapter, *, hip_id: str, patient_id: str, reference: str, now: datetime
) -> str | None:
    """The id of a new notice; None where this visit has one already."""
    notice_id = str(uuid4())
    values = {
        "id": notice_id,
        "hip_id": hip_id,
        "patient_id": patient_id,
        "reference": reference,
        "state": SmsNoticeState.SENT,
        "created_at": now,
    }
    return notice_id if adapter.db.insert_new(tx, sms_notice, values) else None


def close(
    tx: Tx, notice_id: str, state: SmsNoticeState, now: datetime, sentence: str | None
) -> None:
    """Say what became of a notice, where that is allowed."""
    tx.execute(
        sa.update(sms_notice)
        .where(sms_notice.c.id == notice_id, sms_notice.c.state.in_(states.sources(state)))
        .values(state=state, closed_at=now, sentence=sentence and sentence[:500])
    )
