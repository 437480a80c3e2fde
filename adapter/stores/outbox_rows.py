"""What a row of the outbox is: where it goes, in which state it is, and what it carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from adapter.protocol.messages import Envelope


class Kind(StrEnum):
    """Where a row goes."""

    MESSAGE = "message"
    OTP = "otp"
    AUDIT = "audit"
    TAG = "tag"


class State(StrEnum):
    """WAITING → (AWAITING an answer) → DONE, or DEAD or UNANSWERED, which `retry` reopens."""

    WAITING = "WAITING"
    AWAITING = "AWAITING"
    DONE = "DONE"
    DEAD = "DEAD"
    UNANSWERED = "UNANSWERED"


ENDED_BADLY = (State.DEAD, State.UNANSWERED)
#: A row that nobody works on and nothing is wrong with.
FREE: Mapping[str, None] = {"lease_until": None, "lease_id": None, "error": None, "sentence": None}


@dataclass(frozen=True)
class Otp:
    """A one-time password (`code`, and in `text`) on its way to a patient's mobile. Never log."""

    mobile: str
    text: str
    code: str = ""


@dataclass(frozen=True)
class OutboxRow:
    """One row as read. `body` is sealed, None once blanked; `attempts` counts claims."""

    id: str
    kind: str
    message: str
    dialect: str | None
    hip_id: str | None
    hiu_id: str | None
    response_to: str | None
    conversation: str | None
    subject: str | None
    body: bytes | None
    state: str
    due_at: datetime
    deadline: datetime
    attempts: int
    lease_id: str | None
    created_at: datetime
    done_at: datetime | None
    error: str | None
    sentence: str | None

    def envelope(self) -> Envelope:
        """The envelope it was queued under; the attempt's id and time are the sender's."""
        return Envelope(
            dialect=self.dialect or "",
            hip_id=self.hip_id,
            hiu_id=self.hiu_id,
            response_to=self.response_to,
        )


def read(row: sa.Row[Any]) -> OutboxRow:
    """A row of the table, as it was selected."""
    return OutboxRow(**{name: getattr(row, name) for name in OutboxRow.__dataclass_fields__})
